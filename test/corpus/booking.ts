/**
 * Sends a scenario through the public exporter into a Keito in memory.
 *
 * @module
 */
import { type KeitoClient, KeitoSpanExporter, type Settlement } from '../../src/index.ts'
import type { Scenario, Tokens } from './scenario.ts'

/** What reached Keito, as far as it is compared. */
export interface Booked {
  readonly expenses: readonly (Tokens & {
    readonly session: string
    readonly model: string
    readonly billable: boolean
  })[]
  readonly entries: readonly { readonly session: string; readonly durationMs: number }[]
}

/** A Keito in memory: a client to it, and what has reached it. */
export function keitoInMemory(): { readonly client: KeitoClient; readonly booked: Booked } {
  const expenses: Booked['expenses'][number][] = []
  const entries: Booked['entries'][number][] = []
  let count = 0
  const client: KeitoClient = {
    timeEntries: {
      create: async ({ metadata }) => {
        entries.push({ session: String(metadata.session_id), durationMs: Number(metadata.duration_ms) })
        return { id: `entry-${++count}` }
      },
    },
    expenses: {
      create: async ({ metadata, billable }) => {
        const [input, output] = [Number(metadata.input_tokens), Number(metadata.output_tokens)]
        const model = String(metadata.model)
        expenses.push({ session: String(metadata.session_id), model, input, output, billable: billable !== false })
        return { id: `expense-${++count}` }
      },
    },
  }
  return { client, booked: { expenses, entries } }
}

/** Exports the batches of a scenario one after the other, flushes, shuts down, and answers what was booked. */
export async function book({ batches }: Scenario): Promise<Booked> {
  const { client, booked } = keitoInMemory()
  const exporter = new KeitoSpanExporter({ client, projectId: 'prj', taskId: 'tsk', expenseCategoryId: 'cat' })
  for (const batch of batches) exporter.export(batch, () => undefined)
  await exporter.forceFlush()
  await exporter.shutdown()
  return booked
}

/** What settlements come to, in Keito's terms. */
export function bookedBy(settled: readonly Settlement[]): Booked {
  return {
    expenses: settled.flatMap(({ sessionId, models, outcome }) =>
      models.map(({ model, usage: { input, output } }) => {
        return { session: sessionId, model, input, output, billable: outcome === 'ok' }
      }),
    ),
    entries: settled.flatMap(({ sessionId, time, outcome }) =>
      time && outcome === 'ok' ? [{ session: sessionId, durationMs: Number(time.durationNs) / 1e6 }] : [],
    ),
  }
}
