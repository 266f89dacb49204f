/** Rule: what a host reports of traced calls is billed once, one by one or as totals; what nothing traces, in full. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { billOf, Desk, tokensOf } from './helpers/sessions.ts'
import { aTrace, type CallOptions, type TraceBuilder } from './helpers/spans.ts'

type Numbers = readonly [input: number, output: number]

/** A run of 100 s. */
const aRun = () => aTrace({ scope: 'my-app' }).agent('reviewer', { at: [0, 100_000] })

/** A call as the framework's instrumentation records it; it takes one second. */
const traced = (place: TraceBuilder, [input, output]: Numbers, second: number, options: CallOptions = {}) =>
  place.chat({ input, output, at: [second * 1000, second * 1000 + 1000], scope: 'framework', ...options })

/** Usage as `trackAgentRun` records it, reported at a second of its run. */
const reported = (run: TraceBuilder, [input, output]: Numbers, second: number, options: CallOptions = {}) => {
  const attributes = { 'keito.usage.reported': true }
  return run.chat({ input, output, at: [0, second * 1000], scope: 'my-app', attributes, ...options })
}

/** Calls below a span of their own, as a framework makes them for one `generateText`. */
function generated(place: TraceBuilder, second: number, ...calls: readonly Numbers[]): TraceBuilder {
  const span = place.agent('generateText', { at: [second * 1000, (second + calls.length) * 1000], scope: 'framework' })
  for (const [i, call] of calls.entries()) traced(span, call, second + i)
  return span
}

const billed = (run: TraceBuilder, ...others: readonly TraceBuilder[]) => billOf(run, ...others).tokens

const [A, B, C, D]: readonly [Numbers, Numbers, Numbers, Numbers] = [
  [1000, 100],
  [2000, 150],
  [4100, 70],
  [700, 31],
]

describe('a total of traced calls is left out', () => {
  test('after all of them, below one span or below none', () => {
    const run = aRun()
    generated(run, 0, A, B, C)
    reported(run, [7100, 320], 4)
    expect(billed(run)).toEqual({ 'gpt-4o': [7100, 320] })
    const flat = aRun()
    for (const [i, call] of [A, B, C].entries()) traced(flat, call, i)
    reported(flat, [7100, 320], 4)
    expect(billed(flat)).toEqual({ 'gpt-4o': [7100, 320] })
  })

  test('and counted', () => {
    const run = aRun()
    traced(run, A, 0)
    traced(run, B, 1)
    reported(run, [3000, 250], 3)
    const desk = new Desk().take(run.spans)
    expect(desk.settle()).toMatchObject([{ llmCalls: 2 }])
    expect(desk.counters.repeatsSuppressed).toBe(1)
  })

  test('with one output token more or less for each call, and no more', () => {
    const billOfReport = (output: number) => {
      const run = aRun()
      traced(run, A, 0)
      traced(run, B, 1)
      reported(run, [3000, output], 3)
      return billed(run)
    }
    for (const output of [248, 252]) expect(billOfReport(output)).toEqual({ 'gpt-4o': [3000, 250] })
    for (const output of [247, 253]) expect(billOfReport(output)).toEqual({ 'gpt-4o': [6000, 250 + output] })
  })

  test('with the cache or without it', () => {
    for (const input of [3000, 1400]) {
      const run = aRun()
      traced(run, A, 0, { cacheRead: 900 })
      traced(run, B, 1, { cacheWrite: 700 })
      reported(run, [input, 250], 3)
      expect(billed(run)).toEqual({ 'gpt-4o': [3000, 250] })
    }
  })

  test('since the report before, whether that one was a total, a twin or a call of its own', () => {
    for (const first of [[A, B], [A], []]) {
      const run = aRun()
      for (const [i, call] of first.entries()) traced(run, call, i)
      const sum: Numbers = [first.reduce((n, [input]) => n + input, 0), first.reduce((n, [, output]) => n + output, 0)]
      const own: Numbers = [33, 3]
      reported(run, first.length > 0 ? sum : own, 3)
      traced(run, C, 4)
      traced(run, D, 6)
      reported(run, [4800, 101], 8)
      const [input, output] = first.length > 0 ? sum : own
      expect(billed(run)).toEqual({ 'gpt-4o': [4800 + input, 101 + output] })
    }
  })

  test('although a call before it was never reported', () => {
    const run = aRun()
    traced(run, A, 0)
    reported(run, D, 1)
    traced(run, B, 2)
    traced(run, C, 3)
    reported(run, [6100, 220], 5)
    expect(billed(run)).toEqual({ 'gpt-4o': [7100 + 700, 320 + 31] })
  })

  test('beside calls that were reported one by one', () => {
    const run = aRun()
    traced(run, A, 0)
    traced(run, B, 0.5)
    traced(run, C, 0.7)
    reported(run, [5100, 170], 3)
    reported(run, B, 3)
    expect(billed(run)).toEqual({ 'gpt-4o': [7100, 320] })
  })

  test('although its calls were reported one by one too', () => {
    const run = aRun()
    traced(run, A, 0)
    reported(run, A, 1)
    traced(run, B, 2)
    reported(run, B, 3)
    reported(run, [3000, 250], 4)
    expect(billed(run)).toEqual({ 'gpt-4o': [3000, 250] })
  })

  test('of work at the same time: of each span, or of all together', () => {
    const run = aRun()
    generated(run, 0, A, B)
    generated(run, 0.2, C, D)
    traced(run, [5, 1], 0.5)
    reported(run, [3000, 250], 4)
    reported(run, [4800, 101], 5)
    expect(billed(run)).toEqual({ 'gpt-4o': [7805, 352] })
    const flat = aRun()
    for (const [i, call] of [A, C, B, D].entries()) traced(flat, call, i / 10)
    reported(flat, [3000, 250], 4)
    reported(flat, [4800, 101], 5)
    expect(billed(flat)).toEqual({ 'gpt-4o': [7800, 351] })
  })

  test('of work at the same time, after other work and its total', () => {
    const run = aRun()
    traced(run, [11, 5], 0)
    traced(run, [12, 6], 1)
    reported(run, [23, 11], 3)
    traced(run, D, 4)
    reported(run, D, 5)
    for (const [i, call] of [A, C, B, D].entries()) traced(run, call, 6 + i / 10)
    reported(run, [3000, 250], 8)
    reported(run, [4800, 101], 9)
    expect(billed(run)).toEqual({ 'gpt-4o': [8523, 393] })
  })

  test('of work at the same time, beside reports of another model that nothing traces', () => {
    const run = aRun()
    for (const [i, call] of [A, C, B, D].entries()) traced(run, call, i / 10)
    reported(run, [3000, 250], 8)
    reported(run, [33, 3], 8.5, { model: 'claude-opus-4-6' })
    reported(run, [4800, 101], 9)
    expect(billed(run)).toEqual({ 'gpt-4o': [7800, 351], 'claude-opus-4-6': [33, 3] })
  })

  test('of all calls but those of earlier totals', () => {
    const run = aRun()
    traced(run, [11, 5], 0)
    traced(run, [12, 6], 1)
    reported(run, [23, 11], 2.5)
    traced(run, A, 3)
    reported(run, [44_000, 440], 5)
    traced(run, B, 6)
    reported(run, [3000, 250], 8)
    expect(billed(run)).toEqual({ 'gpt-4o': [47_023, 701] })
  })

  test('of the own calls of the run, beside an agent in it that nobody reports', () => {
    const run = aRun()
    traced(run, A, 0)
    generated(run, 0.5, C, D)
    traced(run, B, 1)
    reported(run, [3000, 250], 4)
    expect(billed(run)).toEqual({ 'gpt-4o': [7800, 351] })
  })

  test('of calls that begin and end in the millisecond in which it is reported', () => {
    const run = aRun()
    for (const call of [A, B]) traced(run, call, 0, { at: [0, 0] })
    reported(run, [3000, 250], 0)
    expect(billed(run)).toEqual({ 'gpt-4o': [3000, 250] })
  })

  test('of the calls of its model', () => {
    const run = aRun()
    traced(run, A, 0)
    traced(run, B, 1, { model: 'claude-opus-4-6' })
    traced(run, C, 2)
    reported(run, [5100, 170], 4)
    expect(billed(run)).toEqual({ 'gpt-4o': [5100, 170], 'claude-opus-4-6': [2000, 150] })
  })

  test('under the name of another model, as when a default was not right', () => {
    const run = aRun()
    traced(run, A, 0, { model: 'o3' })
    traced(run, B, 1, { model: 'o3-mini' })
    reported(run, [3000, 250], 4)
    expect(billed(run)).toEqual({ o3: [1000, 100], 'o3-mini': [2000, 150] })
    const nested = aRun()
    for (const [i, call] of [A, B].entries()) traced(nested.step({ at: [0, 9000] }), call, i, { model: 'o3' })
    traced(nested.agent('other', { at: [0, 9000] }), C, 5, { model: 'o3' })
    reported(nested, [7100, 320], 9)
    expect(billed(nested)).toEqual({ o3: [7100, 320] })
  })

  test('of a span that has nested work, with that or without', () => {
    for (const total of [
      [3000, 250],
      [7100, 320],
    ] as const) {
      const run = aRun()
      const outer = generated(run, 0, A, B)
      generated(outer.tool('ask', { at: [500, 5000] }), 2, C)
      generated(run, 6, D)
      reported(run, total, 9)
      expect(billed(run)).toEqual({ 'gpt-4o': [7800, 351] })
    }
  })

  test('of a framework that shows a sum and no calls, in one or call by call', () => {
    for (const reports of [[[3000, 250]], [A, B]] as const) {
      const run = aRun()
      run.agent('crew', { model: 'gpt-4o', input: 3000, output: 250, at: [0, 2000], scope: 'framework' })
      for (const [i, numbers] of reports.entries()) reported(run, numbers, i + 1)
      expect(billed(run)).toEqual({ 'gpt-4o': [3000, 250] })
    }
  })

  test('of a background response that is polled', () => {
    const run = aRun()
    for (const second of [1, 2])
      run.poll({ input: 3000, output: 250, id: 'r1', at: [second * 1000, second * 1000 + 9] })
    reported(run, [3000, 250], 3)
    expect(billed(run)).toEqual({ 'gpt-4o': [3000, 250] })
  })

  test('of a run within a run: its own, that of the outer one, and those of both', () => {
    for (const ofOuter of [A, [7100, 320]] as const) {
      const run = aRun()
      traced(run, A, 0, { scope: 'other' })
      const inner = run.agent('helper', { at: [2000, 9000] })
      generated(inner, 3, B, C)
      reported(inner, [6100, 220], 7, { at: [2000, 7000] })
      reported(run, ofOuter, 10)
      expect(billed(run)).toEqual({ 'gpt-4o': [7100, 320] })
    }
  })

  test('of an outer run, without the inner one, which reports an untraced call as well', () => {
    const run = aRun()
    generated(run, 0, A)
    const inner = run.agent('helper', { at: [2000, 5000] })
    generated(inner, 3, B, C)
    reported(inner, [6100, 220], 5, { at: [2000, 5000] })
    reported(inner, [77, 7], 5, { at: [2000, 5000] })
    generated(run, 6, D)
    reported(run, [1700, 131], 10)
    expect(billed(run)).toEqual({ 'gpt-4o': [7877, 358] })
  })

  test('also when the span of the run never came', () => {
    const run = aRun()
    traced(run, A, 0)
    traced(run, B, 1)
    reported(run, [3000, 250], 3)
    expect(tokensOf(new Desk().take(run.without(run)).settle())).toEqual({ 'gpt-4o': [3000, 250] })
  })
})

describe('a single call of the same scope', () => {
  test('is left out once', () => {
    const run = aRun()
    traced(run, A, 0, { scope: 'my-app' })
    reported(run, A, 2)
    expect(billed(run)).toEqual({ 'gpt-4o': [1000, 100] })
    reported(run, A, 3)
    expect(billed(run)).toEqual({ 'gpt-4o': [2000, 200] })
  })
})

describe('what nothing traces is billed in full', () => {
  test('in a run without traced calls', () => {
    const run = aRun()
    for (const second of [1, 2, 3]) reported(run, A, second)
    expect(billed(run)).toEqual({ 'gpt-4o': [3000, 300] })
  })

  test('beside traced calls of another provider, also with the same numbers', () => {
    const run = aRun()
    for (const second of [0, 2]) traced(run, A, second)
    for (const second of [1, 3]) reported(run, A, second, { model: 'claude-opus-4-6' })
    expect(billed(run)).toEqual({ 'gpt-4o': [2000, 200], 'claude-opus-4-6': [2000, 200] })
  })

  test('beside a total of traced calls', () => {
    const run = aRun()
    generated(run, 0, A, B)
    reported(run, [3000, 250], 3)
    reported(run, C, 4)
    reported(run, D, 5, { model: 'claude-opus-4-6' })
    expect(billed(run)).toEqual({ 'gpt-4o': [7100, 320], 'claude-opus-4-6': [700, 31] })
  })

  test('when it looks like a call that was reported already', () => {
    const run = aRun()
    traced(run, A, 0)
    reported(run, A, 2)
    reported(run, A, 4)
    expect(billed(run)).toEqual({ 'gpt-4o': [2000, 200] })
  })

  test('when the calls with those numbers began after it was reported, or are of another run', () => {
    const run = aRun()
    reported(run, [3000, 250], 1)
    traced(run, A, 5)
    traced(run, B, 6)
    expect(billed(run)).toEqual({ 'gpt-4o': [6000, 500] })
    const request = aTrace({ scope: 'my-app' }).http({ at: [0, 100_000] })
    reported(request.agent('one', { at: [0, 9000] }), [3000, 250], 8)
    generated(request.agent('two', { at: [0, 9000] }), 0, A, B)
    expect(billed(request)).toEqual({ 'gpt-4o': [6000, 500] })
  })

  test('when the calls with those numbers began before its run, of which nothing came', () => {
    const run = aRun()
    traced(run, A, 0)
    traced(run, B, 1)
    reported(run, [3000, 250], 9, { at: [5000, 9000] })
    expect(tokensOf(new Desk().take(run.without(run)).settle())).toEqual({ 'gpt-4o': [6000, 500] })
  })

  test('when only embeddings have those numbers', () => {
    const run = aRun()
    for (const second of [0, 1])
      run.embeddings({ input: 500, at: [second * 1000, second * 1000 + 10], scope: 'framework' })
    reported(run, [1000, 0], 3)
    expect(billed(run)).toEqual({ 'text-embedding-3-small': [1000, 0], 'gpt-4o': [1000, 0] })
  })

  test('and a host that marks no call as reported has nothing left out', () => {
    const run = aRun()
    generated(run, 0, A, B)
    run.chat({ input: 3000, output: 250, at: [0, 3000], scope: 'my-app' })
    expect(billed(run)).toEqual({ 'gpt-4o': [6000, 500] })
  })
})

describe('one traced call', () => {
  test('that was reported is billed where it was traced', () => {
    const run = aRun()
    const inner = generated(run, 0, A)
    reported(run, A, 2)
    const settled = new Desk({ agents: 'each' }).take(run.spans).settle()
    expect(settled.filter(({ models }) => models.length > 0).map(({ agentName }) => agentName)).toEqual([
      'generateText',
    ])
    expect(inner.spanId).not.toBe('')
  })

  test('in a trace of its own is billed in the run', () => {
    const [run, client] = [aRun(), aTrace()]
    traced(client, A, 0)
    reported(run, A, 2)
    expect(billed(run, client)).toEqual({ 'gpt-4o': [1000, 100] })
  })
})

test('very many calls that look alike are billed once, in whatever order their reports have their ids', () => {
  const run = aRun()
  const seconds = Array.from({ length: 160 }, (_, i) => i / 10)
  for (const second of seconds.toReversed()) {
    traced(run, [200, 1], second, { at: [second * 1000, second * 1000 + 50] })
    reported(run, [200, 1], second + 0.06)
  }
  expect(billed(run)).toEqual({ 'gpt-4o': [32_000, 160] })
})

test('whatever is traced below spans and reported as totals, it is billed once, and what is only reported is added', () => {
  const numbers = fc.tuple(fc.integer({ min: 1000, max: 90_000 }), fc.integer({ min: 20, max: 4000 }))
  const group = fc.record({
    calls: fc.array(numbers, { minLength: 1, maxLength: 4 }),
    start: fc.integer({ min: 0, max: 20 }),
    wait: fc.integer({ min: 0, max: 9 }),
    isReported: fc.boolean(),
  })
  // Odd sums that no traced call comes near.
  const others = fc.array(fc.integer({ min: 1, max: 900 }), { maxLength: 3 })
  fc.assert(
    fc.property(fc.array(group, { minLength: 1, maxLength: 4 }), others, (groups, untraced) => {
      const run = aRun()
      const truth = [0, 0]
      const add = ([input, output]: Numbers) => {
        truth[0] = (truth[0] ?? 0) + input
        truth[1] = (truth[1] ?? 0) + output
      }
      for (const { calls, start, wait, isReported } of groups) {
        generated(run, start, ...calls)
        for (const call of calls) add(call)
        const sum: Numbers = [
          calls.reduce((n, [input]) => n + input, 0),
          calls.reduce((n, [, output]) => n + output, 0),
        ]
        if (isReported) reported(run, sum, start + calls.length + wait)
      }
      for (const input of untraced) {
        reported(run, [input, 1], 30)
        add([input, 1])
      }
      expect(billed(run)).toEqual({ 'gpt-4o': truth })
    }),
    { numRuns: 200 },
  )
})
