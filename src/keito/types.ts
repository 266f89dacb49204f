/**
 * Bodies and replies of the Keito v2 REST API, as far as this package uses them.
 *
 * Field names and rules follow Keito's OpenAPI document for `/api/v2` (time entries and expenses).
 *
 * @module
 */

/** A value that Keito stores in the free `metadata` object of a record. */
export type MetadataValue = string | number | boolean | readonly string[]

/** The free `metadata` object of a record: at most 4,096 bytes of UTF-8 JSON. */
export type Metadata = Readonly<Record<string, MetadataValue>>

/** Body of `POST /api/v2/time_entries`. */
export interface TimeEntryCreate {
  readonly project_id: string
  readonly task_id: string
  /** Calendar day, `YYYY-MM-DD`. */
  readonly spent_date: string
  /** 0 to 24. */
  readonly hours: number
  readonly notes: string
  readonly billable: boolean
  readonly is_running: boolean
  readonly source: 'agent'
  readonly metadata: Metadata
}

/**
 * Body of `PATCH /api/v2/time_entries/{id}`: what is to change. Metadata is merged, key by key, into what is there. There
 * is no `is_running`, because a timer is stopped by a request of its own, and no `source`, which never changes.
 */
export interface TimeEntryUpdate {
  readonly project_id?: string
  readonly task_id?: string
  /** Calendar day, `YYYY-MM-DD`. */
  readonly spent_date?: string
  /** 0 to 24; in place of what is there. A timer that still runs adds to it when it is stopped. */
  readonly hours?: number
  readonly notes?: string
  readonly billable?: boolean
  readonly metadata?: Metadata
}

/** Body of `POST /api/v2/expenses`; either `units` (an integer from 1) or `total_cost` (from 0). */
export interface ExpenseCreate {
  readonly project_id: string
  readonly expense_category_id: string
  /** Calendar day, `YYYY-MM-DD`. */
  readonly spent_date: string
  readonly units?: number
  readonly total_cost?: number
  readonly notes: string
  readonly billable: boolean
  readonly source: 'agent'
  readonly metadata: Metadata
}

/** What we rely on in a stored record of either kind. Everything else in a reply is left alone. */
export interface StoredRecord {
  readonly id: string
  readonly spent_date?: string
  /** ISO 8601, UTC. */
  readonly created_at?: string
  readonly metadata?: Readonly<Record<string, unknown>> | null
}

/** A stored time entry. Keito may have rounded `hours` when it saved the entry. */
export interface TimeEntry extends StoredRecord {
  readonly hours?: number
  readonly is_running?: boolean
}

/** A stored expense. */
export interface Expense extends StoredRecord {
  readonly units?: number | null
  readonly total_cost?: number | null
}

/** Filters of the two list endpoints. `from` and `to` are inclusive days, `YYYY-MM-DD`. */
export interface ListQuery {
  readonly from?: string
  readonly to?: string
  readonly project_id?: string
  readonly source?: 'agent'
  /** Time entries only: those whose timer runs, or those whose timer does not. */
  readonly is_running?: boolean
  readonly page?: number
  /** 1 to 2,000; Keito's own default is 100. */
  readonly per_page?: number
}
