/**
 * Which time is due beyond what was billed. It is reckoned by run, and what is due of a run is then shared among its
 * agents: whether each of them is billed on its own changes nothing about how much is billed.
 *
 * @module
 */
import { type Interval, lengthOf, unionOf } from '../otel/time.ts'
import { groupBy } from './group-by.ts'
import { entryCountOf } from './hours.ts'
import type { BilledTime, LedgerRules } from './ledger.ts'
import type { RunTime } from './settlement.ts'
import type { RunStatement } from './statement.ts'

/**
 * The time that is due of each run or agent, by its id, and what is billed with it. An agent with no time of its own is
 * due one entry all the same, of no hours.
 *
 * @param statements All runs of a session with all that is known of them now.
 * @param before What had been billed of the session's time.
 */
export function timeDue(
  statements: readonly RunStatement[],
  before: ReadonlyMap<string, BilledTime>,
  rules: LedgerRules,
): { readonly due: ReadonlyMap<string, RunTime>; readonly billed: ReadonlyMap<string, BilledTime> } {
  const due = new Map<string, RunTime>()
  const after = new Map(before)
  const entriesOf = (id: string) => before.get(id)?.entries ?? 0
  const runs = groupBy(
    statements.filter(({ worked }) => worked),
    ({ outermostId }) => outermostId,
  )
  for (const [outermostId, agents] of runs) {
    const [any] = agents
    if (!any || (any.isAdrift && !rules.isFinal)) continue
    const billed = billedBefore(any, before, (id) => runs.has(id))
    for (const { runId, worked } of agents) {
      const durationNs = lengthBeyond(worked ?? [], billed)
      const index = entriesOf(runId)
      if (index > 0 && durationNs === 0n) continue
      due.set(runId, { durationNs, index })
      note(after, runId, [], index + entryCountOf(durationNs))
    }
    const worked = agents.flatMap((agent) => agent.worked ?? [])
    const isBooked = rules.keepsFailedTime || any.outcome === 'ok'
    const isNew = entriesOf(outermostId) === 0 || lengthBeyond(worked, billed) > 0n
    if (isNew && isBooked) note(after, outermostId, worked)
  }
  return { due, billed: after }
}

/**
 * What was billed before of the time of a run: what was billed for it, and for spans that were taken for runs until
 * more was known: agents below it, containers around it, the session itself.
 */
function billedBefore(
  { outermostId, contains, liesIn }: RunStatement,
  before: ReadonlyMap<string, BilledTime>,
  isRun: (id: string) => boolean,
): readonly Interval[] {
  const isMeant = (id: string) => id === outermostId || (!isRun(id) && (contains.has(id) || liesIn.has(id)))
  return unionOf([...before].flatMap(([id, { intervals }]) => (isMeant(id) ? intervals : [])))
}

function lengthBeyond(intervals: readonly Interval[], billed: readonly Interval[]): bigint {
  return lengthOf([...intervals, ...billed]) - lengthOf(billed)
}

/** Adds to what was billed of the time of a run or agent. */
function note(time: Map<string, BilledTime>, id: string, intervals: readonly Interval[], entries = 0): void {
  const known = time.get(id)
  time.set(id, {
    intervals: unionOf([...(known?.intervals ?? []), ...intervals]),
    entries: Math.max(known?.entries ?? 0, entries),
  })
}
