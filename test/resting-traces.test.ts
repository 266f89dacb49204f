/**
 * Rule: a trace may rest for as long as it likes, such as a conversation between two turns. With a processor, which knows
 * that all of it had ended, what begins in it later is billed, and nothing of it twice.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { ROOT_CONTEXT, TraceFlags, trace } from '@opentelemetry/api'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { bill } from '../src/billing/bill.ts'
import { CarryBook } from '../src/billing/rounding.ts'
import { fileOutbox } from '../src/index.ts'
import { someSettings } from './helpers/billing.ts'
import { anInMemory } from './helpers/in-memory.ts'
import { LiveDesk } from './helpers/live-desk.ts'
import { aDirectory, corpseOf, Keito } from './helpers/outbox-world.ts'
import { Desk, msOf, runsOf, tokensOf } from './helpers/sessions.ts'
import { aTrace, hexId, T0_SECONDS, type TraceBuilder } from './helpers/spans.ts'

const CALL = { input: 100, output: 20 }
const IDLE = 600_000
/** When the second turn begins. */
const LATER = 2 * IDLE

describe('the next turn of a conversation', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['Date'] })
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  /** A desk that a moment has come for, in milliseconds after the start of the test's clock. */
  const at = (ms: number) => vi.setSystemTime(T0_SECONDS * 1000 + ms)

  /** Spans start and end, one after the other. */
  const play = (desk: LiveDesk, nowMs: number, ...places: readonly TraceBuilder[]) => {
    at(nowMs)
    for (const { ended } of places) desk.start(ended)
    desk.end(
      places.map(({ ended }) => ended),
      nowMs,
    )
  }

  /** A first turn that was billed and is over. */
  function afterOneTurn(rules: ConstructorParameters<typeof LiveDesk>[0] = {}) {
    const desk = new LiveDesk(rules)
    const conversation = aTrace()
    const turn = conversation.agent('first', { at: [0, 1000], parent: 'remote' })
    play(desk, 1000, turn, turn.chat({ ...CALL, at: [10, 20] }))
    desk.settle('due', 1000 + IDLE)
    expect(desk.store.isEmpty).toBe(true)
    return { desk, conversation, turn }
  }

  test('is billed like the first, each as a run', () => {
    const { desk, conversation } = afterOneTurn()
    const turn = conversation.agent('second', { at: [LATER, LATER + 5000], parent: 'remote' })
    play(desk, LATER, turn, turn.chat({ ...CALL, at: [LATER + 10, LATER + 20] }))
    expect(runsOf(desk.settled)).toEqual({ first: 1000, second: 5000 })
    expect(tokensOf(desk.settled)).toEqual({ 'gpt-4o': [200, 40] })
    expect(desk.counters.spansLate).toBe(0)
  })

  test('is billed after any number of rests, and after a turn with nothing for us', () => {
    const { desk, conversation } = afterOneTurn()
    for (let n = 1; n <= 5; n++) {
      const from = n * LATER
      const turn = conversation.agent('later', { at: [from, from + 1000], parent: 'remote' })
      play(desk, from, turn, turn.chat({ ...CALL, at: [from, from + 1] }))
      desk.settle('due', from + IDLE)
      play(desk, from + IDLE, conversation.http({ at: [from + IDLE, from + IDLE + 1], parent: 'remote' }))
      desk.settle('due', from + IDLE + 1000)
    }
    expect(runsOf(desk.settled)).toEqual({ first: 1000, later: 5000 })
    expect(tokensOf(desk.settled)).toEqual({ 'gpt-4o': [600, 120] })
    expect(desk.counters.spansLate).toBe(0)
  })

  test('without an agent goes on with the numbers of its records', () => {
    const desk = new LiveDesk()
    const conversation = aTrace()
    const keys: string[] = []
    for (const from of [0, LATER, 2 * LATER]) {
      play(desk, from, conversation.chat({ ...CALL, at: [from, from + 1000], parent: 'remote' }))
      desk.settle('due', from + IDLE)
      desk.settle('due', from + IDLE + 1000)
    }
    for (const settlement of desk.settled) {
      keys.push(...bill(settlement, someSettings(), new CarryBook()).records.map(({ key }) => key))
    }
    const { traceId } = conversation
    expect(keys.sort()).toEqual([
      ...[0, 1, 2].map((n) => `${traceId}:session:llm:gpt-4o:${n}`),
      ...[0, 1, 2].map((n) => `${traceId}:session:time:${n}`),
    ])
    expect(msOf(desk.settled)).toBe(3000)
    expect(tokensOf(desk.settled)).toEqual({ 'gpt-4o': [300, 60] })
  })

  test('does not bring back what tells of the time before: it may have been billed', () => {
    const { desk, conversation, turn } = afterOneTurn()
    play(desk, LATER, conversation.agent('second', { at: [LATER, LATER + 5000], parent: 'remote' }))
    play(desk, LATER + 1, turn.chat({ ...CALL, at: [10, 20], scope: 'told-afterwards' }))
    desk.settle('all', LATER + 2)
    expect(runsOf(desk.settled)).toEqual({ first: 1000, second: 5000 })
    expect(tokensOf(desk.settled)).toEqual({ 'gpt-4o': [100, 20] })
    expect(desk.counters.spansLate).toBe(1)
  })

  test('that is itself told afterwards is late, also when nothing for us began in between', () => {
    const { desk, turn, conversation } = afterOneTurn()
    play(desk, LATER, conversation.http({ at: [LATER, LATER + 1], parent: 'remote' }))
    desk.settle('due', LATER + IDLE)
    desk.settle('due', LATER + IDLE + 1)
    play(desk, 3 * LATER, turn.chat({ ...CALL, at: [10, 20] }))
    desk.settle('all', 3 * LATER)
    expect(tokensOf(desk.settled)).toEqual({ 'gpt-4o': [100, 20] })
    expect(desk.counters.spansLate).toBe(1)
  })

  test('leaves what a process that is gone had of the same trace to be billed, whenever that was', () => {
    const { desk, conversation } = afterOneTurn()
    const elsewhere = conversation.agent('elsewhere', { at: [500, 2500], parent: 'remote' })
    const left = new Desk().take(elsewhere.spans.filter((span) => span === elsewhere.ended))
    at(LATER)
    desk.start(conversation.agent('second', { at: [LATER, LATER + 5000], parent: 'remote' }).ended)
    desk.store.restore([...left.store.states()], [], LATER)
    desk.settle('all', LATER)
    expect(runsOf(desk.settled)).toEqual({ first: 1000, elsewhere: 2000 })
    expect(desk.counters.spansLate).toBe(0)
  })

  test('is late where a span has been open all along, which may tell all of it as its own', () => {
    const desk = new LiveDesk({ settle: { graceMs: 2000, idleMs: IDLE, maxOpenSpans: 3 } })
    const run = aTrace().agent('worker', { at: [0, LATER], model: 'gpt-4o', input: 200, output: 40 })
    const first = run.chat({ ...CALL, at: [10, 20] })
    at(0)
    desk.start(run.ended)
    play(desk, 20, first)
    // Others come in such numbers that the session is settled early and forgotten.
    for (let n = 0; n < 4; n++) play(desk, 30, aTrace().chat({ ...CALL, model: 'other', at: [30, 31] }))
    expect(desk.counters.sessionsForced).toBeGreaterThan(0)
    play(desk, 1000, run.chat({ ...CALL, at: [1000, 1001] }))
    desk.end([run.ended], LATER).settle('all', LATER)
    expect(tokensOf(desk.settled)['gpt-4o']).toEqual([100, 20])
    expect(desk.counters.spansLate).toBe(2)
  })

  test('is late where spans were let go of, because nobody knows what is still open', () => {
    const desk = new LiveDesk({ settle: { graceMs: 2000, idleMs: IDLE, maxOpenSpans: 3 } })
    const run = aTrace().agent('worker', { at: [0, LATER], model: 'gpt-4o', input: 200, output: 40 })
    at(0)
    desk.start(run.ended)
    play(desk, 20, run.chat({ ...CALL, at: [10, 20] }))
    for (let n = 0; n < 4; n++) desk.start(aTrace().http().ended)
    for (let n = 0; n < 4; n++) play(desk, 30, aTrace().chat({ ...CALL, model: 'other', at: [30, 31] }))
    play(desk, 1000, run.chat({ ...CALL, at: [1000, 1001] }))
    desk.end([run.ended], LATER).settle('all', LATER)
    expect(tokensOf(desk.settled)['gpt-4o']).toEqual([100, 20])
  })
})

/** A turn that a caller with this trace id asks for. */
const turnIn = (tracer: ReturnType<typeof anInMemory>['tracer'], traceId: string) => {
  const caller = { traceId, spanId: hexId(16), traceFlags: TraceFlags.SAMPLED, isRemote: true }
  const attributes = { 'gen_ai.operation.name': 'invoke_agent', 'gen_ai.agent.name': 'host' }
  const usage = { 'gen_ai.usage.input_tokens': 100, 'gen_ai.usage.output_tokens': 20 }
  const run = tracer.startSpan('invoke_agent', { attributes }, trace.setSpanContext(ROOT_CONTEXT, caller))
  const call = tracer.startSpan(
    'chat',
    { attributes: { 'gen_ai.operation.name': 'chat', 'gen_ai.request.model': 'gpt-4o', ...usage } },
    trace.setSpan(ROOT_CONTEXT, run),
  )
  return { run, call }
}

/** Long enough for sessions with such an idle time to be forgotten. */
const SHORT = { graceMs: 20, idleMs: 50 }
const forgotten = () => sleep(400)

test('a provider bills both turns of a conversation that rests for longer than the idle time', async () => {
  const { tracer, processor, keito } = anInMemory({ settle: SHORT })
  const traceId = hexId(32)
  for (let n = 0; n < 2; n++) {
    const { run, call } = turnIn(tracer, traceId)
    call.end()
    run.end()
    await forgotten()
  }
  await processor.forceFlush()
  expect(keito.tokens).toBe(240)
  expect(processor.stats()).toMatchObject({ spansLate: 0, recordsDelivered: 4 })
})

test('a turn that a killed process was in is gone on with by the next, as the turn that it is', async () => {
  const [keito, directory] = [new Keito(), aDirectory()]
  const options = (at: string) => ({
    client: keito.client(() => 'open'),
    accountId: 'cmaccount',
    outbox: fileOutbox({ directory: at, sync: false }),
    settle: SHORT,
  })
  const one = anInMemory(options(directory))
  const traceId = hexId(32)
  const first = turnIn(one.tracer, traceId)
  first.call.end()
  first.run.end()
  await forgotten()
  turnIn(one.tracer, traceId).call.end()
  await vi.waitFor(() => expect(one.processor.stats().spansSeen).toBe(3))

  const other = anInMemory(options(corpseOf(directory)))
  await other.processor.shutdown()
  expect(keito.tokensOf(traceId)).toBe(240)
  expect(keito.entries).toHaveLength(1)
  expect(new Set(keito.keys).size).toBe(3)
})
