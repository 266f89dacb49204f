/**
 * Which two records can be the same call, and how well they fit (counting rule L3).
 *
 * @module
 */
import type { ReportedUsage, SpanFact } from '../genai/fact.ts'
import { ROUNDING_NS } from '../otel/time.ts'
import { createLayersFinder, shareScope } from './layers.ts'
import { modelOf, sameFamily, uncachedInputOf } from './merge.ts'
import { byStart, isAbove, type Node } from './tree.ts'

/** How far two records of one piece of work may begin or end apart: each instrumentation is told in turn. */
const ROOT_TOLERANCE_NS = 5_000_000n

/** A model call or embedding, with what its trace says about its place. */
export interface PlacedCall {
  readonly node: Node
  /** The outermost run it lies in, or undefined. */
  readonly run: Node | undefined
}

/** Two records that can be one call. */
export interface TwinPair {
  readonly a: PlacedCall
  readonly b: PlacedCall
}

/** Calls that are compared each with each; of more, each is compared with the nearest that are still free. */
const MAX_COMPARED = 300
const MAX_NEAREST = 32

/**
 * All pairs of records that can be one call, the best match first. Of very many calls that look alike, as under a load
 * test, the best match of the earliest call comes first, so that the time this takes stays bounded.
 *
 * @param calls Calls that may be twins of each other, in any order.
 * @param mayJoin Whether two records may still become one call; asked while the pairs are gone through.
 */
export function* pairsOf(
  calls: readonly PlacedCall[],
  mayJoin: (a: SpanFact, b: SpanFact) => boolean,
): Generator<TwinPair> {
  const sorted = calls.toSorted((x, y) => byTime(x.node.fact, y.node.fact))
  const layersOf = createLayersFinder()
  const mayPair = (a: Node, b: Node) => !shareScope(layersOf(a), layersOf(b))
  if (sorted.length <= MAX_COMPARED) {
    yield* bestFirst(sorted.flatMap((a, i) => rankedPairs(a, sorted, i + 1, Number.POSITIVE_INFINITY, mayPair)))
    return
  }
  const mayStillPair = (a: Node, b: Node) => mayJoin(a.fact, b.fact) && mayPair(a, b)
  for (const [i, a] of sorted.entries()) yield* bestFirst(rankedPairs(a, sorted, i + 1, MAX_NEAREST, mayStillPair))
}

/**
 * Calls that a host reported all begin with their run. The one reported first comes first, because any call that it can
 * be may also be one that was reported later, but not the other way round.
 */
function byTime(a: SpanFact, b: SpanFact): number {
  return Number(a.startNs - b.startNs || a.endNs - b.endNs) || byStart(a, b)
}

interface RankedPair extends TwinPair {
  readonly rank: bigint
}

function bestFirst(pairs: RankedPair[]): RankedPair[] {
  return pairs.sort((x, y) => (x.rank < y.rank ? -1 : x.rank > y.rank ? 1 : 0))
}

/** The pairs of one call with those that start after it, up to a number. */
function rankedPairs(
  a: PlacedCall,
  sorted: readonly PlacedCall[],
  from: number,
  most: number,
  mayPair: (a: Node, b: Node) => boolean,
): RankedPair[] {
  const pairs: RankedPair[] = []
  const latestNs = a.node.fact.endNs + ROUNDING_NS
  for (let j = from; j < sorted.length && pairs.length < most; j++) {
    const b = sorted[j]
    if (!b || b.node.fact.startNs > latestNs) break
    if (!mayPair(a.node, b.node)) continue
    const rank = rankOf(a, b)
    if (rank !== undefined) pairs.push({ a, b, rank })
  }
  return pairs
}

/**
 * How well two records fit as one call, smaller is better; undefined when they cannot be one. Equal response ids come
 * before everything else, then the smallest difference of their intervals; those that only overlap come last.
 */
function rankOf(a: PlacedCall, b: PlacedCall): bigint | undefined {
  const [one, two] = [a.node.fact, b.node.fact]
  if (one.kind !== two.kind) return undefined
  if (one.traceId !== two.traceId && !mayBeInTwoTraces(a.node, b.node)) return undefined
  if (a.run && b.run && a.run !== b.run) return undefined
  const slack = slackOf(one, two)
  if (slack === undefined || !mayBeOneModel(one, two)) return undefined
  if (isAbove(a.node, b.node) || isAbove(b.node, a.node)) return undefined
  if (one.responseId !== undefined && two.responseId !== undefined) {
    return one.responseId === two.responseId ? slack - FIRST : undefined
  }
  return one.usage && two.usage && sameNumbers(one.usage, two.usage) ? slack : undefined
}

/** More than any difference of intervals: what comes before, and what comes after all others. */
const FIRST = 1n << 80n
const LAST = 1n << 70n

/**
 * How much two intervals differ, or undefined when they cannot be one call's: neither lies inside the other, and they
 * do not have most of their time in common either, as when a framework learns of its calls late.
 */
function slackOf(a: SpanFact, b: SpanFact): bigint | undefined {
  const early = a.startNs - b.startNs
  const late = a.endNs - b.endNs
  const difference = absolute(early) + absolute(late)
  const aHoldsB = early <= ROUNDING_NS && late >= -ROUNDING_NS
  const bHoldsA = early >= -ROUNDING_NS && late <= ROUNDING_NS
  if (aHoldsB || bHoldsA) return difference
  const shared = (a.endNs < b.endNs ? a.endNs : b.endNs) - (a.startNs > b.startNs ? a.startNs : b.startNs)
  const shorter = a.endNs - a.startNs < b.endNs - b.startNs ? a.endNs - a.startNs : b.endNs - b.startNs
  return shared * 2n > shorter ? difference + LAST : undefined
}

function absolute(value: bigint): bigint {
  return value < 0n ? -value : value
}

/**
 * A call is in two traces when one layer does not see the other: then one of its records is a trace of its own. Or two
 * instrumentations of one framework each make a whole trace of the same work, from its beginning to its end.
 */
function mayBeInTwoTraces(a: Node, b: Node): boolean {
  if (a.fact.parentSpanId === undefined || b.fact.parentSpanId === undefined) return true
  const [one, two] = [topOf(a).fact, topOf(b).fact]
  return (
    one.parentSpanId === undefined &&
    two.parentSpanId === undefined &&
    one.scope !== two.scope &&
    absolute(one.startNs - two.startNs) <= ROOT_TOLERANCE_NS &&
    absolute(one.endNs - two.endNs) <= ROOT_TOLERANCE_NS
  )
}

function topOf(node: Node): Node {
  let top = node
  while (top.parent) top = top.parent
  return top
}

/** Whether no name of theirs says that two records are of different models. */
export function mayBeOneModel(a: SpanFact, b: SpanFact): boolean {
  return modelOf(a) === undefined || modelOf(b) === undefined || sameFamily(a, b)
}

/**
 * Whether two records show the same tokens. Some emitters are one output token off. A layer that is blind to the cache
 * shows the input without it.
 *
 * @param calls How many calls are added up in them. @default 1
 */
export function sameNumbers(a: ReportedUsage, b: ReportedUsage, calls = 1): boolean {
  if (Math.abs(a.output - b.output) > calls) return false
  if ([b.input, b.rawInput].some((input) => input === a.input || input === a.rawInput)) return true
  return isBlindView(a, b) || isBlindView(b, a)
}

function isBlindView(blind: ReportedUsage, seeing: ReportedUsage): boolean {
  return blind.cacheRead + blind.cacheWrite === 0 && blind.input === uncachedInputOf(seeing)
}
