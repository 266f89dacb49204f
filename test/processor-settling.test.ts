/** Rule: what is open decides when a session is settled and where it is booked; only long silence or the end overrules it. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Context, ROOT_CONTEXT, type Span, trace } from '@opentelemetry/api'
import { describe, expect, test, vi } from 'vitest'
import { withAttributionIn } from '../src/genai/ambient.ts'
import { fileOutbox, KeitoSpanProcessor, type RunSummary } from '../src/index.ts'
import type { SpanLike } from '../src/otel/span.ts'
import { anInMemory } from './helpers/in-memory.ts'
import { LiveDesk } from './helpers/live-desk.ts'
import { aDirectory, corpseOf, Keito } from './helpers/outbox-world.ts'
import { msOf, runsOf, tokensOf } from './helpers/sessions.ts'
import { aTrace, type TraceBuilder } from './helpers/spans.ts'

const CALL = { input: 100, output: 20 }
const IDLE = 600_000
const HOUR = 3_600_000

/** A request with an agent in it and a call in that. All have started; nothing has ended. */
function anAgentAtWork(desk: LiveDesk) {
  const request = aTrace().http({ at: [0, 100] })
  const agent = request.agent('worker', { at: [10, 90_000] })
  const call = agent.chat({ ...CALL, at: [20, 60] })
  for (const { ended } of [request, agent, call]) desk.start(ended)
  return { request, agent, call }
}

describe('an agent under way', () => {
  test('is not billed by a flush, nor after the idle time', () => {
    const desk = new LiveDesk()
    const { request, call } = anAgentAtWork(desk)
    desk.end([call.ended, request.ended])
    expect(desk.settle('rooted')).toEqual([])
    expect(desk.settle('due', IDLE)).toEqual([])
    expect(desk.settle('due', HOUR - 1)).toEqual([])
  })

  test('has its tokens billed after an hour without any span, and its hours when it ends after all', () => {
    const desk = new LiveDesk()
    const { request, agent, call } = anAgentAtWork(desk)
    desk.end([call.ended, request.ended])
    desk.settle('due', HOUR)
    expect(tokensOf(desk.settled)).toEqual({ 'gpt-4o': [100, 20] })
    expect(msOf(desk.settled)).toBe(0)
    desk.settle('due', 3 * HOUR)
    desk.end([agent.ended], 3 * HOUR)
    expect(tokensOf(desk.settled)).toEqual({ 'gpt-4o': [100, 20] })
    expect(runsOf(desk.settled)).toEqual({ worker: 89_990 })
  })

  test('begins its hour anew with each span that ends', () => {
    const desk = new LiveDesk()
    const { agent, call } = anAgentAtWork(desk)
    const second = agent.chat({ ...CALL, at: [70, 80] })
    desk.start(second.ended).end([call.ended], 0)
    desk.end([second.ended], HOUR - 1)
    expect(desk.settle('due', HOUR)).toEqual([])
    expect(desk.settle('due', 2 * HOUR - 1)).toHaveLength(1)
  })

  test('is billed at shutdown, as far as it is known', () => {
    const desk = new LiveDesk()
    const { call } = anAgentAtWork(desk)
    desk.end([call.ended]).settle('all')
    expect(tokensOf(desk.settled)).toEqual({ 'gpt-4o': [100, 20] })
    expect(msOf(desk.settled)).toBe(0)
  })

  test('gives its name to what is billed of it while it is open', () => {
    const desk = new LiveDesk()
    const { call } = anAgentAtWork(desk)
    desk.end([call.ended]).settle('all')
    expect(desk.settled.map(({ agentName }) => agentName)).toEqual(['worker'])
  })

  test('says nothing while its instrumentation is left out: not who it is, nor whose project, nor that work is under way', () => {
    const desk = new LiveDesk({}, { ignoreScopes: new Set(['noisy']) })
    const attributes = { 'keito.project_id': 'cmother' }
    const request = aTrace({ scope: 'web' }).http()
    const agent = request.agent('worker', { scope: 'noisy', attributes })
    const call = agent.chat({ ...CALL, scope: 'framework' })
    for (const { ended } of [request, agent, call]) desk.start(ended)
    desk.end([call.ended, request.ended])
    expect(desk.settle('rooted')).toHaveLength(1)
    expect(desk.settled).toMatchObject([{ runId: 'session', attribution: { projectId: undefined } }])
    expect(desk.settled[0]?.agentName).toBeUndefined()
  })

  test('of several leaves what is billed of all of them without a name', () => {
    const desk = new LiveDesk()
    const request = aTrace().http()
    const agents = ['one', 'other'].map((name) => request.agent(name))
    const calls = agents.map((agent, i) => agent.chat({ ...CALL, at: [100 * i, 100 * i + 50] }))
    for (const { ended } of [request, ...agents, ...calls]) desk.start(ended)
    desk.end(calls.map(({ ended }) => ended)).settle('all')
    expect(desk.settled.map(({ agentName }) => agentName)).toEqual([undefined])
    expect(tokensOf(desk.settled)).toEqual({ 'gpt-4o': [200, 40] })
  })

  test('is taken to be under way, too, when it is still to come: while a span that nothing is above is open', () => {
    const desk = new LiveDesk()
    const request = aTrace().http({ at: [0, 5000] })
    const agent = request.agent('worker', { at: [10, 1000] })
    desk.start(request.ended).start(agent.ended).end([agent.ended])
    expect(desk.settle('due', IDLE)).toEqual([])
    expect(desk.settle('rooted', IDLE)).toEqual([])
    desk.settle('due', HOUR)
    expect(runsOf(desk.settled)).toEqual({ worker: 990 })
  })

  test('is not forgotten while it is open, however long that is', () => {
    const desk = new LiveDesk()
    const { request, agent, call } = anAgentAtWork(desk)
    desk.end([call.ended, request.ended])
    for (let hours = 1; hours < 50; hours++) desk.settle('due', hours * HOUR)
    desk.end([agent.ended], 50 * HOUR)
    expect(runsOf(desk.settled)).toEqual({ worker: 89_990 })
    expect(tokensOf(desk.settled)).toEqual({ 'gpt-4o': [100, 20] })
    expect(desk.counters.spansLate).toBe(0)
  })
})

describe('a span that never ends below an ended root', () => {
  /** A run that is over but for a call that nobody read to its end. */
  function anAbandonedCall(desk: LiveDesk) {
    const run = aTrace().agent('worker', { at: [0, 1000] })
    const call = run.chat({ ...CALL, at: [10, 20] })
    const abandoned = run.chat({ ...CALL, at: [30, 2000] })
    for (const { ended } of [run, call, abandoned]) desk.start(ended)
    desk.end([call.ended, run.ended])
    return abandoned
  }

  test('holds the session up until the idle time, and no longer', () => {
    const desk = new LiveDesk()
    anAbandonedCall(desk)
    expect(desk.settle('due', IDLE - 1)).toEqual([])
    desk.settle('due', IDLE)
    expect(runsOf(desk.settled)).toEqual({ worker: 1000 })
    expect(tokensOf(desk.settled)).toEqual({ 'gpt-4o': [100, 20] })
  })

  test('is an addition when it ends after all', () => {
    const desk = new LiveDesk()
    const abandoned = anAbandonedCall(desk)
    desk.settle('due', IDLE)
    desk.end([abandoned.ended], 2 * IDLE)
    expect(desk.settled).toHaveLength(2)
    expect(runsOf(desk.settled)).toEqual({ worker: 1000 })
    expect(tokensOf(desk.settled)).toEqual({ 'gpt-4o': [200, 40] })
  })

  test('does not hold up a flush', () => {
    const desk = new LiveDesk()
    const abandoned = anAbandonedCall(desk)
    expect(desk.settle('rooted')).toHaveLength(1)
    expect(desk.settle('rooted')).toEqual([])
    desk.end([abandoned.ended], 1)
    expect(tokensOf(desk.settled)).toEqual({ 'gpt-4o': [200, 40] })
  })
})

describe('a span whose parent never began here', () => {
  test('is not settled at its end, because some emitters tell of the parent afterwards', () => {
    const desk = new LiveDesk()
    const run = aTrace().agent('worker', { at: [0, 1000], failed: true })
    const call = run.chat(CALL)
    desk.start(call.ended).end([call.ended])
    expect(desk.settle('due', IDLE - 1)).toEqual([])
    desk.start(run.ended).end([run.ended], IDLE - 1)
    expect(desk.settled.map(({ outcome }) => outcome)).toEqual(['failed'])
    expect(tokensOf(desk.settled)).toEqual({ 'gpt-4o': [100, 20] })
  })

  test('is settled after the idle time, or by a flush, when the parent never comes', () => {
    const run = aTrace().agent('worker', { at: [0, 1000], parent: 'missing' })
    const spans = [run.ended, run.chat(CALL).ended]
    for (const settle of [(desk: LiveDesk) => desk.settle('due', IDLE), (desk: LiveDesk) => desk.settle('rooted')]) {
      const desk = new LiveDesk()
      for (const span of spans) desk.start(span)
      desk.end(spans.toReversed())
      expect(desk.settled).toEqual([])
      settle(desk)
      expect(tokensOf(desk.settled)).toEqual({ 'gpt-4o': [100, 20] })
      expect(runsOf(desk.settled)).toEqual({ worker: 1000 })
    }
  })
})

describe('what open spans say about where work is booked', () => {
  const projectsOf = (desk: LiveDesk) => desk.settled.map(({ attribution }) => attribution.projectId)

  test('holds for what is billed at shutdown', () => {
    const desk = new LiveDesk()
    const request = aTrace().http({ attributes: { 'keito.project_id': 'cmrequest' } })
    const agent = request.agent('worker')
    const call = agent.chat(CALL)
    for (const { ended } of [request, agent, call]) desk.start(ended)
    desk.end([call.ended]).settle('all')
    expect(projectsOf(desk)).toEqual(['cmrequest'])
  })

  test('also when it is set after their start', () => {
    const desk = new LiveDesk()
    const agent = aTrace().agent('worker')
    const call = agent.chat(CALL)
    desk.start(agent.ended).start(call.ended)
    Object.assign(agent.ended?.attributes ?? {}, { 'keito.project_id': 'cmlater' })
    desk.end([call.ended]).settle('all')
    expect(projectsOf(desk)).toEqual(['cmlater'])
  })

  test('also when code around their start has said it', () => {
    const desk = new LiveDesk()
    const agent = aTrace().agent('worker')
    const call = agent.chat(CALL)
    const around = withAttributionIn(ROOT_CONTEXT, { projectId: 'cmaround' })
    desk.start(agent.ended, around).start(call.ended, around)
    desk.end([call.ended]).settle('all')
    expect(projectsOf(desk)).toEqual(['cmaround'])
  })

  test('is not forgotten while anything of its trace is open, also when it ended long ago', () => {
    const desk = new LiveDesk()
    const request = aTrace().http()
    const step = request.span('step', { 'keito.project_id': 'cmstep' })
    const agent = step.agent('worker')
    for (const { ended } of [request, step, agent]) desk.start(ended)
    desk.end([step.ended])
    for (let hours = 1; hours < 5; hours++) desk.settle('due', hours * HOUR)
    desk.end([agent.ended, request.ended], 5 * HOUR)
    expect(projectsOf(desk)).toEqual(['cmstep'])
  })

  test('holds for what a flush bills of an ended root', () => {
    const desk = new LiveDesk()
    const request = aTrace().http()
    const step = request.span('step', { 'keito.project_id': 'cmstep' })
    const agent = step.agent('worker')
    const call = agent.chat(CALL)
    for (const { ended } of [request, step, agent, call]) desk.start(ended)
    desk.end([call.ended, agent.ended, request.ended])
    desk.settle('rooted')
    expect(projectsOf(desk)).toEqual(['cmstep'])
  })
})

test('an open span that cannot be read any more says nothing, and does not stop the settling of others', () => {
  const desk = new LiveDesk()
  const hostile = aTrace().agent('hostile')
  const below = hostile.chat(CALL)
  const good = aTrace().agent('good', { at: [0, 1000] })
  for (const { ended } of [hostile, below, good]) desk.start(ended)
  const trap = () => {
    throw new Error('the host')
  }
  for (const name of ['attributes', 'name', 'instrumentationScope'])
    Object.defineProperty(hostile.ended, name, { get: trap })
  desk.end([below.ended, good.ended]).settle('all')
  expect(tokensOf(desk.settled)).toEqual({ 'gpt-4o': [100, 20] })
  expect(runsOf(desk.settled)).toEqual({ good: 1000 })
})

describe('without room', () => {
  const rules = (maxOpenSpans: number) => ({ settle: { graceMs: 2000, idleMs: IDLE, maxOpenSpans } })

  test('for open spans, the oldest trace is let go, and still billed', () => {
    const desk = new LiveDesk(rules(4))
    const runs = Array.from({ length: 5 }, () => {
      const run = aTrace().agent('worker', { at: [0, 1000] })
      return { run, call: run.chat(CALL) }
    })
    for (const { run, call } of runs) desk.start(run.ended).start(call.ended)
    expect(runs.filter(({ run }) => desk.openSpans.has(run.traceId))).toHaveLength(2)
    for (const { run, call } of runs) desk.end([call.ended, run.ended])
    desk.settle('all')
    expect(runsOf(desk.settled)).toEqual({ worker: 5000 })
    expect(tokensOf(desk.settled)).toEqual({ 'gpt-4o': [500, 100] })
  })

  test('for open spans, what code around their start has said still decides where they are booked', () => {
    const desk = new LiveDesk(rules(4))
    const runs = Array.from({ length: 5 }, () => aTrace().agent('worker', { at: [0, 1000] }))
    for (const run of runs) desk.start(run.ended, withAttributionIn(ROOT_CONTEXT, { projectId: 'cmtenant' }))
    desk.end(runs.map((run) => run.ended)).settle('all')
    expect(desk.settled.map(({ attribution }) => attribution.projectId)).toEqual(Array(5).fill('cmtenant'))
  })

  describe.each(['2.x', '1.x'] as const)('a trace of OTel JS %s that was let go is not complete', (sdk) => {
    /** Begins a request that is let go, with two agents side by side in an agent: before that, or after. */
    const anAgentLetGo = (desk: LiveDesk, agentsBegin: 'before' | 'after') => {
      const request = aTrace({ sdk }).http({ at: [0, 2000], attributes: { 'keito.project_id': 'cmrequest' } })
      const outer = request.agent('outer', { at: [0, 1000] })
      const inner = ['a', 'b'].map((name) => outer.agent(name, { at: [0, 900] }))
      const start = () => inner.map(({ ended }) => desk.start(ended))
      desk.start(request.ended).start(outer.ended)
      if (agentsBegin === 'before') start()
      for (let i = 0; i < 4; i++) desk.start(aTrace().http().ended)
      expect(desk.openSpans.has(request.traceId)).toBe(false)
      if (agentsBegin === 'after') start()
      return { request, outer, inner }
    }

    test.each(['before', 'after'] as const)('agents that began %s it in an open one are not runs', (begin) => {
      const desk = new LiveDesk(rules(4))
      const { request, outer, inner } = anAgentLetGo(desk, begin)
      desk.end(inner.map(({ ended }) => ended))
      expect(desk.settle('rooted')).toEqual([])
      expect(desk.settle('due', 2000)).toEqual([])
      desk.end([outer.ended, request.ended]).settle('rooted')
      expect(runsOf(desk.settled)).toEqual({ outer: 1000 })
    })

    test('what its open spans say about where work is booked is waited for', () => {
      const desk = new LiveDesk(rules(4))
      const { request, outer, inner } = anAgentLetGo(desk, 'before')
      desk.end([...inner, outer].map(({ ended }) => ended))
      desk.settle('rooted')
      desk.settle('due', 2000)
      desk.end([request.ended]).settle('all')
      expect(desk.settled.map(({ attribution }) => attribution.projectId)).toEqual(['cmrequest'])
    })
  })

  test('a trace that was let go is not forgotten while its agent may be open', () => {
    const desk = new LiveDesk(rules(4))
    const { request, agent, call } = anAgentAtWork(desk)
    for (let i = 0; i < 4; i++) desk.start(aTrace().http().ended)
    expect(desk.openSpans.has(request.traceId)).toBe(false)
    desk.end([call.ended])
    for (let i = 1; i < 5; i++) desk.settle('due', i * IDLE)
    expect(tokensOf(desk.settled)).toEqual({ 'gpt-4o': [100, 20] })
    desk.end([agent.ended, request.ended], 5 * IDLE)
    desk.settle('due', 6 * IDLE)
    expect(runsOf(desk.settled)).toEqual({ worker: 89_990 })
    expect(desk.counters.spansLate).toBe(0)
  })

  test('a span whose ids are none is not remembered', () => {
    const desk = new LiveDesk(rules(4))
    const ids = { traceId: '0'.repeat(32), spanId: 'a'.repeat(16) }
    const nobody = { ...aTrace().http().ended, spanContext: () => ids } as SpanLike
    const other = aTrace().http()
    desk.start(other.ended)
    desk.start(nobody).end([nobody])
    expect(desk.openSpans.has(ids.traceId)).toBe(false)
    for (let i = 0; i < 20; i++)
      desk.start({ ...nobody, spanContext: () => ({ ...ids, spanId: `${i}`.padStart(16, 'a') }) })
    expect(desk.openSpans.has(ids.traceId)).toBe(false)
    expect(desk.openSpans.has(other.traceId)).toBe(true)
  })

  test('no trace with nothing open costs memory for ever', () => {
    const desk = new LiveDesk()
    const traces: TraceBuilder[] = Array.from({ length: 50 }, () => aTrace().http())
    for (const { ended } of traces) desk.start(ended)
    for (const { ended } of traces) desk.end([ended])
    desk.settle('due', 2000)
    desk.settle('due', IDLE)
    expect(desk.store.isEmpty).toBe(true)
    expect(traces.some(({ traceId }) => desk.openSpans.has(traceId))).toBe(false)
  })
})

describe('a process that was frozen for an hour when an agent had just ended', () => {
  /** Has a run of two spans end so long before a process freezes, and thaws; answers what was booked. */
  async function bookedAfterThaw(beforeTickMs: number): Promise<readonly string[]> {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    let nowMs = 0
    vi.spyOn(performance, 'now').mockImplementation(() => nowMs)
    const pass = async (ms: number) => {
      nowMs += ms
      await vi.advanceTimersByTimeAsync(ms)
    }
    try {
      const booked: string[] = []
      const attribution = ({ runId, agentName }: RunSummary) => {
        booked.push(`${agentName} ${runId === 'session' ? 'in part' : 'as a run'}`)
        return undefined
      }
      const { processor } = anInMemory({ attribution, settle: { graceMs: 100, idleMs: IDLE } })
      const run = aTrace().agent('worker')
      const call = run.chat(CALL)
      for (const { ended } of [run, call]) if (ended) processor.onStart(ended, ROOT_CONTEXT)
      if (call.ended) processor.onEnd(call.ended)
      await pass(200 - beforeTickMs)
      expect(booked).toEqual([])
      if (run.ended) processor.onEnd(run.ended)
      nowMs += HOUR
      for (let i = 0; i < 20; i++) await pass(10)
      return [...new Set(booked)]
    } finally {
      vi.restoreAllMocks()
      vi.useRealTimers()
    }
  }

  test('books it as a run, also when it looks what is due before it looks what has ended', async () => {
    // It looks every 50 ms.
    for (let ms = 0; ms < 50; ms += 5) expect(await bookedAfterThaw(ms), `${ms} ms before`).toEqual(['worker as a run'])
  })
})

describe('a session that a process began which is gone', () => {
  /** Hands spans to a processor as a provider does. */
  function play(processor: KeitoSpanProcessor, spans: readonly (SpanLike | undefined)[]): void {
    for (const span of spans) if (span) processor.onStart(span, ROOT_CONTEXT)
    for (const span of spans.toReversed()) if (span) processor.onEnd(span)
  }

  function aProcess(directory: string, keito: Keito, wire: { open: boolean }) {
    return new KeitoSpanProcessor({
      client: keito.client(() => (wire.open ? 'open' : 'cut')),
      baseUrl: 'https://keito.example',
      accountId: 'cmaccount',
      projectId: 'cmproject',
      taskId: 'cmtask',
      expenseCategoryId: 'cmcategory',
      outbox: fileOutbox({ directory, sync: false }),
      settle: { graceMs: HOUR, idleMs: HOUR },
      delivery: { requestsPerMinute: 1e9, reconcileAfterMs: 5, flushTimeoutMs: 2000, shutdownTimeoutMs: 2000 },
    })
  }

  test('is billed once by the next process: what had ended, and what ends there', async () => {
    const [keito, directory] = [new Keito(), aDirectory()]
    const before = { open: true }
    const one = aProcess(directory, keito, before)
    const whole = aTrace().agent('whole', { at: [0, HOUR] })
    const wholeCall = whole.chat(CALL)
    const cutOff = aTrace().agent('cut off', { at: [0, HOUR] })
    const cutOffCall = cutOff.chat({ ...CALL, at: [0, 60_000] })
    for (const { ended } of [cutOff, cutOffCall]) if (ended) one.onStart(ended, ROOT_CONTEXT)
    if (cutOffCall.ended) one.onEnd(cutOffCall.ended)
    before.open = false
    play(one, [whole.ended, wholeCall.ended])
    await vi.waitFor(() => expect(one.stats().recordsMade).toBe(2))

    const other = aProcess(corpseOf(directory), keito, { open: true })
    const later = aTrace().agent('later', { at: [0, HOUR] })
    play(other, [later.ended, later.chat(CALL).ended])
    await vi.waitFor(() => expect(keito.msOf(later.traceId)).toBe(HOUR))
    await other.shutdown()
    expect(keito.tokensOf(whole.traceId)).toBe(120)
    expect(keito.msOf(whole.traceId)).toBe(HOUR)
    expect(keito.tokensOf(cutOff.traceId)).toBe(120)
    // Whose call it was is known; of its time, what had ended.
    expect(keito.msOf(cutOff.traceId)).toBe(0)
    expect(new Set(keito.keys).size).toBe(keito.keys.length)
  })

  test.each<[string, Readonly<Record<string, unknown>>, (around: Context) => Context, string | undefined]>([
    ['its attributes', { 'keito.project_id': 'cmtenant' }, (around) => around, 'cmtenant'],
    ['code around it', {}, (around) => withAttributionIn(around, { projectId: 'cmtenant' }), 'cmtenant'],
    ['its attributes, in an unusable way', { 'keito.project_id': 7 }, (around) => around, undefined],
  ])('is booked where its open agent said, by %s, and never on the default', async (_, said, within, projectId) => {
    const [keito, directory] = [new Keito(), aDirectory()]
    const one = aProcess(directory, keito, { open: false })
    const run = aTrace().agent('cut off', { attributes: said })
    const step = run.step()
    const call = step.chat(CALL)
    let context = within(ROOT_CONTEXT)
    for (const { ended } of [run, step, call]) {
      if (ended) one.onStart(ended, context)
      context = trace.setSpan(context, ended as unknown as Span)
    }
    if (call.ended) one.onEnd(call.ended)
    await vi.waitFor(() => expect(one.stats().spansSeen).toBe(1))
    await sleep(20)

    const other = aProcess(corpseOf(directory), keito, { open: true })
    await other.shutdown()
    expect(keito.expenses.map(({ project_id }) => project_id)).toEqual(projectId === undefined ? [] : [projectId])
    expect(other.stats().recordsUnassigned).toBe(projectId === undefined ? 1 : 0)
  })

  test('is not billed by a flush of the next process before its time, because its agent may be somewhere', async () => {
    const [keito, directory] = [new Keito(), aDirectory()]
    const one = aProcess(directory, keito, { open: false })
    const run = aTrace().agent('cut off', { at: [0, HOUR] })
    const call = run.chat(CALL)
    for (const { ended } of [run, call]) if (ended) one.onStart(ended, ROOT_CONTEXT)
    if (call.ended) one.onEnd(call.ended)
    await vi.waitFor(() => expect(one.stats().spansSeen).toBe(1))
    await sleep(20)

    const other = aProcess(corpseOf(directory), keito, { open: true })
    expect(other.stats().openSessions).toBe(1)
    await other.forceFlush()
    expect(keito.requests).toEqual([])
    await other.shutdown()
    expect(keito.tokensOf(run.traceId)).toBe(120)
  })
})
