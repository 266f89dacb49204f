/**
 * The two ports through which records reach Keito: the shape users know, and the shape the sender works with.
 *
 * @module
 */
import type { Outcome } from '../delivery/outcome.ts'
import type {
  Expense,
  ExpenseCreate,
  ListQuery,
  StoredRecord,
  TimeEntry,
  TimeEntryCreate,
  TimeEntryUpdate,
} from './types.ts'

/**
 * Any Keito client: the shape of the documented `Keito` class of `@keito/sdk`. Methods resolve with the stored
 * record and throw on failure; a thrown value with a numeric `status` is read as that HTTP status.
 *
 * The client must not repeat requests by itself: give an SDK `maxRetries: 0`, because a repeat after a time-out or a
 * server error bills twice. Keito has no way to tell a repeat, and its expenses cannot be deleted.
 *
 * @example
 * ```ts
 * import { Keito } from '@keito/sdk'
 * new KeitoSpanExporter({ client: new Keito({ apiKey, accountId, maxRetries: 0 }) })
 * ```
 */
export interface KeitoClient {
  readonly timeEntries: {
    create(body: TimeEntryCreate): Promise<unknown>
    list?(query: ListQuery): Promise<unknown>
    update?(id: string, body: Partial<TimeEntryCreate>): Promise<unknown>
    /** Stops a running timer; without it, a timer is stopped by an update with `is_running: false`. */
    stopTimer?(id: string): Promise<unknown>
    delete?(id: string): Promise<unknown>
  }
  readonly expenses: {
    create(body: ExpenseCreate): Promise<unknown>
    list?(query: ListQuery): Promise<unknown>
  }
}

/** Per-call settings of {@link OutcomeClient}. */
export interface CallOptions {
  /** Aborts the request; an aborted create is ambiguous, because Keito may have stored it. */
  readonly signal?: AbortSignal
  /** Awaited before each further request that one call makes, so that all requests keep to one rate limit. */
  readonly nextPage?: () => Promise<void>
}

/** A resource of {@link OutcomeClient} that can be created and listed. */
export interface OutcomeResource<Body, Stored extends StoredRecord> {
  create(body: Body, options?: CallOptions): Promise<Outcome<Stored>>
  /** Present where the client can list; it resolves with the records of all pages. */
  list?(query: ListQuery, options?: CallOptions): Promise<Outcome<readonly Stored[]>>
}

/**
 * A client that answers with an {@link Outcome} and never throws. `KeitoRestClient` is one; any
 * {@link KeitoClient} becomes one through an adapter.
 */
export interface OutcomeClient {
  /** Tells this port from {@link KeitoClient}, whose methods have the same names but throw. */
  readonly answers: 'outcomes'
  readonly timeEntries: OutcomeResource<TimeEntryCreate, TimeEntry> & {
    /** Present where the client can delete. A time entry that is not there counts as deleted. */
    delete?(id: string, options?: CallOptions): Promise<Outcome<unknown>>
    /** Present where the client can change a time entry. Accepted whatever the answer holds. */
    update?(id: string, body: TimeEntryUpdate, options?: CallOptions): Promise<Outcome<unknown>>
    /** Present where the client can stop a timer. A timer that does not run counts as stopped, unlike one that is gone. */
    stop?(id: string, options?: CallOptions): Promise<Outcome<unknown>>
  }
  readonly expenses: OutcomeResource<ExpenseCreate, Expense>
}
