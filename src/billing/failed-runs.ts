/**
 * What is booked of a failed run: the `failedRuns` option.
 *
 * @module
 */
import type { FailedRunPolicy, Settings } from '../options.ts'
import type { Settlement } from '../session/settlement.ts'

/** The settlement without what is not booked because the run failed. */
export function withoutSkipped(settlement: Settlement, policies: Settings['failedRuns']): Settlement {
  if (settlement.outcome === 'ok') return settlement
  const kept = policies.time === 'skip' ? withoutTime(settlement) : settlement
  return policies.expense === 'skip' ? withoutModels(kept) : kept
}

/** The settlement without its time. */
export function withoutTime(settlement: Settlement): Settlement {
  const { time: _, ...rest } = settlement
  return rest
}

/** The settlement without its tokens. */
export function withoutModels(settlement: Settlement): Settlement {
  return { ...settlement, models: [] }
}

/**
 * Whether the client pays for a record.
 *
 * @param billable What the attribution says.
 * @param policy What is done with such records of failed runs.
 */
export function isBillable(billable: boolean, outcome: Settlement['outcome'], policy: FailedRunPolicy): boolean {
  return billable && (outcome === 'ok' || policy === 'billed')
}
