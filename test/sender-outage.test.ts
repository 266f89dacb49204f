/** Rule: an outage puts few records in doubt, because those that wait are not sent into it. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { accepted, aSender, timeEntry } from './helpers/delivery.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

it('makes the other records wait, so that an outage does not put all of them in doubt', async () => {
  let isDown = true
  const work = aSender(() => (isDown ? { type: 'ambiguous', reason: 'no answer' } : accepted()), {
    settings: { concurrency: 2 },
  })
  work.send(...['a', 'b', 'c', 'd', 'e'].map(timeEntry))
  await vi.advanceTimersByTimeAsync(0)
  expect(work.sent).toEqual(['a', 'b'])
  await vi.advanceTimersByTimeAsync(1000)
  expect(work.sent).toEqual(['a', 'b', 'c'])
  isDown = false
  await vi.advanceTimersByTimeAsync(2000)
  expect(work.sent).toEqual(['a', 'b', 'c', 'd', 'e'])
  expect(work.outbox.counts()).toMatchObject({ pending: 0, held: 3 })
})
