/** Whatever the tree, the layers, the order and the batches: no token and no minute is billed above the truth. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { SpanLike } from '../src/otel/span.ts'
import type { Settlement } from '../src/session/settlement.ts'
import { build, plans } from './helpers/random-trace.ts'
import { billInPieces, expectNotAbove, RULES, schedules, shuffled, totalOf } from './helpers/schedules.ts'
import { Desk, msOf } from './helpers/sessions.ts'

const RUNS = { numRuns: 300 }

function billAtOnce(spans: readonly SpanLike[]): readonly Settlement[] {
  return new Desk(RULES).take(spans).settle()
}

describe('a complete trace', () => {
  test('is billed exactly when every call shows its usage', () => {
    fc.assert(
      fc.property(plans({ elsewhere: true }), (plan) => {
        const trace = build(plan)
        const settled = billAtOnce(trace.spans)
        expect(totalOf(settled)).toEqual(trace.tokens)
        expect(msOf(settled)).toBe(trace.runMs)
      }),
      RUNS,
    )
  })

  test('is billed exactly when every call shows its usage and all calls are alike', () => {
    fc.assert(
      fc.property(plans({ elsewhere: true, alike: true }), (plan) => {
        const trace = build(plan)
        expect(totalOf(billAtOnce(trace.spans))).toEqual(trace.tokens)
      }),
      RUNS,
    )
  })

  test('is never billed above the truth when some calls hide theirs', () => {
    fc.assert(
      fc.property(plans({ silent: true, elsewhere: true }), (plan) => {
        const trace = build(plan)
        expectNotAbove(billAtOnce(trace.spans), trace)
      }),
      RUNS,
    )
  })

  test('comes to the same whatever the order and the batches, as long as nothing is settled early', () => {
    fc.assert(
      fc.property(plans({ silent: true, elsewhere: true }), schedules, (plan, { seed }) => {
        const { spans } = build(plan)
        const other = new Desk(RULES)
        for (const span of shuffled(spans, seed)) other.take([span])
        expect(sorted(other.settle())).toEqual(sorted(billAtOnce(spans)))
      }),
      RUNS,
    )
  })
})

describe('a trace that arrives in pieces', () => {
  test('is never billed above the truth, and exactly once all of it has come', () => {
    fc.assert(
      fc.property(plans({}), schedules, (plan, schedule) => {
        const trace = build(plan)
        const settled = billInPieces(trace.spans, schedule).settled
        expect(totalOf(settled)).toEqual(trace.tokens)
        expect(msOf(settled.filter(({ sessionId }) => sessionId === trace.traceId))).toBe(trace.runMs)
      }),
      RUNS,
    )
  })

  test('is never billed above the truth when some calls hide their usage', () => {
    fc.assert(
      fc.property(plans({ silent: true }), schedules, (plan, schedule) => {
        const trace = build(plan)
        expectNotAbove(billInPieces(trace.spans, schedule).settled, trace)
      }),
      RUNS,
    )
  })

  test('is billed exactly once when calls are recorded in other traces too, and spans come in the order they end', () => {
    fc.assert(
      fc.property(plans({ elsewhere: true }), schedules, (plan, { stops }) => {
        const trace = build(plan)
        const settled = billInPieces(trace.spans, { seed: 0, stops }).settled
        expect(totalOf(settled)).toEqual(trace.tokens)
        expect(msOf(settled)).toBe(trace.runMs)
      }),
      RUNS,
    )
  })

  test('is never billed above the truth when all calls are alike, and spans come in the order they end', () => {
    fc.assert(
      fc.property(plans({ silent: true, elsewhere: true, alike: true }), schedules, (plan, { stops }) => {
        const trace = build(plan)
        const [input, output] = totalOf(billInPieces(trace.spans, { seed: 0, stops }).settled)
        expect(input).toBeLessThanOrEqual(trace.tokens[0])
        expect(output).toBeLessThanOrEqual(trace.tokens[1])
      }),
      RUNS,
    )
  })

  test('gives every settlement of a run its own number', () => {
    fc.assert(
      fc.property(plans({ silent: true }), schedules, (plan, schedule) => {
        const keys = billInPieces(build(plan).spans, schedule).settled.flatMap(({ sessionId, runId, time, models }) => [
          ...(time ? [`${sessionId} ${runId} time ${time.index}`] : []),
          ...models.map(({ model, index }) => `${sessionId} ${runId} ${model} ${index}`),
        ])
        expect(new Set(keys).size).toBe(keys.length)
      }),
      RUNS,
    )
  })
})

describe('a trace with spans that never come', () => {
  test('is never billed above the truth without its root', () => {
    fc.assert(
      fc.property(plans({ silent: true }), schedules, (plan, schedule) => {
        const trace = build(plan)
        const settled = billInPieces(
          trace.spans.filter((span) => span !== trace.root),
          schedule,
        ).settled
        expectNotAbove(settled, trace)
      }),
      RUNS,
    )
  })

  test('is never billed above the truth without spans in its middle', () => {
    fc.assert(
      fc.property(plans({ silent: true }), schedules, fc.nat(), fc.nat(), (plan, schedule, i, j) => {
        // Agents side by side below a lost agent are runs side by side: their time is not to be compared to its own.
        const trace = build({ ...plan, isParallel: false })
        const lost = new Set([i, j].map((n) => trace.spans[n % trace.spans.length]))
        const settled = billInPieces(
          trace.spans.filter((span) => span === trace.root || !lost.has(span)),
          schedule,
        ).settled
        expectNotAbove(settled, trace)
      }),
      RUNS,
    )
  })
})

function sorted(settlements: readonly Settlement[]): readonly Settlement[] {
  const id = ({ sessionId, runId }: Settlement) => `${sessionId} ${runId}`
  return settlements.toSorted((a, b) => (id(a) < id(b) ? -1 : 1))
}
