/** Recorded spans of real frameworks are billed exactly as a perfect reader would, and never above it, in any batches. */
import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { book } from './corpus/booking.ts'
import { BATCHES, emitterOf, readScenario, scenariosIn } from './corpus/scenario.ts'
import { verdictOf } from './corpus/verdict.ts'

const scenarios = scenariosIn(fileURLToPath(new URL('fixtures/corpus', import.meta.url))).map((path) => ({
  path,
  name: `${emitterOf(path)}/${basename(path)}`,
}))

test('the fixtures are there', () => {
  expect(scenarios.length).toBeGreaterThan(100)
})

describe.each(BATCHES)('in %s batches', (batches) => {
  test.each(scenarios)('$name', async ({ path }) => {
    const recording = readScenario(path, batches)
    expect(verdictOf(recording.expected, await book(recording))).toEqual({ over: [], under: [] })
  })
})
