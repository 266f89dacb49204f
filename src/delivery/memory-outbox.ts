/**
 * The outbox that lives in memory: what it holds is lost when the process ends.
 *
 * @module
 */
import type { KeitoRecord } from '../billing/record.ts'
import { ConfigError } from '../errors.ts'
import type { KeptRecord, Outbox, OutboxCounts, Unassigned } from './outbox.ts'
import { RecentKeys } from './recent-keys.ts'

/** Dead letters kept; they are for reading, and a server that refuses everything must not fill the memory. */
const MAX_DEAD = 1000
/** Keys remembered at least of records that are gone, so that a repeated settlement is not billed again. */
const GONE_KEYS = 10_000
/** The queue gives back the room of its taken head when the head is this long and half of it. */
const COMPACT_AT = 1024

/** Settings of {@link memoryOutbox}. */
export interface MemoryOutboxOptions {
  /** Records kept at most: waiting, in flight, held and unassigned. A whole number from 1. @default 100000 */
  readonly maxRecords?: number
}

/**
 * Makes an outbox in memory: first in, first out, bounded. When it is full, new records are refused, counted and
 * reported; what it already holds stays.
 *
 * @param options Its bound.
 * @throws {ConfigError} When `maxRecords` is not a whole number from 1.
 *
 * @example
 * ```ts
 * new KeitoSpanExporter({ outbox: memoryOutbox({ maxRecords: 10_000 }) })
 * ```
 */
export function memoryOutbox({ maxRecords = 100_000 }: MemoryOutboxOptions = {}): Outbox {
  if (!Number.isSafeInteger(maxRecords) || maxRecords < 1) {
    throw new ConfigError(`memoryOutbox: maxRecords must be a whole number from 1, got ${String(maxRecords)}`)
  }
  return new MemoryOutbox(maxRecords)
}

/** A record with its place in the order. */
interface Placed {
  readonly place: number
  readonly record: KeitoRecord
}

class MemoryOutbox implements Outbox {
  readonly #maxRecords: number
  /** Keys of all records that are pending, held or dead. */
  readonly #known = new Set<string>()
  /** Keys of delivered records and forgotten dead letters. */
  readonly #gone = new RecentKeys(GONE_KEYS)
  /** Records never taken, from `#head` on. */
  #queue: Placed[] = []
  #head = 0
  #nextPlace = 0
  /** Records put back, in order. All are older than the queue, and no more than were in flight at once. */
  readonly #returned: Placed[] = []
  readonly #inFlight = new Map<string, Placed>()
  readonly #held = new Map<string, KeptRecord>()
  readonly #dead = new Map<string, KeptRecord>()
  readonly #unassigned: Unassigned[] = []

  constructor(maxRecords: number) {
    this.#maxRecords = maxRecords
  }

  add(records: readonly KeitoRecord[]): readonly KeitoRecord[] {
    return records.filter((record) => {
      if (this.#known.has(record.key) || this.#gone.has(record.key)) return false
      if (this.#isFull()) return true
      this.#known.add(record.key)
      this.#queue.push({ place: this.#nextPlace++, record })
      return false
    })
  }

  keepUnassigned(item: Unassigned): boolean {
    if (this.#isFull()) return false
    this.#unassigned.push(item)
    return true
  }

  take(): KeitoRecord | undefined {
    const placed = this.#returned.shift() ?? this.#next()
    if (!placed) return undefined
    this.#inFlight.set(placed.record.key, placed)
    return placed.record
  }

  putBack(key: string): void {
    const placed = this.#land(key)
    if (!placed) return
    const before = this.#returned.findLastIndex(({ place }) => place < placed.place)
    this.#returned.splice(before + 1, 0, placed)
  }

  delivered(key: string): void {
    if (this.#land(key)) this.#forget(key)
  }

  hold(key: string, reason: string): void {
    const placed = this.#land(key)
    if (placed) this.#held.set(key, { record: placed.record, reason })
  }

  bury(key: string, reason: string): void {
    const placed = this.#land(key)
    if (!placed) return
    this.#dead.set(key, { record: placed.record, reason })
    const oldest = this.#dead.size > MAX_DEAD ? this.#dead.keys().next().value : undefined
    if (oldest === undefined) return
    this.#dead.delete(oldest)
    this.#forget(oldest)
  }

  counts(): OutboxCounts {
    return {
      pending: this.#pending(),
      held: this.#held.size,
      dead: this.#dead.size,
      unassigned: this.#unassigned.length,
    }
  }

  held(): readonly KeptRecord[] {
    return [...this.#held.values()]
  }

  dead(): readonly KeptRecord[] {
    return [...this.#dead.values()]
  }

  unassigned(): readonly Unassigned[] {
    return [...this.#unassigned]
  }

  #pending(): number {
    return this.#queue.length - this.#head + this.#returned.length + this.#inFlight.size
  }

  #isFull(): boolean {
    return this.#pending() + this.#held.size + this.#unassigned.length >= this.#maxRecords
  }

  #next(): Placed | undefined {
    const placed = this.#queue[this.#head]
    if (!placed) return undefined
    this.#head++
    if (this.#head >= COMPACT_AT && this.#head * 2 >= this.#queue.length) {
      this.#queue = this.#queue.slice(this.#head)
      this.#head = 0
    }
    return placed
  }

  /** Takes a record out of flight; undefined when it was not in flight. */
  #land(key: string): Placed | undefined {
    const placed = this.#inFlight.get(key)
    this.#inFlight.delete(key)
    return placed
  }

  #forget(key: string): void {
    this.#known.delete(key)
    this.#gone.add(key)
  }
}
