/** Rule: however many sessions end in one tick, and however few may be remembered, all are billed. */
import type { Tracer } from '@opentelemetry/api'
import { BasicTracerProvider as ProviderV1, type SpanProcessor as SpanProcessorV1 } from 'otel-sdk-v1'
import { describe, expect, it, vi } from 'vitest'
import { anInMemory } from './helpers/in-memory.ts'
import { aProcessorRig, traceRun } from './helpers/otel.ts'
import { AGENT, at, below, CHAT, toldTo } from './helpers/told.ts'

const STORY = { calls: [{ input: 1000, output: 200 }] }

function traceRuns(tracer: Tracer, count: number): void {
  for (let i = 0; i < count; i++) traceRun(tracer, STORY)
}

describe('sessions that end in one tick', () => {
  it('are all billed, 10,000 of them', async () => {
    const { keito, provider, tracer, errors } = anInMemory()
    traceRuns(tracer, 10_000)
    await provider.forceFlush()
    expect({ sessions: keito.sessions.size, ms: keito.ms, tokens: keito.tokens }).toEqual({
      sessions: 10_000,
      ms: 100_000_000,
      tokens: 12_000_000,
    })
    expect(errors).toEqual([])
  })

  it('are all billed in OTel JS 1.30', async () => {
    const { keito, processor } = anInMemory()
    const asProcessor: SpanProcessorV1 = processor
    const provider = new ProviderV1()
    provider.addSpanProcessor(asProcessor)
    traceRuns(provider.getTracer('old-framework'), 1000)
    await provider.forceFlush()
    expect({ ms: keito.ms, tokens: keito.tokens }).toEqual({ ms: 10_000_000, tokens: 1_200_000 })
  })

  it('are all billed without a flush', async () => {
    const { keito, tracer } = anInMemory()
    traceRuns(tracer, 1000)
    await vi.waitFor(() => expect(keito.tokens).toBe(1_200_000), 10_000)
    expect(keito.sessions.size).toBe(1000)
  })

  it('are all billed by a shutdown in the same tick', async () => {
    const { keito, tracer, provider, processor } = anInMemory()
    traceRuns(tracer, 3000)
    await provider.shutdown()
    expect(keito.tokens).toBe(3_600_000)
    expect(processor.stats()).toMatchObject({ recordsPending: 0, openSessions: 0 })
  })

  it('are all billed over HTTP, 1,000 of them', async () => {
    const rig = await aProcessorRig()
    const { tracer, provider, sandbox, processor, problems } = rig
    traceRuns(tracer, 1000)
    await provider.forceFlush()
    expect(toldTo(sandbox)).toEqual({ ms: { 'review-bot': 10_000_000 }, tokens: [1_000_000, 200_000] })
    expect(processor.stats()).toMatchObject({ recordsDelivered: 2000, recordsDropped: 0, sessionsForced: 0 })
    expect(problems).toEqual([])
  })

  it('are all billed where few spans may be remembered', async () => {
    const { keito, processor, provider, tracer } = anInMemory({ settle: { maxOpenSpans: 10 } })
    traceRuns(tracer, 500)
    await provider.forceFlush()
    expect({ ms: keito.ms, tokens: keito.tokens }).toEqual({ ms: 5_000_000, tokens: 600_000 })
    expect(processor.stats()).toMatchObject({ spansLate: 0, recordsDropped: 0 })
  })

  it('are all billed where they were all open at once, and few spans may be remembered', async () => {
    const { keito, processor, provider, tracer } = anInMemory({ settle: { maxOpenSpans: 10 } })
    const runs = Array.from({ length: 200 }, () => {
      const run = tracer.startSpan('invoke_agent', { attributes: AGENT, startTime: at(0) })
      return { run, call: tracer.startSpan('chat', { attributes: CHAT, startTime: at(1) }, below(run)) }
    })
    for (const { call } of runs) call.end(at(2))
    for (const { run } of runs) run.end(at(10))
    await provider.forceFlush()
    expect({ ms: keito.ms, tokens: keito.tokens }).toEqual({ ms: 2_000_000, tokens: 240_000 })
    expect(processor.stats().spansLate).toBe(0)
  })
})
