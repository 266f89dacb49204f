/**
 * What the exporter has counted since it was made.
 *
 * @module
 */

/** A snapshot of the exporter's counters. All counts start at 0 with the exporter, except the gauges at the end. */
export interface KeitoStats {
  /** Spans handed to the exporter. */
  readonly spansSeen: number
  /** Spans that carry GenAI facts: agents, model calls, tools. */
  readonly spansRead: number
  /** Spans of no interest; only their place in the tree is kept. */
  readonly spansIgnored: number
  /** Spans that could not be read (hostile or broken objects). Nothing of them is billed. */
  readonly spansUnreadable: number
  /** Spans that came after their session had been closed and forgotten, or after the shutdown of a processor. Nothing of them is billed. */
  readonly spansLate: number
  /** Spans that another exporter or processor with the same destination has. Nothing of them is billed here. */
  readonly spansElsewhere: number
  /** Usage or time values that made no sense (NaN, negative, end before start, ...) and were left out. */
  readonly valuesRefused: number
  /** Token usage seen again on an outer span or in a second instrumentation, and not billed twice. */
  readonly repeatsSuppressed: number
  /** Settlements that came to something to bill: one for each session, and one for each late addition. */
  readonly sessionsSettled: number
  /** Sessions settled early, because `settle.maxOpenSpans` was reached. */
  readonly sessionsForced: number
  /** Records made: time entries and expenses. */
  readonly recordsMade: number
  /** Records that Keito accepted. In a dry run: records printed. */
  readonly recordsDelivered: number
  /** Of the delivered records: those that were found in Keito after nobody had known whether it had stored them. */
  readonly recordsReconciled: number
  /** Copies found in Keito of records that it stored more than once. */
  readonly recordsDuplicated: number
  /** Requests that were repeated after an answer that proves nothing had been stored. */
  readonly requestsRetried: number
  /** Records that Keito refused for good; kept as dead letters. */
  readonly recordsDead: number
  /** Records that could not be kept, because the outbox was full. */
  readonly recordsDropped: number
  /** Timers that were started in Keito for runs under way: see the option `live`. */
  readonly timersStarted: number
  /** Timers that were not, mostly because Keito has one running timer per user. Their runs are booked all the same. */
  readonly timersRefused: number
  /** Timers that perhaps were started, because the answer was lost. They are looked for, and deleted. */
  readonly timersLost: number
  /** Timers that have become the time entry of their run. */
  readonly timersBooked: number
  /** Gauge: sessions that are open now. */
  readonly openSessions: number
  /** Gauge: records waiting to be sent now, those gathered for a rollup included. */
  readonly recordsPending: number
  /** Gauge: records held now, because nobody knows whether Keito stored them. */
  readonly recordsHeld: number
  /** Gauge: items kept now, because no project, task or category is known for them. */
  readonly recordsUnassigned: number
  /** Gauge: how long the oldest pending record has been waiting, in milliseconds; 0 when none waits. */
  readonly oldestPendingMs: number
}

type Gauge = 'openSessions' | 'recordsPending' | 'recordsHeld' | 'recordsUnassigned' | 'oldestPendingMs'

/** The counters of {@link KeitoStats} that only grow. */
export type Counter = Exclude<keyof KeitoStats, Gauge>

/** The exporter's counters; one object shared by all stages. */
export type Counters = Record<Counter, number>

/** Makes counters that all stand at 0. */
export function createCounters(): Counters {
  return {
    spansSeen: 0,
    spansRead: 0,
    spansIgnored: 0,
    spansUnreadable: 0,
    spansLate: 0,
    spansElsewhere: 0,
    valuesRefused: 0,
    repeatsSuppressed: 0,
    sessionsSettled: 0,
    sessionsForced: 0,
    recordsMade: 0,
    recordsDelivered: 0,
    recordsReconciled: 0,
    recordsDuplicated: 0,
    requestsRetried: 0,
    recordsDead: 0,
    recordsDropped: 0,
    timersStarted: 0,
    timersRefused: 0,
    timersLost: 0,
    timersBooked: 0,
  }
}
