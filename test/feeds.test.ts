/** Rule: spans that reach Keito by two ways are billed once, whatever the ways, and the user is told which to remove. */
import { execFile } from 'node:child_process'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { ROOT_CONTEXT, type Tracer, trace } from '@opentelemetry/api'
import {
  BasicTracerProvider,
  BatchSpanProcessor,
  SimpleSpanProcessor,
  type SpanProcessor,
} from '@opentelemetry/sdk-trace-base'
import { afterEach, describe, expect, it, vi } from 'vitest'
import {
  type KeitoError,
  type KeitoProcessorOptions,
  KeitoRestClient,
  KeitoSpanExporter,
  KeitoSpanProcessor,
} from '../src/index.ts'
import { type KeitoSandbox, startKeitoSandbox } from '../src/testing/index.ts'
import { traceRun } from './helpers/otel.ts'
import { AGENT, at, below, CHAT, toldTo } from './helpers/told.ts'

const closers: (() => Promise<void>)[] = []
afterEach(async () => {
  vi.restoreAllMocks()
  for (const close of closers.splice(0).toReversed()) await close()
})

const CALL = { input: 1000, output: 200 }
const ONE_RUN = { ms: { 'review-bot': 10_000 }, tokens: [1000, 200] }

async function aSandbox(): Promise<KeitoSandbox> {
  const sandbox = await startKeitoSandbox()
  closers.push(sandbox.close)
  return sandbox
}

/** Options for one account, and what is reported by whoever has them. */
function optionsFor(sandbox: KeitoSandbox, errors: KeitoError[] = []): KeitoProcessorOptions {
  return {
    ...sandbox.exporterOptions,
    settle: { graceMs: 3_600_000, idleMs: 3_600_000 },
    delivery: { requestsPerMinute: 1_000_000 },
    onError: (error) => errors.push(error),
  }
}

/** The same with a client of its own, which alone knows the account. */
function withClient(sandbox: KeitoSandbox, errors: KeitoError[]): KeitoProcessorOptions {
  const { apiKey = '', accountId = '', baseUrl, ...options } = optionsFor(sandbox, errors)
  return { ...options, client: new KeitoRestClient({ apiKey, accountId, baseUrl }) }
}

function provide(...spanProcessors: SpanProcessor[]) {
  const provider = new BasicTracerProvider({ spanProcessors })
  closers.push(() => provider.shutdown())
  return { provider, tracer: provider.getTracer('test-agent-framework') }
}

/** Runs that overlap, with a part that is none of ours, in one tick. */
function traceSome(tracer: Tracer): void {
  for (let i = 0; i < 3; i++) traceRun(tracer, { calls: [CALL] })
  const request = tracer.startSpan('GET /', { startTime: at(0) })
  traceRun(tracer, { calls: [CALL] }, below(request))
  request.end(at(60))
}
const SOME = { ms: { 'review-bot': 40_000 }, tokens: [4000, 800] }

type Way = (options: KeitoProcessorOptions) => SpanProcessor & { readonly feed: KeitoSpanProcessor | KeitoSpanExporter }

const asProcessor: Way = (options) => {
  const feed = new KeitoSpanProcessor(options)
  return Object.assign(wrapped(feed), { feed })
}
const simple: Way = (options) => {
  const feed = new KeitoSpanExporter(options)
  return Object.assign(new SimpleSpanProcessor(feed), { feed })
}
const batch: Way = (options) => {
  const feed = new KeitoSpanExporter(options)
  return Object.assign(new BatchSpanProcessor(feed), { feed })
}

/** A processor as any other one. */
function wrapped(processor: KeitoSpanProcessor): SpanProcessor {
  return {
    onStart: (span, context) => processor.onStart(span, context),
    onEnd: (span) => processor.onEnd(span),
    forceFlush: () => processor.forceFlush(),
    shutdown: () => processor.shutdown(),
  }
}

describe('two ways to one account', () => {
  it.each<[string, Way, Way]>([
    ['a processor, and an exporter behind a SimpleSpanProcessor', asProcessor, simple],
    ['an exporter behind a SimpleSpanProcessor, and a processor', simple, asProcessor],
    ['a processor, and an exporter behind a BatchSpanProcessor', asProcessor, batch],
    ['an exporter behind a BatchSpanProcessor, and a processor', batch, asProcessor],
    ['two exporters', batch, batch],
    ['two exporters, one of them behind a SimpleSpanProcessor', simple, batch],
    ['two exporters, the other one behind a SimpleSpanProcessor', batch, simple],
    ['two processors', asProcessor, asProcessor],
  ])('are one: %s', async (_, first, second) => {
    const [sandbox, errors]: [KeitoSandbox, KeitoError[]] = [await aSandbox(), []]
    const ways = [first(optionsFor(sandbox, errors)), second(optionsFor(sandbox, errors))]
    const { provider, tracer } = provide(...ways)
    traceSome(tracer)
    await provider.forceFlush()
    for (const { feed } of ways) await feed.forceFlush()
    traceSome(tracer)
    await provider.shutdown()
    expect(toldTo(sandbox)).toEqual({ ms: { 'review-bot': 80_000 }, tokens: [8000, 1600] })

    const told = errors.filter(({ code }) => code === 'fed-twice')
    expect(told.length).toBeGreaterThan(0)
    expect(told[0]?.message).toMatch(/two ways.*Remove one of (both|them)/s)
    expect(errors.filter(({ code }) => code !== 'fed-twice')).toEqual([])
    const counted = ways.map(({ feed }) => feed.stats())
    // Eight runs with a call each; requests are nobody's business.
    expect(counted.reduce((sum, { spansElsewhere }) => sum + spansElsewhere, 0)).toBe(16)
    expect(counted.reduce((sum, { spansRead }) => sum + spansRead, 0)).toBe(16)
  })

  it('are told of once, however many spans there are', async () => {
    const [sandbox, errors]: [KeitoSandbox, KeitoError[]] = [await aSandbox(), []]
    const { provider, tracer } = provide(
      asProcessor(optionsFor(sandbox)),
      simple({ ...optionsFor(sandbox), onError: (error) => errors.push(error) }),
    )
    for (let i = 0; i < 20; i++) traceRun(tracer, { calls: [CALL] })
    await provider.shutdown()
    expect(errors.map(({ code }) => code)).toEqual(['fed-twice'])
  })

  it('are one where spans end at different times, and only one of them is flushed', async () => {
    const sandbox = await aSandbox()
    const [one, other] = [new KeitoSpanProcessor(optionsFor(sandbox)), new KeitoSpanProcessor(optionsFor(sandbox))]
    const { tracer } = provide(wrapped(one), wrapped(other))
    const run = tracer.startSpan('invoke_agent', { attributes: AGENT, startTime: at(0) })
    tracer.startSpan('chat', { attributes: CHAT, startTime: at(0) }, below(run)).end(at(10))
    await new Promise((resolve) => setTimeout(resolve, 60))
    run.end(at(10))
    await other.forceFlush()
    await one.forceFlush()
    await Promise.all([one.shutdown(), other.shutdown()])
    expect(toldTo(sandbox)).toEqual(ONE_RUN)
  })

  it('are one where layers of a call reach them in a different order', async () => {
    const sandbox = await aSandbox()
    const [one, other] = [new KeitoSpanProcessor(optionsFor(sandbox)), new KeitoSpanProcessor(optionsFor(sandbox))]
    const { tracer } = provide(wrapped(one), wrapped(other))
    const run = tracer.startSpan('invoke_agent', { attributes: AGENT, startTime: at(0) })
    const outer = tracer.startSpan('chat', { attributes: CHAT, startTime: at(0) }, below(run))
    tracer.startSpan('chat', { attributes: CHAT, startTime: at(0) }, below(outer)).end(at(10))
    await new Promise((resolve) => setTimeout(resolve, 60))
    outer.end(at(10))
    await other.forceFlush()
    run.end(at(10))
    await Promise.all([one.forceFlush(), other.forceFlush()])
    await Promise.all([one.shutdown(), other.shutdown()])
    expect(toldTo(sandbox)).toEqual(ONE_RUN)
  })
})

describe('ways that are not one', () => {
  it('lead to different accounts: both are billed', async () => {
    const [one, other, errors]: [KeitoSandbox, KeitoSandbox, KeitoError[]] = [await aSandbox(), await aSandbox(), []]
    const { provider, tracer } = provide(asProcessor(optionsFor(one, errors)), batch(optionsFor(other, errors)))
    traceSome(tracer)
    await provider.shutdown()
    expect([toldTo(one), toldTo(other)]).toEqual([SOME, SOME])
    expect(errors).toEqual([])
  })

  it('have different spans', async () => {
    const [sandbox, errors]: [KeitoSandbox, KeitoError[]] = [await aSandbox(), []]
    const one = provide(asProcessor(optionsFor(sandbox, errors)))
    const other = provide(asProcessor(optionsFor(sandbox, errors)))
    traceRun(one.tracer, { calls: [CALL] })
    traceRun(other.tracer, { calls: [CALL] })
    await Promise.all([one.provider.shutdown(), other.provider.shutdown()])
    expect(toldTo(sandbox)).toEqual({ ms: { 'review-bot': 20_000 }, tokens: [2000, 400] })
    expect(errors).toEqual([])
  })

  it('have different spans of a trace that one of them has forgotten', async () => {
    const [sandbox, errors]: [KeitoSandbox, KeitoError[]] = [await aSandbox(), []]
    const settle = { graceMs: 10, idleMs: 20 }
    const one = asProcessor({ ...optionsFor(sandbox, errors), settle })
    const remote = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), traceFlags: 1, isRemote: true }
    const conversation = trace.setSpanContext(ROOT_CONTEXT, remote)
    traceRun(provide(one).tracer, { calls: [CALL] }, conversation)
    await new Promise((resolve) => setTimeout(resolve, 400))

    const other = provide(asProcessor(optionsFor(sandbox, errors)))
    traceRun(other.tracer, { calls: [CALL] }, conversation)
    await other.provider.shutdown()
    expect(toldTo(sandbox)).toEqual({ ms: { 'review-bot': 20_000 }, tokens: [2000, 400] })
    expect(errors).toEqual([])
  })

  it('have clients of which nobody says whose account is theirs', async () => {
    const [sandbox, errors]: [KeitoSandbox, KeitoError[]] = [await aSandbox(), []]
    const { provider, tracer } = provide(
      asProcessor(withClient(sandbox, errors)),
      batch(withClient(await aSandbox(), errors)),
    )
    traceSome(tracer)
    await provider.shutdown()
    expect(toldTo(sandbox)).toEqual(SOME)
    expect(errors).toEqual([])
  })

  it('are a dry run beside the real thing: it takes nothing away', async () => {
    vi.spyOn(console, 'info').mockImplementation(() => undefined)
    const [sandbox, errors]: [KeitoSandbox, KeitoError[]] = [await aSandbox(), []]
    const dry = simple({ ...optionsFor(sandbox, errors), dryRun: true, onRecord: () => undefined })
    const { provider, tracer } = provide(dry, batch(optionsFor(sandbox, errors)))
    traceSome(tracer)
    await provider.shutdown()
    expect(toldTo(sandbox)).toEqual(SOME)
  })
})

it('one account is one account, however its URL is written', async () => {
  const sandbox = await aSandbox()
  const other = { ...optionsFor(sandbox), baseUrl: `${sandbox.exporterOptions.baseUrl}/` }
  const { provider, tracer } = provide(asProcessor(optionsFor(sandbox)), batch(other))
  traceRun(tracer, { calls: [CALL] })
  await provider.shutdown()
  expect(toldTo(sandbox)).toEqual(ONE_RUN)
})

it('one account is one account, whatever clients lead to it, where it is said', async () => {
  const [sandbox, errors]: [KeitoSandbox, KeitoError[]] = [await aSandbox(), []]
  const { accountId, baseUrl } = sandbox.exporterOptions
  const options = () => ({ ...withClient(sandbox, errors), accountId, baseUrl })
  const { provider, tracer } = provide(asProcessor(options()), batch(options()))
  traceSome(tracer)
  await provider.shutdown()
  expect(toldTo(sandbox)).toEqual(SOME)
  expect(errors.map(({ code }) => code)).toEqual(['fed-twice'])
})

it('after the shutdown of one way the other one goes on', async () => {
  const sandbox = await aSandbox()
  const [first, second] = [asProcessor(optionsFor(sandbox)), batch(optionsFor(sandbox))]
  const { provider, tracer } = provide(first, second)
  traceRun(tracer, { calls: [CALL] })
  await first.shutdown()
  traceRun(tracer, { calls: [CALL] })
  await provider.shutdown()
  expect(toldTo(sandbox)).toEqual({ ms: { 'review-bot': 20_000 }, tokens: [2000, 400] })
  expect(second.feed.stats()).toMatchObject({ spansRead: 2, spansElsewhere: 2 })
})

it('an exporter that gets spans which began before the processor was there takes them, and neither takes them twice', async () => {
  const sandbox = await aSandbox()
  const [processor, exporter] = [
    new KeitoSpanProcessor(optionsFor(sandbox)),
    new KeitoSpanExporter(optionsFor(sandbox)),
  ]
  const late: { onEnd: KeitoSpanProcessor['onEnd'] | undefined } = { onEnd: undefined }
  const { provider, tracer } = provide(new SimpleSpanProcessor(exporter), {
    ...wrapped(processor),
    onStart: () => undefined,
    onEnd: (span) => late.onEnd?.(span),
  })
  const run = tracer.startSpan('invoke_agent', { attributes: AGENT, startTime: at(0) }, ROOT_CONTEXT)
  tracer.startSpan('chat', { attributes: CHAT, startTime: at(0) }, below(run)).end(at(5))
  late.onEnd = (span) => processor.onEnd(span)
  run.end(at(10))
  await provider.forceFlush()
  await provider.shutdown()
  expect(toldTo(sandbox)).toEqual(ONE_RUN)
})

describe('copies of this package in one process', () => {
  it.each(['index.mjs', 'index.cjs'])('know of each other: src and dist/%s', async (file) => {
    const path = fileURLToPath(new URL(`../dist/${file}`, import.meta.url))
    const copy: { KeitoSpanProcessor: typeof KeitoSpanProcessor } = file.endsWith('.cjs')
      ? createRequire(import.meta.url)(path)
      : await import(path)
    expect(copy.KeitoSpanProcessor).not.toBe(KeitoSpanProcessor)
    const [sandbox, errors]: [KeitoSandbox, KeitoError[]] = [await aSandbox(), []]
    const theirs = new copy.KeitoSpanProcessor(optionsFor(sandbox, errors))
    const { provider, tracer } = provide(wrapped(theirs), batch(optionsFor(sandbox, errors)))
    traceSome(tracer)
    await provider.shutdown()
    expect(toldTo(sandbox)).toEqual(SOME)
    expect(errors.map(({ code }) => code)).toContain('fed-twice')
  })
})

it('a processor that was let go of without a shutdown does not stay in memory', async () => {
  const path = fileURLToPath(new URL('./helpers/process/forgets-processors.mjs', import.meta.url))
  const { code, stderr, stdout } = await new Promise<{ code: number; stderr: string; stdout: string }>((resolve) => {
    execFile(process.execPath, ['--expose-gc', path], { timeout: 15_000 }, (error, out, err) =>
      resolve({ code: error ? 1 : 0, stderr: err, stdout: out }),
    )
  })
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(JSON.parse(stdout).left).toBeLessThan(10)
})
