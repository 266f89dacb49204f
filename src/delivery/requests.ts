/**
 * The requests that delivery makes of a client: for records of either kind, and for the timers of time entries.
 *
 * @module
 */
import type { KeitoRecord, TimeEntryRecord } from '../billing/record.ts'
import type { CallOptions, OutcomeClient } from '../keito/client.ts'
import type { ListQuery, StoredRecord, TimeEntryCreate, TimeEntryUpdate } from '../keito/types.ts'
import type { DoubtGroup } from './doubts.ts'
import { isFields } from './fields.ts'

/** What the sender needs to know of a stored record. */
export interface Receipt {
  /** Keito's id, absent when the client gave none. */
  readonly id?: string
}

/** Asks the client to store a record. */
export function create(client: OutcomeClient, record: KeitoRecord, options: CallOptions): unknown {
  return record.kind === 'time_entry'
    ? client.timeEntries.create(record.body, options)
    : client.expenses.create(record.body, options)
}

/** Whether the client can list records of this kind, so that doubts can be resolved. */
export function canList(client: OutcomeClient, kind: KeitoRecord['kind']): boolean {
  const { list } = kind === 'time_entry' ? client.timeEntries : client.expenses
  return typeof list === 'function'
}

/** What one list shows: the records of one kind, day and project. */
export type ListedGroup = Pick<DoubtGroup, 'kind' | 'day' | 'projectId'>

/** Asks the client for all records of agents of a group's day and project. */
export function list(client: OutcomeClient, group: ListedGroup, options: CallOptions): unknown {
  const query: ListQuery = { from: group.day, to: group.day, project_id: group.projectId, source: 'agent' }
  return group.kind === 'time_entry'
    ? client.timeEntries.list?.(query, options)
    : client.expenses.list?.(query, options)
}

/** Asks the client to delete a time entry. */
export function remove(client: OutcomeClient, id: string, options: CallOptions): unknown {
  return client.timeEntries.delete?.(id, options)
}

/** Whether the client has all that live timers need: to start, find, stop, change and delete a time entry. */
export function canRunTimers({ timeEntries }: OutcomeClient): boolean {
  const needed = [timeEntries.create, timeEntries.list, timeEntries.stop, timeEntries.update, timeEntries.delete]
  return needed.every((method) => typeof method === 'function')
}

/** Asks the client to start a timer. */
export function startTimer(client: OutcomeClient, body: TimeEntryCreate, options: CallOptions): unknown {
  return client.timeEntries.create(body, options)
}

/** Asks the client to stop a timer. */
export function stopTimer(client: OutcomeClient, id: string, options: CallOptions): unknown {
  return client.timeEntries.stop?.(id, options)
}

/** Asks the client to change a time entry. */
export function change(client: OutcomeClient, id: string, update: TimeEntryUpdate, options: CallOptions): unknown {
  return client.timeEntries.update?.(id, update, options)
}

/** The update that makes an entry, whatever it was, the one of a record. */
export function updateTo({ body }: TimeEntryRecord): TimeEntryUpdate {
  const { project_id, task_id, spent_date, hours, notes, billable, metadata } = body
  return { project_id, task_id, spent_date, hours, notes, billable, metadata }
}

/** What a client accepted a record with. */
export function receiptFrom(value: unknown): Receipt {
  const id = isFields(value) ? value.id : undefined
  return typeof id === 'string' && id !== '' ? { id } : {}
}

/** The rows of a list, as far as they can be read. */
export function rowsFrom(value: unknown): readonly StoredRecord[] | undefined {
  if (!Array.isArray(value)) return undefined
  return value.flatMap((row: unknown) => {
    if (!isFields(row) || typeof row.id !== 'string') return []
    const { id, created_at, metadata } = row
    return [
      {
        id,
        ...(typeof created_at === 'string' ? { created_at } : {}),
        ...(isFields(metadata) ? { metadata } : {}),
      },
    ]
  })
}
