/**
 * The sentences a client may read on an invoice. They hold names and counts, never content.
 *
 * @module
 */
import type { Settlement } from '../session/settlement.ts'
import { cleanText } from './text.ts'

/** Longest note that a user gives, in code points. */
const MAX_NOTE = 500

/** Names of token magnitudes, the largest first. */
const MAGNITUDES: readonly (readonly [tokens: number, suffix: string])[] = [
  [1_000_000_000, 'B'],
  [1_000_000, 'M'],
  [1_000, 'k'],
]

/**
 * The sentence of an LLM expense, e.g. `claude-opus-4-6: 25k input + 15k output`. A side without tokens is left out.
 * That of a failed run says so, because by default it has no time entry that could.
 */
export function expenseNote(
  model: string,
  inputTokens: number,
  outputTokens: number,
  outcome: Settlement['outcome'],
): string {
  const parts = [
    inputTokens > 0 ? `${tokenFigure(inputTokens)} input` : '',
    outputTokens > 0 ? `${tokenFigure(outputTokens)} output` : '',
  ].filter(Boolean)
  return `${model}: ${parts.join(' + ') || 'no tokens'}${outcome === 'failed' ? ' (failed run)' : ''}`
}

/**
 * The sentence of a time entry, e.g. `review-bot: 12 model calls, 5 tool calls`, with ` (failed)` behind it when the
 * run failed. A run without calls is called an agent run.
 */
export function timeEntryNote(
  agent: string,
  llmCalls: number,
  toolCalls: number,
  outcome: Settlement['outcome'],
): string {
  const parts = [countOf(llmCalls, 'model call'), countOf(toolCalls, 'tool call')].filter(Boolean)
  return `${agent}: ${parts.join(', ') || 'agent run'}${outcome === 'failed' ? ' (failed)' : ''}`
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

function countOf(count: number, noun: string): string {
  return count > 0 ? `${count} ${noun}${count === 1 ? '' : 's'}` : ''
}
