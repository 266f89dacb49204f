/** What comes after a session was settled is billed as an addition with the next number, and nothing is billed twice. */
import { describe, expect, test } from 'vitest'
import { Desk, msOf, runsOf, tokensOf } from './helpers/sessions.ts'
import { aTrace } from './helpers/spans.ts'

const CALL = { input: 100, output: 20 }

describe('a late call', () => {
  test('is an addition of its tokens, with the next number', () => {
    const run = aTrace().agent('reviewer', { at: [0, 1000] })
    run.chat(CALL)
    const late = run.chat({ input: 7, output: 3 })
    const desk = new Desk()
    expect(desk.take(run.without(late)).settle('due', 2000)).toMatchObject([
      { time: { index: 0 }, models: [{ usage: CALL, index: 0, llmCalls: 1 }] },
    ])
    const [addition] = desk.take(run.spans, 3000).settle('due', 5000)
    expect(addition).toMatchObject({ models: [{ usage: { input: 7, output: 3 }, index: 1, llmCalls: 1 }], llmCalls: 2 })
    expect(addition?.time).toBeUndefined()
  })

  test('below a sum that was billed adds only what the sum left out', () => {
    const run = aTrace().agent('reviewer', { input: 90, output: 20, model: 'gpt-4o', at: [0, 1000] })
    const late = run.chat(CALL)
    const desk = new Desk()
    desk.take(run.without(late)).settle('due', 2000)
    desk.take(run.spans, 3000).settle('due', 5000)
    expect(tokensOf(desk.settled)).toEqual({ 'gpt-4o': [100, 20] })
  })

  test('on another model than the sum said is not billed again', () => {
    const run = aTrace().agent('reviewer', { input: 100, output: 20, at: [0, 1000] })
    const late = run.chat(CALL)
    const desk = new Desk()
    desk.take(run.without(late)).settle('due', 2000)
    expect(desk.take(run.spans, 3000).settle('due', 5000)).toEqual([])
    expect(tokensOf(desk.settled)).toEqual({ unknown: [100, 20] })
  })

  test('below a span that is late too is in the sum above both', () => {
    const run = aTrace().agent('reviewer', { input: 100, output: 20, at: [0, 1000] })
    const step = run.step()
    step.chat(CALL)
    const desk = new Desk()
    desk.take(run.without(step)).settle('rooted')
    desk.take(run.spans).settle()
    expect(tokensOf(desk.settled)).toEqual({ 'gpt-4o': [100, 20] })
  })

  test('around a call whose link is missing is that call', () => {
    const run = aTrace().agent('reviewer', { at: [0, 1000] })
    const http = run.chat({ ...CALL, at: [0, 100] }).http()
    http.chat({ ...CALL, at: [1, 99] })
    const embed = run.embeddings({ input: 7, at: [200, 300] }).http()
    embed.embeddings({ input: 7, at: [201, 299] })
    const desk = new Desk()
    desk.take(run.without(http, embed)).settle('rooted')
    desk.take(run.spans).settle()
    expect(tokensOf(desk.settled)).toEqual({ 'gpt-4o': [100, 20], 'text-embedding-3-small': [7, 0] })
  })
})

describe('a late run', () => {
  test('above an agent that was billed adds only the rest of its time', () => {
    const outer = aTrace().agent('outer', { at: [0, 10_000] })
    const inner = outer.tool().agent('inner', { at: [1000, 4000] })
    inner.chat(CALL)
    const desk = new Desk()
    desk.take(outer.without(outer)).settle('all')
    expect(runsOf(desk.settled)).toEqual({ inner: 3000 })
    desk.take(outer.spans).settle('all')
    expect(runsOf(desk.settled)).toEqual({ inner: 3000, outer: 7000 })
    expect(tokensOf(desk.settled)).toEqual({ 'gpt-4o': [100, 20] })
  })

  test('above calls that were settled as idle does not bill their tokens again', () => {
    const run = aTrace().agent('reviewer', { at: [0, 10_000], input: 100, output: 20 })
    run.chat(CALL)
    const desk = new Desk()
    desk.take(run.without(run))
    expect(desk.settle('due', 599_999)).toEqual([])
    expect(desk.settle('due', 600_000)).toMatchObject([{ runId: 'session', models: [{ usage: CALL }] }])
    expect(desk.take(run.spans, 600_100).settle('due', 602_100)).toMatchObject([{ agentName: 'reviewer', models: [] }])
    expect(msOf(desk.settled)).toBe(10_000)
  })

  test('beside calls that were the session’s run adds only time that was not billed', () => {
    const root = aTrace().http({ at: [0, 9000] })
    root.chat({ ...CALL, at: [0, 1000] })
    const late = root.agent('late', { at: [500, 5000] })
    const desk = new Desk()
    desk.take(root.without(late)).settle('rooted')
    desk.take(root.spans).settle()
    expect(runsOf(desk.settled)).toEqual({ session: 1000, late: 4000 })
  })

  test('inside a container that was billed adds no time', () => {
    const flow = aTrace().workflow('flow', { at: [0, 9000] })
    flow.chat(CALL)
    const late = flow.agent('late', { at: [500, 5000] })
    const desk = new Desk()
    desk.take(flow.without(late)).settle('rooted')
    desk.take(flow.spans).settle()
    expect(msOf(desk.settled)).toBe(9000)
  })
})

describe('an agent whose place is not known yet', () => {
  const trace = () => {
    const outer = aTrace().agent('outer', { at: [0, 10_000] })
    const tool = outer.tool()
    tool.agent('inner', { at: [1000, 4000] }).chat({ ...CALL, at: [1000, 2000] })
    return { outer, tool }
  }

  test('is in the run that was at work when it began', () => {
    const { outer, tool } = trace()
    const desk = new Desk()
    desk.take(outer.without(tool)).settle('all')
    expect(runsOf(desk.settled)).toEqual({ outer: 10_000 })
    expect(tokensOf(desk.settled)).toEqual({ 'gpt-4o': [100, 20] })
  })

  test('is a run when none was at work', () => {
    const root = aTrace().http()
    root.agent('a', { at: [0, 1000] })
    root.agent('b', { at: [2000, 3000], parent: 'missing' })
    const desk = new Desk()
    desk.take(root.spans).settle('all')
    expect(runsOf(desk.settled)).toEqual({ a: 1000, b: 1000 })
  })

  test('is the run, not the container that was at work when it began', () => {
    const flow = aTrace().workflow('flow', { at: [0, 9000] })
    flow.chat(CALL)
    flow.agent('a', { at: [1000, 4000], parent: 'missing' })
    const desk = new Desk()
    desk.take(flow.spans).settle('all')
    expect(runsOf(desk.settled)).toEqual({ a: 3000 })
  })

  test('is a run of its own while no root has come: a remote parent looks the same in OTel JS 1.x', () => {
    const trace = aTrace({ sdk: '1.x' })
    trace.agent('a', { at: [0, 5000], parent: 'remote' })
    trace.agent('b', { at: [1000, 4000], parent: 'remote' })
    const desk = new Desk()
    desk.take(trace.spans).settle('all')
    expect(runsOf(desk.settled)).toEqual({ a: 5000, b: 3000 })
  })

  test('is one of two runs when both miss the same span', () => {
    const root = aTrace().http({ at: [0, 9000] })
    const router = root.http()
    router.agent('a', { at: [0, 5000] })
    router.agent('b', { at: [1000, 4000] })
    const desk = new Desk()
    desk.take(root.without(router)).settle('all')
    expect(runsOf(desk.settled)).toEqual({ a: 5000, b: 3000 })
  })

  test('has its tokens billed by a flush, and its time when its place is known or nobody waits any more', () => {
    const root = aTrace().http({ at: [0, 20_000] })
    const outer = root.agent('outer', { at: [0, 10_000] })
    outer
      .tool()
      .agent('inner', { at: [1000, 4000] })
      .chat(CALL)
    const desk = new Desk()
    desk.take(root.without(outer)).settle('rooted')
    expect(tokensOf(desk.settled)).toEqual({ 'gpt-4o': [100, 20] })
    expect(msOf(desk.settled)).toBe(0)
    desk.settle('due', 600_000)
    expect(runsOf(desk.settled)).toEqual({ inner: 3000 })
  })
})
