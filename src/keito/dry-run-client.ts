/**
 * The client of a dry run: prints what would be booked and sends nothing.
 *
 * @module
 */
import type { OutcomeClient } from './client.ts'
import type { ExpenseCreate, TimeEntryCreate } from './types.ts'

/**
 * Makes a client that prints a line for each record and accepts it.
 *
 * @param print Takes one line. @default console.info
 */
export function dryRunClient(print: (line: string) => void = console.info): OutcomeClient {
  return {
    answers: 'outcomes',
    timeEntries: {
      async create(body) {
        print(timeEntryLine(body))
        return { type: 'accepted', value: { id: '' } }
      },
    },
    expenses: {
      async create(body) {
        print(expenseLine(body))
        return { type: 'accepted', value: { id: '' } }
      },
    },
  }
}

function timeEntryLine(body: TimeEntryCreate): string {
  // Most runs round to 0 hours; how long they really were is what somebody looks for here.
  const seconds = Math.round(Number(body.metadata.duration_ms)) / 1000
  return lineOf('time entry', body, `${body.hours} h (${seconds} s)`, `task ${body.task_id}`)
}

function expenseLine(body: ExpenseCreate): string {
  const amount = body.units === undefined ? `total cost ${body.total_cost}` : `${body.units} units`
  return lineOf('expense', body, amount, `category ${body.expense_category_id}`)
}

function lineOf(kind: string, body: TimeEntryCreate | ExpenseCreate, amount: string, where: string): string {
  const billable = body.billable ? 'billable' : 'not billable'
  const session = `session ${body.metadata.session_id}`
  const parts = [body.spent_date, amount, body.notes, billable, `project ${body.project_id}`, where, session]
  return `[keito dry run] ${kind}: ${parts.join(' | ')}`
}
