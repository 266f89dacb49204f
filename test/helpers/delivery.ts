/** Builders for tests of delivery: records, settings, a log that remembers, and a client that answers as told. */
import type { ExpenseRecord, KeitoRecord, TimeEntryRecord } from '../../src/billing/record.ts'
import { memoryOutbox } from '../../src/delivery/memory-outbox.ts'
import type { Outbox } from '../../src/delivery/outbox.ts'
import type { Outcome } from '../../src/delivery/outcome.ts'
import { Sender, type SenderParts } from '../../src/delivery/sender.ts'
import type { CallOptions, OutcomeClient } from '../../src/keito/client.ts'
import type { ListQuery, StoredRecord } from '../../src/keito/types.ts'
import type { DeliveryOptions, RecordEvent } from '../../src/options.ts'
import type { Log } from '../../src/telemetry/log.ts'
import { createCounters } from '../../src/telemetry/stats.ts'

const common = {
  project_id: 'project-1',
  spent_date: '2026-03-01',
  notes: 'review-bot: 1 model call',
  billable: true,
  source: 'agent',
} as const

export function timeEntry(key: string): TimeEntryRecord {
  const body = { ...common, task_id: 'task-1', hours: 0.5, is_running: false, metadata: { idempotency_key: key } }
  return { kind: 'time_entry', key, sessionId: 'a'.repeat(32), body }
}

export function expense(key: string): ExpenseRecord {
  const body = { ...common, expense_category_id: 'category-1', units: 3, metadata: { idempotency_key: key } }
  return { kind: 'expense', key, sessionId: 'a'.repeat(32), body }
}

export const settings: Required<DeliveryOptions> = {
  concurrency: 4,
  requestsPerMinute: 300,
  requestsPerDay: 50_000,
  reconcileAfterMs: 30_000,
  recheckAfterMs: 300_000,
  timeoutMs: 10_000,
  maxBackoffMs: 60_000,
  flushTimeoutMs: 25_000,
  shutdownTimeoutMs: 5_000,
}

export const accepted = (id = 'stored-1'): Outcome<StoredRecord> => ({ type: 'accepted', value: { id } })
export const busy = (afterMs?: number): Outcome<never> =>
  afterMs === undefined ? { type: 'retryable', reason: 'HTTP 429' } : { type: 'retryable', reason: 'HTTP 429', afterMs }
export const refused = (status: 401 | 403): Outcome<never> => ({
  type: 'unauthorized',
  status,
  reason: `HTTP ${status}`,
})
export const invalid = { type: 'rejected', status: 400, reason: 'HTTP 400, invalid body: hours' } as const
export const gone = { type: 'rejected', status: 404, reason: 'HTTP 404' } as const
export const unknown = { type: 'ambiguous', reason: 'HTTP 502' } as const
export const never = <T>(): Promise<T> => new Promise<T>(() => undefined)

/** Answers a request for a key; what it gives is handed on as it is, so that it may also be nonsense. */
export type Answer = (key: string, options: CallOptions | undefined) => unknown

/** Answers a list or a delete; what it gives is handed on as it is. */
export interface Shelves {
  /** Absent for a client that cannot list. */
  readonly list?: (query: ListQuery, options: CallOptions | undefined, kind: KeitoRecord['kind']) => unknown
  /** Absent for a client that cannot delete. */
  readonly remove?: (id: string, options: CallOptions | undefined) => unknown
}

/** A list that was asked for. */
export interface Listed {
  readonly kind: KeitoRecord['kind']
  readonly query: ListQuery
}

/** What Keito has under some keys, the oldest first; a key that is named twice is stored twice. */
export const rowsOf = (...keys: readonly string[]) => ({
  type: 'accepted' as const,
  value: keys.map((key, i) => ({
    id: `stored-${key}-${i}`,
    created_at: new Date(Date.UTC(2026, 2, 1) + i).toISOString(),
    metadata: { idempotency_key: key },
  })),
})

export interface Reported {
  readonly code: string
  readonly cause: string
  readonly message: string
}

/** A sender at work, with everything that can be seen of it. */
export function aSender(
  answer: Answer,
  { list, remove, ...parts }: Partial<Omit<SenderParts, 'settings'>> & Shelves & { settings?: DeliveryOptions } = {},
) {
  const sent: string[] = []
  const reports: Reported[] = []
  const events: RecordEvent[] = []
  const lists: Listed[] = []
  const removed: string[] = []
  let underWay = 0
  let mostUnderWay = 0
  const create = async (body: { readonly metadata: object }, options?: CallOptions) => {
    const key = 'idempotency_key' in body.metadata ? String(body.metadata.idempotency_key) : ''
    sent.push(key)
    mostUnderWay = Math.max(mostUnderWay, ++underWay)
    try {
      return (await answer(key, options)) as Outcome<StoredRecord>
    } finally {
      underWay--
    }
  }
  const listerOf = (kind: KeitoRecord['kind']) => {
    if (!list) return {}
    const ask = async (query: ListQuery, options?: CallOptions) => {
      lists.push({ kind, query })
      return (await list(query, options, kind)) as Outcome<readonly StoredRecord[]>
    }
    return { list: ask }
  }
  const deleter = remove && {
    delete: async (id: string, options?: CallOptions) => {
      removed.push(id)
      return (await remove(id, options)) as Outcome<unknown>
    },
  }
  const client: OutcomeClient = {
    answers: 'outcomes',
    timeEntries: { create, ...listerOf('time_entry'), ...deleter },
    expenses: { create, ...listerOf('expense') },
  }
  const log: Log = { report: (code, cause, message) => reports.push({ code, cause, message }) }
  const outbox: Outbox = parts.outbox ?? memoryOutbox()
  const counters = createCounters()
  const sender = new Sender({
    client,
    counters,
    log,
    random: () => 1,
    onRecord: (event) => events.push(event),
    ...parts,
    outbox,
    settings: { ...settings, ...parts.settings },
  })
  const send = (...records: readonly KeitoRecord[]) => {
    outbox.add(records)
    sender.wake()
  }
  return { sender, outbox, counters, sent, lists, removed, reports, events, send, mostUnderWay: () => mostUnderWay }
}
