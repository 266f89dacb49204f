/**
 * Which tokens are due beyond those that were billed. They are reckoned by run and model, and what is due of a run is
 * then shared among its agents: whether each of them is billed on its own changes nothing about how much is billed.
 *
 * @module
 */
import { NO_USAGE, type Usage } from '../genai/fact.ts'
import { groupBy } from './group-by.ts'
import type { Ledger } from './ledger.ts'
import { addUsage, eachPart, excessUsage, totalOf } from './merge.ts'
import { mostTokensFirst } from './model-totals.ts'
import type { RunStatement } from './statement.ts'

/** The key under which tokens of a run or agent and a model are kept. */
export function modelKey(runId: string, model: string): string {
  return `${runId} ${model}`
}

/**
 * The tokens that are due of each run or agent and model, by {@link modelKey}.
 *
 * @param statements All runs of a session with all that is known of them now.
 * @param billed What has been billed of the session.
 */
export function tokensDue(statements: readonly RunStatement[], billed: Ledger['models']): ReadonlyMap<string, Usage> {
  const now = totalsOf(statements)
  const before = billedTotals(statements, billed)
  const credits = creditsOf(now, before)
  const due = new Map<string, Usage>()
  for (const [key, { model, usage, agents }] of now) {
    let left = credits.reduce((rest, credit) => credit.cover(rest, model), beyond(usage, before.get(key)?.usage))
    for (const agent of agents) {
      const own = modelKey(agent.runId, model)
      const share = eachPart(left, beyond(agent.models.get(model)?.usage ?? NO_USAGE, billed.get(own)?.usage), Math.min)
      left = excessUsage(left, share)
      due.set(own, share)
    }
  }
  return due
}

interface Total {
  readonly model: string
  readonly usage: Usage
}

/** By outermost run and model, all tokens now and the agents that used them; within a run most tokens first. */
function totalsOf(
  statements: readonly RunStatement[],
): ReadonlyMap<string, Total & { readonly agents: readonly RunStatement[] }> {
  const runs = [...groupBy(statements, ({ outermostId }) => outermostId)]
  return new Map(
    runs.flatMap(([runId, all]) => {
      const models = new Set(all.flatMap((agent) => [...agent.models.keys()]))
      const totals = [...models].map((model) => {
        const agents = all.filter((agent) => agent.models.has(model))
        return { model, usage: sumOf(agents.map((agent) => agent.models.get(model)?.usage ?? NO_USAGE)), agents }
      })
      return totals.sort(mostTokensFirst).map((total) => [modelKey(runId, total.model), total] as const)
    }),
  )
}

/** By outermost run, as known now, and model, what was billed. */
function billedTotals(statements: readonly RunStatement[], billed: Ledger['models']): ReadonlyMap<string, Total> {
  const runOf = new Map(statements.map(({ runId, outermostId }) => [runId, outermostId]))
  const parts = groupBy(billed.values(), ({ runId, model }) => modelKey(runOf.get(runId) ?? runId, model))
  return new Map(
    [...parts].map(([key, all]) => [key, { model: all[0]?.model ?? '', usage: sumOf(all.map(({ usage }) => usage)) }]),
  )
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
function creditsOf(now: ReadonlyMap<string, Total>, before: ReadonlyMap<string, Total>): readonly Credit[] {
  const sources = [...before].flatMap(([key, { model, usage }]) => {
    const left = { usage: beyond(usage, now.get(key)?.usage) }
    return totalOf(left.usage) > 0 ? [{ model, left }] : []
  })
  return [
    ...sources.map(({ model, left }) => new Credit(model, left, true)),
    ...sources.map(({ model, left }) => new Credit(model, left, false)),
  ]
}

function beyond(usage: Usage, other: Usage | undefined): Usage {
  return other ? excessUsage(usage, other) : usage
}

function sumOf(usages: readonly Usage[]): Usage {
  return usages.reduce(addUsage, NO_USAGE)
}
