/**
 * The keys that identify records for ever: the same work has the same key, whenever and wherever it is billed.
 *
 * @module
 */
import { entryCountOf } from '../session/hours.ts'
import type { Settlement } from '../session/settlement.ts'
import { shortHash } from './hash.ts'
import { cleanText } from './text.ts'

/** Longest model name inside a key, in code points; keeps a key within the 200 code points of a metadata string. */
const MAX_MODEL = 100

/**
 * The key of a time entry: `<traceId>:<runSpanId>:time:<n>`.
 *
 * @param n 0 for the first entry of the run, one more for each later one.
 */
export function timeEntryKey(sessionId: string, runId: string, n: number): string {
  return `${sessionId}:${runId}:time:${n}`
}

/** The key of the timer that runs in Keito while a run is under way: `<traceId>:<runSpanId>:timer`. */
export function timerKey(sessionId: string, runId: string): string {
  return `${sessionId}:${runId}:timer`
}

/** The keys of the time entries that a settlement comes to, none when it has no time. */
export function timeEntryKeysOf({ sessionId, runId, time }: Settlement): readonly string[] {
  if (!time) return []
  return Array.from({ length: entryCountOf(time.durationNs) }, (_, i) => timeEntryKey(sessionId, runId, time.index + i))
}

/**
 * The key of an LLM expense: `<traceId>:<runSpanId>:llm:<model>:<n>`. A model name that has to be cleaned or cut gets a
 * hash of the whole name, so that two models of one run do not share a key.
 *
 * @param n 0 the first time tokens of this run and model are billed, one more for each later time.
 */
export function expenseKey(sessionId: string, runId: string, model: string, n: number): string {
  return `${sessionId}:${runId}:llm:${modelPart(model)}:${n}`
}

/**
 * The key of a record that several were merged into: `<key of the first>:rollup:<count>`. It fits into metadata
 * unchanged, like the keys it is made of: they leave room for it.
 *
 * @param firstKey The key of the first record merged.
 * @param count How many records were merged.
 */
export function rollupKey(firstKey: string, count: number): string {
  return `${firstKey}:rollup:${count}`
}

function modelPart(model: string): string {
  const clean = cleanText(model, MAX_MODEL)
  return clean === model && clean !== '' ? clean : `${clean || 'unknown'}-${shortHash(model)}`
}
