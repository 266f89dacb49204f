/** Whatever the trace, the order and the batches: the agents of a run are billed what the run would be, each moment once. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { SpanLike } from '../src/otel/span.ts'
import type { SettleScope } from '../src/session/completion.ts'
import type { Settlement } from '../src/session/settlement.ts'
import { sharesOf } from '../src/session/shares.ts'
import type { StoreRules } from '../src/session/store.ts'
import { type BuiltAgent, wildTraces } from './helpers/random-spans.ts'
import { build, plans } from './helpers/random-trace.ts'
import { billInPieces, expectNotAbove, RULES, type Schedule, schedules, totalOf } from './helpers/schedules.ts'
import { tokensOf } from './helpers/sessions.ts'

const RUNS = { numRuns: 300 }

const rules: fc.Arbitrary<Partial<StoreRules>> = fc.record({
  hours: fc.constantFrom('wall', 'active'),
  bareCalls: fc.constantFrom('run', 'tokens'),
  keepsFailedTime: fc.boolean(),
})

/** Settles also as if nothing more were to come, which it then does. */
const stops = fc.array(
  fc.record({ after: fc.nat({ max: 8 }), scope: fc.constantFrom<SettleScope>('due', 'rooted', 'all') }),
  { maxLength: 5 },
)
const anySchedules: fc.Arbitrary<Schedule> = fc.record({ seed: fc.nat(), stops })

const atOnce = (spans: readonly SpanLike[], rules: Partial<StoreRules>) => billInPieces(spans, AT_ONCE, rules).settled
const AT_ONCE: Schedule = { seed: 0, stops: [] }

/** Nanoseconds by outcome. */
function timeOf(settlements: readonly Settlement[]): Record<string, bigint> {
  const sums: Record<string, bigint> = {}
  for (const { outcome, time } of settlements) {
    if (time) sums[outcome] = (sums[outcome] ?? 0n) + time.durationNs
  }
  return Object.fromEntries(Object.entries(sums).filter(([, sum]) => sum > 0n))
}

function callsOf(settlements: readonly Settlement[]): readonly [number, number] {
  return settlements.reduce<[number, number]>(
    ([llm, tool], { llmCalls, toolCalls }) => [llm + llmCalls, tool + toolCalls],
    [0, 0],
  )
}

describe('a trace that is settled once', () => {
  test('has the same time, tokens of each model and calls, whether each agent is billed or the outermost', () => {
    fc.assert(
      fc.property(wildTraces(), rules, ({ spans }, rules) => {
        const outermost = atOnce(spans, { ...rules, agents: 'outermost' })
        const each = atOnce(spans, { ...rules, agents: 'each' })
        expect(timeOf(each)).toEqual(timeOf(outermost))
        expect(tokensOf(each)).toEqual(tokensOf(outermost))
        expect(callsOf(each)).toEqual(callsOf(outermost))
      }),
      RUNS,
    )
  })

  test('has one entry for each agent, of the moments at which nobody below it or before it was at work', () => {
    fc.assert(
      fc.property(wildTraces({ whole: true }), ({ spans, agents }) => {
        const settled = atOnce(spans, { agents: 'each' })
        const found = new Map(settled.map(({ runId, time }) => [runId, time && Number(time.durationNs) / 1e6]))
        for (const [agent, ms] of ownMsOf(agents)) expect(found.get(agent.spanId)).toBe(ms)
      }),
      RUNS,
    )
  })

  test('has each token with the nearest agent above it', () => {
    fc.assert(
      fc.property(plans({}), (plan) => {
        const trace = build(plan)
        const settled = atOnce(trace.spans, { agents: 'each' })
        const found = settled.map((each) => [each.runId, totalOf([each])] as const)
        expect(new Map(found)).toEqual(trace.ownTokens)
      }),
      RUNS,
    )
  })

  test('comes to the same in any order', () => {
    fc.assert(
      fc.property(wildTraces(), rules, fc.nat(), ({ spans }, rules, seed) => {
        const each = { ...rules, agents: 'each' as const }
        expect(billInPieces(spans, { seed, stops: [] }, each).settled).toEqual(atOnce(spans, each))
      }),
      RUNS,
    )
  })
})

describe('a trace that is settled while it arrives', () => {
  test('comes to the same time and tokens, whether each agent is billed or the outermost', () => {
    fc.assert(
      fc.property(wildTraces(), rules, anySchedules, ({ spans }, rules, schedule) => {
        const outermost = billInPieces(spans, schedule, { ...rules, agents: 'outermost' }).settled
        const each = billInPieces(spans, schedule, { ...rules, agents: 'each' }).settled
        // A failed run is told again whenever there is news of it, and booked nowhere.
        const { failed: _, ...booked } = timeOf(outermost)
        expect(timeOf(each)).toMatchObject(rules.keepsFailedTime ? timeOf(outermost) : booked)
        expect(totalOf(each)).toEqual(totalOf(outermost))
      }),
      RUNS,
    )
  })

  test('is never billed above the truth, and exactly once all of it has come', () => {
    fc.assert(
      fc.property(plans({}), schedules, (plan, schedule) => {
        const trace = build(plan)
        const { settled } = billInPieces(trace.spans, schedule, { ...RULES, agents: 'each' })
        expect(totalOf(settled)).toEqual(trace.tokens)
        expect(timeOf(settled)).toEqual(trace.runMs > 0 ? { ok: BigInt(trace.runMs) * 1_000_000n } : {})
      }),
      RUNS,
    )
  })

  test('is never billed above the truth when some calls hide their usage and spans are lost', () => {
    fc.assert(
      fc.property(plans({ silent: true }), schedules, fc.nat(), (plan, schedule, i) => {
        const trace = build({ ...plan, isParallel: false })
        const lost = trace.spans[i % trace.spans.length]
        const arrived = trace.spans.filter((span) => span !== lost)
        expectNotAbove(billInPieces(arrived, schedule, { ...RULES, agents: 'each' }).settled, trace)
      }),
      RUNS,
    )
  })

  test('gives every entry and expense its own number', () => {
    fc.assert(
      fc.property(wildTraces(), rules, anySchedules, ({ spans }, rules, schedule) => {
        const { settled } = billInPieces(spans, schedule, { ...rules, agents: 'each' })
        const keys = settled.flatMap(({ sessionId, runId, time, models }) => [
          ...(time ? [`${sessionId} ${runId} time ${time.index}`] : []),
          ...models.map(({ model, index }) => `${sessionId} ${runId} ${model} ${index}`),
        ])
        expect(new Set(keys).size).toBe(keys.length)
      }),
      RUNS,
    )
  })
})

describe('shares', () => {
  const moment = fc.bigInt({ min: 0n, max: 12n })
  const interval = fc.tuple(moment, moment).map(([a, b]) => ({ startNs: a < b ? a : b, endNs: a < b ? b : a }))
  const holds = (at: bigint) => (each: { startNs: bigint; endNs: bigint }) => each.startNs <= at && at < each.endNs

  test('are told in one piece where nothing lies between', () => {
    const [time, first] = [
      { startNs: 0n, endNs: 9n },
      { startNs: 2n, endNs: 3n },
    ]
    const second = { startNs: 5n, endNs: 7n }
    expect(sharesOf([time], [second, first, time])).toEqual([
      [second],
      [first],
      [
        { startNs: 0n, endNs: 2n },
        { startNs: 3n, endNs: 5n },
        { startNs: 7n, endNs: 9n },
      ],
    ])
    expect(sharesOf([first, time], [time, first])).toEqual([[time], []])
  })

  test('give each moment to the first claimant that holds it, and to no other', () => {
    fc.assert(
      fc.property(fc.array(interval, { maxLength: 4 }), fc.array(interval, { maxLength: 8 }), (time, claimants) => {
        const shares = sharesOf(time, claimants)
        for (let at = 0n; at < 12n; at++) {
          const owner = time.some(holds(at)) ? claimants.findIndex(holds(at)) : -1
          expect(shares.map((share) => share.filter(holds(at)).length)).toEqual(
            claimants.map((_, i) => (i === owner ? 1 : 0)),
          )
        }
      }),
      RUNS,
    )
  })
})

/** Each agent with its own milliseconds, counted one by one. */
function ownMsOf(agents: readonly BuiltAgent[]): ReadonlyMap<BuiltAgent, number> {
  const below = (agent: BuiltAgent | undefined) =>
    agents.filter(({ above }) => above === agent).sort((a, b) => a.at[0] - b.at[0] || (a.spanId < b.spanId ? -1 : 1))
  const isAtWork = (agent: BuiltAgent, ms: number): boolean =>
    (agent.at[0] <= ms && ms < agent.at[1]) || below(agent).some((each) => isAtWork(each, ms))
  const ownerOf = (agent: BuiltAgent, ms: number): BuiltAgent => {
    const inner = below(agent).find((each) => isAtWork(each, ms))
    return inner ? ownerOf(inner, ms) : agent
  }
  const own = new Map(agents.map((agent) => [agent, 0]))
  for (const run of below(undefined)) {
    for (let ms = run.at[0]; ms < run.at[1]; ms++) {
      const owner = ownerOf(run, ms)
      own.set(owner, (own.get(owner) ?? 0) + 1)
    }
  }
  return own
}
