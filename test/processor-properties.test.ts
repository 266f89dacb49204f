/** Whatever the tree, and in whatever order spans start and end: a session is billed exactly once, when its last span ends. */
import fc from 'fast-check'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import type { SpanLike } from '../src/otel/span.ts'
import type { SettleScope } from '../src/session/completion.ts'
import type { StoreRules } from '../src/session/store.ts'
import { LiveDesk } from './helpers/live-desk.ts'
import { type BuiltTrace, build, plans } from './helpers/random-trace.ts'
import { expectNotAbove, RULES, totalOf } from './helpers/schedules.ts'
import { msOf } from './helpers/sessions.ts'

const RUNS = { numRuns: 120 }

interface Moment {
  readonly type: 'start' | 'end'
  readonly span: SpanLike
}

/** What decides the order, and when in between something is settled. */
interface Order {
  /** 0 for the order of their times. Else everything starts and ends at random, but no child before its parent. */
  readonly seed: number
  readonly settles: readonly { readonly after: number; readonly scope: SettleScope; readonly waitMs: number }[]
  /** Whether it rests until it is forgotten, whenever nothing is open. @default false */
  readonly rests?: boolean
}

const orders: fc.Arbitrary<Order> = fc.record({
  seed: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 1_000_000 })),
  settles: fc.array(
    fc.record({
      after: fc.nat({ max: 40 }),
      scope: fc.constantFrom<SettleScope>('rooted', 'due', 'ended'),
      waitMs: fc.constantFrom(0, 50, 3000),
    }),
    { maxLength: 8 },
  ),
})
/** Longer than a session is remembered that nothing is open of. */
const REST_MS = 700_000

const msAt = ([seconds, ns]: SpanLike['startTime']) => seconds * 1000 + ns / 1e6
const parentOf = (span: SpanLike) => span.parentSpanContext?.spanId

/** All starts and ends, in the order of their times; of what happens at once, parents start first and children end first. */
function byTime(spans: readonly SpanLike[]): readonly Moment[] {
  const begun = inOrderOfStart(spans)
  const moments = [
    ...begun.map((span, rank) => ({ type: 'start', span, atMs: msAt(span.startTime), rank }) as const),
    ...begun.map((span, i) => ({ type: 'end', span, atMs: msAt(span.endTime), rank: 2 * begun.length - i }) as const),
  ]
  return moments.sort((a, b) => a.atMs - b.atMs || a.rank - b.rank)
}

/** Parents before their children. */
function inOrderOfStart(spans: readonly SpanLike[]): readonly SpanLike[] {
  const byId = new Map(spans.map((span) => [span.spanContext().spanId, span]))
  const depthOf = (span: SpanLike): number => {
    const parent = byId.get(parentOf(span) ?? '')
    return parent ? 1 + depthOf(parent) : 0
  }
  return spans.toSorted((a, b) => msAt(a.startTime) - msAt(b.startTime) || depthOf(a) - depthOf(b))
}

/** A random order in which each span starts when the one above it has, which may have ended, and ends at any time later. */
function atRandom(spans: readonly SpanLike[], seed: number): readonly Moment[] {
  const next = randomFrom(seed)
  const waiting = [...inOrderOfStart(spans)]
  const ids = new Set(spans.map((span) => span.spanContext().spanId))
  const open: SpanLike[] = []
  const begun = new Set<string>()
  const moments: Moment[] = []
  while (waiting.length + open.length > 0) {
    const startable = waiting.filter((span) => !ids.has(parentOf(span) ?? '') || begun.has(parentOf(span) ?? ''))
    const choice = next() * (startable.length + open.length)
    const span = [...startable, ...open][Math.floor(choice)]
    if (!span) throw new Error('there is always something that can happen')
    if (choice < startable.length) {
      waiting.splice(waiting.indexOf(span), 1)
      open.push(span)
      begun.add(span.spanContext().spanId)
      moments.push({ type: 'start', span })
    } else {
      open.splice(open.indexOf(span), 1)
      moments.push({ type: 'end', span })
    }
  }
  return moments
}

/** Numbers from 0 up to 1, the same for the same seed. */
function randomFrom(start: number): () => number {
  let state = start >>> 0
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

/** Plays traces at once, one moment of each after the other; `look` is called behind each of them. */
function play(
  traces: readonly BuiltTrace[],
  { seed, settles, rests = false }: Order,
  look: (desk: LiveDesk) => void = () => undefined,
  rules: Partial<StoreRules> = {},
): LiveDesk {
  const desk = new LiveDesk({ ...RULES, ...rules })
  const lanes = traces.map(({ spans }, i) => (seed === 0 ? byTime(spans) : atRandom(spans, seed + i)))
  const longest = Math.max(...lanes.map((lane) => lane.length))
  const moments = Array.from({ length: longest }, (_, i) => lanes.flatMap((lane) => lane[i] ?? [])).flat()
  const stops = [...settles]
  let [nowMs, count] = [0, 0]
  for (const { type, span } of moments) {
    if (type === 'start') desk.start(span)
    else desk.end([span], nowMs)
    const [stop] = stops
    if (stop && ++count > stop.after) {
      nowMs += stop.waitMs
      desk.settle(stop.scope, nowMs)
      stops.shift()
      count = 0
    }
    if (rests && !traces.some(({ traceId }) => desk.openSpans.has(traceId))) {
      nowMs += REST_MS
      desk.settle('due', nowMs)
    }
    look(desk)
  }
  return desk
}

describe('traces whose spans start and end in any order', () => {
  test('are billed exactly, and all of it by the time their last spans have ended', () => {
    fc.assert(
      fc.property(fc.array(plans({}), { minLength: 1, maxLength: 3 }), orders, (planned, order) => {
        const traces = planned.map(build)
        const desk = play(traces, order)
        expect(desk.store.openSessions).toBe(0)
        for (const { traceId, tokens, runMs } of traces) {
          const settled = desk.settled.filter(({ sessionId }) => sessionId === traceId)
          expect(totalOf(settled)).toEqual(tokens)
          expect(msOf(settled)).toBe(runMs)
        }
        const before = desk.settled.length
        desk.settle('all', 1e9)
        expect(desk.settled).toHaveLength(before)
        expect(desk.counters.spansLate).toBe(0)
      }),
      RUNS,
    )
  })

  test('are never billed above the truth at any moment', () => {
    fc.assert(
      fc.property(plans({ silent: true }), orders, (plan, order) => {
        const trace = build(plan)
        const desk = play([trace], order, ({ settled }) => expectNotAbove(settled, trace))
        desk.settle('all', 1e9)
        expectNotAbove(desk.settled, trace)
      }),
      RUNS,
    )
  })

  test.each(['are new', 'tell of the time before'])(
    'are never billed above the truth when they rest until they are forgotten, and their spans then %s',
    (what) => {
      vi.useFakeTimers({ toFake: ['Date'], now: what === 'are new' ? 0 : Date.parse('2100-01-01') })
      onTestFinished(() => {
        vi.useRealTimers()
      })
      fc.assert(
        fc.property(plans({ silent: true }), orders, (plan, { seed, settles }) => {
          const trace = build(plan)
          // Spans that are new begin when those before have ended, as their times say.
          const order = { settles, seed: what === 'are new' ? 0 : seed, rests: true }
          const desk = play([trace], order, ({ settled }) => expectNotAbove(settled, trace))
          desk.settle('all', 1e9)
          expectNotAbove(desk.settled, trace)
        }),
        RUNS,
      )
    },
  )

  test('come to the same when each agent is billed on its own', () => {
    fc.assert(
      fc.property(plans({}), orders, (plan, order) => {
        const trace = build(plan)
        const desk = play([trace], order, undefined, { agents: 'each' })
        expect(totalOf(desk.settled)).toEqual(trace.tokens)
        expect(msOf(desk.settled)).toBe(trace.runMs)
      }),
      RUNS,
    )
  })

  test('are billed in one piece for each run, as long as their root is open and nothing is flushed', () => {
    fc.assert(
      fc.property(plans({}), (plan) => {
        const trace = build(plan)
        const { settled } = play([trace], { seed: 0, settles: [] })
        const keys = settled.map(({ runId }) => runId)
        expect(new Set(keys).size).toBe(keys.length)
      }),
      RUNS,
    )
  })

  test('leave no span open behind them', () => {
    fc.assert(
      fc.property(plans({ elsewhere: true }), orders, (plan, order) => {
        const trace = build(plan)
        const desk = play([trace], order)
        expect(trace.spans.filter((span) => desk.openSpans.has(span.spanContext().traceId))).toEqual([])
      }),
      { numRuns: 50 },
    )
  })
})

describe('calls that are recorded in other traces too', () => {
  test('are billed once, when both records are there before the grace time is over', () => {
    fc.assert(
      fc.property(plans({ elsewhere: true }), fc.nat(), (plan, seed) => {
        const trace = build(plan)
        const desk = play([trace], { seed, settles: [] })
        desk.settle('due', 2000)
        expect(desk.store.openSessions).toBe(0)
        expect(totalOf(desk.settled)).toEqual(trace.tokens)
        expect(msOf(desk.settled)).toBe(trace.runMs)
      }),
      RUNS,
    )
  })

  test('are never billed above the truth, whatever is settled in between', () => {
    fc.assert(
      fc.property(plans({ elsewhere: true }), orders, (plan, { settles }) => {
        const trace = build(plan)
        const desk = play([trace], { seed: 0, settles })
        desk.settle('all', 1e9)
        const [input, output] = totalOf(desk.settled)
        expect([input, output]).toEqual(trace.tokens)
        expect(msOf(desk.settled)).toBe(trace.runMs)
      }),
      RUNS,
    )
  })
})
