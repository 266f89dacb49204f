/** Rule: what is open decides when a session is settled and where it is booked; only long silence or the end overrules it. */
import { setTimeout as sleep } from 'node:timers/promises'
import { ROOT_CONTEXT } from '@opentelemetry/api'
import { describe, expect, test, vi } from 'vitest'
import { withAttributionIn } from '../src/genai/ambient.ts'
import { fileOutbox, KeitoSpanProcessor } from '../src/index.ts'
import type { SpanLike } from '../src/otel/span.ts'
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
