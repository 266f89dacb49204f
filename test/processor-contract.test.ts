/** Rule: the processor loses nothing that ends, delivers before a flush or shutdown resolves, and never harms its host. */
import { setTimeout as sleep } from 'node:timers/promises'
import { ROOT_CONTEXT, TraceFlags } from '@opentelemetry/api'
import {
  AlwaysOffSampler,
  BasicTracerProvider,
  type Sampler,
  SamplingDecision,
  type SpanProcessor,
} from '@opentelemetry/sdk-trace-base'
import type { SpanProcessor as SpanProcessorV1 } from 'otel-sdk-v1'
import { describe, expect, it, vi } from 'vitest'
import type { SpanLike } from '../src/otel/span.ts'
import { anInMemory } from './helpers/in-memory.ts'
import { aProcessorRig, traceRun } from './helpers/otel.ts'
import { aTrace } from './helpers/spans.ts'
import { AGENT, at, below, CHAT, toldTo, within } from './helpers/told.ts'

const CALL = { input: 1000, output: 200 }
const STORY = { calls: [CALL] }
const ONE_RUN = { ms: { 'review-bot': 10_000 }, tokens: [1000, 200] }

describe('forceFlush', () => {
  it('delivers what ended in the same tick', async () => {
    const { tracer, processor, sandbox } = await aProcessorRig()
    traceRun(tracer, STORY)
    await processor.forceFlush()
    expect(toldTo(sandbox)).toEqual(ONE_RUN)
  })

  it('delivers, called again before the first one is over', async () => {
    const { tracer, processor, sandbox } = await aProcessorRig()
    traceRun(tracer, STORY)
    const first = processor.forceFlush()
    traceRun(tracer, STORY)
    await Promise.all([first, processor.forceFlush()])
    expect(toldTo(sandbox)).toEqual({ ms: { 'review-bot': 20_000 }, tokens: [2000, 400] })
  })

  it('ends by its deadline when Keito does not answer, and never rejects', async () => {
    const { tracer, processor } = anInMemory({ delivery: { flushTimeoutMs: 50, shutdownTimeoutMs: 0 } }, 60_000)
    traceRun(tracer, STORY)
    expect(await within(5000, processor.forceFlush())).toBeUndefined()
    expect(processor.stats().recordsPending).toBe(2)
  })

  it('does nothing after shutdown', async () => {
    const { processor } = anInMemory()
    await processor.shutdown()
    await expect(processor.forceFlush()).resolves.toBeUndefined()
  })
})

describe('shutdown', () => {
  it('delivers what ended in the same tick, and what was complete before', async () => {
    const { tracer, provider, sandbox } = await aProcessorRig()
    traceRun(tracer, STORY)
    await sleep(50)
    traceRun(tracer, STORY)
    await provider.shutdown()
    expect(toldTo(sandbox)).toEqual({ ms: { 'review-bot': 20_000 }, tokens: [2000, 400] })
  })

  it('may be called again, with one answer', async () => {
    const { tracer, processor, sandbox, problems } = await aProcessorRig()
    traceRun(tracer, STORY)
    await Promise.all([processor.shutdown(), processor.shutdown()])
    await processor.shutdown()
    expect(toldTo(sandbox)).toEqual(ONE_RUN)
    expect(problems).toEqual([])
  })

  it('is the end: what starts or ends later is not taken in, and does no harm', async () => {
    const { tracer, processor, sandbox } = await aProcessorRig()
    const run = tracer.startSpan('invoke_agent', { attributes: AGENT })
    await processor.shutdown()
    run.end()
    traceRun(tracer, STORY)
    await sleep(60)
    expect(toldTo(sandbox)).toEqual({ ms: {}, tokens: [0, 0] })
    expect(processor.stats()).toMatchObject({ spansSeen: 3, spansRead: 0, spansLate: 3 })
  })

  it('through one of two providers is told of once, when spans end in the other, and each of them is counted', async () => {
    const { provider, processor, problems } = await aProcessorRig()
    const other = new BasicTracerProvider({ spanProcessors: [processor] })
    await provider.shutdown()
    for (let i = 0; i < 5; i++) traceRun(other.getTracer('other'), STORY)
    await other.forceFlush()
    expect(problems).toEqual(['closed'])
    expect(processor.stats()).toMatchObject({ spansSeen: 10, spansRead: 0, spansLate: 10, recordsMade: 0 })
  })

  it('delivers what ends right after it was called', async () => {
    const { tracer, processor, sandbox, problems } = await aProcessorRig()
    const run = tracer.startSpan('invoke_agent', { attributes: AGENT, startTime: at(0) })
    tracer.startSpan('chat', { attributes: CHAT, startTime: at(1) }, below(run)).end(at(2))
    const done = processor.shutdown()
    run.end(at(10))
    await done
    expect(toldTo(sandbox)).toEqual(ONE_RUN)
    expect(problems).toEqual([])
  })

  it('delivers what ends while it sends', async () => {
    const { tracer, keito, processor, errors } = anInMemory({}, 400)
    traceRun(tracer, STORY)
    const done = processor.shutdown()
    await sleep(50)
    traceRun(tracer, STORY)
    await done
    expect({ ms: keito.ms, tokens: keito.tokens }).toEqual({ ms: 20_000, tokens: 2400 })
    expect(errors).toEqual([])
  })

  it('ends by its deadline when Keito does not answer, and says what is left', async () => {
    const { tracer, processor, errors } = anInMemory({ delivery: { shutdownTimeoutMs: 50 } }, 60_000)
    traceRun(tracer, STORY)
    expect(await within(5000, processor.shutdown())).toBeUndefined()
    expect(errors).toContain('undelivered')
  })
})

describe('sampling', () => {
  const recordsOnly: Sampler = {
    shouldSample: () => ({ decision: SamplingDecision.RECORD }),
    toString: () => 'RecordsOnly',
  }

  it('bills spans that are recorded and not sampled', async () => {
    const { tracer, provider, sandbox } = await aProcessorRig({}, { sampler: recordsOnly })
    const span = tracer.startSpan('probe')
    expect(span.spanContext().traceFlags).toBe(TraceFlags.NONE)
    traceRun(tracer, STORY)
    await provider.forceFlush()
    expect(toldTo(sandbox)).toEqual(ONE_RUN)
    span.end()
  })

  it('does not see spans that are not recorded', async () => {
    const { tracer, provider, processor } = await aProcessorRig({}, { sampler: new AlwaysOffSampler() })
    traceRun(tracer, STORY)
    await provider.forceFlush()
    expect(processor.stats().spansSeen).toBe(0)
  })
})

describe('hostile spans', () => {
  const trap = (): never => {
    throw new Error('the host')
  }
  const good = () => aTrace().agent('good', { at: [0, 1000] }).ended
  const spanWith = (changes: PropertyDescriptorMap) => Object.defineProperties({ ...good() }, changes) as SpanLike
  const GETTER = { get: trap, enumerable: true }

  it.each<[string, unknown]>([
    ['no span', undefined],
    ['null', null],
    ['a number', 7],
    ['an empty object', {}],
    ['no ids', spanWith({ spanContext: { value: () => ({}) } })],
    ['ids of zeros', spanWith({ spanContext: { value: () => ({ traceId: '0'.repeat(32), spanId: '0'.repeat(16) }) } })],
    ['a context that is none', spanWith({ spanContext: { value: () => undefined } })],
    ['a context that throws', spanWith({ spanContext: { value: trap } })],
    ['attributes that throw', spanWith({ attributes: GETTER })],
    ['attributes that are none', spanWith({ attributes: { value: undefined } })],
    ['a resource that throws', spanWith({ resource: GETTER })],
    ['a resource that is none', spanWith({ resource: { value: undefined } })],
    [
      'a resource whose attributes throw',
      spanWith({ resource: { value: Object.defineProperty({}, 'attributes', GETTER) } }),
    ],
    [
      'a resource that throws when asked whether it waits',
      spanWith({ resource: { value: Object.defineProperty({ attributes: {} }, 'asyncAttributesPending', GETTER) } }),
    ],
    [
      'a resource that throws instead of waiting',
      spanWith({ resource: { value: { attributes: {}, asyncAttributesPending: true, waitForAsyncAttributes: trap } } }),
    ],
    [
      'a resource that waits for nothing that can be waited for',
      spanWith({ resource: { value: { attributes: {}, asyncAttributesPending: true } } }),
    ],
    ['a parent that throws', spanWith({ parentSpanContext: GETTER })],
    ['times that throw', spanWith({ startTime: GETTER })],
  ])('never make it throw, and hold nothing up: %s', async (_, hostile) => {
    const uncaught = vi.fn()
    process.on('uncaughtException', uncaught)
    const { processor, keito } = anInMemory()
    const asAny: { onStart(span: unknown, context: unknown): void; onEnd(span: unknown): void } = processor
    try {
      for (const context of [ROOT_CONTEXT, undefined, {}]) expect(() => asAny.onStart(hostile, context)).not.toThrow()
      expect(() => asAny.onEnd(hostile)).not.toThrow()
      const span = good()
      asAny.onStart(span, ROOT_CONTEXT)
      asAny.onEnd(span)
      await sleep(30)
      expect(await within(5000, processor.forceFlush())).toBeUndefined()
      expect([...keito.sessions]).toContain(span?.spanContext().traceId)
      expect(await within(5000, processor.shutdown())).toBeUndefined()
      expect(uncaught).not.toHaveBeenCalled()
    } finally {
      process.off('uncaughtException', uncaught)
    }
  })
})

it('is a SpanProcessor of both SDK lines', () => {
  const { processor } = anInMemory()
  const ofV2: SpanProcessor = processor
  const ofV1: SpanProcessorV1 = processor
  expect(ofV2).toBe(ofV1)
})
