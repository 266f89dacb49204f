/**
 * The tokens of a run as LLM expenses: one per model, in whole units of tokens that Keito prices.
 *
 * @module
 */
import type { Settings } from '../options.ts'
import type { ModelUsage, Settlement } from '../session/settlement.ts'
import { SESSION_RUN_ID } from '../session/settlement.ts'
import type { Booking } from './attribution.ts'
import { dayOf } from './calendar.ts'
import { isBillable } from './failed-runs.ts'
import { expenseKey } from './key.ts'
import { boundedMetadata, cleanName } from './metadata.ts'
import { expenseNote } from './notes.ts'
import type { ExpenseRecord } from './record.ts'
import { type CarryBook, roundQuantity } from './rounding.ts'

/** A booking whose project and expense category are known. */
export interface ExpenseBooking extends Booking {
  readonly projectId: string
  readonly expenseCategoryId: string
}

/**
 * The LLM expenses of a settlement, one per model. What rounding to whole units leaves over goes to the next expense of
 * the same project, category, model and billable flag. Keito takes no 0 units: such an expense costs 0, so that its
 * tokens are on record.
 */
export function expensesOf(
  settlement: Settlement,
  booking: ExpenseBooking,
  settings: Settings,
  carry: CarryBook,
): readonly ExpenseRecord[] {
  const billable = isBillable(booking.billable, settlement.outcome, settings.failedRuns.expense)
  const spentDate = dayOf(settlement.startNs, settings.timeZone)
  return settlement.models.map((used) => {
    const key = expenseKey(settlement.sessionId, settlement.runId, used.model, used.index)
    const model = cleanName(used.model) ?? 'unknown'
    const carryKey = JSON.stringify(['units', booking.projectId, booking.expenseCategoryId, model, billable])
    const units = unitsOf(used, settings.unitTokens, carry, carryKey)
    return {
      kind: 'expense',
      key,
      sessionId: settlement.sessionId,
      body: {
        project_id: booking.projectId,
        expense_category_id: booking.expenseCategoryId,
        spent_date: spentDate,
        ...(units > 0 ? { units } : { total_cost: 0 }),
        notes: expenseNote(model, used.usage.input, used.usage.output, settlement.outcome),
        billable,
        source: 'agent',
        metadata: metadataOf(settlement, used, booking.agentId, model, key),
      },
    }
  })
}

function unitsOf(used: ModelUsage, unitTokens: number, carry: CarryBook, carryKey: string): number {
  const tokens = BigInt(used.usage.input) + BigInt(used.usage.output)
  const { steps, remainder } = roundQuantity(tokens, BigInt(unitTokens), 'carry', carry.remainderOf(carryKey))
  carry.keep(carryKey, remainder)
  return Number(steps)
}

function metadataOf(settlement: Settlement, used: ModelUsage, agentId: string, model: string, key: string) {
  const { usage } = used
  return boundedMetadata(
    { agent_id: agentId, session_id: settlement.sessionId, model, idempotency_key: key },
    {
      provider: used.provider,
      input_tokens: usage.input,
      output_tokens: usage.output,
      cache_read_tokens: usage.cacheRead || undefined,
      cache_write_tokens: usage.cacheWrite || undefined,
      reasoning_tokens: usage.reasoning || undefined,
      llm_calls: used.llmCalls,
      run_id: settlement.runId === SESSION_RUN_ID ? undefined : settlement.runId,
    },
  )
}
