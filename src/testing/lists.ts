/**
 * Lists: filters, order and pages, in the envelope that all list endpoints share.
 *
 * @module
 */
import { CLIENT, type ListedResource } from './company.ts'
import { expenseSource, timeEntrySource } from './fields.ts'
import { type Call, jsonReply, type Reply } from './http.ts'
import { checked, day, id, instant, oneOf, type Rule } from './rules.ts'
import type { StoredBase, StoredExpense, StoredTimeEntry } from './types.ts'

const MAX_PER_PAGE = 2000
const DEFAULT_PER_PAGE = 100

/** A query parameter that leaves records out. */
interface Filter<R> {
  readonly rule: Rule<string>
  keeps(record: R, wanted: string): boolean
}

/** Filters by parameter name. Other parameters are ignored, as Keito is presumed to do. */
type Filters<R> = Readonly<Record<string, Filter<R>>>

const yesNo = oneOf('true', 'false')

const updatedSince: Filter<{ readonly updated_at: string }> = {
  rule: instant,
  keeps: (record, wanted) => Date.parse(record.updated_at) >= Date.parse(wanted),
}

const RECORD_FILTERS: Filters<StoredBase> = {
  from: { rule: day, keeps: (record, wanted) => record.spent_date >= wanted },
  to: { rule: day, keeps: (record, wanted) => record.spent_date <= wanted },
  user_id: { rule: id, keeps: (record, wanted) => record.user_id === wanted },
  client_id: { rule: id, keeps: (_, wanted) => CLIENT.id === wanted },
  project_id: { rule: id, keeps: (record, wanted) => record.project_id === wanted },
  is_billed: { rule: yesNo, keeps: (record, wanted) => String(record.is_billed) === wanted },
  updated_since: updatedSince,
}

/**
 * Filters of `GET /api/v2/time_entries`. `source` takes one word: the schema of Keito's OpenAPI document is a plain
 * enum, although its prose allows several with commas.
 */
export const TIME_ENTRY_FILTERS: Filters<StoredTimeEntry> = {
  ...RECORD_FILTERS,
  task_id: { rule: id, keeps: (record, wanted) => record.task_id === wanted },
  is_running: { rule: yesNo, keeps: (record, wanted) => String(record.is_running) === wanted },
  source: { rule: timeEntrySource, keeps: (record, wanted) => record.source === wanted },
}

/** Filters of `GET /api/v2/expenses`. */
export const EXPENSE_FILTERS: Filters<StoredExpense> = {
  ...RECORD_FILTERS,
  source: { rule: expenseSource, keeps: (record, wanted) => record.source === wanted },
}

/** Filters of `GET /api/v2/tasks`. */
export const TASK_FILTERS: Filters<ListedResource> = {
  is_active: { rule: yesNo, keeps: (record, wanted) => String(record.is_active) === wanted },
  updated_since: updatedSince,
}

/** Filters of `GET /api/v2/projects`. */
export const PROJECT_FILTERS: Filters<ListedResource> = {
  ...TASK_FILTERS,
  client_id: { rule: id, keeps: (_, wanted) => CLIENT.id === wanted },
}

/**
 * Checks the query of a list call; the result lists, when it is called.
 *
 * @param key Name of the rows in the envelope.
 * @param rows All rows in the order of the list, read when the list is made.
 */
export function prepareList<R>(call: Call, key: string, filters: Filters<R>, rows: () => readonly R[]): () => Reply {
  const query = new URLSearchParams(call.search)
  const page = readNumber(query, 'page', 1, Number.MAX_SAFE_INTEGER)
  const perPage = readNumber(query, 'per_page', DEFAULT_PER_PAGE, MAX_PER_PAGE)
  const keeps = readFilters(query, filters)

  return () => {
    const kept = rows().filter(keeps)
    const totalPages = Math.max(1, Math.ceil(kept.length / perPage))
    const linkTo = (target: number) => {
      const search = new URLSearchParams(query)
      search.set('page', String(target))
      return `${call.origin}${call.path}?${search}`
    }
    return jsonReply({
      [key]: kept.slice((page - 1) * perPage, page * perPage),
      per_page: perPage,
      total_pages: totalPages,
      total_entries: kept.length,
      page,
      links: {
        first: linkTo(1),
        next: page < totalPages ? linkTo(page + 1) : null,
        previous: page > 1 ? linkTo(page - 1) : null,
        last: linkTo(totalPages),
      },
    })
  }
}

/** Newest day first, and within a day the newest record first. Keito does not state an order; this is Harvest's. */
export function newestFirst<R extends StoredBase>(records: readonly R[]): readonly R[] {
  return records.toReversed().sort((a, b) => b.spent_date.localeCompare(a.spent_date))
}

function readNumber(query: URLSearchParams, name: string, fallback: number, max: number): number {
  const isInRange = (value: unknown): value is string => {
    return typeof value === 'string' && /^[1-9]\d*$/.test(value) && Number(value) <= max
  }
  const expected = `a whole number from 1 to ${max}`
  return Number(checked(name, query.get(name) ?? String(fallback), { expected, accepts: isInRange }))
}

function readFilters<R>(query: URLSearchParams, filters: Filters<R>): (record: R) => boolean {
  const wanted = Object.entries(filters).flatMap(([name, filter]) => {
    const value = query.get(name)
    return value === null ? [] : [{ filter, value: checked(name, value, filter.rule) }]
  })
  return (record) => wanted.every(({ filter, value }) => filter.keeps(record, value))
}
