/** Rule: scopes, duplicates, remote parents and the memory bound mean the same through the exporter as in its stages. */
import { type Context, ROOT_CONTEXT, trace } from '@opentelemetry/api'
import { afterEach, describe, expect, it } from 'vitest'
import type { KeitoExporterOptions } from '../src/index.ts'
import { type Rig, startRig, traceRun } from './helpers/otel.ts'

let rig: Rig
afterEach(() => rig.close())

const start = async (options?: KeitoExporterOptions) => {
  rig = await startRig(options)
  return rig
}

describe('what the exporter is told to leave out', () => {
  it('ignored scopes are not billed, but still stand between the spans around them', async () => {
    const { provider, flush, sandbox, exporter } = await start({ ignoreScopes: ['noisy'] })
    const run = provider.getTracer('fw').startSpan('invoke_agent x', {
      attributes: { 'gen_ai.operation.name': 'invoke_agent' },
    })
    const chat = (scope: string, model: string, parent: Context) => {
      const attributes = {
        'gen_ai.operation.name': 'chat',
        'gen_ai.request.model': model,
        'gen_ai.usage.input_tokens': 9,
      }
      return provider.getTracer(scope).startSpan('chat', { attributes }, parent)
    }
    const outer = chat('noisy', 'outer', trace.setSpan(ROOT_CONTEXT, run))
    chat('fw', 'inner', trace.setSpan(ROOT_CONTEXT, outer)).end()
    outer.end()
    run.end()
    await flush()
    expect(sandbox.timeEntries()).toHaveLength(1)
    expect(sandbox.expenses().map(({ metadata }) => metadata?.model)).toEqual(['inner'])
    expect(exporter.stats()).toMatchObject({ spansRead: 2, spansIgnored: 1, openSessions: 0 })
  })

  it.each([
    ['detect', 1],
    ['off', 2],
  ] as const)('duplicate instrumentation: %s', async (duplicateInstrumentation, expenses) => {
    const { provider, flush, sandbox } = await start({ duplicateInstrumentation })
    const attributes = { 'gen_ai.operation.name': 'chat', 'gen_ai.request.model': 'm', 'gen_ai.usage.input_tokens': 9 }
    for (const scope of ['fw', 'client']) {
      provider
        .getTracer(scope)
        .startSpan('chat m', { startTime: 1e12, attributes })
        .end(1e12 + 1000)
    }
    await flush()
    expect(sandbox.expenses()).toHaveLength(expenses)
  })
})

describe('a run below a caller in another process', () => {
  it('is complete when its own spans have arrived', async () => {
    const { tracer, flush, sandbox } = await start()
    const caller = { traceId: 'c'.repeat(32), spanId: 'd'.repeat(16), traceFlags: 1, isRemote: true }
    traceRun(tracer, { calls: [{ input: 10, output: 5 }] }, trace.setSpanContext(ROOT_CONTEXT, caller))
    await flush()
    expect(sandbox.timeEntries()).toMatchObject([{ metadata: { session_id: caller.traceId } }])
    expect(sandbox.expenses()).toHaveLength(1)
  })
})

describe('more spans than may be remembered', () => {
  it('settle the oldest session early instead of growing the memory', async () => {
    const { tracer, provider, exporter } = await start({ settle: { maxOpenSpans: 10 } })
    for (let i = 0; i < 50; i++) traceRun(tracer, { calls: [{ input: 10, output: 5 }] })
    await provider.forceFlush()
    expect(exporter.stats()).toMatchObject({ sessionsForced: 45, openSessions: 5 })
  })
})
