/** Rule: the exporter keeps the contract of a SpanExporter as OTel JS really uses it, and never harms its host. */
import { setTimeout as sleep } from 'node:timers/promises'
import { ROOT_CONTEXT } from '@opentelemetry/api'
import {
  BasicTracerProvider,
  type ReadableSpan,
  SimpleSpanProcessor,
  type SpanExporter,
} from '@opentelemetry/sdk-trace-base'
import {
  BasicTracerProvider as BasicTracerProvider1,
  BatchSpanProcessor as BatchSpanProcessor1,
  type SpanExporter as SpanExporter1,
} from 'otel-sdk-v1'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { isKeitoError, KeitoSpanExporter } from '../src/index.ts'
import { startKeitoSandbox } from '../src/testing/index.ts'
import { type Rig, startRig, traceRun } from './helpers/otel.ts'

const open: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of open.splice(0)) await close()
})

const rig = async (...args: Parameters<typeof startRig>): Promise<Rig> => {
  const started = await startRig(...args)
  open.push(started.close)
  return started
}

/** Spans as a provider hands them over, for calling `export` by hand. */
async function recordedSpans(count = 1): Promise<ReadableSpan[]> {
  const spans: ReadableSpan[] = []
  const collector: SpanExporter = {
    export: (batch, done) => {
      spans.push(...batch)
      done({ code: 0 })
    },
    shutdown: async () => undefined,
  }
  const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(collector)] })
  for (let i = 0; i < count; i++) traceRun(provider.getTracer('t'), { calls: [{ input: 10, output: 5 }] })
  await provider.forceFlush()
  return spans
}

describe('export', () => {
  it('acknowledges at once, before anything is sent', async () => {
    const { exporter, sandbox } = await rig()
    const results: unknown[] = []
    exporter.export(await recordedSpans(), (result) => results.push(result))
    expect(results).toEqual([{ code: 0 }])
    expect(sandbox.requests()).toEqual([])
  })

  it('may be called again from within its own callback, and many times at once', async () => {
    const { exporter, sandbox } = await rig()
    const batches = (await recordedSpans(20)).map((span) => [span])
    let acknowledged = 0
    const next = () => {
      const batch = batches.shift()
      if (batch) exporter.export(batch, () => ++acknowledged && next())
    }
    next()
    await exporter.forceFlush()
    expect(acknowledged).toBe(40)
    expect(sandbox.timeEntries()).toHaveLength(20)
  })

  it('takes the same span once, when two processors hand it over', async () => {
    const { exporter, sandbox } = await rig()
    const spans = await recordedSpans()
    exporter.export(spans, () => undefined)
    exporter.export(spans, () => undefined)
    await exporter.forceFlush()
    exporter.export(spans, () => undefined)
    await exporter.forceFlush()
    expect(sandbox.timeEntries()).toHaveLength(1)
    expect(sandbox.expenses()).toHaveLength(1)
  })

  it('does not throw when the callback does', async () => {
    const { exporter } = await rig()
    const fail = () => {
      throw new Error('the host')
    }
    const spans = await recordedSpans()
    expect(() => exporter.export(spans, fail)).not.toThrow()
  })

  it('fails cleanly after shutdown, and says so', async () => {
    const { exporter } = await rig()
    await exporter.shutdown()
    const results: { code: number; error?: Error }[] = []
    exporter.export(await recordedSpans(), (result) => results.push(result))
    expect(results).toHaveLength(1)
    expect(results[0]?.code).toBe(1)
    expect(isKeitoError(results[0]?.error) && results[0].error.code).toBe('closed')
  })

  it('still takes spans while shutdown is under way, because some processors export late', async () => {
    const { exporter, sandbox } = await rig()
    const [first, second] = [await recordedSpans(), await recordedSpans()]
    exporter.export(first, () => undefined)
    const done = exporter.shutdown()
    const results: unknown[] = []
    exporter.export(second, (result) => results.push(result))
    await done
    expect(results).toEqual([{ code: 0 }])
    expect(sandbox.timeEntries()).toHaveLength(2)
  })
})

describe('forceFlush', () => {
  it('settles the sessions whose root has arrived and delivers them', async () => {
    const { tracer, sandbox, flush } = await rig()
    traceRun(tracer, { calls: [{ input: 10, output: 5 }] })
    await flush()
    expect(sandbox.timeEntries()).toHaveLength(1)
    expect(sandbox.expenses()).toHaveLength(1)
  })

  it('leaves a session open whose root is still running', async () => {
    const { exporter, sandbox } = await rig()
    const chat = (await recordedSpans()).filter((span) => span.name.startsWith('chat'))
    exporter.export(chat, () => undefined)
    await exporter.forceFlush()
    expect(sandbox.requests()).toEqual([])
    expect(exporter.stats().openSessions).toBe(1)
  })

  it('resolves within its deadline when Keito asks to wait for hours, and keeps the records', async () => {
    const sandbox = await startKeitoSandbox({ rateLimit: 1 })
    const exporter = new KeitoSpanExporter({ ...sandbox.exporterOptions, delivery: { flushTimeoutMs: 2000 } })
    open.push(
      () => exporter.shutdown(),
      () => sandbox.close(),
    )
    exporter.export(await recordedSpans(3), () => undefined)
    await exporter.forceFlush()
    expect(sandbox.timeEntries().length + sandbox.expenses().length).toBe(1)
    expect(exporter.stats().recordsPending).toBe(5)
  })
})

describe('shutdown', () => {
  it('settles and delivers everything, also sessions without their root', async () => {
    const { exporter, sandbox } = await rig()
    const chat = (await recordedSpans()).filter((span) => span.name.startsWith('chat'))
    exporter.export(chat, () => undefined)
    await exporter.shutdown()
    expect(sandbox.expenses()).toHaveLength(1)
    expect(sandbox.timeEntries()).toHaveLength(0)
  })

  it('may be called again and gives the same answer', async () => {
    const { exporter, sandbox } = await rig()
    exporter.export(await recordedSpans(), () => undefined)
    await Promise.all([exporter.shutdown(), exporter.shutdown()])
    await exporter.shutdown()
    await exporter.forceFlush()
    expect(sandbox.timeEntries()).toHaveLength(1)
  })

  it('ends at its deadline when Keito hangs, and reports what Keito may not have', async () => {
    const errors: string[] = []
    const hang = () => new Promise<never>(() => undefined)
    const exporter = new KeitoSpanExporter({
      client: { timeEntries: { create: hang }, expenses: { create: hang } },
      projectId: 'p',
      taskId: 't',
      expenseCategoryId: 'c',
      delivery: { shutdownTimeoutMs: 100, concurrency: 1 },
      onError: (error) => errors.push(`${error.code}: ${error.message}`),
    })
    exporter.export(await recordedSpans(), () => undefined)
    const raced = await Promise.race([exporter.shutdown().then(() => 'ended'), sleep(10_000, 'hung')])
    expect(raced).toBe('ended')
    expect(errors.find((error) => error.startsWith('undelivered'))).toContain('1 not sent, 1 whose fate is unknown')
  })
})

describe('sessions settle by themselves', () => {
  it('once their root has arrived and the grace time is over', async () => {
    const { exporter, sandbox } = await rig({ settle: { graceMs: 20 } })
    exporter.export(await recordedSpans(), () => undefined)
    await vi.waitFor(() => expect(sandbox.timeEntries()).toHaveLength(1), { timeout: 10_000 })
  })

  it('after the idle time, when their root never comes: tokens, but no hours', async () => {
    const { exporter, sandbox } = await rig({ settle: { graceMs: 20, idleMs: 100 } })
    const chat = (await recordedSpans()).filter((span) => span.name.startsWith('chat'))
    exporter.export(chat, () => undefined)
    await vi.waitFor(() => expect(sandbox.expenses()).toHaveLength(1), { timeout: 10_000 })
    expect(sandbox.timeEntries()).toHaveLength(0)
  })
})

describe('the SDK lines', () => {
  it('2.x: a SimpleSpanProcessor, one export for each span', async () => {
    const { exporter, sandbox } = await rig()
    const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] })
    traceRun(provider.getTracer('t'), { calls: [{ input: 10, output: 5 }] })
    await provider.shutdown()
    expect(sandbox.timeEntries()).toHaveLength(1)
  })

  it('1.30: spans with parentSpanId and instrumentationLibrary', async () => {
    const { exporter, sandbox } = await rig()
    const asExporter: SpanExporter1 = exporter
    const provider = new BasicTracerProvider1()
    provider.addSpanProcessor(new BatchSpanProcessor1(asExporter))
    traceRun(provider.getTracer('old-framework'), { calls: [{ input: 100, output: 5 }] }, ROOT_CONTEXT)
    await provider.shutdown()
    expect(sandbox.timeEntries().map((entry) => entry.metadata?.agent_type)).toEqual(['old-framework'])
    expect(sandbox.expenses().map((expense) => expense.metadata?.input_tokens)).toEqual([100])
  })
})
