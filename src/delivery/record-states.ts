/**
 * The states of the records in an outbox, and the order in which they are sent: first in, first out.
 *
 * @module
 */
import type { KeitoRecord } from '../billing/record.ts'
import { Fifo } from './fifo.ts'
import type { HeldRecord, KeptRecord, OutboxCounts } from './outbox.ts'
import { RecentKeys } from './recent-keys.ts'
import { UnassignedItems } from './unassigned-items.ts'

/** Dead letters kept; they are for reading, and a server that refuses everything must not fill the memory. */
const MAX_DEAD = 1000
/** Keys remembered at least of records that are gone, so that a repeated settlement is not billed again. */
const GONE_KEYS = 10_000

/** A record with its place in the order. */
interface Placed {
  readonly place: number
  readonly record: KeitoRecord
  /** When it was taken in, Unix time in milliseconds. */
  readonly since: number
  /** Whether, although it waits, Keito may have it, so that another process has to look it up. */
  readonly isInDoubt?: boolean | undefined
}

/** A held record with its place in the order. */
interface PlacedHeld extends Placed {
  readonly reason: string
  readonly wasSent: boolean
}

/** A record with the state in which it is taken in. */
export type NewRecord =
  | { readonly state: 'waiting' | 'gathered'; readonly record: KeitoRecord }
  | { readonly state: 'held'; readonly record: KeitoRecord; readonly reason: string; readonly wasSent: boolean }

/** A record with its state, to be written down. */
export type RecordState = NewRecord | { readonly state: 'sent'; readonly record: KeitoRecord }

/** Keeps records and their states, within a bound. */
export class RecordStates {
  readonly #maxRecords: number
  readonly #now: () => number
  /** Keys of all records that are here. */
  readonly #known = new Set<string>()
  /** Keys of delivered and merged records and of forgotten dead letters. */
  readonly #gone = new RecentKeys(GONE_KEYS)
  /** Records never taken. */
  readonly #queue = new Fifo<Placed>()
  /** Records put back. All are older than the queue. */
  readonly #returned = new Fifo<Placed>()
  /** Whether the records put back are in order; they are put in order when the next one is taken. */
  #isSorted = true
  #nextPlace = 0
  readonly #inFlight = new Map<string, Placed>()
  readonly #held = new Map<string, PlacedHeld>()
  readonly #gathered = new Map<string, Placed>()
  readonly #dead = new Map<string, KeptRecord>()
  /** What cannot be booked yet. */
  readonly unassigned = new UnassignedItems((key) => this.knows(key))

  /**
   * @param maxRecords Records kept at most: waiting, in flight, held, gathered and unassigned.
   * @param now Unix time in milliseconds.
   */
  constructor(maxRecords: number, now: () => number = Date.now) {
    this.#maxRecords = maxRecords
    this.#now = now
  }

  /** Whether a record with this key is here, or was. */
  knows(key: string): boolean {
    return this.#known.has(key) || this.#gone.has(key)
  }

  /** Whether a record with this key is here. */
  isHere(key: string): boolean {
    return this.#known.has(key)
  }

  /** A record in flight. */
  inFlight(key: string): KeitoRecord | undefined {
    return this.#inFlight.get(key)?.record
  }

  /** Whether nothing more can be kept. */
  get isFull(): boolean {
    const records = this.#waiting + this.#inFlight.size + this.#held.size + this.#gathered.size
    return records + this.unassigned.size >= this.#maxRecords
  }

  /** Takes a record in at the end of the order. */
  add(record: KeitoRecord): void {
    this.#know(record)
    this.#queue.push(this.#placed(record))
  }

  /** Takes a record in that is to be merged with others. */
  gather(record: KeitoRecord): void {
    this.#know(record)
    this.#gathered.set(record.key, this.#placed(record))
  }

  /** Takes a record in with a state. */
  put(state: NewRecord): void {
    if (state.state === 'held') this.addHeld(state.record, state.reason, state.wasSent)
    else if (state.state === 'gathered') this.gather(state.record)
    else this.add(state.record)
  }

  /** Puts one record in the place of gathered ones. */
  merge(keys: readonly string[], record: KeitoRecord): void {
    for (const key of keys) if (this.#gathered.delete(key)) this.#forget(key)
    // One that was gathered alone is the record itself.
    this.add(record)
  }

  /** Hands out the oldest record that waits. */
  take(): KeitoRecord | undefined {
    if (!this.#isSorted) this.#returned.sort((a, b) => a.place - b.place)
    this.#isSorted = true
    const placed = this.#returned.shift() ?? this.#queue.shift()
    if (!placed) return undefined
    this.#inFlight.set(placed.record.key, placed)
    return placed.record
  }

  /** Puts a record in flight back to its place. */
  putBack(key: string, isInDoubt = false): void {
    const placed = this.#land(key)
    if (placed) this.#return({ ...placed, isInDoubt })
  }

  /** Forgets a record in flight or held, and remembers that its key is not to be taken in again. */
  finish(key: string): void {
    this.#inFlight.delete(key)
    this.#held.delete(key)
    this.#forget(key)
  }

  /** Holds a record that was in flight. */
  hold(key: string, reason: string): void {
    const placed = this.#land(key)
    if (placed) this.#held.set(key, { ...placed, reason, wasSent: true })
  }

  /** Takes in a record that a process left which is gone: it may have been sent. */
  addHeld(record: KeitoRecord, reason: string, wasSent: boolean): void {
    this.#know(record)
    this.#held.set(record.key, { ...this.#placed(record), reason, wasSent })
  }

  /** Puts a held record back to its place. */
  release(key: string): void {
    const placed = this.#held.get(key)
    if (placed && this.#held.delete(key)) this.#return({ ...placed, isInDoubt: false })
  }

  /** Makes a record in flight a dead letter; the oldest beyond a bound is forgotten. */
  bury(key: string, reason: string): void {
    const placed = this.#land(key)
    if (!placed) return
    this.#dead.set(key, { record: placed.record, reason })
    const oldest = this.#dead.size > MAX_DEAD ? this.#dead.keys().next().value : undefined
    if (oldest === undefined) return
    this.#dead.delete(oldest)
    this.#forget(oldest)
  }

  /** Takes the dead letters out, the oldest first; their keys may be taken in again. */
  exhume(): readonly KeitoRecord[] {
    const records = [...this.#dead.values()].map(({ record }) => record)
    for (const { key } of records) this.#known.delete(key)
    this.#dead.clear()
    return records
  }

  counts(): OutboxCounts {
    const oldestAt = this.#oldestAt()
    return {
      pending: this.#waiting + this.#inFlight.size,
      gathered: this.#gathered.size,
      held: this.#held.size,
      dead: this.#dead.size,
      unassigned: this.unassigned.size,
      ...(oldestAt === undefined ? {} : { oldestAt }),
    }
  }

  gathered(): readonly KeitoRecord[] {
    return [...this.#gathered.values()].map(({ record }) => record)
  }

  held(): readonly HeldRecord[] {
    return [...this.#held.values()].map(({ record, reason, wasSent }) => ({ record, reason, wasSent }))
  }

  dead(): readonly KeptRecord[] {
    return [...this.#dead.values()]
  }

  /** Everything that is to be kept, except dead letters, in the order in which it is to be sent. */
  states(): readonly RecordState[] {
    const waiting = [...this.#returned.toArray(), ...this.#queue.toArray()]
    const all: readonly (Placed & RecordState)[] = [
      ...waiting.map((placed) => ({ ...placed, state: placed.isInDoubt ? ('sent' as const) : ('waiting' as const) })),
      ...[...this.#inFlight.values()].map((placed) => ({ ...placed, state: 'sent' as const })),
      ...[...this.#held.values()].map((placed) => ({ ...placed, state: 'held' as const })),
      ...[...this.#gathered.values()].map((placed) => ({ ...placed, state: 'gathered' as const })),
    ]
    return all.toSorted((a, b) => a.place - b.place)
  }

  /** Keys of records that are gone, as far as they are remembered. */
  goneKeys(): Iterable<string> {
    return this.#gone
  }

  /** Forgets everything but the keys that are gone. */
  clear(): void {
    this.#known.clear()
    this.#queue.clear()
    this.#returned.clear()
    this.unassigned.clear()
    for (const map of [this.#inFlight, this.#held, this.#gathered, this.#dead]) map.clear()
  }

  get #waiting(): number {
    return this.#queue.size + this.#returned.size
  }

  #oldestAt(): number | undefined {
    const [inFlight] = this.#inFlight.values()
    const [gathered] = this.#gathered.values()
    const times = [this.#returned.first, this.#queue.first, inFlight, gathered].flatMap((placed) => placed?.since ?? [])
    return times.length > 0 ? Math.min(...times) : undefined
  }

  #placed(record: KeitoRecord): Placed {
    return { place: this.#nextPlace++, record, since: this.#now() }
  }

  #return({ place, record, since, isInDoubt }: Placed): void {
    this.#returned.push({ place, record, since, isInDoubt })
    this.#isSorted = this.#returned.size === 1
  }

  /** Takes a record out of flight; undefined when it was not in flight. */
  #land(key: string): Placed | undefined {
    const placed = this.#inFlight.get(key)
    this.#inFlight.delete(key)
    return placed
  }

  /** A record may come back: sent again as a dead letter, or as the only one of its rollup. */
  #know({ key }: KeitoRecord): void {
    this.#known.add(key)
    this.#gone.delete(key)
  }

  #forget(key: string): void {
    this.#known.delete(key)
    this.#gone.add(key)
  }
}
