/** Recorded spans that arrive as they ended, while sessions are settled in between, come to the same bill. */
import { expect, test } from 'vitest'
import type { SpanLike } from '../src/index.ts'
import { bookedBy } from './corpus/booking.ts'
import { fixtures } from './corpus/fixtures.ts'
import { readScenario } from './corpus/scenario.ts'
import { verdictOf } from './corpus/verdict.ts'
import { Desk } from './helpers/sessions.ts'

/** The recordings took milliseconds; so much slower, they last seconds to minutes, like real runs. */
const SLOWER = 300
const TICK_MS = 1000
/** After that, sessions whose root never came are settled. */
const IDLE_MS = 600_000

function endMs({ endTime }: SpanLike): number {
  return endTime[0] * 1000 + endTime[1] / 1e6
}

/** Settles what is due each second of the test's clock, and takes each span in at the moment it ended. */
function billLive(spans: readonly SpanLike[]): Desk {
  const desk = new Desk()
  const inOrder = spans.toSorted((a, b) => endMs(a) - endMs(b))
  const startMs = inOrder[0] ? endMs(inOrder[0]) : 0
  let nowMs = 0
  const waitUntil = (momentMs: number) => {
    for (; nowMs + TICK_MS <= momentMs; nowMs += TICK_MS) desk.settle('due', nowMs)
    nowMs = Math.max(nowMs, momentMs)
  }
  for (const span of inOrder) {
    waitUntil((endMs(span) - startMs) * SLOWER)
    desk.take([span], nowMs)
  }
  waitUntil(nowMs + IDLE_MS + TICK_MS)
  return desk
}

test.each(fixtures)('$name', ({ path }) => {
  const { batches, expected } = readScenario(path, 'single')
  const desk = billLive(batches.flat())
  expect(desk.late).toBe(0)
  expect(verdictOf(expected, bookedBy(desk.settled))).toEqual({ over: [], under: [] })
})
