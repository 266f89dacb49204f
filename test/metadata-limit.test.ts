/** Metadata never exceeds 4,096 bytes of UTF-8 JSON, holds clean strings only, and keeps its four protected keys. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bill } from '../src/billing/bill.ts'
import { boundedMetadata } from '../src/billing/metadata.ts'
import { CarryBook } from '../src/billing/rounding.ts'
import { aSettlement, hours, someSettings, tokensOf } from './helpers/billing.ts'

const required = {
  agent_id: 'review-bot',
  session_id: 'abc',
  model: 'claude-opus-4-6',
  idempotency_key: 'abc:def:time:0',
}
const bytesOf = (value: unknown) => Buffer.byteLength(JSON.stringify(value), 'utf8')

describe('the strings of metadata', () => {
  it.each([
    ['lose control characters', 'a\u0000b\u001b[31mc\u007f', 'ab[31mc'],
    ['lose zero-width and direction marks', 'pay\u200bpal\u202e\ufeff', 'paypal'],
    ['lose lone surrogates', 'a\ud83db', 'ab'],
    ['have blanks in place of line breaks', ' one\r\n two\u2028three ', 'one two three'],
    ['are cut to 200 code points', '🦊'.repeat(300), '🦊'.repeat(200)],
  ])('%s', (_, dirty, clean) => {
    expect(boundedMetadata(required, { agent_name: dirty }).agent_name).toBe(clean)
  })

  it('are left out when nothing visible remains', () => {
    expect(boundedMetadata(required, { agent_name: '\u200b', service_name: '', provider: undefined })).toEqual(required)
  })

  it('are never missing under a protected key', () => {
    expect(boundedMetadata({ ...required, model: '\u0000' }, {}).model).toBe('unknown')
  })
})

describe('values of metadata', () => {
  it('are left out when JSON cannot hold them', () => {
    expect(boundedMetadata(required, { llm_calls: Number.NaN, duration_ms: Number.POSITIVE_INFINITY })).toEqual(
      required,
    )
  })

  it('keep a count of 0', () => {
    expect(boundedMetadata(required, { llm_calls: 0 })).toEqual({ ...required, llm_calls: 0 })
  })

  it('hold no key that is not on the list', () => {
    const smuggled: object = { prompt: 'secret', __proto__: { completion: 'secret' } }
    expect(boundedMetadata(required, smuggled)).toEqual(required)
  })
})

describe('the limit', () => {
  const name = '🦊'.repeat(200)
  const long = { models: [name, name], service_name: name, agent_name: name, agent_type: name, llm_calls: 3 }

  it('drops optional keys in a fixed order, lists and names first', () => {
    const full = { ...required, agent_id: name, model: name, idempotency_key: name }
    expect(Object.keys(boundedMetadata(full, { agent_name: 'bot', service_name: name, models: [name] }))).toEqual([
      'agent_id',
      'session_id',
      'model',
      'idempotency_key',
      'agent_name',
      'service_name',
    ])
    expect(Object.keys(boundedMetadata(full, long))).toEqual([
      'agent_id',
      'session_id',
      'model',
      'idempotency_key',
      'llm_calls',
      'agent_type',
    ])
  })

  it('drops nothing that fits', () => {
    expect(Object.keys(boundedMetadata(required, { models: ['a', 'b'], service_name: name }))).toContain('models')
  })

  it('holds for every content, and the JSON reads back as it was', () => {
    const hostile = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 400 }),
      fc.constantFrom('"', '\\', '\u0000', '\ud800', '🦊', '\u2028', '\u{10ffff}').map((unit) => unit.repeat(5000)),
    )
    const value = fc.option(fc.oneof(hostile, fc.nat(), fc.array(hostile, { maxLength: 40 })), { nil: undefined })
    const optional = fc.record({
      models: value,
      service_name: value,
      agent_name: value,
      agent_type: value,
      provider: value,
      ended_at: value,
      run_id: value,
      input_tokens: value,
    })
    const names = fc.record({ agent_id: hostile, session_id: hostile, model: hostile, idempotency_key: hostile })
    fc.assert(
      fc.property(names, optional, (must, may) => {
        const metadata = boundedMetadata(must, may)
        expect(bytesOf(metadata)).toBeLessThanOrEqual(4096)
        expect(JSON.parse(JSON.stringify(metadata))).toEqual(metadata)
        expect(Object.keys(metadata)).toEqual(expect.arrayContaining(Object.keys(must)))
      }),
    )
  })

  it.each([
    ['1 MB of letters', 'x'.repeat(1_000_000)],
    ['emoji', '👩‍👩‍👧‍👦'.repeat(10_000)],
    ['quotes and backslashes', '"\\'.repeat(10_000)],
    ['control characters', '\u0007\u0000'.repeat(500_000)],
    ['lone surrogates', '\udead'.repeat(10_000)],
  ])('holds when every name is %s, with the protected keys in place', (_, evil) => {
    const settlement = aSettlement({
      agentName: evil,
      serviceName: evil,
      emitter: evil,
      time: { durationNs: hours(1), index: 0 },
      models: [tokensOf(evil, { input: 25_000, output: 15_000 }, { provider: evil })],
      allModels: [evil, `${evil}2`, `${evil}3`, `${evil}4`],
    })
    const { records } = bill(settlement, someSettings(), new CarryBook())
    expect(records).toHaveLength(2)
    for (const { key, body } of records) {
      expect(bytesOf(body.metadata)).toBeLessThanOrEqual(4096)
      expect(body.metadata).toMatchObject({
        agent_id: expect.stringMatching(/./u),
        session_id: settlement.sessionId,
        model: expect.stringMatching(/./u),
        idempotency_key: key,
      })
      expect(JSON.stringify(body)).not.toMatch(/\\u/)
      expect(body.notes.length).toBeLessThan(600)
    }
  })
})
