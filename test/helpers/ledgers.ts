/** The books of a sandbox, so that those of two stories can be compared. */
import type { KeitoSandbox } from '../../src/testing/index.ts'

type Books = Pick<KeitoSandbox, 'timeEntries'> & Partial<Pick<KeitoSandbox, 'expenses'>>

/** What is the same whenever and however often it had to be tried: all but Keito's ids and its clock. */
export function ledgerOf(sandbox: Books) {
  const timeEntries = sandbox.timeEntries().map((entry) => ({
    key: String(entry.metadata?.idempotency_key),
    project: entry.project_id,
    task: entry.task_id,
    day: entry.spent_date,
    hours: entry.hours,
    notes: entry.notes,
    billable: entry.billable,
    source: entry.source,
    isRunning: entry.is_running,
    metadata: entry.metadata,
  }))
  const expenses = (sandbox.expenses?.() ?? []).map((expense) => ({
    key: String(expense.metadata?.idempotency_key),
    project: expense.project_id,
    category: expense.expense_category_id,
    day: expense.spent_date,
    units: expense.units,
    cost: expense.total_cost,
    notes: expense.notes,
    billable: expense.billable,
    source: expense.source,
    metadata: expense.metadata,
  }))
  return { timeEntries: timeEntries.sort(byKey), expenses: expenses.sort(byKey) }
}

/** Keys of the time entries that run. */
export function runningIn(sandbox: Books): readonly string[] {
  return sandbox
    .timeEntries()
    .filter((entry) => entry.is_running)
    .map(({ metadata }) => String(metadata?.idempotency_key))
}

function byKey(a: { readonly key: string }, b: { readonly key: string }): number {
  return a.key < b.key ? -1 : a.key > b.key ? 1 : 0
}
