/**
 * The keys that identify records for ever: the same work has the same key, whenever and wherever it is billed.
 *
 * @module
 */
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

/**
 * The key of an LLM expense: `<traceId>:<runSpanId>:llm:<model>:<n>`. A model name that has to be cleaned or cut gets a
 * hash of the whole name, so that two models of one run do not share a key.
 *
 * @param n 0 the first time tokens of this run and model are billed, one more for each later time.
 */
export function expenseKey(sessionId: string, runId: string, model: string, n: number): string {
  return `${sessionId}:${runId}:llm:${modelPart(model)}:${n}`
}

function modelPart(model: string): string {
  const clean = cleanText(model, MAX_MODEL)
  return clean === model && clean !== '' ? clean : `${clean || 'unknown'}-${fnv1a(model)}`
}

/** FNV-1a, 32 bits, over the UTF-16 units of a text, low byte first; 8 hex digits. */
function fnv1a(text: string): string {
  let hash = 0x811c9dc5
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at)
    hash = Math.imul(hash ^ (unit & 0xff), 0x01000193)
    hash = Math.imul(hash ^ (unit >>> 8), 0x01000193)
  }
  return (hash >>> 0).toString(16).padStart(8, '0')
}
