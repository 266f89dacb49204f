/** Rule: `drain` waits for all that can still be sent, `close` ends everything, and neither takes longer than it must. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { accepted, aSender, busy, never, refused, timeEntry } from './helpers/delivery.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

const settle = () => vi.advanceTimersByTimeAsync(0)
const later = <T>(ms: number, value: T) => new Promise<T>((resolve) => setTimeout(() => resolve(value), ms))

/** Whether a promise has resolved by now, told without waiting for it. */
const watch = (promise: Promise<void>) => {
  const state = { isOver: false }
  promise.then(() => {
    state.isOver = true
  })
  return state
}

describe('drain', () => {
  it('resolves at once when there is nothing to do', async () => {
    const work = aSender(() => accepted())
    await work.sender.drain(1000)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('sends what waits without being woken, and resolves when all of it has ended', async () => {
    const work = aSender(() => later(100, accepted()), { settings: { concurrency: 2 } })
    work.outbox.add(['a', 'b', 'c'].map(timeEntry))
    const drain = watch(work.sender.drain(5000))
    await vi.advanceTimersByTimeAsync(199)
    expect(drain.isOver).toBe(false)
    await vi.advanceTimersByTimeAsync(1)
    expect(drain.isOver).toBe(true)
    expect(work.counters.recordsDelivered).toBe(3)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('resolves at the deadline while a request is under way, which goes on', async () => {
    const work = aSender(() => later(3000, accepted()))
    work.outbox.add([timeEntry('a')])
    const drain = watch(work.sender.drain(1000))
    await vi.advanceTimersByTimeAsync(999)
    expect(drain.isOver).toBe(false)
    await vi.advanceTimersByTimeAsync(1)
    expect(drain.isOver).toBe(true)
    await vi.advanceTimersByTimeAsync(2000)
    expect(work.counters.recordsDelivered).toBe(1)
  })

  it('waits for a pause that ends before the deadline', async () => {
    let isBusy = true
    const work = aSender(() => (isBusy ? busy(2000) : accepted()))
    work.outbox.add([timeEntry('a')])
    const drain = watch(work.sender.drain(5000))
    await settle()
    isBusy = false
    await vi.advanceTimersByTimeAsync(1999)
    expect(drain.isOver).toBe(false)
    await vi.advanceTimersByTimeAsync(1)
    expect(drain.isOver).toBe(true)
  })

  it.each([
    ['a Retry-After of hours', busy(3_600_000), {}],
    ['refused credentials', refused(401), {}],
    ['the rate limit', accepted(), { requestsPerMinute: 1 }],
  ])('does not sit out %s', async (_, outcome, settings) => {
    const work = aSender(() => outcome, { settings })
    work.outbox.add([timeEntry('a'), timeEntry('b')])
    const drain = watch(work.sender.drain(25_000))
    await settle()
    expect(drain.isOver).toBe(true)
    expect(work.outbox.counts().pending).toBeGreaterThan(0)
  })

  it('still waits for requests under way when the pause is too long for the others', async () => {
    const work = aSender((key) => (key === 'a' ? busy(3_600_000) : later(500, accepted())))
    work.outbox.add([timeEntry('a'), timeEntry('b')])
    const drain = watch(work.sender.drain(25_000))
    await vi.advanceTimersByTimeAsync(499)
    expect(drain.isOver).toBe(false)
    await vi.advanceTimersByTimeAsync(1)
    expect(drain.isOver).toBe(true)
    expect(work.counters.recordsDelivered).toBe(1)
  })

  it('may run several times at once, each with its own deadline', async () => {
    const work = aSender(() => later(2000, accepted()))
    work.outbox.add([timeEntry('a')])
    const short = watch(work.sender.drain(1000))
    const long = watch(work.sender.drain(5000))
    await vi.advanceTimersByTimeAsync(1000)
    expect([short.isOver, long.isOver]).toEqual([true, false])
    await vi.advanceTimersByTimeAsync(1000)
    expect(long.isOver).toBe(true)
  })
})

describe('timers', () => {
  const refs = () => {
    const timers: NodeJS.Timeout[] = []
    const real = globalThis.setTimeout
    vi.spyOn(globalThis, 'setTimeout').mockImplementation(((act: () => void, ms?: number) => {
      const timer = real(act, ms)
      timers.push(timer)
      return timer
    }) as typeof setTimeout)
    return () => timers.map((timer) => timer.hasRef())
  }
  afterEach(() => {
    vi.restoreAllMocks()
  })

  it('do not keep the process alive, neither for a deadline nor for a pause', async () => {
    vi.useRealTimers()
    const hasRefs = refs()
    const works = [aSender(() => busy(60_000)), aSender(() => never())]
    for (const work of works) work.send(timeEntry('a'))
    await new Promise((resolve) => setImmediate(resolve))
    // Two deadlines of requests, and the pause of the first sender.
    expect(hasRefs()).toEqual([false, false, false])
    for (const work of works) work.sender.close()
  })

  it('keep it alive while somebody awaits a drain', () => {
    vi.useRealTimers()
    const hasRefs = refs()
    const work = aSender(() => never())
    work.outbox.add([timeEntry('a')])
    void work.sender.drain(1000)
    expect(hasRefs().filter(Boolean).length).toBe(1)
    work.sender.close()
  })
})

describe('close', () => {
  it('aborts requests under way and holds their records, at once', async () => {
    const signals: (AbortSignal | undefined)[] = []
    const work = aSender((_, options) => {
      signals.push(options?.signal)
      return never()
    })
    work.send(timeEntry('a'), timeEntry('b'))
    await settle()
    work.sender.close()
    expect(signals.map((signal) => signal?.aborted)).toEqual([true, true])
    expect(work.outbox.counts()).toMatchObject({ pending: 0, held: 2 })
    expect(work.events.map(({ status }) => status)).toEqual(['held', 'held'])
    await settle()
    expect(work.outbox.counts()).toMatchObject({ pending: 0, held: 2 })
    expect(work.events.length).toBe(2)
  })

  it('lets no request start afterwards, and leaves what waits in the outbox', async () => {
    const work = aSender(() => busy(1000))
    work.send(timeEntry('a'))
    await settle()
    work.send(timeEntry('b'))
    work.sender.close()
    expect(vi.getTimerCount()).toBe(0)
    work.sender.wake()
    await work.sender.drain(1000)
    await vi.advanceTimersByTimeAsync(3_600_000)
    expect(work.sent).toEqual(['a'])
    expect(work.outbox.counts()).toMatchObject({ pending: 2 })
  })

  it('ends a drain that is awaited, and every timer', async () => {
    const work = aSender(() => never())
    work.send(timeEntry('a'))
    const drain = watch(work.sender.drain(25_000))
    await settle()
    work.sender.close()
    await settle()
    expect(drain.isOver).toBe(true)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('may be called again, also by onRecord while it closes', async () => {
    const work = aSender(() => never(), { onRecord: () => work.sender.close() })
    work.send(timeEntry('a'), timeEntry('b'))
    await settle()
    work.sender.close()
    work.sender.close()
    expect(work.outbox.counts()).toMatchObject({ pending: 0, held: 2 })
  })
})
