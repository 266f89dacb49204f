/** Rule: spans wait for what detectors still find out about their resource, and are billed all the same when they fail. */
import { DiagLogLevel, diag, ROOT_CONTEXT } from '@opentelemetry/api'
import { resourceFromAttributes } from '@opentelemetry/resources'
import { BasicTracerProvider } from '@opentelemetry/sdk-trace-base'
import { BasicTracerProvider as ProviderV1, type SpanProcessor as SpanProcessorV1 } from 'otel-sdk-v1'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { KeitoProcessorOptions } from '../src/index.ts'
import type { SpanLike } from '../src/otel/span.ts'
import { anInMemory } from './helpers/in-memory.ts'
import { aProcessorRig, type ProcessorRig } from './helpers/otel.ts'
import { aTrace } from './helpers/spans.ts'
import { at, CHAT, toldTo, within } from './helpers/told.ts'

const EARLY = /Accessing resource attributes before async attributes settled/

const said: string[] = []

beforeEach(() => {
  const note = (...words: unknown[]) => said.push(words.join(' '))
  const logger = { error: note, warn: note, info: note, debug: note, verbose: note }
  diag.setLogger(logger, { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true })
})
afterEach(async () => {
  diag.disable()
  said.length = 0
})

/** A promise and its ends. */
function later<T>() {
  let resolve: (value: T) => void = () => undefined
  let reject: (error: Error) => void = () => undefined
  const promise = new Promise<T>((ok, fail) => {
    resolve = ok
    reject = fail
  })
  return { promise, resolve, reject }
}

/** A rig whose resource learns the name of its service by a promise. */
async function rigOf(
  line: '2.x' | '1.30',
  name: Promise<string>,
  options: KeitoProcessorOptions = {},
): Promise<ProcessorRig> {
  const resource = resourceFromAttributes({ 'service.name': name, 'service.version': '1' })
  const rig = await aProcessorRig(options, { resource })
  if (line === '2.x') return rig
  // The package of resources that belongs to it is not installed by a name of its own.
  const base = new ProviderV1().resource
  const Resource = base.constructor as new (attributes: object, more: Promise<object>) => typeof base
  const inherited = new Resource(
    { 'service.version': '1' },
    name.then((found) => ({ 'service.name': found })),
  )
  const provider = new ProviderV1({ resource: inherited })
  const asProcessor: SpanProcessorV1 = rig.processor
  provider.addSpanProcessor(asProcessor)
  return { ...rig, tracer: provider.getTracer('old-framework') }
}

/** A bare call is named for the service, because nobody names an agent. */
function traceCall({ tracer }: ProcessorRig, from = 0): void {
  tracer.startSpan('chat', { attributes: CHAT, startTime: at(from) }).end(at(from + 10))
}

describe.each(['2.x', '1.30'] as const)('a resource of OTel JS %s that is not complete', (line) => {
  it('is waited for: a name that comes late names the agent', async () => {
    const name = later<string>()
    const rig = await rigOf(line, name.promise, { settle: { graceMs: 10 } })
    traceCall(rig)
    await new Promise((resolve) => setTimeout(resolve, 80))
    expect(rig.processor.stats().spansSeen).toBe(0)
    name.resolve('menu-service')
    await vi.waitFor(() => expect(toldTo(rig.sandbox)).toEqual({ ms: { 'menu-service': 10_000 }, tokens: [1000, 200] }))
    expect(said.filter((words) => EARLY.test(words))).toEqual([])
  })

  it('is waited for by a flush', async () => {
    const name = later<string>()
    const rig = await rigOf(line, name.promise)
    traceCall(rig)
    const flushed = rig.processor.forceFlush()
    setTimeout(() => name.resolve('menu-service'), 30)
    await flushed
    expect(toldTo(rig.sandbox)).toEqual({ ms: { 'menu-service': 10_000 }, tokens: [1000, 200] })
    expect(said.filter((words) => EARLY.test(words))).toEqual([])
  })

  it('is waited for by a shutdown', async () => {
    const name = later<string>()
    const rig = await rigOf(line, name.promise)
    traceCall(rig)
    setTimeout(() => name.resolve('menu-service'), 30)
    await rig.processor.shutdown()
    expect(toldTo(rig.sandbox)).toEqual({ ms: { 'menu-service': 10_000 }, tokens: [1000, 200] })
  })

  it('loses nothing when a detector fails', async () => {
    const name = later<string>()
    const rig = await rigOf(line, name.promise, { agentId: 'named-by-hand', settle: { graceMs: 10 } })
    traceCall(rig)
    name.reject(new Error('no metadata server'))
    await vi.waitFor(() =>
      expect(toldTo(rig.sandbox)).toEqual({ ms: { 'named-by-hand': 10_000 }, tokens: [1000, 200] }),
    )
    expect(said.filter((words) => EARLY.test(words))).toEqual([])
  })

  it('loses nothing when a detector never ends: a flush sends what there is within its deadline', async () => {
    const never = new Promise<string>(() => undefined)
    const options = { agentId: 'named-by-hand', settle: { graceMs: 0 }, delivery: { flushTimeoutMs: 200 } }
    const rig = await rigOf(line, never, options)
    traceCall(rig)
    expect(await within(5000, rig.processor.forceFlush())).toBeUndefined()
    expect(toldTo(rig.sandbox)).toEqual({ ms: { 'named-by-hand': 10_000 }, tokens: [1000, 200] })
    traceCall(rig)
    await vi.waitFor(() => expect(toldTo(rig.sandbox).tokens).toEqual([2000, 400]))
  })

  it('loses nothing when a detector never ends: a shutdown sends what there is within its deadline', async () => {
    const never = new Promise<string>(() => undefined)
    const rig = await rigOf(line, never, { agentId: 'named-by-hand', delivery: { shutdownTimeoutMs: 400 } })
    traceCall(rig)
    expect(await within(5000, rig.processor.shutdown())).toBeUndefined()
    expect(toldTo(rig.sandbox)).toEqual({ ms: { 'named-by-hand': 10_000 }, tokens: [1000, 200] })
  })
})

it('a resource is waited for once, not for each burst, and for no longer than half a minute', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  try {
    const never = new Promise<string>(() => undefined)
    const rig = await rigOf('2.x', never, { settle: { graceMs: 0 } })
    traceCall(rig)
    await vi.advanceTimersByTimeAsync(29_000)
    expect(rig.processor.stats().spansSeen).toBe(0)
    await vi.advanceTimersByTimeAsync(2000)
    expect(rig.processor.stats().spansSeen).toBe(1)
    traceCall(rig)
    await vi.advanceTimersByTimeAsync(1000)
    expect(rig.processor.stats().spansSeen).toBe(2)
  } finally {
    vi.useRealTimers()
  }
})

it('a resource that is a new one, and not complete, each time it is read holds up no flush', async () => {
  const { processor, keito } = anInMemory({ delivery: { flushTimeoutMs: 100 } })
  let reads = 0
  const resource = () => {
    // Whoever asks for ever is to fail here, and not to hang.
    if (++reads > 10_000) throw new Error('read too often')
    return { attributes: {}, asyncAttributesPending: true, waitForAsyncAttributes: () => new Promise(() => undefined) }
  }
  const span = { ...aTrace().chat({ input: 1000, output: 200 }).ended } as SpanLike
  Object.defineProperty(span, 'resource', { get: resource, enumerable: true })
  processor.onStart(span, ROOT_CONTEXT)
  processor.onEnd(span)
  expect(await within(5000, processor.forceFlush())).toBeUndefined()
  expect(keito.tokens).toBe(1200)
  expect(reads).toBeLessThan(20)
})

it('spans of a complete resource wait behind those that came before them, and keep their order', async () => {
  const name = later<string>()
  const rig = await rigOf('2.x', name.promise, { settle: { graceMs: 10 } })
  const complete = new BasicTracerProvider({
    resource: resourceFromAttributes({ 'service.name': 'complete' }),
    spanProcessors: [rig.processor],
  })
  traceCall(rig)
  traceCall({ ...rig, tracer: complete.getTracer('t') }, 3600)
  name.resolve('menu-service')
  await vi.waitFor(() => expect(toldTo(rig.sandbox).ms).toEqual({ 'menu-service': 10_000, complete: 10_000 }))
})

it('tens of thousands of spans that wait for a resource do not grow without bound, and none is lost', async () => {
  const never = new Promise<string>(() => undefined)
  const rig = await rigOf('2.x', never)
  for (let i = 0; i < 45_000; i++) rig.tracer.startSpan('noise').end()
  traceCall(rig)
  expect(rig.processor.stats().spansSeen).toBeGreaterThan(0)
  await rig.processor.forceFlush()
  expect(rig.processor.stats().spansSeen).toBe(45_001)
  expect(toldTo(rig.sandbox).tokens).toEqual([1000, 200])
})
