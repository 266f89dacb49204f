/** A session is settled when it is complete, remembered for a while, and never costs unbounded memory. */
import { describe, expect, test } from 'vitest'
import { Desk, tokensOf } from './helpers/sessions.ts'
import { aTrace, type TraceBuilder } from './helpers/spans.ts'

const CALL = { input: 100, output: 20 }
const settleRules = (changes: object) => ({
  settle: { graceMs: 2000, idleMs: 600_000, maxOpenSpans: 100_000, ...changes },
})

function aRun(): TraceBuilder {
  const run = aTrace().agent('reviewer', { at: [0, 1000] })
  run.chat(CALL)
  return run
}

describe('a session is settled', () => {
  test('when it is whole and was quiet for the grace time', () => {
    const desk = new Desk().take(aRun().spans, 1000)
    expect(desk.settle('due', 2999)).toEqual([])
    expect(desk.settle('due', 3000)).toHaveLength(1)
    expect(desk.settle('due', 9000)).toEqual([])
  })

  test('counting the quiet from its last span', () => {
    const run = aRun()
    const [call, root] = run.spans
    if (!call || !root) throw new Error('a run has two spans')
    const desk = new Desk().take([root], 0).take([call], 1500)
    expect(desk.settle('due', 3499)).toEqual([])
    expect(desk.settle('due', 3500)).toHaveLength(1)
  })

  test.each([
    ['its root', (run: TraceBuilder) => run.without(run)],
    [
      'a span in its middle',
      (run: TraceBuilder) => {
        const step = run.step()
        step.chat(CALL)
        return run.without(step)
      },
    ],
  ])('after the idle time when %s never comes', (_, spansOf) => {
    const desk = new Desk().take(spansOf(aRun()))
    expect(desk.settle('due', 599_999)).toEqual([])
    expect(desk.settle('due', 600_000)).toHaveLength(_ === 'its root' ? 1 : 2)
  })

  test('by a flush when its root has arrived', () => {
    const whole = aRun()
    const rootless = aRun()
    const desk = new Desk().take([...whole.spans, ...rootless.without(rootless)])
    expect(desk.settle('rooted').map(({ sessionId }) => sessionId)).toEqual([whole.traceId])
  })

  test('at shutdown in any case', () => {
    const rootless = aRun()
    expect(new Desk().take(rootless.without(rootless)).settle('all')).toHaveLength(1)
  })

  test('with a remote parent as its root', () => {
    const run = aTrace().agent('callee', { parent: 'remote' })
    run.chat(CALL)
    expect(new Desk().take(run.spans).settle('due', 2000)).toHaveLength(1)
  })

  test('once, by however many flushes', () => {
    const desk = new Desk().take(aRun().spans)
    desk.settle('rooted')
    expect(desk.settle('rooted')).toEqual([])
    expect(desk.settle('all')).toEqual([])
    expect(desk.counters.sessionsSettled).toBe(1)
  })
})

test('a span that is exported twice counts once, before and after it was settled', () => {
  const run = aRun()
  const desk = new Desk().take(run.spans).take(run.spans)
  desk.settle('rooted')
  desk.take(run.spans).settle('all')
  expect(tokensOf(desk.settled)).toEqual({ 'gpt-4o': [100, 20] })
  expect(desk.settled).toHaveLength(1)
  expect(desk.counters.sessionsSettled).toBe(1)
  desk.settle('due', 600_000)
  expect(desk.store.isEmpty).toBe(true)
})

describe('memory', () => {
  test('traces with nothing for us leave nothing behind the idle time', () => {
    const desk = new Desk()
    for (let i = 0; i < 100; i++) desk.take(aTrace().http().spans)
    expect(desk.store.openSessions).toBe(100)
    expect(desk.settle('due', 2000)).toEqual([])
    expect(desk.store.openSessions).toBe(0)
    desk.settle('due', 600_000)
    expect(desk.store.isEmpty).toBe(true)
    expect(desk.counters.sessionsSettled).toBe(0)
  })

  test('an agent below a request that ended long ago is settled after the grace time, not after the idle time', () => {
    const request = aTrace().http({ at: [0, 100] })
    const desk = new Desk().take(request.spans)
    desk.settle('due', 2000)
    const all = request.agent('streamer', { at: [50, 300_000] }).spans
    desk.take(all, 300_000)
    expect(desk.settle('due', 302_000).map(({ agentName }) => agentName)).toEqual(['streamer'])
  })

  test('beyond the cap traces with nothing for us are forgotten before those that were billed', () => {
    const desk = new Desk({ settle: { graceMs: 0, idleMs: 600_000, maxOpenSpans: 5 } })
    const run = aRun()
    desk.take(run.spans).settle('due', 0)
    for (let i = 0; i < 20; i++) {
      desk.take(aTrace().http().spans)
      desk.settle('due', 0)
    }
    run.chat({ model: 'gpt-4o', input: 7, output: 1 })
    desk.take(run.spans).settle('all', 0)
    expect(desk.late).toBe(0)
    expect(tokensOf(desk.settled)).toEqual({ 'gpt-4o': [107, 21] })
  })

  test('of a forgotten session no span is said to have been taken in', () => {
    const run = aRun()
    const desk = new Desk().take(run.spans)
    const has = (spanId: string) => desk.store.has(run.traceId, spanId)
    expect([has(run.spanId), has('f'.repeat(16))]).toEqual([true, false])
    desk.settle('due', 2000)
    expect(has(run.spanId)).toBe(true)
    desk.settle('due', 602_001)
    expect(desk.take(aTrace().spans).take(run.spans, 602_002).late).toBe(2)
    expect([has(run.spanId), has('f'.repeat(16))]).toEqual([false, false])
  })

  test('settled sessions are forgotten after the idle time, and what comes then is late', () => {
    const run = aRun()
    const desk = new Desk().take(run.spans)
    desk.settle('due', 2000)
    expect(desk.store.isEmpty).toBe(false)
    desk.settle('due', 600_000)
    expect(desk.store.isEmpty).toBe(true)
    run.chat(CALL)
    desk.take(run.spans, 600_001).settle('all', 600_001)
    expect(desk.late).toBe(3)
    expect(tokensOf(desk.settled)).toEqual({ 'gpt-4o': [100, 20] })
  })

  test('beyond the cap settled sessions are forgotten first, then the oldest open one is settled early', () => {
    const desk = new Desk(settleRules({ maxOpenSpans: 4 }))
    const [first, second, third, fourth] = [aRun(), aRun(), aRun(), aRun()]
    desk.take(first.spans)
    desk.settle('rooted')
    desk.take(second.spans).take(third.spans)
    expect(desk.counters.sessionsForced).toBe(0)
    desk.take(fourth.spans)
    expect(desk.counters.sessionsForced).toBe(1)
    expect(desk.settled.map(({ sessionId }) => sessionId)).toEqual([first.traceId, second.traceId])
    desk.take(first.spans).take(second.spans)
    expect(desk.late).toBe(4)
    desk.settle('all')
    expect(tokensOf(desk.settled)).toEqual({ 'gpt-4o': [400, 80] })
  })

  test('stays within the cap, whatever arrives', () => {
    const desk = new Desk(settleRules({ maxOpenSpans: 10 }))
    for (let i = 0; i < 500; i++) {
      const run = aRun()
      desk.take(i % 3 === 0 ? run.without(run) : run.spans, i)
      if (i % 7 === 0) desk.settle('rooted', i)
      expect(desk.store.openSessions).toBeLessThanOrEqual(10)
    }
    desk.settle('all', 500)
    expect(tokensOf(desk.settled)).toEqual({ 'gpt-4o': [50_000, 10_000] })
  })

  test('one trace alone may not exceed the cap either', () => {
    const desk = new Desk(settleRules({ maxOpenSpans: 3 }))
    const run = aTrace().agent('long', { at: [0, 1000] })
    for (let i = 0; i < 10; i++) run.chat({ ...CALL, at: [i, i + 1] })
    for (const span of run.spans) desk.take([span])
    expect(desk.store.isEmpty).toBe(true)
    expect(tokensOf(desk.settled)).toEqual({ 'gpt-4o': [400, 80] })
    expect(desk.late).toBe(7)
  })
})
