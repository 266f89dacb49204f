/**
 * From settlements to records in the outbox: billed, gathered or unassigned, and written down where the outbox does.
 *
 * @module
 */
import { bill } from './billing/bill.ts'
import type { KeitoRecord } from './billing/record.ts'
import { CarryBook } from './billing/rounding.ts'
import type { Memory, Outbox } from './delivery/outbox.ts'
import { RollupWindow } from './delivery/rollup-window.ts'
import type { Attribution } from './genai/hints.ts'
import type { RunSummary, Settings } from './options.ts'
import { Quarantine } from './quarantine.ts'
import type { Settlement } from './session/settlement.ts'
import type { SessionStore } from './session/store.ts'
import type { Log } from './telemetry/log.ts'
import type { Counters } from './telemetry/stats.ts'

/** What a {@link Booker} works with. */
export interface BookerParts {
  readonly settings: Settings
  readonly store: SessionStore
  readonly outbox: Outbox
  readonly counters: Counters
  readonly log: Log
  /** Told of each time entry that is to be sent, by its key. */
  readonly onTimeEntry: (key: string) => void
}

/** Books what sessions come to. No method throws: a timer may be the caller, and that would end the host's process. */
export class Booker {
  readonly #parts: BookerParts
  readonly #carry: CarryBook
  readonly #rollup: RollupWindow
  readonly #quarantine: Quarantine

  constructor(parts: BookerParts) {
    const { outbox, settings } = parts
    this.#parts = parts
    this.#carry = new CarryBook(undefined, (key, remainder) => outbox.log?.carried(key, remainder))
    this.#rollup = new RollupWindow(outbox, settings.rollup?.windowMs)
    this.#quarantine = new Quarantine({ ...parts, carry: this.#carry, rollup: this.#rollup })
  }

  /** Whether nothing waits for a window to be over, or to be tried again. */
  get isIdle(): boolean {
    return this.#rollup.isEmpty && this.#quarantine.isIdle
  }

  /** Finds out, before spans are taken in, whether another process has taken over what was taken in before. */
  prepare(): void {
    const { outbox } = this.#parts
    if (outbox.log) this.#guard('an export', () => outbox.commit?.())
  }

  /** Writes down the spans that the store has taken in, where the outbox does that. */
  writeSpans(): void {
    const { store, outbox } = this.#parts
    const { log } = outbox
    if (!log) return
    this.#guard('the spans of an export', () => {
      for (const [traceId, spans] of store.unwritten.takeSpans()) {
        log.spans(traceId, spans)
        log.seal()
      }
      outbox.commit?.()
    })
  }

  /** Books what is due, what the outbox has brought along, and what was gathered for long enough. */
  book(due: () => readonly Settlement[], windows: 'due' | 'all'): void {
    const { store, outbox } = this.#parts
    this.#guard('what the outbox has brought along', () =>
      this.#quarantine.tryArrivals(windows === 'all' ? 'all' : 'some'),
    )
    this.#guard('the sessions that were due', () => {
      const settlements = due()
      const written = new Set<string>()
      for (const [i, settlement] of settlements.entries()) {
        this.#bookOne(settlement)
        // All records of a session, what they left over, and that it is settled: one thing in the journal.
        if (settlements[i + 1]?.sessionId === settlement.sessionId) continue
        this.#writeSettled(settlement.sessionId)
        written.add(settlement.sessionId)
      }
      // Those that came to nothing, because another session has their calls, must know that later too.
      for (const traceId of store.unwritten.takeSettled()) if (!written.has(traceId)) this.#writeSettled(traceId)
      for (const traceId of store.unwritten.takeForgotten()) outbox.log?.forgotten(traceId)
      outbox.log?.seal()
      this.#rollup.close(windows, performance.now())
      outbox.commit?.()
    })
  }

  /**
   * Books what is kept for want of a project, task or category.
   *
   * @param spare Values for what is missing.
   * @param where Says which runs are meant. @default all
   * @returns How many runs records were made of.
   */
  release(spare: Attribution, where?: (run: RunSummary) => boolean): number {
    const { outbox } = this.#parts
    let released = 0
    this.prepare()
    this.#guard('what is kept', () => {
      const count = this.#quarantine.release(spare, where)
      // When another process has taken everything over, it has the items as they were.
      if (outbox.commit?.() ?? true) released = count
    })
    return released
  }

  /** Everything that is to be kept beside the records. */
  memory(): Omit<Memory, 'timers'> {
    const { store } = this.#parts
    // All of it is in the states.
    store.unwritten.clear()
    return { sessions: [...store.states()], forgotten: [...store.forgotten], carry: this.#carry.remainders }
  }

  /** Goes on from what a process left that is gone. */
  restore({ sessions, forgotten, carry }: Omit<Memory, 'timers'>): void {
    this.#parts.store.restore(sessions, forgotten, performance.now())
    this.#carry.restore(carry)
    this.#quarantine.noteArrivals()
  }

  /** Lets go of everything, because another process has it. */
  abandon(): void {
    this.#parts.store.abandon()
    this.#carry.clear()
    this.#rollup.clear()
  }

  #writeSettled(traceId: string): void {
    const { store, outbox } = this.#parts
    const state = outbox.log && store.settledState(traceId)
    if (state) outbox.log?.settled(traceId, state)
    outbox.log?.seal()
  }

  #bookOne(settlement: Settlement): void {
    const { settings, store } = this.#parts
    this.#guard(`a run of trace ${settlement.sessionId}`, () => {
      const { records, unassigned, failure } = bill(settlement, settings, this.#carry)
      const isRestored = store.isRestored(settlement.sessionId)
      this.#keep(records, isRestored)
      for (const item of unassigned) {
        const isKept = this.#quarantine.keep(item, failure, isRestored)
        if (!isKept) this.#countDropped(`a run of trace ${settlement.sessionId}`, OUTBOX_FULL)
      }
    })
  }

  #keep(records: readonly KeitoRecord[], lookUpFirst: boolean): void {
    const { settings, outbox, counters, onTimeEntry } = this.#parts
    counters.recordsMade += records.length
    // What may have been booked already is looked up by its own key, and so it is not merged.
    const isGathered = settings.rollup && !lookUpFirst
    const refused = isGathered ? this.#rollup.take(records, performance.now()) : outbox.add(records, { lookUpFirst })
    for (const record of refused) this.#countDropped(record.key, OUTBOX_FULL)
    for (const record of records) {
      if (record.kind === 'time_entry' && !refused.includes(record)) onTimeEntry(record.key)
    }
  }

  #guard(what: string, act: () => unknown): void {
    try {
      act()
    } catch (error) {
      this.#countDropped(what, `handling it failed with ${error instanceof Error ? error.name : typeof error}`)
    }
  }

  #countDropped(what: string, why: string): void {
    this.#parts.counters.recordsDropped++
    this.#parts.log.report('dropped', why, `Not kept, and so not billed: ${what}, because ${why}.`)
  }
}

const OUTBOX_FULL = 'the outbox is full'
