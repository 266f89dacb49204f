/**
 * The expense endpoints: create and list. Keito can neither change nor delete an expense, so neither can the sandbox.
 *
 * @module
 */
import type { Company } from './company.ts'
import { EXPENSE_CREATE } from './fields.ts'
import { jsonReply, refusal } from './http.ts'
import type { Ledger } from './ledger.ts'
import { EXPENSE_FILTERS, newestFirst, prepareList } from './lists.ts'
import type { Prepare } from './routes.ts'
import { readFields } from './rules.ts'
import type { SandboxExpenseCategory } from './types.ts'

/** Decimals kept of a computed total; enough for a fraction of a cent, and free of binary noise. */
const TOTAL_FACTOR = 1e6

/** Makes the expense endpoints of one sandbox. */
export function expenseEndpoints(
  company: Company,
  ledger: Ledger,
): { readonly create: Prepare; readonly list: Prepare } {
  return {
    create(call) {
      const fields = readFields(call.body, EXPENSE_CREATE)
      const project = company.project(fields.project_id)
      const category = company.expenseCategory(fields.expense_category_id)
      const totalCost = fields.total_cost ?? priceOf(fields.units, category)

      return () => {
        const now = new Date().toISOString()
        const expense = ledger.addExpense({
          id: ledger.newId('expense'),
          user_id: company.user.id,
          user: company.user,
          project_id: project.id,
          project,
          expense_category_id: category.id,
          expense_category: { id: category.id, name: category.name },
          spent_date: fields.spent_date,
          total_cost: totalCost,
          units: fields.units ?? null,
          notes: fields.notes ?? null,
          billable: fields.billable ?? true,
          receipt_file_name: null,
          receipt_content_type: null,
          receipt_url: null,
          is_locked: false,
          is_billed: false,
          approval_status: 'unsubmitted',
          source: fields.source ?? 'api',
          metadata: fields.metadata ?? null,
          created_at: now,
          updated_at: now,
        })
        return jsonReply(expense)
      }
    },
    list: (call) => prepareList(call, 'expenses', EXPENSE_FILTERS, () => newestFirst(ledger.expenses())),
  }
}

/** What units cost in a category. A given `total_cost` comes before it: Keito does not say which of the two wins. */
function priceOf(units: number | undefined, category: SandboxExpenseCategory): number {
  if (units === undefined) throw refusal(400, 'Either total_cost or units is required')
  if (category.unitPrice === undefined) {
    throw refusal(400, 'total_cost is required: the expense category has no unit price')
  }
  return Math.round(units * category.unitPrice * TOTAL_FACTOR) / TOTAL_FACTOR
}
