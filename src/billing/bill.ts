/**
 * The billing stage: a settlement in, records for Keito and what could not be booked out.
 *
 * @module
 */
import type { MissingId, Unassigned } from '../delivery/outbox.ts'
import type { Attribution } from '../genai/hints.ts'
import type { Settings } from '../options.ts'
import type { Settlement } from '../session/settlement.ts'
import { type Resolved, resolveAttribution } from './attribution.ts'
import { expensesOf } from './expense.ts'
import { withoutModels, withoutSkipped, withoutTime } from './failed-runs.ts'
import type { KeitoRecord } from './record.ts'
import type { CarryBook } from './rounding.ts'
import { timeEntriesOf } from './time-entry.ts'
import { unassignedOf } from './unassigned.ts'

/** What billing a settlement came to. */
export interface Bill {
  readonly records: readonly KeitoRecord[]
  /** Parts that no project, task or category is known for; nothing of them is in `records` or was carried. */
  readonly unassigned: readonly Unassigned[]
  /** Why the `attribution` function gave no usable answer: one line, none of its values. */
  readonly failure?: string
}

/**
 * Bills a settlement. The same settlements in the same order give the same bills: there is no clock and no chance in it.
 *
 * @param carry The remainders of what was billed before; updated.
 * @param spare What is taken for what nobody names: see {@link resolveAttribution}.
 */
export function bill(settlement: Settlement, settings: Settings, carry: CarryBook, spare: Attribution = {}): Bill {
  const due = withoutSkipped(settlement, settings.failedRuns)
  if (!due.time && due.models.length === 0) return { records: [], unassigned: [] }
  const resolution = resolveAttribution(due, settings, spare)
  if (resolution.type === 'failed') {
    return { records: [], unassigned: [unassignedOf(due, [])], failure: resolution.reason }
  }
  const time = billTime(withoutModels(due), resolution, settings, carry)
  const tokens = billTokens(withoutTime(due), resolution, settings, carry)
  return {
    records: [...time.records, ...tokens.records],
    unassigned: [...time.unassigned, ...tokens.unassigned],
  }
}

function billTime(settlement: Settlement, { booking, missing }: Resolved, settings: Settings, carry: CarryBook): Bill {
  const { projectId, taskId } = booking
  if (!settlement.time) return { records: [], unassigned: [] }
  if (projectId !== undefined && taskId !== undefined) {
    return { records: timeEntriesOf(settlement, { ...booking, projectId, taskId }, settings, carry), unassigned: [] }
  }
  return { records: [], unassigned: [unassignedOf(settlement, without('expenseCategoryId', missing))] }
}

function billTokens(
  settlement: Settlement,
  { booking, missing }: Resolved,
  settings: Settings,
  carry: CarryBook,
): Bill {
  const { projectId, expenseCategoryId } = booking
  if (settlement.models.length === 0) return { records: [], unassigned: [] }
  if (projectId !== undefined && expenseCategoryId !== undefined) {
    const records = expensesOf(settlement, { ...booking, projectId, expenseCategoryId }, settings, carry)
    return { records, unassigned: [] }
  }
  return { records: [], unassigned: [unassignedOf(settlement, without('taskId', missing))] }
}

function without(needless: MissingId, missing: readonly MissingId[]): readonly MissingId[] {
  return missing.filter((name) => name !== needless)
}
