/**
 * Reads back what has been booked, over HTTP like any other client of Keito, and prints it as a client would read it.
 *
 * @module
 */
import type { KeitoSandbox, StoredExpense, StoredTimeEntry } from 'opentelemetry-exporter-keito/testing'
import { type Column, renderTable } from './table.ts'

/** What is booked, in the order of the work; expenses follow the time entries of their sessions, those without one last. */
export interface BookedLedger {
  readonly timeEntries: readonly StoredTimeEntry[]
  readonly expenses: readonly StoredExpense[]
}

/** Lists all time entries and expenses of a sandbox. */
export async function readLedger(sandbox: KeitoSandbox): Promise<BookedLedger> {
  const headers = { Authorization: `Bearer ${sandbox.apiKey}`, 'Keito-Account-Id': sandbox.accountId }
  const list = async (resource: string): Promise<unknown> => {
    const response = await fetch(`${sandbox.url}/api/v2/${resource}?source=agent&per_page=2000`, { headers })
    if (!response.ok) throw new Error(`listing ${resource}: expected 200, found ${response.status}`)
    return response.json()
  }
  const { time_entries: timeEntries } = (await list('time_entries')) as { time_entries: StoredTimeEntry[] }
  const { expenses } = (await list('expenses')) as { expenses: StoredExpense[] }
  const startOf = (entry: StoredTimeEntry) => String(entry.metadata?.started_at)
  timeEntries.sort((a, b) => startOf(a).localeCompare(startOf(b)))
  const sessions = timeEntries.map(sessionOf)
  const placeOf = (expense: StoredExpense) => {
    const place = sessions.indexOf(sessionOf(expense))
    return place < 0 ? sessions.length : place
  }
  expenses.sort((a, b) => placeOf(a) - placeOf(b))
  return { timeEntries, expenses }
}

/** Prints the timesheet and the expenses as two tables that are joined by their session ids. */
export function printLedger({ timeEntries, expenses }: BookedLedger): void {
  const projects = new Set([...timeEntries, ...expenses].map((record) => record.project.name))
  const [only = ''] = projects.size === 1 ? projects : []
  const shown = <Row>(columns: readonly Column<Row>[]) =>
    columns.filter(({ title }) => !only || title !== PROJECT.title)
  const heading = (name: string, unit = '') => console.info(`\n${[name, only, unit].filter(Boolean).join('  ')}\n`)

  heading('TIMESHEET')
  console.info(renderTable(shown(TIME_COLUMNS), timeEntries, { total: timeEntries }))
  heading('LLM EXPENSES', '(1 unit = 1,000 tokens)')
  const billable = expenses.filter((expense) => expense.billable)
  const totals = { ...(billable.length < expenses.length && { billable }), total: expenses }
  console.info(renderTable(shown(EXPENSE_COLUMNS), expenses, totals))
}

const PROJECT: Column<StoredTimeEntry | StoredExpense> = { title: 'project', cell: (record) => record.project.name }
const SESSION: Column<StoredTimeEntry | StoredExpense> = { title: 'session', cell: sessionOf }
const BILLABLE: Column<StoredTimeEntry | StoredExpense> = {
  title: 'billable',
  cell: (record) => (record.billable ? 'yes' : 'no'),
}

const TIME_COLUMNS: readonly Column<StoredTimeEntry>[] = [
  SESSION,
  PROJECT,
  { title: 'work', cell: (entry) => entry.notes ?? '' },
  numeric('worked', (entry) => numberIn(entry, 'duration_ms'), seconds),
  numeric(
    'hours',
    (entry) => entry.hours,
    (hours) => hours.toFixed(2),
  ),
  BILLABLE,
]

const EXPENSE_COLUMNS: readonly Column<StoredExpense>[] = [
  SESSION,
  PROJECT,
  { title: 'note', cell: (expense) => expense.notes ?? '' },
  numeric('input', (expense) => numberIn(expense, 'input_tokens'), count),
  numeric('output', (expense) => numberIn(expense, 'output_tokens'), count),
  numeric('units', (expense) => expense.units ?? 0, count),
  numeric(
    'GBP',
    (expense) => expense.total_cost,
    (cost) => cost.toFixed(3),
  ),
  BILLABLE,
]

function numeric<Row>(title: string, amountOf: (row: Row) => number, show: (value: number) => string): Column<Row> {
  return {
    title,
    align: 'right',
    cell: (row) => show(amountOf(row)),
    total: (rows) => show(sumOf(rows, amountOf)),
  }
}

/** The session that a time entry and its expenses share, short enough for a table. */
function sessionOf(record: StoredTimeEntry | StoredExpense): string {
  return String(record.metadata?.session_id).slice(0, 8)
}

/** A number in the metadata of a record; 0 when it is not there. */
export function numberIn(record: StoredTimeEntry | StoredExpense, key: string): number {
  return Number(record.metadata?.[key] ?? 0)
}

/** Adds up a number over rows. */
export function sumOf<Row>(rows: readonly Row[], amountOf: (row: Row) => number): number {
  return rows.reduce((sum, row) => sum + amountOf(row), 0)
}

/** A whole number with separators: `3,412`. */
export function count(value: number): string {
  return value.toLocaleString('en-GB')
}

/** Milliseconds as seconds: `12.4 s`. */
export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`
}
