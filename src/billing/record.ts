/**
 * The records that billing makes and delivery carries: a Keito body with the key that identifies it.
 *
 * @module
 */
import type { ExpenseCreate, TimeEntryCreate } from '../keito/types.ts'

interface RecordIdentity {
  /**
   * Identifies the record for ever, also in `metadata.idempotency_key`:
   * `<traceId>:<runSpanId>:time:<n>` or `<traceId>:<runSpanId>:llm:<model>:<n>`.
   */
  readonly key: string
  /** The trace id, 32 hex digits: `metadata.session_id`. */
  readonly sessionId: string
}

/** A time entry to book. */
export interface TimeEntryRecord extends RecordIdentity {
  readonly kind: 'time_entry'
  readonly body: TimeEntryCreate
}

/** An LLM expense to book. */
export interface ExpenseRecord extends RecordIdentity {
  readonly kind: 'expense'
  readonly body: ExpenseCreate
}

/** A record on its way to Keito. */
export type KeitoRecord = TimeEntryRecord | ExpenseRecord
