/** Rule: a hostile span throws nothing into the host, bills nothing that it should not, and is counted. */
import { afterEach, describe, expect, it } from 'vitest'
import type { ExportResultLike, KeitoSpanExporter, SpanLike } from '../src/index.ts'
import { type Rig, startRig } from './helpers/otel.ts'

let rig: Rig | undefined
afterEach(async () => {
  await rig?.close()
  rig = undefined
})

const HOUR = 3600
const NOON = 1_763_640_000

/** A span of an agent that used 10 + 5 tokens, with whatever is wrong about it. */
function spanWith(wrong: object = {}, id = 'aaaaaaaaaaaaaaaa', parentId?: string): SpanLike {
  const traceId = 'f'.repeat(32)
  return {
    name: 'invoke_agent helper',
    spanContext: () => ({ traceId, spanId: id }),
    parentSpanContext: parentId ? { traceId, spanId: parentId } : undefined,
    startTime: [NOON, 0],
    endTime: [NOON + HOUR, 0],
    status: { code: 0 },
    attributes: attributes(),
    events: [],
    resource: { attributes: {} },
    instrumentationScope: { name: 'hostile' },
    ...wrong,
  }
}

function attributes(wrong: object = {}): Record<string, unknown> {
  return {
    'gen_ai.operation.name': 'invoke_agent',
    'gen_ai.agent.name': 'helper',
    'gen_ai.request.model': 'm',
    'gen_ai.usage.input_tokens': 10,
    'gen_ai.usage.output_tokens': 5,
    ...wrong,
  }
}

function exportAll(exporter: KeitoSpanExporter, spans: readonly SpanLike[]): ExportResultLike[] {
  const results: ExportResultLike[] = []
  exporter.export(spans, (result) => results.push(result))
  return results
}

const thrower = (): never => {
  throw new Error('hostile getter')
}
/** Hands anything to the exporter, as JavaScript callers can. */
const anything = (value: unknown): SpanLike => value as SpanLike

describe('a span that cannot be read', () => {
  it.each([
    ['null', anything(null)],
    ['a number', anything(42)],
    ['no attributes', spanWith({ attributes: undefined })],
    ['attributes that throw', spanWith({ attributes: new Proxy({}, { get: thrower, has: thrower }) })],
    ['a context that throws', spanWith({ spanContext: thrower })],
    ['a context of nothing', spanWith({ spanContext: () => ({}) })],
    ['ids of the wrong type', spanWith({ spanContext: () => ({ traceId: 1, spanId: {} }) })],
    ['no status', spanWith({ status: undefined })],
    ['no resource', spanWith({ resource: undefined })],
    ['no times', spanWith({ startTime: undefined, endTime: undefined })],
    ['times that are no times', spanWith({ startTime: [Number.NaN, 0], endTime: ['1', '2'] })],
    ['times before there was OpenTelemetry', spanWith({ startTime: [0, 0], endTime: [5, 0] })],
  ])('%s: is counted, and the spans around it are billed', async (_what, hostile) => {
    rig = await startRig()
    const good = spanWith({ spanContext: () => ({ traceId: 'e'.repeat(32), spanId: 'bbbbbbbbbbbbbbbb' }) })
    expect(exportAll(rig.exporter, [hostile, good])).toEqual([{ code: 0 }])
    await rig.exporter.shutdown()
    expect(rig.exporter.stats()).toMatchObject({ spansSeen: 2, spansUnreadable: 1 })
    expect(rig.sandbox.timeEntries()).toHaveLength(1)
    expect(rig.sandbox.expenses()).toHaveLength(1)
  })
})

describe('values that make no sense', () => {
  it.each([
    ['NaN', Number.NaN],
    ['infinite', Number.POSITIVE_INFINITY],
    ['negative', -5],
    ['astronomic', 1e300],
    ['an object', { valueOf: () => 7 }],
    ['text with a number in it', '0[object Object]'],
    ['an array', [7]],
    ['a symbol', Symbol('7')],
    ['a megabyte of digits', '7'.repeat(1_000_000)],
  ])('a token count that is %s is left out and counted', async (_what, value) => {
    rig = await startRig()
    exportAll(rig.exporter, [spanWith({ attributes: attributes({ 'gen_ai.usage.input_tokens': value }) })])
    await rig.exporter.shutdown()
    expect(rig.exporter.stats().valuesRefused).toBe(1)
    expect(rig.sandbox.expenses().map(({ metadata }) => [metadata?.input_tokens, metadata?.output_tokens])).toEqual([
      [0, 5],
    ])
  })

  it.each([
    ['end before start', { startTime: [NOON + HOUR, 0], endTime: [NOON, 0] }],
    ['a start at the beginning of 1970', { startTime: [0, 0] }],
    ['a length of years', { startTime: [NOON - 9000 * HOUR, 0] }],
    ['an end that is no time', { endTime: [Number.NaN, Number.NaN] }],
  ])('%s: no hours are billed, the tokens are', async (_what, wrong) => {
    rig = await startRig()
    exportAll(rig.exporter, [spanWith(wrong)])
    await rig.exporter.shutdown()
    expect(rig.sandbox.timeEntries().map((entry) => entry.hours)).toEqual([0])
    expect(rig.sandbox.expenses()).toHaveLength(1)
    expect(rig.exporter.stats().valuesRefused).toBe(1)
  })

  it('megabytes of text in names reach Keito as short names', async () => {
    rig = await startRig()
    const huge = 'x'.repeat(1_000_000)
    exportAll(rig.exporter, [
      spanWith({
        name: huge,
        attributes: attributes({
          'gen_ai.agent.name': huge,
          'gen_ai.request.model': huge,
          'gen_ai.provider.name': huge,
          'gen_ai.response.id': huge,
        }),
        resource: { attributes: { 'service.name': huge } },
      }),
    ])
    await rig.exporter.shutdown()
    expect(rig.exporter.stats().recordsDelivered).toBe(2)
    for (const { body } of rig.sandbox.requests()) expect(JSON.stringify(body).length).toBeLessThan(5000)
  })
})

describe('parent links that make no sense', () => {
  it('a span that is its own parent is billed once', async () => {
    rig = await startRig()
    exportAll(rig.exporter, [spanWith({}, 'aaaaaaaaaaaaaaaa', 'aaaaaaaaaaaaaaaa')])
    await rig.exporter.shutdown()
    expect(rig.sandbox.timeEntries()).toHaveLength(1)
    expect(rig.sandbox.expenses()).toHaveLength(1)
  })

  it('spans in a circle are billed as one run, with the time of the earliest', async () => {
    rig = await startRig()
    const ids = ['a', 'b', 'c'].map((letter) => letter.repeat(16))
    const spans = ids.map((id, i) => spanWith({ startTime: [NOON + i, 0] }, id, ids[(i + 1) % 3]))
    exportAll(rig.exporter, spans)
    await rig.exporter.shutdown()
    expect(rig.sandbox.timeEntries().map((entry) => entry.hours)).toEqual([1])
    expect(rig.sandbox.expenses().map(({ metadata }) => metadata?.input_tokens)).toEqual([10])
  })

  it('a chain deeper than any stack is billed as one run', async () => {
    rig = await startRig()
    const id = (i: number) => i.toString(16).padStart(16, '0')
    const spans = Array.from({ length: 20_000 }, (_, i) => spanWith({}, id(i + 1), i === 0 ? undefined : id(i)))
    exportAll(rig.exporter, spans.reverse())
    await rig.exporter.shutdown()
    expect(rig.sandbox.timeEntries()).toHaveLength(1)
    expect(rig.sandbox.expenses()).toHaveLength(1)
  })
})

it('something that is no list of spans fails the export and nothing else', async () => {
  rig = await startRig()
  expect(exportAll(rig.exporter, 7 as unknown as SpanLike[])[0]?.code).toBe(1)
})
