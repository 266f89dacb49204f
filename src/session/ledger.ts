/**
 * What of a session has been billed, and what is due beyond it. Nothing is ever taken back: when a later look at the
 * session moves tokens or minutes from one run or model to another, only the excess over the total is due.
 *
 * @module
 */
import type { Usage } from '../genai/fact.ts'
import { type Interval, lengthOf, unionOf } from '../otel/time.ts'
import { entryCountOf } from './hours.ts'
import { addUsage, excessUsage, totalOf } from './merge.ts'
import type { ModelUsage, RunTime, Settlement } from './settlement.ts'
import type { RunStatement } from './statement.ts'

interface BilledTime {
  /** The intervals that a time entry was made for. */
  readonly intervals: readonly Interval[]
  /** Time entries made so far. */
  readonly entries: number
}

interface BilledModel {
  readonly runId: string
  readonly model: string
  readonly usage: Usage
  readonly llmCalls: number
  /** Expenses made so far. */
  readonly expenses: number
}

/** What of one session has been billed. */
export interface Ledger {
  /** By run id. */
  readonly time: ReadonlyMap<string, BilledTime>
  /** By run id and model. */
  readonly models: ReadonlyMap<string, BilledModel>
}

/** What a ledger goes by. */
export interface LedgerRules {
  /** Whether the time of failed runs is booked at all. Where it is not, an agent above one still owns those minutes. */
  readonly keepsFailedTime: boolean
  /** Whether the time of runs that are adrift is due too: nobody expects the spans above them any more. */
  readonly isFinal: boolean
}

/** Nothing has been billed yet. */
export const EMPTY_LEDGER: Ledger = { time: new Map(), models: new Map() }

/**
 * Settles a session: what is due now, and the ledger after it.
 *
 * @param sessionId The trace id.
 * @param statements All runs of the session with all that is known of them now.
 * @param ledger What has been billed of it.
 */
export function settle(
  sessionId: string,
  statements: readonly RunStatement[],
  ledger: Ledger,
  rules: LedgerRules,
): { readonly settlements: readonly Settlement[]; readonly ledger: Ledger } {
  const time = new Map(ledger.time)
  const models = new Map(ledger.models)
  const credits = creditsOf(statements, ledger)
  const runIds = new Set(statements.flatMap(({ runId, worked }) => (worked ? [runId] : [])))

  const settlements: Settlement[] = []
  for (const statement of statements) {
    const waits = statement.isAdrift && !rules.isFinal
    const dueTime = waits ? undefined : timeDue(statement, ledger, runIds)
    if (dueTime && statement.worked) {
      const intervals = rules.keepsFailedTime || statement.outcome === 'ok' ? statement.worked : []
      const before = time.get(statement.runId)
      time.set(statement.runId, {
        intervals: unionOf([...(before?.intervals ?? []), ...intervals]),
        entries: dueTime.index + entryCountOf(dueTime.durationNs),
      })
    }
    const dueModels: ModelUsage[] = []
    for (const [model, total] of statement.models) {
      const key = keyOf(statement.runId, model)
      const billed = models.get(key)
      const usage = credits.reduce(
        (due, credit) => credit.cover(due, model),
        billed ? excessUsage(total.usage, billed.usage) : total.usage,
      )
      if (totalOf(usage) === 0) continue
      const llmCalls = Math.max(0, total.llmCalls - (billed?.llmCalls ?? 0))
      const index = billed?.expenses ?? 0
      dueModels.push({ model, ...(total.provider ? { provider: total.provider } : {}), usage, llmCalls, index })
      models.set(key, {
        runId: statement.runId,
        model,
        usage: billed ? addUsage(billed.usage, usage) : usage,
        llmCalls: total.llmCalls,
        expenses: index + 1,
      })
    }
    if (dueTime || dueModels.length > 0) settlements.push(settlementOf(sessionId, statement, dueTime, dueModels))
  }
  return { settlements, ledger: { time, models } }
}

/**
 * The time of a run that was not billed yet: without what it was billed for before, and without what was billed for
 * spans that were taken for runs until more was known: agents below it, containers around it, the session itself.
 */
function timeDue(statement: RunStatement, ledger: Ledger, runIds: ReadonlySet<string>): RunTime | undefined {
  const { worked, runId, contains, liesIn } = statement
  if (!worked) return undefined
  const before = ledger.time.get(runId)
  const billed = [...ledger.time]
    .filter(([id]) => id === runId || (!runIds.has(id) && (contains.has(id) || liesIn.has(id))))
    .flatMap(([, { intervals }]) => intervals)
  const durationNs = lengthOf([...worked, ...billed]) - lengthOf(billed)
  if (before && durationNs === 0n) return undefined
  return { durationNs, index: before?.entries ?? 0 }
}

/** Tokens that were billed under a run or model where, as known now, they do not belong. */
class Credit {
  readonly #model: string
  readonly #sameModelOnly: boolean
  readonly #left: { usage: Usage }

  constructor(model: string, left: { usage: Usage }, sameModelOnly: boolean) {
    this.#model = model
    this.#left = left
    this.#sameModelOnly = sameModelOnly
  }

  /** Pays for tokens that are due, as far as it reaches, and answers what is still due. */
  cover(due: Usage, model: string): Usage {
    if (this.#sameModelOnly && model !== this.#model) return due
    const rest = excessUsage(due, this.#left.usage)
    this.#left.usage = excessUsage(this.#left.usage, due)
    return rest
  }
}

/** All credits, first for the same model, then for any: in doubt a token was billed already. */
function creditsOf(statements: readonly RunStatement[], ledger: Ledger): readonly Credit[] {
  const now = new Map<string, Usage>()
  for (const { runId, models } of statements) {
    for (const [model, { usage }] of models) now.set(keyOf(runId, model), usage)
  }
  const sources = [...ledger.models].flatMap(([key, { model, usage }]) => {
    const current = now.get(key)
    const left = { usage: current ? excessUsage(usage, current) : usage }
    return totalOf(left.usage) > 0 ? [{ model, left }] : []
  })
  return [
    ...sources.map(({ model, left }) => new Credit(model, left, true)),
    ...sources.map(({ model, left }) => new Credit(model, left, false)),
  ]
}

function settlementOf(
  sessionId: string,
  statement: RunStatement,
  time: RunTime | undefined,
  models: readonly ModelUsage[],
): Settlement {
  const { runId, agentName, serviceName, emitter, outcome, startNs, endNs, llmCalls, toolCalls, attribution } =
    statement
  return {
    sessionId,
    runId,
    ...(agentName === undefined ? {} : { agentName }),
    ...(serviceName === undefined ? {} : { serviceName }),
    emitter,
    outcome,
    startNs,
    endNs,
    ...(time ? { time } : {}),
    llmCalls,
    toolCalls,
    models,
    allModels: [...statement.models.keys()],
    attribution,
  }
}

function keyOf(runId: string, model: string): string {
  return `${runId} ${model}`
}
