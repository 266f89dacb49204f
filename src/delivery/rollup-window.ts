/**
 * The window in which runs are gathered before they are booked together: the option `rollup`.
 *
 * @module
 */
import type { KeitoRecord } from '../billing/record.ts'
import { rollUp, rollupGroupOf } from '../billing/rollup.ts'
import type { Outbox } from './outbox.ts'

/** Gathers records in the outbox, and merges those whose window is over. */
export class RollupWindow {
  readonly #outbox: Outbox
  readonly #windowMs: number
  /** When the first record of a group came, in milliseconds of the caller's clock. */
  readonly #openedAt = new Map<string, number>()

  /** @param windowMs How long a group is gathered, in milliseconds; undefined when records are sent one by one. */
  constructor(outbox: Outbox, windowMs: number | undefined) {
    this.#outbox = outbox
    this.#windowMs = windowMs ?? 0
  }

  /** Whether nothing is gathered. */
  get isEmpty(): boolean {
    return this.#openedAt.size === 0
  }

  /** Takes records in. Returns those that the outbox could not keep. */
  take(records: readonly KeitoRecord[], nowMs: number): readonly KeitoRecord[] {
    const refused = this.#outbox.gather(records)
    this.note(records, nowMs)
    return refused
  }

  /** Opens the groups of records that the outbox has gathered. */
  note(records: readonly KeitoRecord[], nowMs: number): void {
    for (const group of records.map(rollupGroupOf)) {
      if (!this.#openedAt.has(group)) this.#openedAt.set(group, nowMs)
    }
  }

  /** Merges what is due, or everything; the records then wait to be sent. */
  close(which: 'due' | 'all', nowMs: number): void {
    const isOver = (openedAt: number) => which === 'all' || nowMs - openedAt >= this.#windowMs
    const over = new Set([...this.#openedAt].filter(([, openedAt]) => isOver(openedAt)).map(([group]) => group))
    if (over.size === 0) return
    for (const group of over) this.#openedAt.delete(group)
    const due = this.#outbox.gathered().filter((record) => over.has(rollupGroupOf(record)))
    for (const { record, keys } of rollUp(due)) this.#outbox.merge(keys, record)
  }

  /** Forgets the groups, because another process has them. */
  clear(): void {
    this.#openedAt.clear()
  }
}
