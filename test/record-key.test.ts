/** The same work has the same key, different work has different keys, and metadata holds the key unchanged. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { expenseKey, timeEntryKey } from '../src/billing/key.ts'
import { boundedMetadata } from '../src/billing/metadata.ts'
import { RUN_ID, TRACE_ID } from './helpers/billing.ts'

const keyOf = (model: string, n = 0) => expenseKey(TRACE_ID, RUN_ID, model, n)

describe('a key', () => {
  it('of a time entry names trace, run and number', () => {
    expect(timeEntryKey(TRACE_ID, RUN_ID, 2)).toBe(`${TRACE_ID}:${RUN_ID}:time:2`)
  })

  it('of an expense names the model too', () => {
    expect(keyOf('claude-opus-4-6', 1)).toBe(`${TRACE_ID}:${RUN_ID}:llm:claude-opus-4-6:1`)
    expect(keyOf('llama3:8b')).toBe(`${TRACE_ID}:${RUN_ID}:llm:llama3:8b:0`)
  })

  it('gets a hash of the whole name when the name had to be changed', () => {
    expect(keyOf('a\u0000')).toMatch(/:llm:a-[0-9a-f]{8}:0$/)
    expect(keyOf('')).toBe(`${TRACE_ID}:${RUN_ID}:llm:unknown-811c9dc5:0`)
  })

  it('tells models apart that look alike after cleaning or cutting', () => {
    const long = 'm'.repeat(1000)
    const names = [
      'a',
      'a\u0000',
      'a\u0001',
      ' a',
      'a\u200b',
      '',
      '\u0000',
      long,
      `${long}x`,
      `${long}y`,
      'm'.repeat(100),
    ]
    expect(new Set(names.map((name) => keyOf(name))).size).toBe(names.length)
  })

  it('is the same for the same name and never the same for two', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (one, other) => {
        expect(keyOf(one) === keyOf(other)).toBe(one === other)
      }),
    )
  })

  it('fits into metadata unchanged, whatever the model is called', () => {
    const names = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 300 }),
      fc.string({ unit: fc.constantFrom(' ', '\n', '🦊', '"', 'x'), maxLength: 300 }),
    )
    fc.assert(
      fc.property(names, fc.nat(), (model, n) => {
        const key = keyOf(model, n)
        const required = { agent_id: 'a', session_id: TRACE_ID, model, idempotency_key: key }
        expect(boundedMetadata(required, {}).idempotency_key).toBe(key)
      }),
    )
  })
})
