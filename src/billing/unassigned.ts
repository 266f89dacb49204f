/**
 * What cannot be booked yet, as items with keys: the same part of a run is kept once, wherever it comes from.
 *
 * @module
 */
import type { MissingId, Unassigned } from '../delivery/outbox.ts'
import type { ModelUsage, Settlement } from '../session/settlement.ts'
import { withoutTime } from './failed-runs.ts'
import { expenseKey, timeEntryKey, timeEntryKeysOf } from './key.ts'

/** The item that keeps a settlement, or a part of one, for want of an id. */
export function unassignedOf(settlement: Settlement, missing: readonly MissingId[]): Unassigned {
  const [key = timeEntryKey(settlement.sessionId, settlement.runId, 0)] = recordKeysOf(settlement)
  return { key, settlement, missing }
}

/** The keys of all records that a settlement comes to, those of time first. */
export function recordKeysOf(settlement: Settlement): readonly string[] {
  return [...timeEntryKeysOf(settlement), ...settlement.models.map((used) => keyOf(settlement, used))]
}

/**
 * The part of an item that is not known yet; undefined when all of it is, and the item itself when nothing is.
 *
 * @param isKnown Whether a record with this key was made, or is kept in another item.
 */
export function unknownPartOf(item: Unassigned, isKnown: (key: string) => boolean): Unassigned | undefined {
  const { settlement, missing } = item
  const models = settlement.models.filter((used) => !isKnown(keyOf(settlement, used)))
  const isTimeKnown = settlement.time !== undefined && timeEntryKeysOf(settlement).every(isKnown)
  if (!isTimeKnown && models.length === settlement.models.length) return item
  const rest = { ...(isTimeKnown ? withoutTime(settlement) : settlement), models }
  return rest.time || models.length > 0 ? unassignedOf(rest, missing) : undefined
}

function keyOf({ sessionId, runId }: Settlement, { model, index }: ModelUsage): string {
  return expenseKey(sessionId, runId, model, index)
}
