/** Recorded spans of real frameworks are billed exactly as a perfect reader would, and never above it, in any batches. */
import { describe, expect, test } from 'vitest'
import { book, bookedTokens, expectedTokens, scenario, scenarioNames, wrongEntries } from './helpers/corpus.ts'

test('the fixtures are there', () => {
  expect(scenarioNames().length).toBeGreaterThan(100)
})

describe.each(['recorded', 'single', 'each'] as const)('in %s batches', (batches) => {
  test.each(scenarioNames())('%s', async (name) => {
    const recording = scenario(name, batches)
    const booked = await book(recording)
    const [tokens, expected] = [bookedTokens(recording.expected, booked), expectedTokens(recording.expected)]
    const over = Object.entries(tokens).filter(([where, count]) => count > (expected[where] ?? 0))
    expect(over, 'billed above the truth').toEqual([])
    expect(tokens).toEqual(expected)
    expect(wrongEntries(recording.expected, booked)).toEqual([])
  })
})
