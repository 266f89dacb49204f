/** Rule: a span processor takes in every span that ends, and bills a session when the last of its spans has. */
import { ROOT_CONTEXT, type Tracer, trace } from '@opentelemetry/api'
import { BasicTracerProvider } from '@opentelemetry/sdk-trace-base'
import { BasicTracerProvider as ProviderV1, type SpanProcessor as SpanProcessorV1 } from 'otel-sdk-v1'
import { describe, expect, it, vi } from 'vitest'
import type { RunSummary } from '../src/index.ts'
import { aProcessorRig, type ProcessorRig, traceRun } from './helpers/otel.ts'
import { AGENT, at, below, CHAT, HTTP, toldTo, untilTold } from './helpers/told.ts'

/** A rig in a provider of either SDK line. */
async function rigOf(line: '2.x' | '1.30', ...args: Parameters<typeof aProcessorRig>): Promise<ProcessorRig> {
  const rig = await aProcessorRig(...args)
  if (line === '2.x') return rig
  const asProcessor: SpanProcessorV1 = rig.processor
  const provider = new ProviderV1()
  provider.addSpanProcessor(asProcessor)
  return { ...rig, tracer: provider.getTracer('old-framework') }
}

/** Traces a run that is complete, and waits until it is billed: what ended before it has been dealt with then. */
async function passTheTime({ tracer, sandbox }: ProcessorRig): Promise<void> {
  const { ms } = toldTo(sandbox)
  const passed = (ms.clock ?? 0) + 1000
  traceRun(tracer, { agent: 'clock', durationMs: 1000 })
  await untilTold(sandbox, { ms: { ...ms, clock: passed } })
}

const CALL = { input: 1000, output: 200 }

function startRun(tracer: Tracer, parent = ROOT_CONTEXT) {
  return tracer.startSpan('invoke_agent review-bot', { attributes: AGENT, startTime: at(0) }, parent)
}

function startCall(tracer: Tracer, parent = ROOT_CONTEXT) {
  return tracer.startSpan('chat', { attributes: CHAT, startTime: at(1) }, parent)
}

describe.each(['2.x', '1.30'] as const)('a session in a provider of OTel JS %s', (line) => {
  it('is billed as soon as its last span has ended, without any grace', async () => {
    const { tracer, sandbox, processor } = await rigOf(line)
    traceRun(tracer, { calls: [CALL] })
    await untilTold(sandbox, { ms: { 'review-bot': 10_000 }, tokens: [1000, 200] })
    expect(processor.stats()).toMatchObject({ openSessions: 0, spansSeen: 2, spansRead: 2, recordsMade: 2 })
  })

  it('waits for a child that ends after its parents', async () => {
    const rig = await rigOf(line)
    const { tracer, sandbox, processor } = rig
    const run = startRun(tracer)
    const call = startCall(tracer, below(run))
    run.end(at(10))
    await passTheTime(rig)
    expect(toldTo(sandbox)).toEqual({ ms: { clock: 1000 }, tokens: [0, 0] })
    expect(processor.stats().openSessions).toBe(1)
    call.end(at(12))
    await untilTold(sandbox, { ms: { clock: 1000, 'review-bot': 10_000 }, tokens: [1000, 200] })
  })

  it('waits for an agent that outlives the request it was started in, also at a flush', async () => {
    const rig = await rigOf(line)
    const { tracer, sandbox, processor } = rig
    const request = tracer.startSpan('GET /', { attributes: HTTP, startTime: at(0) })
    const run = startRun(tracer, below(request))
    startCall(tracer, below(run)).end(at(2))
    request.end(at(1))
    await passTheTime(rig)
    await processor.forceFlush()
    expect(toldTo(sandbox)).toEqual({ ms: { clock: 1000 }, tokens: [0, 0] })
    startCall(tracer, below(run)).end(at(20))
    run.end(at(60))
    await untilTold(sandbox, { ms: { clock: 1000, 'review-bot': 60_000 }, tokens: [2000, 400] })
    expect(sandbox.expenses()).toHaveLength(1)
  })

  it('is billed again for an agent that starts below a request that ended long ago', async () => {
    const { tracer, sandbox } = await rigOf(line)
    const request = tracer.startSpan('GET /', { attributes: HTTP, startTime: at(0) })
    traceRun(tracer, { agent: 'first', calls: [CALL] }, below(request))
    request.end(at(1))
    await untilTold(sandbox, { ms: { first: 10_000 }, tokens: [1000, 200] })
    traceRun(tracer, { agent: 'second', calls: [CALL] }, below(request))
    await untilTold(sandbox, { ms: { first: 10_000, second: 10_000 }, tokens: [2000, 400] })
  })

  it('has no second run where an agent starts below one that has ended', async () => {
    const rig = await rigOf(line)
    const { tracer, sandbox, processor } = rig
    const run = startRun(tracer)
    run.end(at(60))
    await untilTold(sandbox, { ms: { 'review-bot': 60_000 } })
    traceRun(tracer, { agent: 'helper', start: at(10), durationMs: 5000, calls: [CALL] }, below(run))
    await processor.forceFlush()
    expect(toldTo(sandbox)).toEqual({ ms: { 'review-bot': 60_000 }, tokens: [1000, 200] })
  })

  it('is billed by a flush as far as it is known, when a span below its ended root never ends', async () => {
    const rig = await rigOf(line)
    const { tracer, sandbox, processor } = rig
    const run = startRun(tracer)
    startCall(tracer, below(run)).end(at(2))
    const forgotten = startCall(tracer, below(run))
    run.end(at(10))
    await passTheTime(rig)
    expect(toldTo(sandbox).tokens).toEqual([0, 0])
    await processor.forceFlush()
    expect(toldTo(sandbox)).toEqual({ ms: { clock: 1000, 'review-bot': 10_000 }, tokens: [1000, 200] })
    await processor.forceFlush()
    expect(sandbox.expenses()).toHaveLength(1)
    forgotten.end(at(30))
    await untilTold(sandbox, { ms: { clock: 1000, 'review-bot': 10_000 }, tokens: [2000, 400] })
  })

  it('is billed at shutdown while its agent is under way: the tokens that are known, and no hours', async () => {
    const { tracer, sandbox, processor } = await rigOf(line)
    const run = startRun(tracer)
    startCall(tracer, below(run)).end(at(2))
    await processor.shutdown()
    expect(toldTo(sandbox)).toEqual({ ms: {}, tokens: [1000, 200] })
  })

  it('has its root where its parent is remote', async () => {
    const { tracer, sandbox, problems } = await rigOf(line)
    const remote = { traceId: 'a'.repeat(31).concat('1'), spanId: 'b'.repeat(16), traceFlags: 1, isRemote: true }
    const parent = trace.setSpanContext(ROOT_CONTEXT, remote)
    traceRun(tracer, { calls: [CALL] }, parent)
    await untilTold(sandbox, { ms: { 'review-bot': 10_000 }, tokens: [1000, 200] })
    expect(sandbox.timeEntries()[0]?.metadata?.session_id).toBe(remote.traceId)
    expect(problems).toEqual([])
  })

  it('of model calls alone has its hours also where their parent is remote', async () => {
    const { tracer, sandbox, processor } = await rigOf(line)
    const remote = { traceId: 'a'.repeat(31).concat('2'), spanId: 'b'.repeat(16), traceFlags: 1, isRemote: true }
    startCall(tracer, trace.setSpanContext(ROOT_CONTEXT, remote)).end(at(11))
    await processor.forceFlush()
    const { ms, tokens } = toldTo(sandbox)
    expect(Object.values(ms)).toEqual([10_000])
    expect(tokens).toEqual([1000, 200])
  })
})

it('a session has its root where its parent is recorded by another provider, whose spans end elsewhere', async () => {
  const { tracer, sandbox } = await aProcessorRig()
  const request = new BasicTracerProvider().getTracer('http').startSpan('GET /', { startTime: at(0) })
  expect(request.isRecording()).toBe(true)
  traceRun(tracer, { calls: [CALL] }, below(request))
  await untilTold(sandbox, { ms: { 'review-bot': 10_000 }, tokens: [1000, 200] })
  request.end(at(60))
})

it('an agent that is open at shutdown gives its name to what is billed of it, also for the attribution function', async () => {
  const asked: (string | undefined)[] = []
  const attribution = ({ agentName }: RunSummary) => {
    asked.push(agentName)
    return undefined
  }
  const { tracer, sandbox, processor } = await aProcessorRig({ attribution })
  const run = startRun(tracer)
  startCall(tracer, below(run)).end(at(2))
  await processor.shutdown()
  expect(new Set(asked)).toEqual(new Set(['review-bot']))
  expect(sandbox.expenses().map(({ metadata }) => metadata?.agent_id)).toEqual(['review-bot'])
  expect(sandbox.timeEntries()).toEqual([])
})

describe('a remote trace that comes to this process twice at once', () => {
  it.each(['2.x', '1.30'] as const)('is billed when the last of its spans here has ended (%s)', async (line) => {
    const rig = await rigOf(line)
    const { tracer, sandbox } = rig
    const remote = { traceId: 'a'.repeat(31).concat('3'), spanId: 'b'.repeat(16), traceFlags: 1, isRemote: true }
    const parent = trace.setSpanContext(ROOT_CONTEXT, remote)
    const slow = startRun(tracer, parent)
    traceRun(tracer, { agent: 'quick', calls: [CALL] }, parent)
    await passTheTime(rig)
    expect(toldTo(sandbox).ms).toEqual({ clock: 1000 })
    slow.end(at(60))
    await untilTold(sandbox, { ms: { clock: 1000, 'review-bot': 60_000, quick: 10_000 }, tokens: [1000, 200] })
  })
})

describe('a model call without any parent', () => {
  it('waits the grace time for a record of the same call in another trace, and is billed once', async () => {
    const { tracer, provider, sandbox, processor } = await aProcessorRig({
      settle: { graceMs: 400, idleMs: 3_600_000 },
    })
    const client = provider.getTracer('client')
    const id = { 'gen_ai.response.id': 'reply-1' }
    const run = startRun(tracer)
    const call = tracer.startSpan('chat', { attributes: { ...CHAT, ...id }, startTime: at(1) }, below(run))
    const stray = client.startSpan('chat', { attributes: { ...CHAT, ...id }, startTime: at(1) })
    stray.end(at(2))
    await vi.waitFor(() => expect(processor.stats().spansSeen).toBe(1))
    call.end(at(2))
    run.end(at(10))
    await untilTold(sandbox, { ms: { 'review-bot': 10_000 }, tokens: [1000, 200] })
    await expect.poll(() => processor.stats().openSessions).toBe(0)
    await processor.forceFlush()
    expect(toldTo(sandbox)).toEqual({ ms: { 'review-bot': 10_000 }, tokens: [1000, 200] })
  })

  it('is billed by itself when there is none', async () => {
    const { tracer, sandbox } = await aProcessorRig({ settle: { graceMs: 50, idleMs: 3_600_000 } })
    startCall(tracer).end(at(2))
    await untilTold(sandbox, { tokens: [1000, 200] })
    expect(sandbox.timeEntries()).toHaveLength(1)
  })

  it('waits for nobody where nobody looks for second records', async () => {
    const { tracer, sandbox } = await aProcessorRig({ duplicateInstrumentation: 'off' })
    startCall(tracer).end(at(2))
    await untilTold(sandbox, { tokens: [1000, 200] })
  })
})
