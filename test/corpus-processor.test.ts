/** Recorded spans that start and end in front of a processor come to the bill of a perfect reader, and never above it. */
import { ROOT_CONTEXT } from '@opentelemetry/api'
import { describe, expect, test } from 'vitest'
import { KeitoSpanProcessor, type SpanLike } from '../src/index.ts'
import type { SettleScope } from '../src/session/completion.ts'
import { type Booked, bookedBy, keitoInMemory } from './corpus/booking.ts'
import { fixtures } from './corpus/fixtures.ts'
import { readScenario } from './corpus/scenario.ts'
import { verdictOf } from './corpus/verdict.ts'
import { LiveDesk } from './helpers/live-desk.ts'

interface Moment {
  readonly atMs: number
  readonly span: SpanLike
  readonly type: 'start' | 'end'
}

/** The recordings took milliseconds; so much slower, they last seconds to minutes, like real runs. */
const SLOWER = 300
const TICK_MS = 1000
const IDLE_MS = 600_000
/** More than the depth of any recording. */
const DEEPEST = 100

const msOf = ([seconds, ns]: SpanLike['startTime']) => seconds * 1000 + ns / 1e6

/** The spans as they happened. Of what happens at once, starts come first, parents before children; ends the other way. */
function asItHappened(spans: readonly SpanLike[]): readonly Moment[] {
  const byId = new Map(spans.map((span) => [span.spanContext().spanId, span]))
  const depthOf = (span: SpanLike, most = DEEPEST): number => {
    const parent = byId.get(span.parentSpanContext?.spanId ?? '')
    return parent && most > 0 ? 1 + depthOf(parent, most - 1) : 0
  }
  const moments = spans.flatMap((span) => {
    const [startMs, endMs] = [msOf(span.startTime), msOf(span.endTime)]
    const depth = depthOf(span)
    return [
      { atMs: startMs, span, type: 'start', rank: depth } as const,
      { atMs: Math.max(startMs, endMs), span, type: 'end', rank: 3 * DEEPEST - depth } as const,
    ]
  })
  return moments.sort((a, b) => a.atMs - b.atMs || a.rank - b.rank)
}

/** Every span started and ended at once, in the order in which it was recorded: so do emitters that tell it afterwards. */
function afterwards(spans: readonly SpanLike[]): readonly Moment[] {
  return spans.flatMap((span) => [{ atMs: 0, span, type: 'start' } as const, { atMs: 0, span, type: 'end' } as const])
}

/** Plays moments to a processor without a pause, flushes, shuts down, and answers what was booked. */
async function playAtOnce(moments: readonly Moment[]): Promise<Booked> {
  const { client, booked } = keitoInMemory()
  const processor = new KeitoSpanProcessor({ client, projectId: 'prj', taskId: 'tsk', expenseCategoryId: 'cat' })
  for (const { span, type } of moments) {
    if (type === 'start') processor.onStart(span, ROOT_CONTEXT)
    else processor.onEnd(span)
  }
  await processor.forceFlush()
  await processor.shutdown()
  return booked
}

/** Plays moments at their time: what is complete is settled at each end, what is due each second, and the rest at the end. */
function playSlowly(moments: readonly Moment[], atEachEnd?: SettleScope): Booked {
  const desk = new LiveDesk()
  const beginMs = moments[0]?.atMs ?? 0
  let nowMs = 0
  const waitUntil = (momentMs: number) => {
    for (; nowMs + TICK_MS <= momentMs; nowMs += TICK_MS) desk.settle('due', nowMs)
    nowMs = Math.max(nowMs, momentMs)
  }
  for (const { atMs, span, type } of moments) {
    waitUntil((atMs - beginMs) * SLOWER)
    if (type === 'start') desk.start(span)
    else desk.end([span], nowMs)
    if (type === 'end' && atEachEnd) desk.settle(atEachEnd, nowMs)
  }
  waitUntil(nowMs + IDLE_MS + TICK_MS)
  expect(desk.counters.spansLate).toBe(0)
  return bookedBy(desk.settled)
}

const EXACT = { over: [], under: [] }

describe('as it happened', () => {
  test.each(fixtures)('$name', ({ path }) => {
    const { batches, expected } = readScenario(path, 'single')
    expect(verdictOf(expected, playSlowly(asItHappened(batches.flat())))).toEqual(EXACT)
  })
})

/**
 * Scenarios in which a flush comes between two records of one call in two traces, of which the first shows less than
 * the second: what a flush has billed for the call stays, and is not added to.
 */
const CUT_BY_FLUSH = ['openinference-anthropic+anthropic-sdk-native@0.1.20/anthropic-stream-helper']

describe('as it happened, with a flush after each span', () => {
  test.each(fixtures)('$name', ({ path, name }) => {
    const { batches, expected } = readScenario(path, 'single')
    const { over, under } = verdictOf(expected, playSlowly(asItHappened(batches.flat()), 'rooted'))
    expect({ over, isExact: under.length === 0 }).toEqual({ over: [], isExact: !CUT_BY_FLUSH.includes(name) })
  })
})

describe('as it happened, all within a moment', () => {
  test.each(fixtures)('$name', async ({ path }) => {
    const { batches, expected } = readScenario(path, 'single')
    expect(verdictOf(expected, await playAtOnce(asItHappened(batches.flat())))).toEqual(EXACT)
  })
})

describe('told afterwards, each span started and ended at once', () => {
  test.each(fixtures)('$name', async ({ path }) => {
    const { batches, expected } = readScenario(path, 'recorded')
    expect(verdictOf(expected, await playAtOnce(afterwards(batches.flat())))).toEqual(EXACT)
  })
})

describe('told afterwards, slowly', () => {
  test.each(fixtures)('$name', ({ path }) => {
    const { batches, expected } = readScenario(path, 'recorded')
    expect(verdictOf(expected, playSlowly(afterwards(batches.flat())))).toEqual(EXACT)
  })
})
