/**
 * What a journal comes to: the records and sessions that its process left behind.
 *
 * @module
 */
import type { KeitoRecord } from '../billing/record.ts'
import { EMPTY_LEDGER } from '../session/ledger.ts'
import type { SessionState, SettledState, SpanState } from '../session/state.ts'
import type { Op } from './journal-ops.ts'
import type { Memory, Unassigned } from './outbox.ts'
import type { RecordState } from './record-states.ts'
import type { TimerMark } from './timer.ts'

/** Replays the operations of one journal, in the order they were written. */
export class Replay {
  readonly #records = new Map<string, RecordState>()
  /** Keys that are gone, and keys that were sent whose record is lost because the journal was damaged. */
  readonly #gone = new Set<string>()
  readonly #sentOnly = new Set<string>()
  readonly #sessions = new Map<string, { spans: SpanState[]; settled: SettledState }>()
  readonly #forgotten = new Set<string>()
  readonly #carry = new Map<string, bigint>()
  readonly #unassigned = new Map<string, Unassigned>()
  readonly #timers = new Map<string, TimerMark>()
  readonly #absorbed: string[] = []
  #isClosed = false

  /** Applies one operation. */
  apply(op: Op): void {
    switch (op[0]) {
      case 'add':
        this.#put({ state: 'waiting', record: op[1] })
        break
      case 'gather':
        this.#put({ state: 'gathered', record: op[1] })
        break
      case 'held':
        this.#put({ state: 'held', record: op[1], reason: op[2], wasSent: op[3] })
        break
      case 'merge':
        for (const key of op[1]) this.#finish(key)
        this.#gone.delete(op[2].key)
        this.#put({ state: 'waiting', record: op[2] })
        break
      case 'take':
        this.#change(op[1], (record) => ({ state: 'sent', record }))
        break
      case 'back':
        this.#sentOnly.delete(op[1])
        this.#change(op[1], (record) => ({ state: 'waiting', record }))
        break
      case 'hold':
        this.#change(op[1], (record) => ({ state: 'held', record, reason: op[2], wasSent: true }))
        break
      case 'done':
        this.#finish(op[1])
        break
      case 'gone':
        for (const key of op[1]) this.#finish(key)
        break
      case 'unassigned':
        this.#unassigned.set(op[1].key, op[1])
        break
      case 'assign':
        this.#unassigned.delete(op[1])
        for (const state of op[2]) this.#put(state)
        for (const item of op[3]) this.#unassigned.set(item.key, item)
        break
      case 'spans':
        this.#sessionOf(op[1]).spans.push(...op[2])
        break
      case 'settled':
        this.#sessionOf(op[1]).settled = op[2]
        break
      case 'forgotten':
        for (const traceId of op[1]) {
          this.#sessions.delete(traceId)
          this.#forgotten.add(traceId)
        }
        break
      case 'carry':
        if (op[2] === 0n) this.#carry.delete(op[1])
        else this.#carry.set(op[1], op[2])
        break
      case 'timer':
        this.#timers.set(op[1].key, op[1])
        break
      case 'timer-gone':
        this.#timers.delete(op[1])
        break
      case 'absorbed':
        this.#absorbed.push(...op[1])
        break
      case 'closed':
        this.#isClosed = true
    }
  }

  /** The records that are not gone, in the order in which they were to be sent. */
  get records(): readonly RecordState[] {
    return [...this.#records.values()]
  }

  /** Keys of records that Keito has, or will never have. */
  get goneKeys(): Iterable<string> {
    return this.#gone
  }

  /** Keys of records that were sent, but are lost themselves. If they are made again, Keito may have them. */
  get sentKeys(): Iterable<string> {
    return this.#sentOnly
  }

  get unassigned(): readonly Unassigned[] {
    return [...this.#unassigned.values()]
  }

  get memory(): Memory {
    const sessions: SessionState[] = [...this.#sessions].map(([traceId, { spans, settled }]) => ({
      traceId,
      spans,
      ...settled,
    }))
    return { sessions, forgotten: [...this.#forgotten], carry: [...this.#carry], timers: [...this.#timers.values()] }
  }

  /** Ids of other journals whose contents are in this one: they are not to be replayed as well. */
  get absorbed(): readonly string[] {
    return this.#absorbed
  }

  /** Whether its exporter shut down in order. */
  get isClosed(): boolean {
    return this.#isClosed
  }

  #put(state: RecordState): void {
    const { key } = state.record
    if (!this.#gone.has(key)) this.#records.set(key, state)
  }

  #change(key: string, to: (record: KeitoRecord) => RecordState): void {
    const known = this.#records.get(key)
    if (known) this.#records.set(key, to(known.record))
    else if (!this.#gone.has(key)) this.#sentOnly.add(key)
  }

  #finish(key: string): void {
    this.#records.delete(key)
    this.#sentOnly.delete(key)
    this.#gone.add(key)
  }

  #sessionOf(traceId: string): { spans: SpanState[]; settled: SettledState } {
    const known = this.#sessions.get(traceId)
    if (known) return known
    const session = { spans: [], settled: { ledger: EMPTY_LEDGER, twins: [] } }
    this.#sessions.set(traceId, session)
    return session
  }
}
