/** Rule: the sender carries each record to its end, and says so once. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { accepted, aSender, busy, expense, invalid, never, refused, timeEntry, unknown } from './helpers/delivery.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

const settle = () => vi.advanceTimersByTimeAsync(0)
const minutes = (n: number) => vi.advanceTimersByTimeAsync(n * 60_000)
/** Answers from a list, the last one for ever. */
const answers = <T>(...list: readonly T[]) => {
  let next = 0
  return () => list[Math.min(next++, list.length - 1)]
}

describe('a record that Keito stored', () => {
  it('is delivered, counted and told, whichever kind it is', async () => {
    const work = aSender((key) => accepted(`id-of-${key}`))
    work.send(timeEntry('a'), expense('b'))
    await settle()
    expect(work.outbox.counts().pending).toBe(0)
    expect(work.counters.recordsDelivered).toBe(2)
    expect(work.events).toEqual([
      { record: timeEntry('a'), status: 'delivered', id: 'id-of-a' },
      { record: expense('b'), status: 'delivered', id: 'id-of-b' },
    ])
    expect(work.reports).toEqual([])
  })

  it('has no id when the client gave none', async () => {
    const work = aSender(() => accepted(''))
    work.send(timeEntry('a'))
    await settle()
    expect(work.events).toEqual([{ record: timeEntry('a'), status: 'delivered' }])
  })
})

describe('requests', () => {
  it('start after the synchronous work of the caller', () => {
    const work = aSender(() => accepted())
    work.send(timeEntry('a'))
    expect(work.sent).toEqual([])
  })

  it('are as many at once as allowed, the oldest first', async () => {
    const release: (() => void)[] = []
    const work = aSender(() => new Promise((resolve) => release.push(() => resolve(accepted()))), {
      settings: { concurrency: 2 },
    })
    work.send(...['a', 'b', 'c', 'd', 'e'].map(timeEntry))
    await settle()
    expect(work.sent).toEqual(['a', 'b'])
    release[1]?.()
    await settle()
    expect(work.sent).toEqual(['a', 'b', 'c'])
    while (work.outbox.counts().pending > 0) {
      for (const each of release.splice(0)) each()
      await settle()
    }
    expect(work.sent).toEqual(['a', 'b', 'c', 'd', 'e'])
    expect(work.mostUnderWay()).toBe(2)
  })

  it('stay under the rate limit', async () => {
    const work = aSender(() => accepted(), { settings: { requestsPerMinute: 3 } })
    work.send(...['a', 'b', 'c', 'd', 'e', 'f', 'g'].map(timeEntry))
    await settle()
    expect(work.sent.length).toBe(3)
    await vi.advanceTimersByTimeAsync(59_000)
    expect(work.sent.length).toBe(3)
    await minutes(1)
    expect(work.sent.length).toBe(6)
    await minutes(1)
    expect(work.sent.length).toBe(7)
  })
})

describe('a retryable answer', () => {
  it('pauses the whole sender until the wait is over, then everything is delivered in order', async () => {
    const work = aSender(answers(busy(5000), accepted()), { settings: { concurrency: 1 } })
    work.send(...['a', 'b', 'c'].map(timeEntry))
    await settle()
    await vi.advanceTimersByTimeAsync(4900)
    work.send(timeEntry('d'))
    await settle()
    expect(work.sent).toEqual(['a'])
    await vi.advanceTimersByTimeAsync(200)
    expect(work.sent).toEqual(['a', 'a', 'b', 'c', 'd'])
    expect(work.counters).toMatchObject({ requestsRetried: 1, recordsDelivered: 4 })
    expect(work.reports.map(({ code }) => code)).toEqual(['unavailable'])
  })

  it('lets one request try again before the others follow', async () => {
    let isBusy = true
    const work = aSender(() => (isBusy ? busy(1000) : accepted()))
    work.send(...['a', 'b', 'c', 'd', 'e', 'f'].map(timeEntry))
    await settle()
    expect(work.sent.length).toBe(4)
    await vi.advanceTimersByTimeAsync(1000)
    expect(work.sent.length).toBe(5)
    isBusy = false
    await vi.advanceTimersByTimeAsync(1000)
    expect(work.sent.slice(4)).toEqual(['a', 'a', 'b', 'c', 'd', 'e', 'f'])
    expect(work.counters).toMatchObject({ requestsRetried: 5, recordsDelivered: 6 })
  })

  it('is over once a request gets any answer that is about its record, be it a refusal', async () => {
    const answerOfA = answers(busy(1000), invalid)
    const work = aSender((key) => (key === 'a' ? answerOfA() : never()))
    work.send(timeEntry('a'))
    await settle()
    work.send(timeEntry('b'), timeEntry('c'))
    await vi.advanceTimersByTimeAsync(1000)
    expect(work.sent).toEqual(['a', 'a', 'b', 'c'])
  })

  it('without a wait is repeated after a back-off that doubles up to its bound', async () => {
    const work = aSender(() => busy(), { settings: { maxBackoffMs: 4000 } })
    work.send(timeEntry('a'))
    const sentAfter: number[] = []
    await settle()
    for (const ms of [1000, 2000, 4000, 4000]) {
      await vi.advanceTimersByTimeAsync(ms - 1)
      sentAfter.push(work.sent.length)
      await vi.advanceTimersByTimeAsync(1)
      sentAfter.push(work.sent.length)
    }
    expect(sentAfter).toEqual([1, 2, 2, 3, 3, 4, 4, 5])
    expect(work.reports.length).toBe(1)
    expect(work.outbox.counts()).toMatchObject({ pending: 1, held: 0, dead: 0 })
  })

  it('with a wait of zero again and again does not become a hot loop', async () => {
    const work = aSender(() => busy(0))
    work.send(timeEntry('a'))
    await vi.advanceTimersByTimeAsync(10_000)
    expect(work.sent.length).toBeLessThan(7)
  })

  it('with a wait beyond all timers keeps the record and waits', async () => {
    const work = aSender(() => busy(1e15))
    work.send(timeEntry('a'))
    await minutes(600)
    expect(work.sent).toEqual(['a'])
  })
})

describe('refused credentials', () => {
  it('keep everything, with one error that names what to mend', async () => {
    const work = aSender(() => refused(401))
    work.send(...['a', 'b', 'c', 'd', 'e'].map(timeEntry))
    await minutes(30)
    expect(work.outbox.counts()).toMatchObject({ pending: 5, held: 0, dead: 0 })
    expect(work.reports).toMatchObject([{ code: 'unauthorized' }])
    expect(work.reports[0]?.message).toMatch(/apiKey \(KEITO_API_KEY\).*accountId \(KEITO_ACCOUNT_ID\)/)
    expect(work.events).toEqual([])
  })

  it('are tried again by one request after 1, 2, 4, 8, 15 and 15 minutes', async () => {
    const work = aSender(() => refused(401), { settings: { concurrency: 1 } })
    work.send(timeEntry('a'), timeEntry('b'))
    await settle()
    const sentAfter: number[] = []
    for (const n of [1, 2, 4, 8, 15, 15]) {
      await vi.advanceTimersByTimeAsync(n * 60_000 - 1)
      sentAfter.push(work.sent.length)
      await vi.advanceTimersByTimeAsync(1)
    }
    expect(sentAfter).toEqual([1, 2, 3, 4, 5, 6])
    expect(new Set(work.sent)).toEqual(new Set(['a']))
  })

  it('that are mended let everything through', async () => {
    const work = aSender(answers(refused(403), accepted()), { settings: { concurrency: 1 } })
    work.send(timeEntry('a'), expense('b'))
    await minutes(1)
    expect(work.counters.recordsDelivered).toBe(2)
  })

  it.each([
    [timeEntry('a'), /project project-1 \(projectId, KEITO_PROJECT_ID\) and task task-1 \(taskId, KEITO_TASK_ID\)/],
    [expense('a'), /expense category category-1 \(expenseCategoryId, KEITO_EXPENSE_CATEGORY_ID\)/],
  ])('without the right name where the $kind was to be booked', async (record, words) => {
    const work = aSender(() => refused(403))
    work.send(record)
    await settle()
    expect(work.reports[0]?.message).toMatch(/rights of the user that the API key belongs to/)
    expect(work.reports[0]?.message).toMatch(words)
  })
})

describe('a rejected record', () => {
  it('becomes a dead letter with an error that names it, and does not stop the others', async () => {
    const work = aSender((key) => (key === 'a' ? invalid : accepted()))
    work.send(expense('a'), timeEntry('b'))
    await minutes(60)
    expect(work.sent).toEqual(['a', 'b'])
    expect(work.outbox.dead()).toEqual([{ record: expense('a'), reason: invalid.reason }])
    expect(work.counters).toMatchObject({ recordsDead: 1, recordsDelivered: 1 })
    expect(work.reports).toMatchObject([{ code: 'rejected', message: expect.stringContaining('expense a') }])
    expect(work.reports[0]?.message).toContain('invalid body: hours')
    expect(work.events).toContainEqual({ record: expense('a'), status: 'dead', reason: invalid.reason })
  })
})

/** What becomes of it with a client that can list is in reconciliation.test.ts. */
describe('an ambiguous answer', () => {
  it('holds the record, tells so, and never sends it again', async () => {
    const work = aSender((key) => (key === 'a' ? unknown : accepted()))
    work.send(timeEntry('a'), timeEntry('b'))
    await minutes(60)
    work.send(timeEntry('a'))
    await minutes(60)
    expect(work.sent).toEqual(['a', 'b'])
    expect(work.outbox.held()).toEqual([{ record: timeEntry('a'), reason: 'HTTP 502', wasSent: true }])
    expect(work.reports).toMatchObject([{ code: 'ambiguous', message: expect.stringContaining('time entry a') }])
    expect(work.events).toContainEqual({ record: timeEntry('a'), status: 'held', reason: 'HTTP 502' })
  })

  it('is what a client gives that ignores its deadline', async () => {
    let signal: AbortSignal | undefined
    const work = aSender((_, options) => {
      signal = options?.signal
      return never()
    })
    work.send(timeEntry('a'))
    await vi.advanceTimersByTimeAsync(9_999)
    expect(work.outbox.counts()).toMatchObject({ pending: 1, held: 0 })
    await vi.advanceTimersByTimeAsync(1)
    expect(signal?.aborted).toBe(true)
    expect(work.outbox.held()).toMatchObject([{ reason: 'no answer within 10000 ms' }])
  })

  it('is over when the client says after its deadline that the record was stored, and is not when it says else', async () => {
    const late = { a: accepted('late-1'), b: invalid, c: busy() }
    const work = aSender(
      (key) => new Promise((resolve) => setTimeout(() => resolve(late[key as keyof typeof late]), 11_000)),
    )
    work.send(timeEntry('a'), timeEntry('b'), timeEntry('c'))
    await minutes(1)
    expect(work.outbox.held().map(({ record }) => record.key)).toEqual(['b', 'c'])
    expect(work.events).toContainEqual({ record: timeEntry('a'), status: 'delivered', id: 'late-1' })
    expect(work.sent).toEqual(['a', 'b', 'c'])
  })

  const thrower = {
    get type() {
      throw new Error('no')
    },
  }
  it.each([
    ['undefined', undefined],
    ['text', 'accepted'],
    ['an unknown type', { type: 'maybe' }],
    ['a getter that throws', thrower],
  ])('is what %s counts as', async (_, nonsense) => {
    const work = aSender(() => nonsense)
    work.send(timeEntry('a'))
    await settle()
    expect(work.outbox.counts()).toMatchObject({ pending: 0, held: 1 })
  })

  it.each([['rejects', async () => Promise.reject(new Error('boom'))]])(
    'is what a client that %s gives',
    async (_, answer) => {
      const work = aSender(answer)
      work.send(timeEntry('a'))
      await settle()
      expect(work.outbox.held()).toMatchObject([{ reason: 'the client threw: boom' }])
    },
  )

  it('is what a client that throws at once gives', async () => {
    const create = () => {
      throw new Error('boom')
    }
    const work = aSender(never, { client: { answers: 'outcomes', timeEntries: { create }, expenses: { create } } })
    work.send(timeEntry('a'), expense('b'))
    await settle()
    expect(work.outbox.counts()).toMatchObject({ pending: 0, held: 2 })
  })

  it('has a reason of one bounded line, whatever the client says', async () => {
    const work = aSender(() => ({ type: 'ambiguous', reason: `first\nsecond\u001b[31m${'x'.repeat(100_000)}` }))
    work.send(timeEntry('a'))
    await settle()
    expect(work.outbox.held()[0]?.reason).toMatch(/^first second \[31mx{200,300}…$/)
  })
})
