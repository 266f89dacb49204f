/**
 * The outbox: where accepted records wait until Keito has them, and where those stay that cannot be sent.
 *
 * @module
 */
import type { KeitoRecord } from '../billing/record.ts'
import type { Settlement } from '../session/settlement.ts'

/** Time or tokens that no project, task or category is known for. */
export interface Unassigned {
  /** The part of the run that could not be booked; billed again once somebody says where it belongs. */
  readonly settlement: Settlement
  /** What is missing: names of options. Empty when the `attribution` function threw. */
  readonly missing: readonly ('projectId' | 'taskId' | 'expenseCategoryId')[]
}

/** A record that is kept but not sent, with the reason. */
export interface KeptRecord {
  readonly record: KeitoRecord
  readonly reason: string
}

/** How many records are in which state. */
export interface OutboxCounts {
  /** Waiting or in flight. */
  readonly pending: number
  /** Not to be sent again, because Keito may have stored them. */
  readonly held: number
  /** Refused by Keito for good. */
  readonly dead: number
  /** Without a project, task or category. */
  readonly unassigned: number
}

/**
 * Keeps records between the moment a session is settled and the moment Keito has stored them. All methods are
 * synchronous and never throw. One record has one key; a key that is already known is not added again.
 */
export interface Outbox {
  /** Takes records in, oldest first. Returns those that it could not keep, because it is full. */
  add(records: readonly KeitoRecord[]): readonly KeitoRecord[]
  /** Keeps what cannot be booked anywhere. Returns false when it is full. */
  keepUnassigned(item: Unassigned): boolean
  /** Hands out the oldest record that waits and marks it as in flight, or undefined when none waits. */
  take(): KeitoRecord | undefined
  /** Puts a record that was in flight back to its place in the order. */
  putBack(key: string): void
  /** Forgets a record that Keito has stored. */
  delivered(key: string): void
  /** Keeps a record that Keito may have stored, without sending it again. */
  hold(key: string, reason: string): void
  /** Keeps a record that Keito refused for good. */
  bury(key: string, reason: string): void
  /** How many records are in which state. */
  counts(): OutboxCounts
  /** The records held because nobody knows whether Keito stored them. */
  held(): readonly KeptRecord[]
  /** The records that Keito refused for good; the oldest are forgotten beyond a bound. */
  dead(): readonly KeptRecord[]
  /** What no project, task or category is known for. */
  unassigned(): readonly Unassigned[]
}
