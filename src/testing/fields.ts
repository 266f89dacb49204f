/**
 * The fields of each request body with their rules, as in Keito's OpenAPI document for `/api/v2`.
 *
 * @module
 */
import { amount, clock, day, flag, hours, id, metadata, nullable, oneOf, optional, text, units } from './rules.ts'

/** `source` of a time entry. */
export const timeEntrySource = oneOf('web', 'cli', 'api', 'agent', 'calendar', 'desktop')

/** `source` of an expense; it has no calendar and no desktop. */
export const expenseSource = oneOf('web', 'cli', 'api', 'agent')

/** `POST /api/v2/time_entries`. Besides, `hours` is required unless `is_running`. */
export const TIME_ENTRY_CREATE = {
  project_id: id,
  task_id: id,
  spent_date: day,
  user_id: optional(id),
  hours: optional(hours),
  notes: optional(text),
  billable: optional(flag),
  is_running: optional(flag),
  replace_running: optional(flag),
  started_time: optional(clock),
  ended_time: optional(clock),
  source: optional(timeEntrySource),
  metadata: optional(nullable(metadata)),
}

/** `PATCH /api/v2/time_entries/{id}`. It knows neither `is_running` nor `source`, so both are ignored. */
export const TIME_ENTRY_UPDATE = {
  project_id: optional(id),
  task_id: optional(id),
  spent_date: optional(day),
  hours: optional(hours),
  notes: optional(nullable(text)),
  billable: optional(flag),
  started_time: optional(nullable(clock)),
  ended_time: optional(nullable(clock)),
  metadata: optional(nullable(metadata)),
}

/** `PATCH /api/v2/time_entries/{id}/stop`. */
export const TIME_ENTRY_STOP = { notes: optional(nullable(text)) }

/** `PATCH /api/v2/time_entries/{id}/restart`. */
export const TIME_ENTRY_RESTART = { replace_running: optional(flag) }

/** `POST /api/v2/expenses`. Besides, one of `units` and `total_cost` is required. */
export const EXPENSE_CREATE = {
  project_id: id,
  expense_category_id: id,
  spent_date: day,
  total_cost: optional(amount),
  units: optional(units),
  notes: optional(text),
  billable: optional(flag),
  source: optional(expenseSource),
  metadata: optional(nullable(metadata)),
}
