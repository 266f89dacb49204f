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
 * The intervals of a run that count as hours, without overlaps. Of a call that the host reported only the end is known,
 * so it counts as `active` time only where nothing else is known of the run: then all time up to the last report does.
 *
 * @param run The span of the run.
 * @param members All facts within the run.
 * @param policy `wall`: the run's own duration, nothing else, because children may end after it. `active`: the time
 *   in which a model call or a tool was at work, so that waiting for a human is not billed.
 */
export function workedIntervals(run: SpanFact, members: readonly SpanFact[], policy: HourPolicy): readonly Interval[] {
  const wall: Interval = { startNs: run.startNs, endNs: run.endNs }
  return policy === 'wall' ? [wall] : unionOf(clip(activeIntervals(members), wall))
}

/**
 * The intervals that are known of a run whose own span never came.
 *
 * @param members What had ended of it.
 * @param policy `wall`: from the first start to the last end. `active`: as for any run.
 */
export function knownIntervals(members: readonly SpanFact[], policy: HourPolicy): readonly Interval[] {
  const union = unionOf(policy === 'wall' ? members : activeIntervals(members))
  const [first, last] = [union[0], union.at(-1)]
  return policy === 'wall' && first && last ? [{ startNs: first.startNs, endNs: last.endNs }] : union
}

/** Reported calls begin with their run; beside them, what was traced tells waiting from work. */
function activeIntervals(members: readonly SpanFact[]): readonly SpanFact[] {
  const active = members.filter((fact) => ACTIVE.has(fact.kind))
  const traced = active.filter((fact) => !fact.isReported)
  return traced.length > 0 ? traced : active
}

/** How many time entries a duration makes: one for each begun 24 hours, at least one. */
export function entryCountOf(durationNs: bigint): number {
  return Math.max(1, Number((durationNs + MAX_ENTRY_NS - 1n) / MAX_ENTRY_NS))
}
