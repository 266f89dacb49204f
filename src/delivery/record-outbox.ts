/**
 * The outbox as such: the states of its records, and a word on each change for who writes it down.
 *
 * @module
 */
import type { KeitoRecord } from '../billing/record.ts'
import type { Op } from './journal-ops.ts'
import type {
  AddOptions,
  AssignOptions,
  HeldRecord,
  KeptRecord,
  Outbox,
  OutboxCounts,
  OutboxHost,
  Unassigned,
} from './outbox.ts'
import { type NewRecord, RecordStates } from './record-states.ts'

/** An outbox in memory; one that outlives the process extends it. */
export class RecordOutbox implements Outbox {
  protected readonly states: RecordStates
  protected host: OutboxHost | undefined

  /** @param maxRecords Records kept at most. */
  constructor(maxRecords: number) {
    this.states = new RecordStates(maxRecords)
  }

  open(host: OutboxHost): void {
    this.host = host
  }

  add(records: readonly KeitoRecord[], _options?: AddOptions): readonly KeitoRecord[] {
    return this.keep(records, (record) => {
      this.states.add(record)
      return ['add', record]
    })
  }

  gather(records: readonly KeitoRecord[]): readonly KeitoRecord[] {
    return this.keep(records, (record) => {
      this.states.gather(record)
      return ['gather', record]
    })
  }

  merge(keys: readonly string[], record: KeitoRecord): void {
    this.states.merge(keys, record)
    this.write(['merge', keys, record])
  }

  keepUnassigned(item: Unassigned, { lookUpFirst = false }: AddOptions = {}): boolean {
    const part = this.states.unassigned.newPartOf(item)
    if (!part) return true
    if (this.isFull) return false
    this.states.unassigned.keep(part, lookUpFirst)
    this.write(['unassigned', part])
    return true
  }

  assign(key: string, records: readonly KeitoRecord[], { gather = false, rest = [] }: AssignOptions = {}): void {
    const { unassigned } = this.states
    const kept = unassigned.remove(key)
    if (!kept) return
    const taken: NewRecord[] = []
    for (const record of records) {
      if (this.states.knows(record.key)) continue
      const state = this.assigned(record, kept.isInDoubt, gather)
      this.states.put(state)
      taken.push(state)
    }
    const left = rest.flatMap((item) => unassigned.newPartOf(item) ?? [])
    for (const item of left) unassigned.keep(item, kept.isInDoubt)
    this.write(['assign', key, taken, left])
    if (taken.some(({ state }) => state === 'held')) this.host?.wake()
  }

  take(): KeitoRecord | undefined {
    const record = this.states.take()
    if (record) this.write(['take', record.key])
    return record
  }

  putBack(key: string, isInDoubt = false): void {
    this.states.putBack(key, isInDoubt)
    if (!isInDoubt) this.write(['back', key])
  }

  delivered(key: string): void {
    this.states.finish(key)
    this.write(['done', key])
  }

  hold(key: string, reason: string): void {
    this.states.hold(key, reason)
    this.write(['hold', key, reason])
  }

  release(key: string): void {
    this.states.release(key)
    this.write(['back', key])
  }

  bury(key: string, reason: string): void {
    this.states.bury(key, reason)
  }

  redeliver(): number {
    const records = this.states.exhume()
    for (const record of records) this.merge([], record)
    this.host?.wake()
    return records.length
  }

  counts(): OutboxCounts {
    return this.states.counts()
  }

  gathered(): readonly KeitoRecord[] {
    return this.states.gathered()
  }

  held(): readonly HeldRecord[] {
    return this.states.held()
  }

  dead(): readonly KeptRecord[] {
    return this.states.dead()
  }

  unassigned(): readonly Unassigned[] {
    return this.states.unassigned.all()
  }

  /** Whether nothing more can be kept. */
  protected get isFull(): boolean {
    return this.states.isFull
  }

  /** The state in which a record of an item is taken in. In memory no other process had the item before. */
  protected assigned(record: KeitoRecord, _isInDoubt: boolean, gather: boolean): NewRecord {
    return { state: gather ? 'gathered' : 'waiting', record }
  }

  /** Told of each change. In memory there is nobody to tell. */
  protected write(_op: Op): void {}

  /** Keeps the records that are new, as far as there is room. Returns the others that are new. */
  protected keep(records: readonly KeitoRecord[], keep: (record: KeitoRecord) => Op): readonly KeitoRecord[] {
    return records.filter((record) => {
      if (this.states.knows(record.key)) return false
      if (this.isFull) return true
      this.write(keep(record))
      return false
    })
  }
}
