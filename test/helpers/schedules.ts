/** Random orders of arrival with settlements in between, and what must hold whatever they are. */
import fc from 'fast-check'
import { expect } from 'vitest'
import type { SpanLike } from '../../src/otel/span.ts'
import type { SettleScope } from '../../src/session/completion.ts'
import type { Settlement } from '../../src/session/settlement.ts'
import type { StoreRules } from '../../src/session/store.ts'
import type { BuiltTrace } from './random-trace.ts'
import { Desk, msOf } from './sessions.ts'

/** Model calls beside a run are no run; whether they are one before the run arrives is not the matter here. */
export const RULES = { bareCalls: 'tokens' } as const

export interface Stop {
  /** Spans that arrive before it. */
  readonly after: number
  readonly scope: SettleScope
}

/** What decides the order of arrival, and when in between something is settled. */
export interface Schedule {
  readonly seed: number
  readonly stops: readonly Stop[]
}

const stop: fc.Arbitrary<Stop> = fc
  .tuple(fc.nat({ max: 30 }), fc.constantFrom<SettleScope>('due', 'rooted'))
  .map(([after, scope]) => ({ after, scope }))
export const schedules: fc.Arbitrary<Schedule> = fc
  .tuple(fc.nat(), fc.array(stop, { maxLength: 6 }))
  .map(([seed, stops]) => ({ seed, stops }))

/** Seed 0 is the order in which the spans ended. */
export function shuffled(spans: readonly SpanLike[], seed: number): readonly SpanLike[] {
  const ranked = spans.map((span, i) => ({ span, rank: seed === 0 ? i : Math.imul(i + 1, seed | 1) % 65_521 }))
  return ranked.sort((a, b) => a.rank - b.rank).map(({ span }) => span)
}

/** Takes the spans in in a random order, and settles what is complete at random moments. */
export function billInPieces(
  spans: readonly SpanLike[],
  { seed, stops }: Schedule,
  rules: Partial<StoreRules> = RULES,
): Desk {
  const desk = new Desk(rules)
  const rest = [...shuffled(spans, seed)]
  let nowMs = 0
  for (const { after, scope } of stops) {
    desk.take(rest.splice(0, after), nowMs)
    nowMs += 3000
    desk.settle(scope, nowMs)
  }
  desk.take(rest, nowMs)
  desk.settle('all', nowMs)
  return desk
}

export function totalOf(settlements: readonly Settlement[]): readonly [number, number] {
  const usages = settlements.flatMap(({ models }) => models.map(({ usage }) => usage))
  return [usages.reduce((sum, { input }) => sum + input, 0), usages.reduce((sum, { output }) => sum + output, 0)]
}

export function expectNotAbove(settlements: readonly Settlement[], { tokens, runMs, traceId }: BuiltTrace): void {
  const [input, output] = totalOf(settlements)
  expect(input).toBeLessThanOrEqual(tokens[0])
  expect(output).toBeLessThanOrEqual(tokens[1])
  expect(msOf(settlements.filter(({ sessionId }) => sessionId === traceId))).toBeLessThanOrEqual(runMs)
}
