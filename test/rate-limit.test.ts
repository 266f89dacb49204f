/** Rule: at most the limit of requests starts within any 60 seconds. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { RateLimit } from '../src/delivery/rate-limit.ts'

it('starts up to the limit at once, then waits for the oldest to be a minute old', () => {
  const rate = new RateLimit(2, 60_000)
  expect(rate.waitMs(1000)).toBe(0)
  rate.start(1000)
  rate.start(5000)
  expect(rate.waitMs(6000)).toBe(55_000)
  expect(rate.waitMs(60_999)).toBe(1)
  expect(rate.waitMs(61_000)).toBe(0)
  rate.start(61_000)
  expect(rate.waitMs(61_000)).toBe(4000)
})

it('asking does not count as starting', () => {
  const rate = new RateLimit(1, 60_000)
  for (let i = 0; i < 5; i++) expect(rate.waitMs(0)).toBe(0)
})

it('no window of 60 seconds ever holds more than the limit, and no start waits longer than it must', () => {
  const steps = fc.array(fc.nat({ max: 30_000 }), { maxLength: 80 })
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 7 }), steps, (limit, gaps) => {
      const rate = new RateLimit(limit, 60_000)
      const starts: number[] = []
      let now = 0
      for (const gap of gaps) {
        now += gap
        const waitMs = rate.waitMs(now)
        const recent = starts.filter((start) => start > now - 60_000)
        expect(waitMs === 0).toBe(recent.length < limit)
        now += waitMs
        rate.start(now)
        starts.push(now)
        expect(starts.filter((start) => start > now - 60_000).length).toBeLessThanOrEqual(limit)
      }
    }),
  )
})
