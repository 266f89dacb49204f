/**
 * The outbox: where accepted records wait until Keito has them, and where those stay that cannot be sent.
 *
 * @module
 */
import type { KeitoRecord } from '../billing/record.ts'
import type { KeitoErrorCode } from '../errors.ts'
import type { Settlement } from '../session/settlement.ts'
import type { SessionState, SettledState, SpanState } from '../session/state.ts'
import type { TimerMark } from './timer.ts'

/** An id that a record needs, by the name of its option. */
export type MissingId = 'projectId' | 'taskId' | 'expenseCategoryId'

/**
 * Time or tokens that are kept, and not booked, because no project, task or category is known for them. They are booked
 * by `KeitoSpanExporter.release`, or at the next start when the configuration names what is missing.
 */
export interface Unassigned {
  /** Identifies the item for ever: the key of the first record that will come of it. */
  readonly key: string
  /** The part of the run that could not be booked. Nothing of it is in a record or was carried. */
  readonly settlement: Settlement
  /** What is missing: names of options. Empty when the `attribution` function gave no usable answer. */
  readonly missing: readonly MissingId[]
}

/** A record that is kept but not sent, with the reason. */
export interface KeptRecord {
  readonly record: KeitoRecord
  readonly reason: string
}

/** A record that Keito may have, which is therefore looked up before it is sent again. */
export interface HeldRecord extends KeptRecord {
  /** Whether a request for it was made. False after a crash, where nobody can be sure that none was made. */
  readonly wasSent: boolean
}

/** How many records are in which state. */
export interface OutboxCounts {
  /** Waiting or in flight. */
  readonly pending: number
  /** Waiting for others to be merged with: see the option `rollup`. */
  readonly gathered: number
  /** Not to be sent until it is known that Keito has not stored them. */
  readonly held: number
  /** Refused by Keito for good. */
  readonly dead: number
  /** Without a project, task or category. */
  readonly unassigned: number
  /** When the oldest of the pending and gathered records was taken in, Unix time in milliseconds; absent without any. */
  readonly oldestAt?: number
}

/** What the rest of the exporter knows and an outbox that outlives the process has to keep. */
export interface Memory {
  /** Open sessions, and settled ones that may still get late spans. */
  readonly sessions: readonly SessionState[]
  /** Trace ids of sessions that are over: spans that still come are late. */
  readonly forgotten: readonly string[]
  /** Remainders of rounding, by key. */
  readonly carry: readonly (readonly [key: string, remainder: bigint])[]
  /** Timers that run in Keito, or may. */
  readonly timers: readonly TimerMark[]
}

/** The exporter, as its outbox sees it. */
export interface OutboxHost {
  /** Tells this exporter's account and server from others: what was accepted for one is never sent to another. */
  readonly destination: string
  /** Whether it can look up in Keito what has been booked. */
  readonly canLookUp: boolean
  /** Reports a problem to the user. */
  report(code: KeitoErrorCode, cause: string, message: string): void
  /** Says that records wait, or are held, that nobody has told the exporter of. */
  wake(): void
  /** Everything that is to be kept beside the records, as it is now. */
  snapshot(): Memory
  /** Takes in what a process left that is gone: sessions that it did not finish are interrupted. */
  restore(memory: Memory): void
  /** Lets go of all sessions and timers, because another process has taken them over. */
  abandon(): void
}

/** How records are taken in. */
export interface AddOptions {
  /** Look them up in Keito before they are sent: what they come from was left by a process that may have sent them. */
  readonly lookUpFirst?: boolean
}

/** How the records of an item are taken in that could not be booked before. */
export interface AssignOptions {
  /** Whether the records are to be merged with others before they are sent. @default false */
  readonly gather?: boolean
  /** What of the item still cannot be booked. @default nothing */
  readonly rest?: readonly Unassigned[]
}

/**
 * Keeps records between the moment a session is settled and the moment Keito has stored them. All methods are
 * synchronous and never throw. One record has one key; a key that is already known is not added again.
 */
export interface Outbox {
  /** Takes records in, oldest first. Returns those that it could not keep, because it is full. */
  add(records: readonly KeitoRecord[], options?: AddOptions): readonly KeitoRecord[]
  /** Takes records in that are to be merged with others before they are sent. Returns those that it could not keep. */
  gather(records: readonly KeitoRecord[]): readonly KeitoRecord[]
  /** The records that were gathered and not merged yet, oldest first. */
  gathered(): readonly KeitoRecord[]
  /** Puts one record, which then waits to be sent, in the place of gathered ones. */
  merge(keys: readonly string[], record: KeitoRecord): void
  /**
   * Keeps what cannot be booked anywhere, as far as it is not known: no part of a run is kept twice, or after its record.
   *
   * @param options Whether the records that will come of it are to be looked up first.
   * @returns False when it is full.
   */
  keepUnassigned(item: Unassigned, options?: AddOptions): boolean
  /**
   * Puts the records that an item comes to in its place, all at once: after a crash there is either the item, or its
   * records and the rest of it. What it takes in may exceed the bound, so that nothing is lost. Records are looked up in
   * Keito before they are sent when another process had the item before. Does nothing when the item is not there.
   *
   * @param key The key of the item.
   * @param records What it comes to; none when only the rest is told anew.
   */
  assign(key: string, records: readonly KeitoRecord[], options?: AssignOptions): void
  /** Hands out the oldest record that waits and marks it as in flight, or undefined when none waits. */
  take(): KeitoRecord | undefined
  /**
   * Puts a record that was in flight back to its place in the order.
   *
   * @param isInDoubt Whether Keito may have it all the same: this process may send it again, another one only when it has
   *   looked it up. @default false
   */
  putBack(key: string, isInDoubt?: boolean): void
  /** Forgets a record, in flight or held, that Keito has stored. */
  delivered(key: string): void
  /** Keeps a record that was in flight and that Keito may have stored. */
  hold(key: string, reason: string): void
  /** Puts a held record, which Keito has not stored, back to its place in the order. */
  release(key: string): void
  /** Keeps a record that was in flight and that Keito refused for good. */
  bury(key: string, reason: string): void
  /**
   * Sends the dead letters again: for when what Keito refused has been mended there, such as a missing project.
   *
   * @returns How many there were.
   */
  redeliver(): number
  /** How many records are in which state. */
  counts(): OutboxCounts
  /** The records that Keito may have stored. */
  held(): readonly HeldRecord[]
  /** The records that Keito refused for good; the oldest are forgotten beyond a bound. */
  dead(): readonly KeptRecord[]
  /** What no project, task or category is known for, the oldest first. */
  unassigned(): readonly Unassigned[]

  /** Called once by the exporter that the outbox is given to, before anything else. */
  open?(host: OutboxHost): void
  /**
   * Makes sure that everything so far outlives the process. Called before spans are acknowledged and requests made.
   *
   * @returns False when what was taken is not to be sent, because another process has taken it over.
   */
  commit?(): boolean
  /**
   * Called when the exporter has shut down.
   *
   * @returns Whether what is left outlives the process.
   */
  close?(): boolean
  /** Keeps what the exporter knows beside the records. Present where the outbox outlives the process. */
  readonly log?: ExporterLog
}

/** What an outbox that outlives the process is told as it happens; the counterpart of {@link Memory}. */
export interface ExporterLog {
  /** Spans were taken into a session with something of interest in it. The first time, all that the session has. */
  spans(traceId: string, spans: readonly SpanState[]): void
  /** The session was settled. */
  settled(traceId: string, state: SettledState): void
  /** The session is over. */
  forgotten(traceId: string): void
  /** A remainder of rounding has changed. */
  carried(key: string, remainder: bigint): void
  /** A timer is about to be started in Keito. */
  timer(mark: TimerMark): void
  /** There is no timer with this key any more. */
  timerGone(key: string): void
  /** What was told and taken in since the last seal belongs together: after a crash all of it is known, or none. */
  seal(): void
}
