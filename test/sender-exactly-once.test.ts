/** Rule: whatever Keito answers, each record ends exactly once, and is not sent again when Keito may have it. */
import fc from 'fast-check'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import {
  type Answer,
  accepted,
  aSender,
  busy,
  expense,
  invalid,
  refused,
  timeEntry,
  unknown,
} from './helpers/delivery.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

const before = { busy: busy(), wait: busy(3000), 'at once': busy(0), 401: refused(401), 403: refused(403) } as const
const ends = { delivered: accepted(), dead: invalid, held: unknown } as const
type End = keyof typeof ends

/** What Keito answers for one record: some answers that prove that nothing was stored, then one that ends it. */
const aScript = fc.record({
  before: fc.array(fc.constantFrom(...Object.values(before)), { maxLength: 4 }),
  end: fc.constantFrom<End[]>('delivered', 'dead', 'held'),
  delayMs: fc.nat({ max: 2000 }),
})

it('each record ends as its last answer says, once', async () => {
  const scripts = fc.array(aScript, { minLength: 1, maxLength: 12 })
  const settings = fc.record({
    concurrency: fc.integer({ min: 1, max: 6 }),
    requestsPerMinute: fc.integer({ min: 1, max: 50 }),
  })
  await fc.assert(
    fc.asyncProperty(scripts, settings, async (script, delivery) => {
      const tries = new Map<string, number>()
      const underWay = new Set<string>()
      const ended = new Set<string>()
      const answer: Answer = async (key) => {
        expect(underWay.has(key), `${key} is sent while it is under way`).toBe(false)
        expect(ended.has(key), `${key} is sent again after its end`).toBe(false)
        const { before: earlier, end, delayMs } = script[Number(key)] ?? { before: [], end: 'dead', delayMs: 0 }
        const nth = tries.get(key) ?? 0
        tries.set(key, nth + 1)
        underWay.add(key)
        await new Promise((resolve) => setTimeout(resolve, delayMs))
        underWay.delete(key)
        if (nth >= earlier.length) ended.add(key)
        return earlier[nth] ?? ends[end]
      }
      // A failed expectation above would look like a client that throws, and end as held: see the reasons below.
      const work = aSender(answer, { settings: delivery })
      work.send(...script.map((_, i) => (i % 2 === 0 ? timeEntry(String(i)) : expense(String(i)))))
      const drained = work.sender.drain(1e9)
      await vi.advanceTimersByTimeAsync(1e9)
      await drained

      const fates = work.events.map(({ record, status }) => [record.key, status])
      expect(fates.sort()).toEqual(script.map(({ end }, i) => [String(i), end]).sort())
      expect(work.outbox.held().every(({ reason }) => reason === 'HTTP 502')).toBe(true)
      const count = (end: End) => script.filter((each) => each.end === end).length
      expect(work.outbox.counts()).toEqual({ pending: 0, held: count('held'), dead: count('dead'), unassigned: 0 })
      expect(work.counters).toMatchObject({
        recordsDelivered: count('delivered'),
        recordsDead: count('dead'),
        requestsRetried: script.reduce((sum, each) => sum + each.before.length, 0),
      })
      expect(work.sent.length).toBe(script.reduce((sum, each) => sum + each.before.length + 1, 0))
      expect(work.mostUnderWay()).toBeLessThanOrEqual(delivery.concurrency)
      work.sender.close()
    }),
    { numRuns: 150 },
  )
})

it('a sender that is closed at any moment leaves each record waiting or ended, never both', async () => {
  const scripts = fc.array(aScript, { minLength: 1, maxLength: 12 })
  await fc.assert(
    fc.asyncProperty(scripts, fc.nat({ max: 20_000 }), async (script, closeAfterMs) => {
      const tries = new Map<string, number>()
      const work = aSender(async (key) => {
        const { before: earlier, end, delayMs } = script[Number(key)] ?? { before: [], end: 'dead', delayMs: 0 }
        const nth = tries.get(key) ?? 0
        tries.set(key, nth + 1)
        await new Promise((resolve) => setTimeout(resolve, delayMs))
        return earlier[nth] ?? ends[end]
      })
      work.send(...script.map((_, i) => timeEntry(String(i))))
      await vi.advanceTimersByTimeAsync(closeAfterMs)
      work.sender.close()
      const sent = work.sent.length
      await vi.advanceTimersByTimeAsync(1e8)

      const { pending, held, dead } = work.outbox.counts()
      const told = work.events.map(({ record }) => record.key)
      expect(pending + held + dead + work.counters.recordsDelivered).toBe(script.length)
      expect(new Set(told).size).toBe(told.length)
      expect(told.length).toBe(script.length - pending)
      expect(work.sent.length).toBe(sent)
    }),
    { numRuns: 150 },
  )
})
