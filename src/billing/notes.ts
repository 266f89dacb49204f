/**
 * The sentences a client may read on an invoice. They hold names and counts, never content.
 *
 * @module
 */
import type { RunOutcome } from '../session/settlement.ts'
import { cleanText } from './text.ts'

/** Longest note that a user gives, in code points. */
const MAX_NOTE = 500

/** Names of token magnitudes, the largest first. */
const MAGNITUDES: readonly (readonly [tokens: number, suffix: string])[] = [
  [1_000_000_000, 'B'],
  [1_000_000, 'M'],
  [1_000, 'k'],
]

/** How many runs a merged record stands for, by how they ended. */
export type RunCount = Readonly<Record<RunOutcome, number>>

/** How runs end that a client would not expect to pay for: said in every sentence. */
const UNFINISHED = ['failed', 'interrupted'] as const

/**
 * The sentence of an LLM expense, e.g. `claude-opus-4-6: 25k input + 15k output`. A side without tokens is left out.
 * That of a run that failed or was interrupted says so, because by default it has no time entry that could.
 */
export function expenseNote(model: string, inputTokens: number, outputTokens: number, outcome: RunOutcome): string {
  return `${model}: ${bothSidesOf(inputTokens, outputTokens)}${outcome === 'ok' ? '' : ` (${outcome} run)`}`
}

/** The sentence of several LLM expenses in one, e.g. `claude-opus-4-6: 25k input + 15k output (12 runs)`. */
export function mergedExpenseNote(model: string, inputTokens: number, outputTokens: number, count: RunCount): string {
  return `${model}: ${bothSidesOf(inputTokens, outputTokens)} (${runsOf(count)})`
}

/**
 * The sentence of a time entry, e.g. `review-bot: 12 model calls, 5 tool calls`, with ` (failed)` or
 * ` (interrupted)` behind it when the run was. A run without calls is called an agent run.
 */
export function timeEntryNote(agent: string, llmCalls: number, toolCalls: number, outcome: RunOutcome): string {
  const parts = [countOf(llmCalls, 'model call'), countOf(toolCalls, 'tool call')].filter(Boolean)
  return `${agent}: ${parts.join(', ') || 'agent run'}${outcome === 'ok' ? '' : ` (${outcome})`}`
}

/** The sentence of a timer, while its run is under way. */
export function runningNote(agent: string): string {
  return `${agent}: at work`
}

/** The sentence of several time entries in one, e.g. `review-bot: 12 runs, 34 model calls, 5 tool calls`. */
export function mergedTimeEntryNote(agent: string, llmCalls: number, toolCalls: number, count: RunCount): string {
  const parts = [runsOf(count), countOf(llmCalls, 'model call'), countOf(toolCalls, 'tool call')].filter(Boolean)
  return `${agent}: ${parts.join(', ')}`
}

/**
 * A note that a user gave, on one line of at most 500 code points.
 *
 * @returns The note, or undefined when nothing visible is left.
 */
export function userNote(note: string | undefined): string | undefined {
  return cleanText(note ?? '', MAX_NOTE) || undefined
}

/**
 * A count of tokens for the eye: exact below 1,000, then with at most one decimal: `1.2k`, `25k`, `1.3M`. Cut, not
 * rounded, so that it never claims more than was counted and 999,999 is `999.9k` and not `1000k`.
 */
export function tokenFigure(tokens: number): string {
  for (const [magnitude, suffix] of MAGNITUDES) {
    if (tokens >= magnitude) return `${Math.floor(tokens / (magnitude / 10)) / 10}${suffix}`
  }
  return String(tokens)
}

function bothSidesOf(inputTokens: number, outputTokens: number): string {
  const parts = [
    inputTokens > 0 ? `${tokenFigure(inputTokens)} input` : '',
    outputTokens > 0 ? `${tokenFigure(outputTokens)} output` : '',
  ].filter(Boolean)
  return parts.join(' + ') || 'no tokens'
}

/** `12 runs`, `12 failed runs`, or `12 runs, 3 failed, 1 interrupted`. */
function runsOf(count: RunCount): string {
  const runs = count.ok + count.failed + count.interrupted
  const outcome = UNFINISHED.find((word) => count[word] === runs)
  if (outcome) return countOf(runs, `${outcome} run`)
  const unfinished = UNFINISHED.filter((word) => count[word] > 0).map((word) => `${count[word]} ${word}`)
  return [countOf(runs, 'run'), ...unfinished].join(', ')
}

function countOf(count: number, noun: string): string {
  return count > 0 ? `${count} ${noun}${count === 1 ? '' : 's'}` : ''
}
