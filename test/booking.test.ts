/** Rule: what an agent did is what the invoice says: hours, units, days, one line each, joined by the session. */
import { ROOT_CONTEXT, trace } from '@opentelemetry/api'
import { afterEach, describe, expect, it } from 'vitest'
import type { KeitoExporterOptions } from '../src/index.ts'
import { type Rig, startRig, traceRun } from './helpers/otel.ts'

let rig: Rig
afterEach(() => rig.close())

const start = async (options?: KeitoExporterOptions) => {
  rig = await startRig(options)
  return rig
}
const hours = () => rig.sandbox.timeEntries().map((entry) => entry.hours)
const total = (numbers: readonly number[]) => numbers.reduce((sum, number) => sum + number, 0)
const MINUTE = 60_000
const HOUR = 60 * MINUTE

describe('hours', () => {
  it('a run of 90 minutes is 1.5 h', async () => {
    const { tracer, flush } = await start()
    traceRun(tracer, { durationMs: 90 * MINUTE })
    await flush()
    expect(hours()).toEqual([1.5])
  })

  it('360 runs of 10 s are 1.00 h in total', async () => {
    const { tracer, flush, sandbox } = await start()
    for (let i = 0; i < 360; i++) traceRun(tracer, { durationMs: 10_000 })
    await flush()
    expect(sandbox.timeEntries()).toHaveLength(360)
    expect(Math.abs(total(hours()) - 1)).toBeLessThanOrEqual(0.005)
  })

  it('a run of 30 h is entries of at most 24 h that add up, each on its own day', async () => {
    const { tracer, flush, sandbox } = await start()
    traceRun(tracer, { start: '2026-11-20T10:00:00Z', durationMs: 30 * HOUR })
    await flush()
    expect(sandbox.timeEntries().map(({ hours, spent_date }) => [hours, spent_date])).toEqual([
      [24, '2026-11-20'],
      [6, '2026-11-21'],
    ])
    expect(total(sandbox.timeEntries().map((entry) => Number(entry.metadata?.duration_ms)))).toBe(30 * HOUR)
  })

  it('a run at 23:30 in New York has that date there', async () => {
    const { tracer, flush, sandbox } = await start({ timeZone: 'America/New_York' })
    traceRun(tracer, { start: '2026-11-21T04:30:00Z', calls: [{ input: 1, output: 1 }] })
    await flush()
    expect(sandbox.timeEntries().map((entry) => entry.spent_date)).toEqual(['2026-11-20'])
    expect(sandbox.expenses().map((expense) => expense.spent_date)).toEqual(['2026-11-20'])
  })
})

describe('expenses', () => {
  it('1,000 sessions of 300 tokens are 300 units in total', async () => {
    const { tracer, flush, sandbox } = await start()
    for (let i = 0; i < 1000; i++) traceRun(tracer, { calls: [{ input: 200, output: 100 }] })
    await flush()
    expect(sandbox.expenses()).toHaveLength(1000)
    expect(Math.abs(total(sandbox.expenses().map((expense) => expense.units ?? 0)) - 300)).toBeLessThanOrEqual(1)
    expect(total(sandbox.expenses().map((expense) => Number(expense.metadata?.input_tokens)))).toBe(200_000)
  })

  it('25k + 15k tokens are 40 units, with a sentence that a client understands', async () => {
    const { tracer, flush, sandbox } = await start()
    traceRun(tracer, { calls: [{ input: 25_000, output: 15_000 }] })
    await flush()
    expect(sandbox.expenses()[0]).toMatchObject({ units: 40, notes: 'claude-opus-4-6: 25k input + 15k output' })
  })

  it('fewer tokens than half a unit cost nothing and are on record', async () => {
    const { tracer, flush, sandbox } = await start()
    traceRun(tracer, { calls: [{ input: 20, output: 10 }] })
    await flush()
    expect(sandbox.expenses()[0]).toMatchObject({ units: null, total_cost: 0, metadata: { input_tokens: 20 } })
  })

  it('a run with two models makes one expense for each', async () => {
    const { tracer, flush, sandbox } = await start()
    const calls = [
      { model: 'a', input: 1000, output: 0 },
      { model: 'b', input: 2000, output: 0 },
      { model: 'a', input: 3000, output: 0 },
    ]
    traceRun(tracer, { calls })
    await flush()
    expect(sandbox.expenses().map(({ units, metadata }) => [metadata?.model, units])).toEqual([
      ['a', 4],
      ['b', 2],
    ])
    expect(sandbox.timeEntries()[0]?.metadata).toMatchObject({ model: 'a', models: ['a', 'b'] })
  })
})

describe('a session', () => {
  it('has the trace id on both records, and the agent, the model and a key of its own', async () => {
    const { tracer, flush, sandbox } = await start()
    const sessionId = traceRun(tracer, { agent: 'review-bot', calls: [{ input: 1000, output: 0 }] })
    await flush()
    const [entry] = sandbox.timeEntries()
    const [expense] = sandbox.expenses()
    const shared = { session_id: sessionId, agent_id: 'review-bot', model: 'claude-opus-4-6' }
    expect(entry).toMatchObject({ source: 'agent', billable: true, is_running: false, metadata: shared })
    expect(expense).toMatchObject({ source: 'agent', billable: true, metadata: shared })
    const run = entry?.metadata?.run_id
    expect(entry?.metadata?.idempotency_key).toBe(`${sessionId}:${run}:time:0`)
    expect(expense?.metadata?.idempotency_key).toBe(`${sessionId}:${run}:llm:claude-opus-4-6:0`)
  })

  it('with a late model call gets an addition of what is new, and nothing twice', async () => {
    const { tracer, flush, sandbox } = await start()
    const run = tracer.startSpan('invoke_agent x', { attributes: { 'gen_ai.operation.name': 'invoke_agent' } })
    const inRun = trace.setSpan(ROOT_CONTEXT, run)
    const chat = () =>
      tracer.startSpan(
        'chat m',
        {
          attributes: {
            'gen_ai.operation.name': 'chat',
            'gen_ai.request.model': 'm',
            'gen_ai.usage.input_tokens': 1000,
          },
        },
        inRun,
      )
    const [early, late] = [chat(), chat()]
    early.end()
    run.end()
    await flush()
    late.end()
    await flush()
    expect(sandbox.timeEntries()).toHaveLength(1)
    expect(sandbox.expenses().map(({ units, metadata }) => [units, String(metadata?.idempotency_key).at(-1)])).toEqual([
      [1, '0'],
      [1, '1'],
    ])
  })

  it('of model calls without an agent is one entry for the service, or expenses only', async () => {
    const bareCall = () =>
      rig.tracer
        .startSpan('chat m', {
          startTime: 1e12,
          attributes: {
            'gen_ai.operation.name': 'chat',
            'gen_ai.request.model': 'm',
            'gen_ai.usage.input_tokens': 1000,
          },
        })
        .end(1e12 + HOUR)
    await start()
    bareCall()
    await rig.flush()
    expect(hours()).toEqual([1])
    await rig.close()
    await start({ bareCalls: 'tokens' })
    bareCall()
    await rig.flush()
    expect(hours()).toEqual([])
    expect(rig.sandbox.expenses()).toHaveLength(1)
  })
})

describe('a failed run', () => {
  const failed = { failed: true, durationMs: HOUR, calls: [{ input: 1000, output: 0 }] }

  it('leaves no time entry; its tokens are recorded and not billed', async () => {
    const { tracer, flush, sandbox } = await start()
    traceRun(tracer, failed)
    await flush()
    expect(sandbox.timeEntries()).toEqual([])
    expect(sandbox.expenses()).toMatchObject([{ units: 1, billable: false }])
  })

  it('of bare calls is one whose calls all failed', async () => {
    const { tracer, flush, sandbox } = await start()
    const session = (...fates: readonly ('ok' | 'failed')[]) => {
      const request = tracer.startSpan('GET /', { startTime: 1e12 })
      for (const fate of fates) {
        const attributes = { 'gen_ai.operation.name': 'chat', 'gen_ai.usage.input_tokens': 9 }
        const call = tracer.startSpan('chat', { startTime: 1e12, attributes }, trace.setSpan(ROOT_CONTEXT, request))
        if (fate === 'failed') call.setStatus({ code: 2 })
        call.end(1e12 + HOUR)
      }
      request.end(1e12 + HOUR)
    }
    session('failed', 'failed')
    session('ok', 'failed')
    await flush()
    expect(hours()).toEqual([1])
    expect(sandbox.expenses().map(({ billable }) => billable)).toEqual([false, true])
  })

  it('is booked as the policy says', async () => {
    const { tracer, flush, sandbox } = await start({ failedRuns: { time: 'unbilled', expense: 'billed' } })
    traceRun(tracer, failed)
    await flush()
    expect(sandbox.timeEntries()).toMatchObject([{ hours: 1, billable: false, metadata: { outcome: 'failed' } }])
    expect(sandbox.expenses()).toMatchObject([{ units: 1, billable: true }])
  })
})

describe('where a run is booked', () => {
  it('span attributes go over configuration, and the nearest ancestor over one further up', async () => {
    const { tracer, flush, sandbox } = await start({ projectId: 'cmproject1', agentId: 'configured' })
    const request = tracer.startSpan('GET /', {
      attributes: { 'keito.agent_id': 'from-request', 'keito.billable': false },
    })
    const inRequest = trace.setSpan(ROOT_CONTEXT, request)
    traceRun(
      tracer,
      { attributes: { 'keito.agent_id': 'from-run', 'keito.notes': 'Reviewed the login form' } },
      inRequest,
    )
    request.end()
    await flush()
    expect(sandbox.timeEntries()).toMatchObject([
      { billable: false, notes: 'Reviewed the login form', metadata: { agent_id: 'from-run' } },
    ])
  })

  it('the attribution function goes over both', async () => {
    const { tracer, flush, sandbox } = await start({
      attribution: (run) => ({ agentId: `${run.agentName} for ${run.attribution.notes}`, billable: false }),
    })
    traceRun(tracer, { agent: 'bot', attributes: { 'keito.notes': 'acme', 'keito.billable': true } })
    await flush()
    expect(sandbox.timeEntries()).toMatchObject([{ billable: false, metadata: { agent_id: 'bot for acme' } }])
  })

  it('a run without a project is kept and reported, and not booked anywhere', async () => {
    const errors: string[] = []
    const { tracer, flush, sandbox, exporter } = await start({
      attribution: (run) => {
        if (run.agentName === 'stray') throw new Error('unknown tenant')
        return undefined
      },
      onError: (error) => errors.push(`${error.code}: ${error.message}`),
    })
    traceRun(tracer, { agent: 'stray', calls: [{ input: 1000, output: 0 }] })
    traceRun(tracer, { agent: 'fine', attributes: { 'keito.project_id': 'not a project id' } })
    await flush()
    expect(sandbox.requests()).toEqual([])
    expect(exporter.stats().recordsUnassigned).toBe(2)
    expect(errors).toHaveLength(2)
    expect(errors[1]).toContain('KEITO_PROJECT_ID')
  })
})
