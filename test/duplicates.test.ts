/** L3: one call that two instrumentations record is billed once; two calls that look alike stay two. */
import { describe, expect, test } from 'vitest'
import { billOf, Desk, msOf, settle, tokensBySession, tokensOf } from './helpers/sessions.ts'
import { aTrace, type CallOptions, type FromTo } from './helpers/spans.ts'

const CALL = { input: 100, output: 20 }
const OUTER: CallOptions = { ...CALL, at: [0, 100] }
const INNER: CallOptions = { ...CALL, at: [1, 99], scope: 'client' }
const once = { 'gpt-4o': [100, 20] }

/** An agent with a call, and a record of that call in a trace of its own. */
function apart(inner: CallOptions = INNER, outer: CallOptions = OUTER) {
  const run = aTrace().agent('reviewer', { at: [0, 1000] })
  run.chat(outer)
  const client = aTrace()
  client.chat(inner)
  return [run, client] as const
}

describe('the same call', () => {
  test('as siblings counts once', () => {
    const run = aTrace().agent('reviewer')
    run.chat(OUTER)
    run.chat(INNER)
    expect(billOf(run).tokens).toEqual(once)
  })

  test('in two traces counts once, in the run, and makes no second entry', () => {
    const [run, client] = apart()
    const settled = settle([client, run])
    expect(tokensBySession(settled)).toEqual({ [run.traceId]: [100, 20] })
    expect(msOf(settled)).toBe(1000)
  })

  test('outside any run is billed where its usage is shown', () => {
    const [framework, client] = [aTrace(), aTrace()]
    framework.chat({ at: [0, 100], id: 'r1' })
    client.chat({ ...INNER, id: 'r1' })
    const settled = settle([framework, client])
    expect(tokensBySession(settled)).toEqual({ [client.traceId]: [100, 20] })
    expect(msOf(settled)).toBe(98)
  })

  test('in three layers counts once', () => {
    const [run, client] = apart()
    run.http().chat({ ...CALL, at: [2, 98], scope: 'wire' })
    expect(billOf(run, client).tokens).toEqual(once)
  })

  test('in four layers counts once, also when they fit best two by two', () => {
    const run = aTrace().agent('reviewer')
    const times: readonly FromTo[] = [
      [0, 100],
      [0.1, 99.9],
      [10, 80],
      [10.1, 79.9],
    ]
    for (const [i, at] of times.entries()) run.chat({ ...CALL, at, scope: `layer-${i}` })
    expect(billOf(run).tokens).toEqual(once)
  })

  test.each([
    ['equal ids, whatever the numbers', { id: 'r1', input: 7 }, { id: 'r1' }],
    ['equal ids, when one shows no usage', { id: 'r1', input: undefined, output: undefined }, { id: 'r1' }],
    ['an id on one side only', { id: 'r1' }, {}],
    ['an output that differs by one', { output: 21 }, {}],
    ['the input without cache', {}, { cacheRead: 300 }],
    ['what a layer sees that is blind to the cache', {}, { input: 400, cacheRead: 200, cacheWrite: 100 }],
    ['any model, where one of them knows none', { model: 'unknown' }, {}],
    ['most of their time, as when a framework learns of its calls late', { at: [-60, 80] as const }, {}],
    ['the date of a model', { model: 'openai/gpt-4o-2024-08-06' }, {}],
    ['the model that answered', { model: 'x', responseModel: 'gpt-4o' }, {}],
    ['times that are rounded to 2 ms', { at: [-2, 101] as const }, {}],
  ])('is known by %s', (_, inner, outer) => {
    const [run, client] = apart({ ...INNER, ...inner }, { ...OUTER, ...outer })
    expect(Object.keys(tokensBySession(settle([run, client])))).toEqual([run.traceId])
  })

  test('is known by its id before it is known by its times', () => {
    const [run, byId] = apart({ ...INNER, id: 'r1' }, { ...OUTER, id: 'r1' })
    const nearer = aTrace()
    nearer.chat({ ...INNER, at: [0, 100] })
    const sessions = settle([run, byId, nearer]).map(({ sessionId }) => sessionId)
    expect(sessions.sort()).toEqual([run.traceId, nearer.traceId].sort())
  })

  test('is the one that fits its times best, not the first that does', () => {
    const [early, fitting] = (
      [
        [0, 100],
        [10, 50],
      ] as const
    ).map((at) => {
      const run = aTrace().agent('reviewer', { at: [0, 1000] })
      run.chat({ ...CALL, at })
      return run
    })
    const client = aTrace()
    client.chat({ ...INNER, at: [11, 49], responseModel: 'gpt-4o-2024-08-06' })
    if (!early || !fitting) throw new Error('there are two runs')
    const models = settle([early, fitting, client]).map(({ sessionId, models }) => [sessionId, models[0]?.model])
    expect(Object.fromEntries(models)).toEqual({
      [early.traceId]: 'gpt-4o',
      [fitting.traceId]: 'gpt-4o-2024-08-06',
    })
  })

  test('is found among hundreds that look alike and overlap', () => {
    const traces = Array.from({ length: 400 }, (_, i) =>
      apart({ ...INNER, at: [i + 1, i + 99] }, { ...OUTER, at: [i, i + 100] }),
    )
    expect(tokensOf(settle(traces.flat()))).toEqual({ 'gpt-4o': [400 * 100, 400 * 20] })
  })

  test('is counted as a repeat once, however often its session is settled', () => {
    const run = aTrace().agent('reviewer')
    run.chat(OUTER)
    run.chat(INNER)
    const desk = new Desk().take(run.spans)
    desk.settle('all')
    run.chat({ ...CALL, input: 1, at: [200, 300] })
    desk.take(run.spans).settle('all')
    expect(desk.counters.repeatsSuppressed).toBe(1)
  })

  test('has the innermost numbers, filled up from outside', () => {
    const [run, client] = apart({ ...INNER, output: 19 }, { ...OUTER, cacheRead: 300 })
    expect(billOf(run, client).tokens).toEqual({ 'gpt-4o': [400, 19] })
  })

  test('is in a sum above it, so that the sum adds nothing', () => {
    const run = aTrace().agent('reviewer', { at: [0, 1000], input: 100, output: 20 })
    run.chat(INNER)
    run.step({ input: 100, output: 20 }).chat(OUTER)
    expect(billOf(run).tokens).toEqual(once)
  })

  test('is in a sum above both records once, so that a hidden call beside it keeps its share', () => {
    const run = aTrace().agent('reviewer', { at: [0, 1000], input: 300, output: 60 })
    run.chat(OUTER)
    run.chat(INNER)
    run.chat({ at: [200, 300] })
    expect(billOf(run).tokens).toEqual({ 'gpt-4o': [300, 60] })
  })

  test('has the input with cache, although the innermost layer is blind to it', () => {
    const [run, client] = apart(INNER, { ...OUTER, input: 400, cacheRead: 200, cacheWrite: 100 })
    expect(billOf(run, client).tokens).toEqual({ 'gpt-4o': [400, 20] })
  })

  test('has the model that one of its layers knows', () => {
    const [run, client] = apart(INNER, { ...OUTER, model: 'unknown' })
    expect(billOf(run, client).tokens).toEqual(once)
  })

  test('as embeddings counts once', () => {
    const run = aTrace().agent('reader')
    run.embeddings({ input: 7, at: [0, 100] })
    run.embeddings({ input: 7, at: [1, 99], scope: 'client' })
    expect(billOf(run).tokens).toEqual({ 'text-embedding-3-small': [7, 0] })
  })
})

describe('two calls', () => {
  test.each([
    ['different ids', { id: 'r2' }, { id: 'r1' }],
    ['one scope', { scope: 'agent-framework' }, {}],
    ['different inputs', { input: 101 }, {}],
    ['outputs more than one apart', { output: 22 }, {}],
    ['different models', { model: 'gpt-4o-mini' }, {}],
    ['times of which only half is shared', { at: [50, 150] as const }, {}],
    ['an input below that of a layer that sees no cache either', {}, { input: 400 }],
    ['an input that knows the cache itself', { cacheRead: 50 }, { input: 150, cacheRead: 50 }],
    ['no usage on one side and no ids', { input: undefined, output: undefined }, {}],
  ])('are two by %s', (_, inner, outer) => {
    const [run, client] = apart({ ...INNER, ...inner }, { ...OUTER, ...outer })
    const settled = settle([run, client])
    const calls = settled.flatMap(({ models }) => models).reduce((sum, { llmCalls }) => sum + llmCalls, 0)
    expect(calls).toBe('input' in inner && inner.input === undefined ? 1 : 2)
    expect(settled.map(({ sessionId }) => sessionId).sort()).toEqual([run.traceId, client.traceId].sort())
  })

  test('are two in two traces with parents', () => {
    const [run] = apart()
    const other = aTrace().http({ at: [0, 200] })
    other.chat(INNER)
    expect(billOf(run, other).tokens).toEqual({ 'gpt-4o': [200, 40] })
  })

  test('are two in two runs', () => {
    const root = aTrace().http({ at: [0, 1000] })
    root.agent('a').chat(OUTER)
    root.agent('b').chat(INNER)
    expect(billOf(root).tokens).toEqual({ 'gpt-4o': [200, 40] })
  })

  test('are two when a tool of the one made the other', () => {
    const run = aTrace().agent('reviewer')
    run.chat(OUTER).tool().chat(INNER)
    expect(billOf(run).tokens).toEqual({ 'gpt-4o': [200, 40] })
  })

  test('that are the same in all but their ids stay two, each recorded twice', () => {
    const run = aTrace().agent('reviewer')
    for (const id of ['r1', 'r2']) {
      run.chat({ ...OUTER, id })
      run.chat({ ...INNER, id })
    }
    expect(billOf(run).tokens).toEqual({ 'gpt-4o': [200, 40] })
  })

  test('that are the same even without ids stay two, each recorded twice', () => {
    const run = aTrace().agent('reviewer')
    for (const shift of [0, 0.5]) {
      run.chat({ ...OUTER, at: [shift, 100 + shift] })
      run.chat({ ...INNER, at: [1 + shift, 99 + shift] })
    }
    expect(billOf(run).tokens).toEqual({ 'gpt-4o': [200, 40] })
  })

  test('are two when the search is switched off', () => {
    expect(tokensOf(settle(apart(), { detectDuplicates: false }))).toEqual({ 'gpt-4o': [200, 40] })
  })
})

describe('a record that comes when the other has been billed', () => {
  test('is dropped, also in a run of its own', () => {
    const [run, client] = apart()
    const desk = new Desk()
    desk.take(client.spans).settle('rooted')
    desk.take(run.spans).settle()
    expect(tokensBySession(desk.settled)).toEqual({ [client.traceId]: [100, 20] })
  })

  test('is dropped in a trace of its own', () => {
    const [run, client] = apart()
    const desk = new Desk()
    desk.take(run.spans).settle('rooted')
    desk.take(client.spans).settle()
    expect(tokensBySession(desk.settled)).toEqual({ [run.traceId]: [100, 20] })
  })

  test('of a nested agent is not in a sum of own calls', () => {
    const client = aTrace()
    client.chat(INNER)
    const run = aTrace({ scope: 'ai' }).agent('outer', { at: [0, 1000], input: 7, output: 3 })
    run.chat({ at: [200, 300] })
    run.tool().agent('inner').chat(OUTER)
    const desk = new Desk()
    desk.take(client.spans).settle('rooted')
    desk.take(run.spans).settle()
    expect(tokensOf(desk.settled)).toEqual({ 'gpt-4o': [107, 23] })
  })

  test('is in the sum of its own run', () => {
    const client = aTrace()
    client.chat(INNER)
    const run = aTrace().agent('reviewer', { at: [0, 1000], input: 100, output: 20 })
    run.chat(OUTER)
    const desk = new Desk()
    desk.take(client.spans).settle('rooted')
    desk.take(run.spans).settle()
    expect(tokensOf(desk.settled)).toEqual(once)
  })
})

test('a call waits for the run that recorded it too', () => {
  const [run, client] = apart()
  const desk = new Desk()
  desk.take(client.spans).take(run.without(run))
  expect(desk.settle('due', 2000)).toEqual([])
  desk.take([...run.spans].slice(-1), 60_000).settle('due', 62_000)
  expect(tokensBySession(desk.settled)).toEqual({ [run.traceId]: [100, 20] })
})
