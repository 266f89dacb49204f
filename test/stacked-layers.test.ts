/** Several layers of one call, above and beside each other: each call is billed once, and none is taken for another. */
import { describe, expect, test } from 'vitest'
import { billOf, Desk, settle, tokensOf } from './helpers/sessions.ts'
import { aTrace, type CallOptions, type FromTo } from './helpers/spans.ts'

const CALL = { input: 100, output: 20 }
const OUTER: CallOptions = { ...CALL, at: [0, 100] }
const INNER: CallOptions = { ...CALL, at: [1, 99], scope: 'client' }
const once = { 'gpt-4o': [100, 20] }

describe('identical calls', () => {
  const times: readonly FromTo[] = [
    [0, 100],
    [5, 20],
    [20, 40],
  ]

  test('stay three, each recorded by two layers below each other', () => {
    const run = aTrace().agent('reviewer')
    for (const at of times) {
      run.chat({ ...OUTER, at, scope: 'outer-client' }).chat({ ...INNER, at, scope: 'inner-client', id: `r${at[0]}` })
    }
    expect(billOf(run).tokens).toEqual({ 'gpt-4o': [300, 60] })
  })

  test('stay two in a framework, with two clients below each other in traces of their own', () => {
    const run = aTrace().agent('reviewer')
    const clients = [0, 1].map((shift) => {
      run.chat({ ...CALL, at: [shift, 100 + shift] })
      const client = aTrace()
      client
        .chat({ ...CALL, at: [shift + 5, 95 + shift], scope: 'outer-client' })
        .chat({ ...CALL, at: [shift + 6, 94 + shift], scope: 'inner-client' })
      return client
    })
    expect(billOf(run, ...clients).tokens).toEqual({ 'gpt-4o': [200, 40] })
  })
})

test('embeddings in a framework, with two clients below each other in a trace of their own, are one', () => {
  const run = aTrace().agent('reader')
  run.embeddings({ input: 7, at: [0, 100] })
  const client = aTrace()
  client
    .embeddings({ input: 7, at: [1, 99], scope: 'client' })
    .http()
    .embeddings({ input: 7, at: [2, 98], scope: 'wire' })
  expect(billOf(run, client).tokens).toEqual({ 'text-embedding-3-small': [7, 0] })
})

describe('two records below a layer around both are one', () => {
  test.each([
    ['client', 'tracer'],
    ['tracer', 'client'],
  ])('although that layer is of a scope of theirs: %s, %s', (first, second) => {
    const run = aTrace().agent('reviewer')
    const outer = run.chat({ ...OUTER, scope: 'tracer' })
    outer.chat({ ...INNER, scope: first })
    outer.chat({ ...INNER, at: [2, 98], scope: second })
    expect(billOf(run).tokens).toEqual(once)
  })
})

describe('what is no layer of a call does not keep it from its other record:', () => {
  const inner = { 'gpt-4o': [150, 30] }
  const other: CallOptions = { input: 50, output: 10, at: [40, 60], scope: 'client' }

  test('a call of a tool that it asked for', () => {
    const run = aTrace().agent('reviewer')
    run.chat(OUTER).tool().chat(other)
    run.chat(INNER)
    expect(billOf(run).tokens).toEqual(inner)
  })

  test('a call whose tool made it', () => {
    const run = aTrace().agent('reviewer')
    run
      .chat({ input: 50, output: 10, at: [0, 200], scope: 'client' })
      .tool()
      .chat({ ...OUTER, at: [10, 100] })
    run.chat({ ...INNER, at: [11, 99] })
    expect(billOf(run).tokens).toEqual(inner)
  })

  test('a call of another model right below it', () => {
    const run = aTrace().agent('reviewer')
    run.chat(OUTER).chat({ ...other, model: 'claude-opus-4-6' })
    run.chat(INNER)
    expect(billOf(run).tokens).toEqual({ ...once, 'claude-opus-4-6': [50, 10] })
  })

  test('a step around it that names its model', () => {
    const run = aTrace().agent('reviewer')
    run.step({ scope: 'client', attributes: { 'gen_ai.request.model': 'gpt-4o' } }).chat(OUTER)
    run.chat(INNER)
    expect(billOf(run).tokens).toEqual(once)
  })
})

describe('an inner layer of a call that is billed elsewhere', () => {
  /** Fits its outer layer, but not the framework's record. */
  const wire: CallOptions = { input: 100, output: 25, at: [2, 98], scope: 'wire' }

  test.each([
    ['of the whole subtree', 'agent-framework'],
    ['of own calls', 'ai'],
  ])('is not in a sum %s either', (_, scope) => {
    const run = aTrace({ scope }).agent('reviewer', { at: [0, 1000], model: 'gpt-4o', input: 300, output: 60 })
    run.chat(OUTER)
    run.http().chat(INNER).chat(wire)
    run.chat({ at: [200, 300] })
    expect(billOf(run).tokens).toEqual({ 'gpt-4o': [300, 60] })
  })

  test('is no model’s tokens when it is an embedding', () => {
    const run = aTrace().agent('reader', { at: [0, 1000], model: 'gpt-4o', input: 300, output: 60 })
    run.embeddings({ input: 7, at: [0, 100] })
    run
      .http()
      .embeddings({ input: 7, at: [1, 99], scope: 'client' })
      .embeddings({ input: 8, at: [2, 98], scope: 'wire' })
    run.chat({ ...CALL, at: [200, 300] })
    expect(billOf(run).tokens).toEqual({ ...once, 'text-embedding-3-small': [7, 0] })
  })

  test('is billed when it was the first to be known, and its outer layers came late', () => {
    const root = aTrace().http({ at: [0, 1000] })
    const outer = root.chat(OUTER)
    const middle = outer.http()
    middle.chat(INNER)
    const desk = new Desk().take(root.without(outer, middle))
    desk.settle('rooted')
    const another = root.chat({ ...CALL, at: [200, 300] })
    for (const late of [outer, middle, another]) {
      desk.take(late.ended ? [late.ended] : [])
      desk.settle('rooted')
    }
    desk.settle()
    expect(tokensOf(desk.settled)).toEqual({ 'gpt-4o': [200, 40] })
  })
})

describe('the same work, of which two instrumentations each make a whole trace', () => {
  interface Recording {
    readonly scope: string
    readonly at?: FromTo
    /** The scope of its calls. */
    readonly calls?: string
    readonly parent?: 'missing'
  }
  const record = (kind: 'workflow' | 'step', { scope, at = [0, 1000], calls = scope, parent }: Recording) => {
    const options = { at, ...(parent ? { parent } : {}) }
    const trace = aTrace({ scope })
    const root = kind === 'workflow' ? trace.workflow('pipeline', options) : trace.step(options)
    for (const from of [100, 300]) root.chat({ ...CALL, at: [from, from + 100], scope: calls })
    return root
  }
  const billed = (two: Recording, one: Recording = { scope: 'one' }) =>
    billOf(record('workflow', one), record('step', two))

  test('counts once', () => {
    expect(billed({ scope: 'two', at: [0.3, 1003] })).toEqual({
      tokens: { 'gpt-4o': [200, 40] },
      runs: { pipeline: 1000 },
    })
  })

  test.each([
    ['when one of them began later', { scope: 'two', at: [6, 1000] as const }],
    ['when one of them ended later', { scope: 'two', at: [0, 1006] as const }],
    ['when one instrumentation made both traces', { scope: 'one', calls: 'two' }],
    ['when the beginning of one is not known', { scope: 'two', parent: 'missing' as const }],
  ])('is two pieces of work %s', (_, two) => {
    expect(billed(two).tokens).toEqual({ 'gpt-4o': [400, 80] })
  })

  test('is two pieces of work when the beginning of the other is not known', () => {
    expect(billed({ scope: 'two' }, { scope: 'one', parent: 'missing' }).tokens).toEqual({ 'gpt-4o': [400, 80] })
  })
})

test('a record that lies inside another comes before one that only overlaps it', () => {
  const run = aTrace().agent('reviewer')
  run.chat(OUTER)
  const [inside, overlapping] = [aTrace(), aTrace()]
  inside.chat({ ...INNER, at: [30, 70] })
  overlapping.chat({ ...INNER, at: [10, 110] })
  const sessions = settle([run, inside, overlapping]).map(({ sessionId }) => sessionId)
  expect(sessions.sort()).toEqual([run.traceId, overlapping.traceId].sort())
})
