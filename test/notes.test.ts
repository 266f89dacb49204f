/** Notes are plain sentences of names and counts that a client may read on an invoice. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { expenseNote, timeEntryNote, tokenFigure, userNote } from '../src/billing/notes.ts'

describe('a token figure', () => {
  it.each([
    [0, '0'],
    [999, '999'],
    [1000, '1k'],
    [1049, '1k'],
    [1250, '1.2k'],
    [25_000, '25k'],
    [999_999, '999.9k'],
    [1_000_000, '1M'],
    [1_390_000, '1.3M'],
    [999_999_999, '999.9M'],
    [2_500_000_000, '2.5B'],
  ])('of %d tokens is %s', (tokens, figure) => {
    expect(tokenFigure(tokens)).toBe(figure)
  })

  it('never claims more than was counted, nor a tenth less', () => {
    const scale = { k: 1e3, M: 1e6, B: 1e9 }
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1e12 - 1 }), (tokens) => {
        const figure = tokenFigure(tokens)
        const [, digits, suffix] = /^(\d{1,3}(?:\.\d)?)([kMB]?)$/.exec(figure) ?? []
        const shown = Number(digits) * (suffix === 'k' || suffix === 'M' || suffix === 'B' ? scale[suffix] : 1)
        expect(shown).toBeLessThanOrEqual(tokens + 1e-3)
        expect(shown).toBeGreaterThan(tokens * 0.9)
      }),
    )
  })
})

describe('the note of an expense', () => {
  it('names the model and both directions', () => {
    expect(expenseNote('claude-opus-4-6', 25_000, 15_000, 'ok')).toBe('claude-opus-4-6: 25k input + 15k output')
  })

  it('leaves a direction without tokens out', () => {
    expect(expenseNote('text-embedding-3-small', 12_000, 0, 'ok')).toBe('text-embedding-3-small: 12k input')
    expect(expenseNote('m', 0, 7, 'ok')).toBe('m: 7 output')
    expect(expenseNote('m', 0, 0, 'ok')).toBe('m: no tokens')
  })

  it('says when the run failed', () => {
    expect(expenseNote('gpt-4o', 1200, 57, 'failed')).toBe('gpt-4o: 1.2k input + 57 output (failed run)')
  })
})

describe('the note of a time entry', () => {
  it.each([
    [12, 5, 'ok', 'review-bot: 12 model calls, 5 tool calls'],
    [1, 1, 'ok', 'review-bot: 1 model call, 1 tool call'],
    [2, 0, 'ok', 'review-bot: 2 model calls'],
    [0, 3, 'ok', 'review-bot: 3 tool calls'],
    [0, 0, 'ok', 'review-bot: agent run'],
    [1, 0, 'failed', 'review-bot: 1 model call (failed)'],
    [0, 0, 'failed', 'review-bot: agent run (failed)'],
  ] as const)('of %d model and %d tool calls that ended %s is "%s"', (llmCalls, toolCalls, outcome, note) => {
    expect(timeEntryNote('review-bot', llmCalls, toolCalls, outcome)).toBe(note)
  })
})

describe("a user's note", () => {
  it('comes out on one line', () => {
    expect(userNote(' Reviewed\n\n the auth\tmodule\u0000 ')).toBe('Reviewed the auth module')
  })

  it('has at most 500 code points', () => {
    expect(userNote('é'.repeat(2000))).toBe('é'.repeat(500))
    expect(userNote('🦊'.repeat(2000))).toBe('🦊'.repeat(500))
  })

  it('is none when nothing visible remains', () => {
    expect(userNote(undefined)).toBeUndefined()
    expect(userNote(' \u200b\n')).toBeUndefined()
  })
})
