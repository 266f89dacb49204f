/**
 * The hour policies: which intervals of a run count as work, and how many entries they make.
 *
 * @module
 */
import type { FactKind, SpanFact } from '../genai/fact.ts'
import type { HourPolicy } from '../options.ts'
import { clip, type Interval, unionOf } from '../otel/time.ts'

/** Keito takes 0 to 24 hours in one time entry. */
export const MAX_ENTRY_NS = 24n * 3600n * 1_000_000_000n

const ACTIVE: ReadonlySet<FactKind> = new Set(['llm', 'embedding', 'tool'])

/**
 * The intervals of a run that count as hours, without overlaps.
 *
 * @param run The span of the run.
 * @param members All facts within the run.
 * @param policy `wall`: the run's own duration, nothing else, because children may end after it. `active`: the time
 *   in which a model call or a tool was at work, so that waiting for a human is not billed.
 */
export function workedIntervals(run: SpanFact, members: readonly SpanFact[], policy: HourPolicy): readonly Interval[] {
  const wall: Interval = { startNs: run.startNs, endNs: run.endNs }
  if (policy === 'wall') return [wall]
  return unionOf(
    clip(
      members.filter((fact) => ACTIVE.has(fact.kind)),
      wall,
    ),
  )
}

/** How many time entries a duration makes: one for each begun 24 hours, at least one. */
export function entryCountOf(durationNs: bigint): number {
  return Math.max(1, Number((durationNs + MAX_ENTRY_NS - 1n) / MAX_ENTRY_NS))
}
