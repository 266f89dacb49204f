/** Rule: what is written of sessions is what is needed to go on from, each span once, and nothing of other traces. */
import { describe, expect, it } from 'vitest'
import { jsonOf, type Op, opsIn } from '../src/delivery/journal-ops.ts'
import { NO_USAGE } from '../src/genai/fact.ts'
import type { Ledger } from '../src/session/ledger.ts'
import { mergeLedgers, type SessionState } from '../src/session/state.ts'
import { aRunOf, seconds } from './helpers/billing.ts'
import { expense, timeEntry } from './helpers/delivery.ts'
import { Desk, tokensBySession } from './helpers/sessions.ts'
import { aTrace } from './helpers/spans.ts'

const written = () => new Desk({ isWritten: true })

/** States as they come back from the journal. */
function reread(states: Iterable<SessionState>): readonly SessionState[] {
  return [...states].map(({ traceId, spans, ledger, twins }) => {
    const ops = opsIn(`[${jsonOf(['spans', traceId, spans])},${jsonOf(['settled', traceId, { ledger, twins }])}]`)
    const [first, second] = ops ?? []
    if (first?.[0] !== 'spans' || second?.[0] !== 'settled') throw new Error('expected a session')
    return { traceId, spans: first[2], ...second[2] }
  })
}

/** Another process that goes on from what this one knows. */
function restarted(desk: Desk, forgotten: Iterable<string> = desk.store.forgotten): Desk {
  const next = written()
  next.store.restore(reread(desk.store.states()), forgotten, 0)
  return next
}

describe('the spans that are written', () => {
  it('are none while a trace holds nothing of interest, then all of it, then only what is new', () => {
    const desk = written()
    const trace = aTrace()
    const root = trace.http()
    root.http({ at: [0, 1] })
    const ids = () => [...desk.store.unwritten.takeSpans()].map(([, spans]) => spans.length)
    const [inner] = trace.spans.filter((span) => span !== root.ended)
    if (!inner || !root.ended) throw new Error('two spans')
    desk.take([inner])
    expect(ids()).toEqual([])
    const call = root.chat({ input: 5, output: 1 })
    if (!call.ended) throw new Error('a call')
    desk.take([call.ended])
    expect(ids()).toEqual([2])
    desk.take([root.ended])
    expect(ids()).toEqual([1])
    expect(ids()).toEqual([])
  })

  it('come back with their facts, exact times and hints', () => {
    const desk = written()
    const trace = aTrace()
    trace
      .agent('a', { at: [0, 1000.000001], attributes: { 'keito.project_id': 'cmother' } })
      .chat({ input: 5, output: 1 })
    trace.chat({ failed: true, attributes: { 'keito.usage.reported': true } })
    const states = [...desk.take(trace.spans).store.states()]
    expect(states.flatMap(({ spans }) => spans.filter(({ fact }) => fact?.isReported))).toHaveLength(1)
    expect(reread(states)).toEqual(states)
    expect(restarted(desk).settle()).toMatchObject([
      { attribution: { projectId: 'cmother' }, time: { durationNs: 1_000_000_001n } },
    ])
  })
})

describe('a session that is over', () => {
  it('is told once, and its spans are late in the next process too', () => {
    const desk = written()
    const trace = aTrace()
    trace.agent('a').chat({ input: 5, output: 1 })
    desk.take(trace.spans)
    desk.settle('due', 3000)
    desk.settle('due', 603_001)
    expect(desk.store.unwritten.takeForgotten()).toEqual([trace.traceId])
    expect(desk.store.unwritten.takeForgotten()).toEqual([])
    expect([...desk.store.states()]).toEqual([])
    const next = restarted(desk)
    next.take(trace.spans)
    expect(next.late).toBe(trace.spans.length)
    expect(next.settle()).toEqual([])
  })

  it('is not written down where nothing is', () => {
    const desk = new Desk()
    const trace = aTrace()
    trace.agent('a').chat({ input: 5, output: 1 })
    desk.take(trace.spans)
    expect([...desk.store.unwritten.takeSpans()]).toEqual([])
    desk.settle('all', 0)
    desk.settle('due', 700_000)
    expect(desk.store.unwritten.takeForgotten()).toEqual([])
  })
})

describe('a call that two instrumentations recorded in two traces', () => {
  /** The framework's record in its agent, and the client's in a trace of its own. */
  function twice() {
    const outer = aTrace({ scope: 'framework' })
    outer.agent('a', { at: [0, 1000] }).chat({ at: [0, 100], id: 'reply-1', input: 50, output: 5 })
    const inner = aTrace({ scope: 'client' })
    inner.chat({ at: [1, 99], id: 'reply-1', input: 50, output: 5 })
    return { outer, inner }
  }

  it('is billed once when the second record comes after a restart', () => {
    const { outer, inner } = twice()
    const desk = written().take(outer.spans)
    desk.settle()
    expect(restarted(desk).take(inner.spans).settle()).toEqual([])
  })

  it('is billed once when both had been settled, and either gets an addition after a restart', () => {
    const { outer, inner } = twice()
    const desk = written().take([...outer.spans, ...inner.spans])
    desk.settle()
    const next = restarted(desk)
    inner.chat({ at: [200, 300], input: 7, output: 1 })
    next.take(inner.spans)
    expect(tokensBySession(next.settle())).toEqual({ [inner.traceId]: [7, 1] })
  })

  it('is still billed elsewhere when the session that owns it is not known any more', () => {
    const { outer, inner } = twice()
    const desk = written().take([...outer.spans, ...inner.spans])
    desk.settle()
    const next = written()
    const states = reread(desk.store.states()).filter(({ traceId }) => traceId === inner.traceId)
    // As if nothing of it had been billed: the decision alone has to stand.
    next.store.restore(states, [outer.traceId], 0)
    expect(tokensBySession(next.settle())).toEqual({})
  })
})

describe('a session of two processes that one goes on from', () => {
  const entry = (runId: string, input: number, expenses: number): Ledger => ({
    time: new Map([
      [runId, { intervals: [{ startNs: seconds(input), endNs: seconds(input + 10) }], entries: expenses }],
    ]),
    models: new Map([[`${runId} m`, { runId, model: 'm', usage: { ...NO_USAGE, input }, llmCalls: 1, expenses }]]),
  })

  it('has been billed for what both have been billed for, and goes on behind the higher number', () => {
    const merged = mergeLedgers(entry('run', 5, 3), entry('run', 7, 1))
    expect(merged.models.get('run m')).toEqual({
      runId: 'run',
      model: 'm',
      usage: { ...NO_USAGE, input: 12 },
      llmCalls: 2,
      expenses: 3,
    })
    expect(merged.time.get('run')).toEqual({ intervals: [{ startNs: seconds(5), endNs: seconds(17) }], entries: 3 })
  })

  it('is the same whichever comes first', () => {
    const [a, b] = [entry('run', 5, 1), entry('run', 7, 3)]
    expect(mergeLedgers(a, b)).toEqual(mergeLedgers(b, a))
  })

  it('keeps what only one has been billed for', () => {
    const merged = mergeLedgers(entry('a', 5, 1), entry('b', 7, 1))
    expect([...merged.models.keys()]).toEqual(['a m', 'b m'])
    expect([...merged.time.keys()]).toEqual(['a', 'b'])
  })
})

describe('an operation of the journal', () => {
  const OPS: readonly Op[] = [
    ['unassigned', { key: 'item', settlement: aRunOf(seconds(7)), missing: ['taskId'] }],
    [
      'assign',
      'item',
      [
        { state: 'waiting', record: expense('a') },
        { state: 'gathered', record: expense('b') },
        { state: 'held', record: timeEntry('c'), reason: 'HTTP 502', wasSent: true },
      ],
      [{ key: 'rest', settlement: aRunOf(seconds(7)), missing: ['taskId'] }],
    ],
    ['carry', 'key', -12345678901234567890n],
    ['hold', 'key', 'HTTP 502'],
    ['forgotten', ['a', 'b']],
    ['closed'],
  ]
  it.each(OPS.map((op) => ({ op })))('$op.0 comes back as it was', ({ op }) => {
    expect(opsIn(`[${jsonOf(op)}]`)).toEqual([op])
  })

  it.each([
    ['no JSON', '{'],
    ['no list', '{"a":1}'],
    ['no operations', '[1]'],
    ['a name that is none', '[["constructor","a"]]'],
    ['a newer one', '[["teleport","a"]]'],
    ['a record that is none', '[["add",{"key":1}]]'],
    ['an item without a key', '[["unassigned",{"settlement":{}}]]'],
    ['an item without a run', '[["unassigned",{"key":"a"}]]'],
    ['a booked item without records', '[["assign","a"]]'],
    ['a booked item without a key', '[["assign",1,[],[]]]'],
    ['a booked item with a record that is none', '[["assign","a",[{"state":"waiting","record":{"key":1}}],[]]]'],
    [
      'a booked item with a state that is none',
      `[["assign","a",[${JSON.stringify({ state: 'sent', record: expense('a') })}],[]]]`,
    ],
    ['a booked item with a rest that is none', '[["assign","a",[],[{"key":1}]]]'],
    ['a remainder that is none', '[["carry","a","x"]]'],
  ])('that is %s is not taken for one', (_, payload) => {
    expect(opsIn(payload)).toBeUndefined()
  })
})
