/**
 * Exact arithmetic on OpenTelemetry times: nanoseconds as bigint, because a double holds no nanoseconds of this century.
 *
 * @module
 */
import type { SpanLike } from './span.ts'

const NS_PER_SECOND = 1_000_000_000n
/** 2000-01-01. A clock before that was never set. */
const EARLIEST_SECONDS = 946_684_800
/** 2286-11-20: ten digits of seconds. */
const LATEST_SECONDS = 9_999_999_999
/** No agent works on one span for longer; such a span is a clock error, and its hours would be an invoice nobody pays. */
const LONGEST_SPAN_NS = 31n * 24n * 3600n * NS_PER_SECOND

/** When a span ran. */
export interface Interval {
  /** Unix time in nanoseconds. */
  readonly startNs: bigint
  /** Unix time in nanoseconds, never before `startNs`. */
  readonly endNs: bigint
}

/** Reads an `HrTime`: Unix time in nanoseconds, or undefined when it is no time since the year 2000. */
export function hrTimeToNs(time: unknown): bigint | undefined {
  if (!Array.isArray(time)) return undefined
  const seconds: unknown = time[0]
  const nanos: unknown = time[1]
  if (!Number.isSafeInteger(seconds) || typeof nanos !== 'number' || !(nanos >= 0 && nanos < 2e9)) return undefined
  if (typeof seconds !== 'number' || seconds < EARLIEST_SECONDS || seconds > LATEST_SECONDS) return undefined
  return BigInt(seconds) * NS_PER_SECOND + BigInt(Math.floor(nanos))
}

/**
 * When a span ran. A span whose times contradict each other (one missing, end before start, longer than 31 days) is
 * given no duration and `sound: false`; one with no usable time at all is undefined.
 */
export function intervalOf(span: SpanLike): (Interval & { readonly sound: boolean }) | undefined {
  const start = hrTimeToNs(span.startTime)
  const end = hrTimeToNs(span.endTime)
  if (start !== undefined && end !== undefined && end >= start && end - start <= LONGEST_SPAN_NS) {
    return { startNs: start, endNs: end, sound: true }
  }
  const known = start ?? end
  return known === undefined ? undefined : { startNs: known, endNs: known, sound: false }
}

/** The intervals' union, sorted and without overlaps. */
export function unionOf(intervals: readonly Interval[]): readonly Interval[] {
  const sorted = [...intervals].sort((a, b) => (a.startNs < b.startNs ? -1 : a.startNs > b.startNs ? 1 : 0))
  const union: Interval[] = []
  for (const { startNs, endNs } of sorted) {
    const last = union.at(-1)
    if (last && startNs <= last.endNs) {
      if (endNs > last.endNs) union[union.length - 1] = { startNs: last.startNs, endNs }
    } else {
      union.push({ startNs, endNs })
    }
  }
  return union
}

/** How far the times of one moment may lie apart: some emitters round theirs to milliseconds. */
export const ROUNDING_NS = 2_000_000n

/** How long the union of the intervals is, in nanoseconds: a moment that several share counts once. */
export function lengthOf(intervals: readonly Interval[]): bigint {
  return unionOf(intervals).reduce((sum, { startNs, endNs }) => sum + endNs - startNs, 0n)
}

/** The parts of the intervals that lie inside `bounds`. */
export function clip(intervals: readonly Interval[], bounds: Interval): readonly Interval[] {
  const inside: Interval[] = []
  for (const { startNs, endNs } of intervals) {
    const from = startNs > bounds.startNs ? startNs : bounds.startNs
    const to = endNs < bounds.endNs ? endNs : bounds.endNs
    if (from < to) inside.push({ startNs: from, endNs: to })
  }
  return inside
}

/** The parts of the intervals that lie outside all of `others`. */
export function without(intervals: readonly Interval[], others: readonly Interval[]): readonly Interval[] {
  let left = unionOf(intervals)
  for (const { startNs, endNs } of others) {
    left = left.flatMap((each) => [
      ...clip([each], { startNs: each.startNs, endNs: startNs }),
      ...clip([each], { startNs: endNs, endNs: each.endNs }),
    ])
  }
  return left
}
