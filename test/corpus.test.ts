/** Recorded spans of real frameworks are billed exactly as a perfect reader would, and never above it, in any batches. */
import { describe, expect, test } from 'vitest'
import { book } from './corpus/booking.ts'
import { fixtures } from './corpus/fixtures.ts'
import { BATCHES, readScenario } from './corpus/scenario.ts'
import { verdictOf } from './corpus/verdict.ts'

test('the fixtures are there', () => {
  expect(fixtures.length).toBeGreaterThan(100)
})

describe.each(BATCHES)('in %s batches', (batches) => {
  test.each(fixtures)('$name', async ({ path }) => {
    const recording = readScenario(path, batches)
    expect(verdictOf(recording.expected, await book(recording))).toEqual({ over: [], under: [] })
  })
})
