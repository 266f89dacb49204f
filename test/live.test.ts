/**
 * Rule: with `live`, Keito shows an agent run while it is under way, and what is booked in the end is what would have
 * been booked without.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { propagation, ROOT_CONTEXT, trace } from '@opentelemetry/api'
import { type Resource, resourceFromAttributes } from '@opentelemetry/resources'
import { BasicTracerProvider } from '@opentelemetry/sdk-trace-base'
import { afterAll, describe, expect, it, vi } from 'vitest'
import { withAttributionIn } from '../src/genai/ambient.ts'
import {
  ConfigError,
  type KeitoProcessorOptions,
  KeitoRestClient,
  KeitoSpanExporter,
  KeitoSpanProcessor,
  type KeitoStats,
  memoryOutbox,
  type RunSummary,
} from '../src/index.ts'
import { LiveRuns } from '../src/live.ts'
import { type KeitoSandboxOptions, startKeitoSandbox } from '../src/testing/index.ts'
import { someSettings } from './helpers/billing.ts'
import { ledgerOf, runningIn } from './helpers/ledgers.ts'
import { LiveDesk } from './helpers/live-desk.ts'
import {
  countedIds,
  type LiveRig,
  LOOK_MS,
  type Run,
  requestsOf,
  startDesk,
  startLiveRig,
  tellWork,
} from './helpers/live-rig.ts'
import { aTrace } from './helpers/spans.ts'
import { AGENT, at, below, CHAT, HTTP, within } from './helpers/told.ts'

const closers: (() => Promise<void>)[] = []
afterAll(async () => {
  await Promise.all(closers.map((close) => close()))
})

const aRig = async (...args: Parameters<typeof startLiveRig>) => {
  const rig = await startLiveRig(...args)
  closers.push(rig.close)
  return rig
}
const aSandbox = async (options?: KeitoSandboxOptions) => {
  const sandbox = await startKeitoSandbox(options)
  closers.push(sandbox.close)
  return sandbox
}
/** A desk at somebody's sandbox. */
const aDesk = (...args: Parameters<typeof startDesk>) => {
  const desk = startDesk(...args)
  closers.push(() => desk.processor.shutdown())
  return desk
}

const TWO_PROJECTS: KeitoSandboxOptions = {
  projects: [
    { id: 'cmproject1', name: 'Shop' },
    { id: 'cmother', name: 'Lab' },
  ],
}
const DAY_S = 86_400

/** A story, and when its teller waits for Keito to show a timer, or to have none any more. */
type Story = (
  rig: LiveRig,
  waits: { shown(run: Run): Promise<void>; notShown(): Promise<void> },
) => Promise<void> | void

/** What was counted, less what timers and the clock have part in. */
function billOf(stats: KeitoStats) {
  const { requestsRetried, sessionsForced, timersStarted, timersRefused, timersLost, timersBooked, ...bill } = stats
  return bill
}

/** Tells a story with timers, and again without. What it comes to is the same; answers that, and the first rig. */
async function toldTwice(story: Story, options: KeitoProcessorOptions = {}, sandboxOptions: KeitoSandboxOptions = {}) {
  const tell = async (live: KeitoProcessorOptions['live']) => {
    const rig = await aRig({ ...options, ...(live ? {} : { live: false }) }, sandboxOptions)
    await story(rig, {
      shown: async (run) => (live ? rig.untilShown(run) : undefined),
      notShown: async () => (live ? rig.untilNoneRuns() : undefined),
    })
    await rig.processor.forceFlush()
    return rig
  }
  const [rig, plain] = [await tell(true), await tell(false)]
  const ledger = ledgerOf(rig.sandbox)
  expect(ledger).toEqual(ledgerOf(plain.sandbox))
  expect(rig.sandbox.requests().some(({ body }) => JSON.stringify(body)?.includes('replace_running'))).toBe(false)
  expect(billOf(rig.processor.stats())).toEqual(billOf(plain.processor.stats()))
  const { recordsMade } = plain.processor.stats()
  expect(rig.processor.stats()).toMatchObject({
    recordsDelivered: recordsMade,
    recordsPending: 0,
    recordsHeld: 0,
    recordsDropped: 0,
  })
  return { rig, ledger }
}

describe.concurrent('one run', () => {
  it('appears as a running entry that a client may read', async () => {
    const rig = await aRig()
    const run = rig.begin('review-bot')
    await rig.untilShown(run)
    expect(rig.sandbox.timeEntries()).toMatchObject([
      {
        project_id: 'cmproject1',
        task_id: 'cmtask1',
        spent_date: '2026-11-20',
        is_running: true,
        hours: 0,
        notes: 'review-bot: at work',
        billable: true,
        source: 'agent',
        metadata: {
          agent_id: 'review-bot',
          session_id: run.sessionId,
          run_id: run.runId,
          idempotency_key: run.timerKey,
        },
      },
    ])
  })

  it('becomes its entry, by a stop and an update, and is told of once', async () => {
    const { rig, ledger } = await toldTwice(async ({ begin }, { shown, notShown }) => {
      const run = begin('review-bot').call(1)
      await shown(run)
      run.end(5400)
      await notShown()
    })
    expect(ledger.timeEntries).toMatchObject([{ hours: 1.5, notes: 'review-bot: 1 model call', isRunning: false }])
    expect(ledger.expenses).toMatchObject([{ units: 1 }])
    const [entry] = rig.sandbox.timeEntries()
    const ofEntries = rig.requests().filter((request) => request.includes('time_entries'))
    expect(ofEntries).toEqual(['POST time_entries', 'PATCH time_entries/:id/stop', 'PATCH time_entries/:id'])
    const told = rig.events.filter(({ record }) => record.kind === 'time_entry')
    expect(rig.processor.stats()).toMatchObject({ timersStarted: 1, timersBooked: 1, timersRefused: 0, timersLost: 0 })
    expect(told).toMatchObject([{ status: 'delivered', id: entry?.id, record: { key: ledger.timeEntries[0]?.key } }])
    expect(rig.problems).toEqual([])
  })

  it('that is shorter than live.minMs has no timer', async () => {
    const { rig, ledger } = await toldTwice(
      async ({ begin }) => {
        const run = begin('review-bot')
        await sleep(LOOK_MS)
        run.end(10)
      },
      { live: { minMs: 60_000 } },
    )
    expect(rig.requests()).toEqual(['POST time_entries'])
    expect(ledger.timeEntries).toHaveLength(1)
  })

  it('has none by default before five seconds', async () => {
    const rig = await aRig({ live: true })
    const run = rig.begin('review-bot')
    await sleep(LOOK_MS)
    expect(rig.requests()).toEqual([])
    run.end(10)
  })

  it('that fails leaves no entry', async () => {
    const { rig, ledger } = await toldTwice(async ({ begin }, { shown, notShown }) => {
      const run = begin('review-bot').call(1)
      await shown(run)
      run.fail(60)
      await notShown()
    })
    expect(ledger).toMatchObject({ timeEntries: [], expenses: [{ billable: false }] })
    expect(rig.requests().filter((request) => request.includes('time_entries'))).toEqual([
      'POST time_entries',
      'DELETE time_entries/:id',
    ])
  })

  it.for([
    ['unbilled', false],
    ['billed', true],
  ] as const)('that fails becomes an entry where failed time is %s', async ([time, billable]) => {
    const { ledger, rig } = await toldTwice(
      async ({ begin }, { shown }) => {
        const run = begin('review-bot')
        await shown(run)
        run.fail(3600)
      },
      { failedRuns: { time } },
    )
    expect(ledger.timeEntries).toMatchObject([{ hours: 1, billable, notes: expect.stringContaining('failed') }])
    expect(rig.requests()).toHaveLength(3)
  })

  it('that is longer than a day has its timer for the first entry', async () => {
    const { rig, ledger } = await toldTwice(async ({ begin }, { shown }) => {
      const run = begin('review-bot')
      await shown(run)
      run.end(2.5 * DAY_S)
    })
    expect(ledger.timeEntries.map(({ hours, day }) => [hours, day])).toEqual([
      [24, '2026-11-20'],
      [24, '2026-11-21'],
      [12, '2026-11-22'],
    ])
    expect(rig.requests().filter((request) => request === 'POST time_entries')).toHaveLength(3)
    expect(rig.sandbox.timeEntries()[0]?.metadata?.idempotency_key).toMatch(/time:0$/)
  })

  it('whose parent is remote has one too', async () => {
    const remote = { traceId: 'a'.repeat(31).concat('1'), spanId: 'b'.repeat(16), traceFlags: 1, isRemote: true }
    await toldTwice(async ({ begin }, { shown }) => {
      const run = begin('review-bot', 0, {}, trace.setSpanContext(below(trace.wrapSpanContext(remote)), remote)).call(1)
      await shown(run)
      run.end(60)
    })
  })
})

describe.concurrent('what is booked of a run', () => {
  it('carries what rounding leaves over, as without timers', async () => {
    const { ledger } = await toldTwice(
      async ({ begin }, { shown, notShown }) => {
        for (const seconds of [1000, 1001, 17, 5, 3]) {
          const run = begin('review-bot')
          await shown(run)
          run.end(seconds)
          await notShown()
        }
      },
      { rounding: { step: 0.25 } },
    )
    expect(ledger.timeEntries.map(({ hours }) => hours)).toEqual([0.25, 0.25, 0, 0, 0])
  })

  it('is the active time where that is asked for', async () => {
    const { ledger } = await toldTwice(
      async ({ begin }, { shown }) => {
        const run = begin('review-bot').call(0, 900).call(1800, 2700)
        await shown(run)
        run.end(7200)
      },
      { hours: 'active' },
    )
    expect(ledger.timeEntries).toMatchObject([{ hours: 0.5 }])
  })

  it("is each agent's own time where that is asked for, and the outermost has the timer", async () => {
    const { ledger } = await toldTwice(
      async ({ begin }, { shown }) => {
        const lead = begin('lead')
        await shown(lead)
        const helper = begin('helper', 900, {}, lead.inside).call(901)
        await sleep(LOOK_MS)
        helper.end(2700)
        lead.end(3600)
      },
      { agents: 'each' },
    )
    expect(ledger.timeEntries).toMatchObject([{ hours: 0.5 }, { hours: 0.5 }])
  })

  it('is nothing for an agent all of whose time is that of another', async () => {
    const { ledger } = await toldTwice(
      async ({ begin }, { shown }) => {
        const lead = begin('lead')
        await shown(lead)
        begin('helper', 0, {}, lead.inside).end(3600)
        lead.end(3600)
      },
      { agents: 'each' },
    )
    expect(ledger.timeEntries.map(({ hours, metadata }) => [metadata?.agent_id, hours])).toContainEqual(['helper', 1])
  })

  it('is what the attribution function says at the end, on another project', async () => {
    const attribution = ({ outcome, llmCalls }: RunSummary) => ({
      projectId: llmCalls > 0 ? 'cmother' : 'cmproject1',
      billable: outcome === 'ok' && llmCalls > 0,
      notes: llmCalls > 0 ? 'checked the shop' : 'is checking the shop',
    })
    const { ledger } = await toldTwice(
      async ({ begin, sandbox }, { shown }) => {
        const run = begin('review-bot').call(1)
        await shown(run)
        const shownSo = { notes: 'is checking the shop', billable: false }
        for (const entry of runningIn(sandbox).length > 0 ? sandbox.timeEntries() : []) {
          expect(entry).toMatchObject(shownSo)
        }
        run.end(60)
      },
      { attribution },
      TWO_PROJECTS,
    )
    expect(ledger.timeEntries).toMatchObject([{ project: 'cmother', billable: true, notes: 'checked the shop' }])
  })

  it('is what an attribute says that was set after the timer had begun', async () => {
    const { ledger, rig } = await toldTwice(
      async ({ begin }, { shown }) => {
        const run = begin('review-bot')
        await shown(run)
        run.span.setAttribute('keito.project_id', 'cmother')
        run.end(60)
      },
      {},
      TWO_PROJECTS,
    )
    expect(ledger.timeEntries).toMatchObject([{ project: 'cmother' }])
    expect(rig.requests()).toHaveLength(3)
  })

  it('is on a project that is known at the end alone, without a timer', async () => {
    const sandbox = await aSandbox()
    const { projectId, ...rest } = sandbox.exporterOptions
    const { begin, processor } = aDesk(rest)
    const run = begin('review-bot')
    await sleep(LOOK_MS)
    expect(sandbox.requests()).toEqual([])
    run.span.setAttribute('keito.project_id', projectId)
    run.end(3600)
    await processor.forceFlush()
    expect(ledgerOf(sandbox).timeEntries).toMatchObject([{ project: projectId, hours: 1 }])
  })

  it('is nothing where nobody says at the end; the timer is removed, and a release books the run', async () => {
    const tell = async (live: boolean) => {
      let isMended = false
      const attribution = ({ llmCalls }: RunSummary) => {
        if (llmCalls > 0 && !isMended) throw new Error('the list of projects is not there')
        return {}
      }
      const outbox = memoryOutbox()
      const rig = await aRig({ attribution, outbox, live: live && { minMs: 0 } })
      const run = rig.begin('review-bot').call(1)
      if (live) await rig.untilShown(run)
      run.end(3600)
      await vi.waitFor(() => expect(rig.processor.stats().recordsUnassigned).toBeGreaterThan(0))
      await rig.processor.forceFlush()
      expect(rig.sandbox.timeEntries()).toEqual([])
      await rig.processor.shutdown()
      isMended = true
      const exporter = new KeitoSpanExporter({ ...rig.sandbox.exporterOptions, attribution, outbox })
      exporter.release()
      await exporter.shutdown()
      return rig
    }
    const [rig, plain] = [await tell(true), await tell(false)]
    expect(ledgerOf(rig.sandbox)).toEqual(ledgerOf(plain.sandbox))
    expect(ledgerOf(rig.sandbox)).toMatchObject({ timeEntries: [{ hours: 1 }], expenses: [{ units: 1 }] })
    expect(rig.requests().filter((request) => request.includes('time_entries'))).toEqual([
      'POST time_entries',
      'DELETE time_entries/:id',
      'POST time_entries',
    ])
  })
})

describe.concurrent('what is no run of its own', () => {
  it.for<[string, Story]>([
    [
      'an agent within an agent',
      async ({ begin, sandbox }, { shown }) => {
        const lead = begin('lead')
        await shown(lead)
        const helper = begin('helper', 10, {}, lead.inside).call(11)
        await sleep(LOOK_MS)
        helper.end(20)
        await sleep(LOOK_MS)
        if (runningIn(sandbox).length > 0) expect(runningIn(sandbox)).toEqual([lead.timerKey])
        lead.end(3600)
      },
    ],
    [
      'a span around agents that is none',
      async ({ begin, tracer }, { shown, notShown }) => {
        const request = tracer.startSpan('GET /', { startTime: at(0), attributes: HTTP })
        await sleep(LOOK_MS)
        for (const agent of ['first', 'second']) {
          const run = begin(agent, 10, {}, below(request)).call(11)
          await shown(run)
          run.end(1810)
          // Its session goes on; its timer does not.
          await notShown()
        }
        request.end(at(4000))
      },
    ],
    [
      'a workflow around agents',
      async ({ begin, tracer }, { shown, notShown }) => {
        const attributes = { 'gen_ai.operation.name': 'invoke_workflow' }
        const workflow = tracer.startSpan('invoke_workflow plan', { startTime: at(0), attributes })
        const run = begin('planner', 10, {}, below(workflow)).call(11)
        await shown(run)
        run.end(1810)
        await notShown()
        workflow.end(at(4000))
      },
    ],
    [
      'a model call',
      async ({ tracer }) => {
        const call = tracer.startSpan('chat', { startTime: at(0), attributes: CHAT })
        await sleep(LOOK_MS)
        call.end(at(3600))
      },
    ],
  ])('%s has no timer', async ([name, story]) => {
    const { rig } = await toldTwice(story, { settle: { graceMs: 50, idleMs: 3_600_000 } })
    const runs = { 'a model call': 0, 'an agent within an agent': 1, 'a workflow around agents': 1 }[name] ?? 2
    const started = rig.sandbox.requests().filter(({ body }) => JSON.stringify(body)?.includes('"is_running":true'))
    expect(started).toHaveLength(runs)
  })

  it('an agent within one that has no timer has none either', async () => {
    await toldTwice(async ({ begin, sandbox }, { shown, notShown }) => {
      const first = begin('first')
      await shown(first)
      const lead = begin('lead', 10)
      await sleep(LOOK_MS)
      first.end(20)
      await notShown()
      const helper = begin('helper', 30, {}, lead.inside)
      await sleep(LOOK_MS)
      expect(runningIn(sandbox)).toEqual([])
      helper.end(40)
      lead.end(50)
    })
  })

  it('an agent that is left out has no timer', async () => {
    const { ledger, rig } = await toldTwice(
      async ({ begin }) => {
        const run = begin('review-bot')
        await sleep(LOOK_MS)
        run.end(60)
      },
      { ignoreScopes: ['test-agent-framework'] },
    )
    expect(ledger.timeEntries).toEqual([])
    expect(rig.requests()).toEqual([])
  })

  it('an agent within one that is left out has a timer, because it is the run', async () => {
    const { ledger } = await toldTwice(
      async ({ begin, provider }, { shown }) => {
        const noisy = provider.getTracer('noisy').startSpan('invoke_agent', { attributes: AGENT, startTime: at(0) })
        const run = begin('review-bot', 1, {}, below(noisy))
        await shown(run)
        run.end(60)
        noisy.end(at(70))
      },
      { ignoreScopes: ['noisy'] },
    )
    expect(ledger.timeEntries).toHaveLength(1)
  })

  it('an agent that turns out to lie within one that was not known as such loses its timer', async () => {
    const { ledger } = await toldTwice(async ({ begin, tracer, sandbox }, { shown, notShown }) => {
      const outer = tracer.startSpan('plan', { startTime: at(0) })
      const inner = begin('helper', 10, {}, below(outer)).call(11)
      await shown(inner)
      outer.setAttributes({ 'gen_ai.operation.name': 'invoke_agent', 'gen_ai.agent.name': 'lead' })
      inner.end(20)
      await notShown()
      expect(runningIn(sandbox)).toEqual([])
      outer.end(at(3600))
    })
    expect(ledger.timeEntries).toMatchObject([{ hours: 1, metadata: { agent_id: 'lead' } }])
  })

  it('a span whose resource is not known yet waits for it', async () => {
    const sandbox = await aSandbox()
    const attribution = ({ serviceName = 'nobody' }: RunSummary) => ({ agentId: serviceName })
    const { processor } = aDesk({ ...sandbox.exporterOptions, attribution })
    let tell = (_name: string) => {}
    const name = new Promise<string>((resolve) => {
      tell = resolve
    })
    const resource: Resource = resourceFromAttributes({ 'service.name': name })
    const provider = new BasicTracerProvider({ resource, spanProcessors: [processor] })
    const attributes = { 'gen_ai.operation.name': 'invoke_agent' }
    const span = provider.getTracer('test').startSpan('invoke_agent', { startTime: at(0), attributes })
    await sleep(LOOK_MS)
    expect(sandbox.requests()).toEqual([])
    tell('reviews')
    await vi.waitFor(() =>
      expect(sandbox.timeEntries()).toMatchObject([{ is_running: true, metadata: { agent_id: 'reviews' } }]),
    )
    span.end(at(3600))
    await processor.forceFlush()
    expect(sandbox.timeEntries()).toMatchObject([{ hours: 1, is_running: false, metadata: { agent_id: 'reviews' } }])
  })
})

describe.concurrent('two runs at once', () => {
  it('have one timer, and are both booked', async () => {
    const { ledger, rig } = await toldTwice(async ({ begin, sandbox }, { shown }) => {
      const first = begin('first').call(1)
      await shown(first)
      const second = begin('second').call(2)
      await sleep(LOOK_MS)
      if (runningIn(sandbox).length > 0) expect(runningIn(sandbox)).toEqual([first.timerKey])
      second.end(1800)
      await sleep(LOOK_MS)
      if (runningIn(sandbox).length > 0) expect(runningIn(sandbox)).toEqual([first.timerKey])
      first.end(3600)
    })
    expect(ledger.timeEntries).toMatchObject([{ hours: 1 }, { hours: 0.5 }])
    expect(rig.problems).toEqual([])
  })

  it('in two processors of one account have one timer, and are both booked', async () => {
    const sandbox = await aSandbox()
    const ids = countedIds()
    const [one, other] = [aDesk(sandbox.exporterOptions, ids), aDesk(sandbox.exporterOptions, ids)]
    const first = one.begin('first')
    await vi.waitFor(() => expect(runningIn(sandbox)).toEqual([first.timerKey]))
    const second = other.begin('second')
    await vi.waitFor(() => expect(sandbox.requests().map(({ status }) => status)).toEqual([200, 409]))
    expect(runningIn(sandbox)).toEqual([first.timerKey])
    second.end(1800)
    first.end(3600)
    await Promise.all([one.processor.forceFlush(), other.processor.forceFlush()])
    const { timeEntries } = ledgerOf(sandbox)
    expect(timeEntries.map(({ key, hours, isRunning }) => [key, hours, isRunning])).toEqual([
      [first.recordKey, 1, false],
      [second.recordKey, 0.5, false],
    ])
    expect([...one.problems, ...other.problems]).toEqual([])
    expect(sandbox.requests().some(({ body }) => JSON.stringify(body)?.includes('replace_running'))).toBe(false)
  })

  it('leave the timer of a human alone, of whom nobody knows when it ends', async () => {
    const sandbox = await aSandbox()
    const human = new KeitoRestClient(sandbox.exporterOptions)
    const metadata = { note: 'mine' }
    await human.timeEntries.create({
      project_id: 'cmproject1',
      task_id: 'cmtask1',
      spent_date: '2026-11-20',
      hours: 0,
      is_running: true,
      notes: 'standup',
      source: 'web',
      metadata,
    } as unknown as Parameters<typeof human.timeEntries.create>[0])
    const [theirs] = sandbox.timeEntries()
    const { begin, processor, problems } = aDesk(sandbox.exporterOptions)
    const runs = ['a', 'b', 'c'].map((agent) => begin(agent))
    await sleep(2 * LOOK_MS)
    for (const run of runs) run.end(3600)
    await processor.forceFlush()
    expect(sandbox.timeEntries().find(({ id }) => id === theirs?.id)).toEqual(theirs)
    expect(ledgerOf(sandbox).timeEntries.filter(({ hours }) => hours === 1)).toHaveLength(3)
    expect(problems).toEqual([])
    expect(requestsOf(sandbox).some((request) => /^(PATCH|DELETE)/.test(request))).toBe(false)
  })
})

describe.concurrent('a timer', () => {
  it('runs on while the processor is flushed, and other sessions are billed', async () => {
    const { ledger } = await toldTwice(async ({ begin, processor, sandbox }, { shown }) => {
      const run = begin('review-bot').call(1)
      await shown(run)
      begin('docs-bot').call(2).end(60)
      await processor.forceFlush()
      expect(sandbox.timeEntries().filter(({ hours }) => hours > 0)).toHaveLength(1)
      await shown(run)
      run.end(3600)
    })
    expect(ledger.timeEntries).toHaveLength(2)
  })

  it('is given up for a run that is not remembered any more, which is booked when it ends', async () => {
    await toldTwice(
      async ({ begin }, { shown, notShown }) => {
        const run = begin('first')
        await shown(run)
        const others = ['second', 'third'].map((agent) => begin(agent))
        for (const other of others) other.end(60)
        await notShown()
        run.end(3600)
      },
      { settle: { graceMs: 3_600_000, idleMs: 3_600_000, maxOpenSpans: 2 } },
    )
  })

  it('of an agent with a name of any length becomes an entry that is the same', async () => {
    const name = 'n\u00e4me '.repeat(2000)
    const { ledger } = await toldTwice(
      async ({ begin, tracer, sandbox }) => {
        const run = begin(name)
        for (let i = 0; i < 60; i++) {
          const attributes = { ...CHAT, 'gen_ai.request.model': `${i}-${'m'.repeat(300)}` }
          tracer.startSpan('chat', { startTime: at(1), attributes }, run.inside).end(at(2))
        }
        await sleep(LOOK_MS)
        expect(runningIn(sandbox).length).toBeLessThanOrEqual(1)
        run.end(3600)
      },
      { agentType: 't'.repeat(500) },
    )
    expect(ledger.timeEntries).toHaveLength(1)
  })

  it('is that of whatever the context around the run said', async () => {
    const { ledger } = await toldTwice(
      async ({ begin, sandbox }, { shown }) => {
        const baggage = propagation.createBaggage({ 'keito.project_id': { value: 'cmother' } })
        const said = withAttributionIn(propagation.setBaggage(ROOT_CONTEXT, baggage), { agentId: 'r1' })
        const run = begin('review-bot', 0, {}, said)
        await shown(run)
        for (const { project_id, metadata } of sandbox.timeEntries()) {
          expect([project_id, metadata?.agent_id]).toEqual(['cmother', 'r1'])
        }
        run.end(3600)
      },
      {},
      TWO_PROJECTS,
    )
    expect(ledger.timeEntries).toMatchObject([{ project: 'cmother', metadata: { agent_id: 'r1' } }])
  })
})

describe.concurrent('when Keito is not well', () => {
  it.for([1, 2])('20 runs of which some fail are booked as without timers (%i)', async (seed) => {
    const faults: KeitoSandboxOptions['faults'] = {
      seed,
      rate: 0.35,
      retryAfterS: 0,
      refuseMs: 10,
      stallMs: 2000,
      lateMs: 30,
      kinds: ['refuse', 'rate-limit', 'unavailable', 'error', 'bad-gateway', 'timeout', 'reset', 'truncate', 'lie'],
    }
    const tell = async (live: boolean) => {
      const rig = await aRig({ live: live && { minMs: 0 }, delivery: { maxBackoffMs: 10 } }, live ? { faults } : {})
      await tellWork(rig.begin, { seed, runs: 20, sleep, longestMs: 60 })
      await rig.processor.forceFlush()
      const { recordsMade, recordsDelivered } = rig.processor.stats()
      expect(recordsDelivered).toBe(recordsMade)
      // A flush does not wait for a look at timers that perhaps were started; who leaves does.
      await rig.processor.shutdown()
      return rig
    }
    const [rig, plain] = await Promise.all([tell(true), tell(false)])
    expect(ledgerOf(rig.sandbox)).toEqual(ledgerOf(plain.sandbox))
    expect(rig.sandbox.faults().length).toBeGreaterThan(10)
  })

  /** A story of which the timer may or may not come to be. */
  const story: Story = async ({ begin }) => {
    const run = begin('review-bot').call(1)
    await sleep(LOOK_MS)
    run.end(3600)
    const other = begin('docs-bot').call(1)
    await sleep(LOOK_MS)
    other.fail(3600)
  }

  it('a run is booked after an outage that was longer', async () => {
    const faults = { rate: 1, kinds: ['unavailable'], retryAfterS: 0 } as const
    const rig = await aRig({}, { faults })
    const run = rig.begin('review-bot').call(1)
    await sleep(2 * LOOK_MS)
    run.end(3600)
    await sleep(LOOK_MS)
    expect(rig.sandbox.timeEntries()).toEqual([])
    rig.sandbox.heal()
    await rig.processor.forceFlush()
    expect(ledgerOf(rig.sandbox)).toMatchObject({
      timeEntries: [{ key: run.recordKey, hours: 1 }],
      expenses: [{ units: 1 }],
    })
    expect(rig.sandbox.timeEntries()).toHaveLength(1)
  })

  it('a run is booked after its timer had been told to wait', async () => {
    const faults = { seed: 3, rate: 0.6, kinds: ['rate-limit'], retryAfterS: 0, most: 12 } as const
    await toldTwice(story, {}, { faults })
  })

  it('a run whose record finds no room in the outbox has its timer removed', async () => {
    const isExpense = ({ path }: { readonly path: string }) => path.endsWith('/expenses')
    const faults: KeitoSandboxOptions['faults'] = { rate: 1, kinds: ['unavailable'], on: isExpense, retryAfterS: 0 }
    const rig = await aRig({ outbox: memoryOutbox({ maxRecords: 1 }) }, { faults })
    const run = rig.begin('first')
    await rig.untilShown(run)
    rig.begin('second').call(1).fail(60)
    await vi.waitFor(() => expect(rig.processor.stats().recordsPending).toBe(1))
    run.end(3600)
    await vi.waitFor(() => expect(rig.processor.stats().recordsDropped).toBe(1))
    await vi.waitFor(() => expect(rig.sandbox.timeEntries()).toEqual([]))
    rig.sandbox.heal()
  })

  it('a shutdown says which timers it leaves, where no outbox on disk has them', async () => {
    const sandbox = await aSandbox()
    let isRefused = false
    const fetch: typeof globalThis.fetch = async (...args) =>
      isRefused ? Response.json({ error: 'unauthorized' }, { status: 401 }) : globalThis.fetch(...args)
    const client = new KeitoRestClient({ ...sandbox.exporterOptions, fetch })
    const { begin, processor, problems } = aDesk({ ...sandbox.exporterOptions, client })
    const run = begin('review-bot').call(1)
    await vi.waitFor(() => expect(runningIn(sandbox)).toEqual([run.timerKey]))
    isRefused = true
    run.end(3600)
    await vi.waitFor(() => expect(problems.map(({ code }) => code)).toContain('unauthorized'))
    expect(processor.stats()).toMatchObject({ recordsPending: 2, recordsDead: 0 })
    // The pause after a 401 is a minute, so there is nothing to wait for.
    expect(await within(1000, processor.shutdown())).toBeUndefined()
    expect(problems.map(({ message }) => message).join()).toContain('timers were left in Keito')
  })
})

it('spans that have ended are not remembered until a timer would have been due', () => {
  const desk = new LiveDesk()
  const { openSpans, store } = desk
  const timers = { start: vi.fn(), end: vi.fn(), discard: vi.fn(), leave: vi.fn() }
  const live = new LiveRuns({ openSpans, store, timers, settings: someSettings() }, 600_000)
  const open = aTrace().agent('worker')
  desk.start(open.ended)
  live.started('f'.repeat(32), 'ended', 0)
  live.started(open.traceId, open.spanId, 7)
  expect(live.nextAt).toBe(600_000)
  for (let i = 0; i < 10_000; i++) live.started('f'.repeat(32), `ended-${i}`, 8)
  expect(live.nextAt).toBe(600_007)
})

describe('what live needs', () => {
  const ids = { projectId: 'cmproject1', taskId: 'cmtask1', expenseCategoryId: 'cmcategory1' }
  const resource = { create: async () => ({ id: 'cm1' }), list: async () => [] }
  const full = { ...resource, update: async () => ({}), delete: async () => ({}) }

  it.each(['update', 'delete', 'list'] as const)('is a client that can %s', (method) => {
    const { [method]: _, ...timeEntries } = full
    const client = { timeEntries, expenses: resource }
    expect(() => new KeitoSpanProcessor({ ...ids, client: client as never, live: true })).toThrow(ConfigError)
    expect(() => new KeitoSpanProcessor({ ...ids, client: client as never })).not.toThrow()
    expect(
      () => new KeitoSpanProcessor({ ...ids, client: { timeEntries: full, expenses: resource }, live: true }),
    ).not.toThrow()
  })

  it('is asked for before anything else is set up', () => {
    let meters = 0
    const getMeter = () => {
      meters++
      throw new Error('no meters here')
    }
    const client = { timeEntries: resource, expenses: resource }
    const options = { ...ids, client: client as never, meterProvider: { getMeter } as never, live: true }
    expect(() => new KeitoSpanProcessor(options)).toThrow(/live needs a client/)
    expect(meters).toBe(0)
  })

  it('is no rollup', () => {
    const options = { ...ids, apiKey: 'kto_x', accountId: 'cmx', rollup: { windowMs: 1000 } }
    expect(() => new KeitoSpanProcessor({ ...options, live: true })).toThrow(/live and rollup exclude each other/)
    expect(() => new KeitoSpanProcessor({ ...options, live: false })).not.toThrow()
  })

  it.each([1, 'yes', null, { minMs: -1 }, { minMs: Number.NaN }, { minMs: '5' }])('is not %j', (live) => {
    const options = { ...ids, apiKey: 'kto_x', accountId: 'cmx', live } as unknown as KeitoProcessorOptions
    expect(() => new KeitoSpanProcessor(options)).toThrow(ConfigError)
  })

  it('is a processor: an exporter reports it as an option it does not have', () => {
    const messages: string[] = []
    const options = {
      ...ids,
      apiKey: 'kto_x',
      accountId: 'cmx',
      onError: ({ message }: Error) => messages.push(message),
    }
    new KeitoSpanExporter({ ...options, live: true } as never)
    expect(messages).toEqual([expect.stringContaining('no option live')])
  })

  it('is a Keito: a dry run shows no timers', async () => {
    const log = vi.spyOn(console, 'info').mockImplementation(() => undefined)
    const sandbox = await aSandbox()
    const { begin, processor, events } = aDesk({ ...sandbox.exporterOptions, dryRun: true })
    const run = begin('review-bot')
    await sleep(LOOK_MS)
    run.end(3600)
    await processor.forceFlush()
    log.mockRestore()
    expect(events).toMatchObject([{ status: 'printed', record: { body: { hours: 1 } } }])
    expect(sandbox.requests()).toEqual([])
  })
})
