/** Rule: below a billing sampler every span is recorded, and exactly those are sampled that were sampled before. */
import { context, createTraceState, ROOT_CONTEXT, SpanKind, TraceFlags, type Tracer, trace } from '@opentelemetry/api'
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BasicTracerProvider,
  BatchSpanProcessor,
  InMemorySpanExporter,
  ParentBasedSampler,
  type Sampler,
  type SpanProcessor,
  TraceIdRatioBasedSampler,
} from '@opentelemetry/sdk-trace-base'
import * as v1 from 'otel-sdk-v1'
import { describe, expect, expectTypeOf, it } from 'vitest'
import { billingSampler, isKeitoError } from '../src/index.ts'

const RATIO = 0.01
const TRACES = 2000

/** A span as both SDK lines show it to a processor. */
interface Shown {
  readonly name: string
  readonly attributes: object
  spanContext(): { traceId: string; traceFlags: number }
}

interface Host {
  readonly tracer: Tracer
  /** Spans that reached a span processor. */
  readonly processed: readonly Shown[]
  /** Spans that a batch processor exported. */
  readonly exported: () => Promise<readonly Shown[]>
}

type Start = (ratio: number) => Host

const startV1: Start = (ratio) => {
  const processed: Shown[] = []
  const exporter = new v1.InMemorySpanExporter()
  const processor: v1.SpanProcessor = {
    onStart: () => undefined,
    onEnd: (span) => void processed.push(span),
    forceFlush: async () => undefined,
    shutdown: async () => undefined,
  }
  const root = new v1.ParentBasedSampler({ root: new v1.TraceIdRatioBasedSampler(ratio) })
  const sampler: v1.Sampler = billingSampler(root)
  const batch = new v1.BatchSpanProcessor(exporter, { maxQueueSize: 100_000 })
  const provider = new v1.BasicTracerProvider({ sampler, spanProcessors: [processor, batch] })
  const exported = async () => {
    await provider.forceFlush()
    return exporter.getFinishedSpans()
  }
  return { tracer: provider.getTracer('t'), processed, exported }
}

const startV2: Start = (ratio) => {
  const processed: Shown[] = []
  const exporter = new InMemorySpanExporter()
  const processor: SpanProcessor = {
    onStart: () => undefined,
    onEnd: (span) => void processed.push(span),
    forceFlush: async () => undefined,
    shutdown: async () => undefined,
  }
  const sampler: Sampler = billingSampler(new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(ratio) }))
  const batch = new BatchSpanProcessor(exporter, { maxQueueSize: 100_000 })
  const provider = new BasicTracerProvider({ sampler, spanProcessors: [processor, batch] })
  const exported = async () => {
    await provider.forceFlush()
    return exporter.getFinishedSpans()
  }
  return { tracer: provider.getTracer('t'), processed, exported }
}

/** A root span with a child that has a child. */
function traceThree(tracer: Tracer): void {
  const root = tracer.startSpan('root', {}, ROOT_CONTEXT)
  const child = tracer.startSpan('child', {}, trace.setSpan(ROOT_CONTEXT, root))
  tracer.startSpan('grandchild', {}, trace.setSpan(ROOT_CONTEXT, child)).end()
  child.end()
  root.end()
}

describe.each([
  ['1.30', startV1, v1.TraceIdRatioBasedSampler],
  ['2.x', startV2, TraceIdRatioBasedSampler],
] as const)('around a ratio sampler of OTel JS %s', (_, start, Ratio) => {
  it('all spans reach a span processor, and the sampled share is exported whole', async () => {
    const { tracer, processed, exported } = start(RATIO)
    for (let i = 0; i < TRACES; i++) traceThree(tracer)
    expect(processed).toHaveLength(3 * TRACES)

    const alone = new Ratio(RATIO)
    const isSampled = (span: Shown) => alone.shouldSample(ROOT_CONTEXT, span.spanContext().traceId).decision === 2
    for (const span of processed) {
      expect(span.spanContext().traceFlags === TraceFlags.SAMPLED, span.name).toBe(isSampled(span))
    }
    expect(await exported()).toEqual(processed.filter(isSampled))
  })

  it('samples all where the root does, and still records all where it samples none', async () => {
    const [all, none] = [start(1), start(0)]
    for (const { tracer } of [all, none]) traceThree(tracer)
    expect(await all.exported()).toHaveLength(3)
    expect(none.processed.map(({ name }) => name)).toEqual(['grandchild', 'child', 'root'])
    expect(await none.exported()).toEqual([])
  })

  it.each([
    ['sampled', TraceFlags.SAMPLED, 1],
    ['not sampled', TraceFlags.NONE, 0],
  ])('a span whose caller is %s is recorded, and sampled like it', async (_name, traceFlags, exportedSpans) => {
    const { tracer, processed, exported } = start(RATIO)
    const remote = { traceId: 'f'.repeat(32), spanId: '1'.repeat(16), traceFlags, isRemote: true }
    tracer.startSpan('request', {}, trace.setSpanContext(ROOT_CONTEXT, remote)).end()
    expect(processed).toHaveLength(1)
    expect(await exported()).toHaveLength(exportedSpans)
  })
})

describe('a billing sampler', () => {
  const ask = (sampler: Sampler) => sampler.shouldSample(context.active(), 'a'.repeat(32), 'x', SpanKind.CLIENT, {}, [])
  const attributes = { 'sampling.rule': 'r1' }
  const traceState = createTraceState('ot=th:c')

  it.each([
    [0, 1],
    [1, 1],
    [2, 2],
  ])('turns decision %i into %i, and keeps the attributes and the trace state', (decision, expected) => {
    const result = { decision, attributes, traceState }
    const sampler = billingSampler({ shouldSample: () => result })
    expect(ask(sampler)).toEqual({ decision: expected, attributes, traceState })
    expect(result.decision).toBe(decision)
  })

  it('keeps them of a result with accessors, too', () => {
    class Result {
      get decision() {
        return 0
      }
      get attributes() {
        return attributes
      }
      get traceState() {
        return traceState
      }
    }
    const sampler = billingSampler({ shouldSample: () => new Result() })
    expect(ask(sampler)).toEqual({ decision: 1, attributes, traceState })
  })

  it('asks with all it was asked, and as a method of the root', () => {
    class Root {
      readonly asked: unknown[] = []
      shouldSample(...span: unknown[]) {
        this.asked.push(span)
        return { decision: 0 }
      }
    }
    const root = new Root()
    const links = [{ context: { traceId: 'b'.repeat(32), spanId: 'c'.repeat(16), traceFlags: 0 } }]
    const sampler: Sampler = billingSampler(root)
    sampler.shouldSample(ROOT_CONTEXT, 'a'.repeat(32), 'name', SpanKind.SERVER, { k: 1 }, links)
    expect(root.asked).toEqual([[ROOT_CONTEXT, 'a'.repeat(32), 'name', SpanKind.SERVER, { k: 1 }, links]])
  })

  it('says what it wraps', () => {
    const sampler = billingSampler(new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(0.5) }))
    expect(String(sampler)).toMatch(/^BillingSampler\{ParentBased\{root=TraceIdRatioBased\{0\.5\}.*\}$/)
  })

  it('passes on what the root throws', () => {
    const error = new Error('root')
    const sampler = billingSampler({
      shouldSample: (): { decision: number } => {
        throw error
      },
    })
    expect(() => ask(sampler)).toThrow(error)
  })

  it('is refused at once around something that is no sampler', () => {
    for (const root of [undefined, null, {}, 'traceidratio']) {
      const make = () => billingSampler(root as unknown as Sampler)
      expect(make).toThrow(/expected a sampler/)
      expect(make).toThrow(expect.toSatisfy((error) => isKeitoError(error) && error.code === 'config'))
    }
  })

  it('fits the types of each SDK line', () => {
    expectTypeOf(billingSampler(new AlwaysOffSampler())).toExtend<Sampler>()
    expectTypeOf(billingSampler(new v1.AlwaysOnSampler())).toExtend<v1.Sampler>()
    expectTypeOf(billingSampler(billingSampler(new AlwaysOnSampler()))).toExtend<Sampler>()
    expect(ask(billingSampler(billingSampler(new AlwaysOffSampler()))).decision).toBe(1)
  })
})
