/** Each minute of an agent is billed once: its run is the outermost agent, else the outermost container of calls. */
import { describe, expect, test } from 'vitest'
import { billOf, Desk, runsOf, settle } from './helpers/sessions.ts'
import { aTrace } from './helpers/spans.ts'

const CALL = { input: 100, output: 20 }
const runs = (trace: Parameters<typeof billOf>[0]) => billOf(trace).runs

describe('R1: an agent without an agent above it is a run', () => {
  test('whatever lies between', () => {
    const root = aTrace().http({ at: [0, 9000] })
    const outer = root.workflow('flow').agent('outer', { at: [0, 5000] })
    outer
      .chat(CALL)
      .tool()
      .http()
      .agent('inner', { at: [100, 4000] })
      .chat(CALL)
    expect(runs(root)).toEqual({ outer: 5000 })
  })

  test('side by side they are several, at the same time too', () => {
    const root = aTrace().http({ at: [0, 9000] })
    root.agent('a', { at: [0, 5000] })
    root.agent('b', { at: [1000, 4000] })
    expect(runs(root)).toEqual({ a: 5000, b: 3000 })
  })

  test('below a remote parent too', () => {
    expect(runs(aTrace().agent('a', { parent: 'remote', at: [0, 5000] }))).toEqual({ a: 5000 })
  })
})

describe('R2: a container is a run', () => {
  test('when it holds calls and no agent; then the outermost', () => {
    const outer = aTrace().workflow('outer', { at: [0, 5000] })
    outer.workflow('inner', { at: [0, 4000] }).chat(CALL)
    expect(runs(outer)).toEqual({ outer: 5000 })
  })

  test('not when it holds agents: they are the runs', () => {
    const flow = aTrace().workflow('flow', { at: [0, 5000] })
    flow.chat(CALL)
    flow.agent('a', { at: [0, 2000] })
    flow.agent('b', { at: [2000, 3000] })
    expect(runs(flow)).toEqual({ a: 2000, b: 1000 })
  })

  test('not when it holds nothing, or embeddings alone', () => {
    const flow = aTrace().workflow('flow')
    flow.embeddings({ input: 7 })
    expect(runs(flow)).toEqual({})
  })
})

describe('R3: calls without an agent', () => {
  const bare = () => {
    const root = aTrace().http({ at: [0, 9000] })
    root.chat({ ...CALL, at: [0, 1000] })
    root.chat({ ...CALL, at: [500, 2000] }).chat({ ...CALL, at: [600, 1900] })
    root.chat({ ...CALL, at: [5000, 6000] })
    return root
  }

  test('are one run of the session: the union of the topmost calls', () => {
    expect(runs(bare())).toEqual({ session: 3000 })
    expect(settle([bare()])).toMatchObject([{ runId: 'session', llmCalls: 3, outcome: 'ok', serviceName: 'reviews' }])
  })

  test('are tokens only, when the option says so', () => {
    const settled = settle([bare()], { bareCalls: 'tokens' })
    expect(runsOf(settled)).toEqual({})
    expect(settled[0]?.models[0]?.usage.input).toBe(300)
  })

  test('are tokens only beside an agent', () => {
    const root = bare()
    root.agent('a', { at: [0, 100] })
    expect(billOf(root)).toEqual({ tokens: { 'gpt-4o': [300, 60] }, runs: { a: 100 } })
  })

  test('are tokens only when a span above never came', () => {
    expect(billOf(aTrace().chat({ ...CALL, parent: 'missing' }))).toEqual({ tokens: { 'gpt-4o': [100, 20] }, runs: {} })
  })

  test('that embed only are no run', () => {
    expect(billOf(aTrace().embeddings({ input: 7 }))).toEqual({
      tokens: { 'text-embedding-3-small': [7, 0] },
      runs: {},
    })
  })
})

describe('R4: a run lasts as long as its own span', () => {
  test('also when a child ends after it', () => {
    const run = aTrace().agent('a', { at: [0, 1000] })
    run.chat({ ...CALL, at: [900, 1082] })
    expect(runs(run)).toEqual({ a: 1000 })
  })

  test('and failed when its own span did, never for what failed below', () => {
    const outcome = (own: boolean, below: boolean) => {
      const run = aTrace().agent('a', { failed: own })
      run.chat({ failed: below })
      return settle([run])[0]?.outcome
    }
    expect(outcome(false, true)).toBe('ok')
    expect(outcome(true, false)).toBe('failed')
  })
})

describe('calls whose run is not known', () => {
  const orphanBeside = (...failed: readonly boolean[]) => {
    const trace = aTrace()
    for (const [i, isFailed] of failed.entries()) trace.agent(`a${i}`, { failed: isFailed })
    trace.http({ parent: 'missing' }).chat(CALL)
    return settle([trace]).find(({ runId }) => runId === 'session')?.outcome
  }

  test('are a failed run’s when every run of the trace failed', () => {
    expect(orphanBeside(true)).toBe('failed')
    expect(orphanBeside(true, true)).toBe('failed')
  })

  test('are nobody’s failure otherwise', () => {
    expect(orphanBeside(true, false)).toBe('ok')
    expect(orphanBeside()).toBe('ok')
  })
})

test('a nameless agent does not go by the name of one inside it', () => {
  const run = aTrace({ scope: 'ai' }).span('ai.generateText', { 'ai.operationId': 'ai.generateText' })
  run.tool().agent('helper').chat(CALL)
  expect(settle([run]).map(({ agentName }) => agentName)).toEqual([undefined])
})

test('calls and tools are counted once each, whatever the layers', () => {
  const run = aTrace().agent('a')
  run.chat(CALL).chat(CALL)
  run.tool().tool().chat(CALL)
  run.chat({ failed: true })
  expect(settle([run])).toMatchObject([{ llmCalls: 2, toolCalls: 1 }])
})

test('a circle of parents is cut, and billed once', () => {
  const trace = aTrace()
  const a = trace.agent('a', { at: [0, 1000] })
  const b = a.agent('b', { at: [0, 1000] })
  b.chat(CALL)
  const circle = trace.spans.map((span) =>
    span === a.ended ? { ...span, parentSpanContext: { traceId: trace.traceId, spanId: b.spanId } } : span,
  )
  expect(runsOf(new Desk().take(circle).settle())).toEqual({ a: 1000 })
})

test('a trace deeper than a stack is billed', () => {
  let at = aTrace().agent('a', { at: [0, 1000] })
  for (let depth = 0; depth < 20_000; depth++) at = at.step()
  at.chat(CALL)
  expect(billOf(at)).toEqual({ tokens: { 'gpt-4o': [100, 20] }, runs: { a: 1000 } })
})
