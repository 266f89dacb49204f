/** Rule: a record that Keito may have is looked up before anything else is done with it, and what is there twice is undone. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { KeitoRecord } from '../src/billing/record.ts'
import { RecordOutbox } from '../src/delivery/record-outbox.ts'
import { outcomesOf } from '../src/keito/sdk-adapter.ts'
import type { ListQuery } from '../src/keito/types.ts'
import {
  accepted,
  aSender,
  busy,
  expense,
  gone,
  invalid,
  never,
  refused,
  rowsOf,
  timeEntry,
  unknown,
} from './helpers/delivery.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

const ms = (n: number) => vi.advanceTimersByTimeAsync(n)
const seconds = (n: number) => ms(n * 1000)
const minutes = (n: number) => ms(n * 60_000)
const hours = (n: number) => ms(n * 3_600_000)
const later = <T>(delayMs: number, value: T) => new Promise<T>((resolve) => setTimeout(() => resolve(value), delayMs))
/** Answers from a list, the last one for ever. */
const answers = (...list: readonly unknown[]) => {
  let next = 0
  return () => list[Math.min(next++, list.length - 1)]
}
/** A first answer that leaves it open whether the record was stored, then successes. */
const doubtful = () => answers(unknown, accepted('sent-again'))
const on = <R extends KeitoRecord>(record: R, place: { spent_date?: string; project_id?: string }): R => ({
  ...record,
  body: { ...record.body, ...place },
})
const figured = <R extends KeitoRecord>(record: R, figures: object): R => ({
  ...record,
  body: { ...record.body, metadata: { ...record.body.metadata, ...figures } },
})
/** Whether a promise has resolved by now, told without waiting for it. */
const watch = (promise: Promise<void>) => {
  const state = { isOver: false }
  promise.then(() => {
    state.isOver = true
  })
  return state
}

/** An outbox in which a process that is gone has left something. */
class LeftOutbox extends RecordOutbox {
  constructor(record: KeitoRecord, wasSent: boolean) {
    super(10)
    this.states.addHeld(record, 'left behind', wasSent)
  }
}

describe('a record in doubt', () => {
  it('is looked up when a late commit must have happened, and not before', async () => {
    const work = aSender(doubtful(), { list: () => rowsOf('a') })
    work.send(timeEntry('a'))
    await ms(29_999)
    expect(work.lists).toEqual([])
    expect(work.outbox.counts()).toMatchObject({ pending: 0, held: 1 })
    await ms(1)
    const query = { from: '2026-03-01', to: '2026-03-01', project_id: 'project-1', source: 'agent' }
    expect(work.lists).toEqual([{ kind: 'time_entry', query }])
  })

  it.each([timeEntry('a'), expense('a')])('that Keito has is delivered, with its id: $kind', async (record) => {
    const work = aSender(doubtful(), { list: () => rowsOf('x', 'a', 'y') })
    work.send(record)
    await hours(2)
    expect(work.sent).toEqual(['a'])
    expect(work.lists.map(({ kind }) => kind)).toEqual([record.kind])
    expect(work.outbox.counts()).toMatchObject({ pending: 0, held: 0 })
    expect(work.counters).toMatchObject({ recordsDelivered: 1, recordsReconciled: 1, recordsDuplicated: 0 })
    expect(work.events).toEqual([
      { record, status: 'held', reason: 'HTTP 502' },
      { record, status: 'delivered', id: 'stored-a-1' },
    ])
  })

  it('that Keito has not is sent again, before those that came after it', async () => {
    const work = aSender((key) => (key === 'a' && work.sent.length === 1 ? unknown : accepted(`id-of-${key}`)), {
      list: () => rowsOf('b'),
      settings: { requestsPerMinute: 2 },
    })
    work.send(timeEntry('a'))
    await seconds(31)
    work.send(timeEntry('b'), timeEntry('c'))
    await minutes(4)
    expect(work.sent).toEqual(['a', 'a', 'b', 'c'])
    expect(work.counters).toMatchObject({ recordsDelivered: 3, recordsReconciled: 0 })
    expect(work.events.filter(({ record }) => record.key === 'a')).toEqual([
      { record: timeEntry('a'), status: 'held', reason: 'HTTP 502' },
      { record: timeEntry('a'), status: 'delivered', id: 'id-of-a' },
    ])
  })

  it('that is refused when it is sent again becomes a dead letter, and is looked up no more', async () => {
    const work = aSender(answers(unknown, invalid), { list: () => rowsOf() })
    work.send(timeEntry('a'))
    await hours(2)
    expect(work.outbox.counts()).toMatchObject({ pending: 0, held: 0, dead: 1 })
    expect(work.lists.length).toBe(1)
  })

  it('may come into doubt again and again, and is looked up before each repeat', async () => {
    const work = aSender(answers(unknown, unknown, unknown, accepted()), { list: () => rowsOf() })
    work.send(timeEntry('a'))
    await seconds(100)
    expect(work.sent.length).toBe(4)
    expect(work.lists.length).toBe(3)
    expect(work.counters.recordsDelivered).toBe(1)
  })
})

describe('a row under the key of a record', () => {
  /** A record with these figures, and a list that shows one row under its key with those. */
  const compare = async (record: KeitoRecord, ours: object, theirs: object | undefined) => {
    const work = aSender(doubtful(), {
      list: () => ({
        type: 'accepted',
        value: [{ id: 'stored-1', metadata: { idempotency_key: 'a', ...theirs } }],
      }),
    })
    work.send(figured(record, ours))
    await hours(2)
    const { recordsDelivered, recordsReconciled } = work.counters
    return { sent: work.sent.length, recordsDelivered, recordsReconciled }
  }
  const OURS = { sent: 1, recordsDelivered: 1, recordsReconciled: 1 }
  const NOT_OURS = { sent: 2, recordsDelivered: 1, recordsReconciled: 0 }
  const figures = [
    ['duration_ms', timeEntry('a')],
    ['input_tokens', expense('a')],
    ['output_tokens', expense('a')],
  ] as const

  it.each(figures)('with another %s is of another process: the record is sent', async (name, record) => {
    expect(await compare(record, { [name]: 1000 }, { [name]: 1001 })).toEqual(NOT_OURS)
    expect(await compare(record, { [name]: 1000 }, { [name]: 0 })).toEqual(NOT_OURS)
  })

  it.each(figures)('with the same %s is the record', async (name, record) => {
    expect(await compare(record, { [name]: 1000 }, { [name]: 1000 })).toEqual(OURS)
  })

  it.each(figures)('whose %s cannot be read is taken for the record', async (name, record) => {
    for (const theirs of [undefined, null, '1001', [1001]]) {
      expect(await compare(record, { [name]: 1000 }, { [name]: theirs })).toEqual(OURS)
    }
  })

  it.each(figures)('with a %s that the record has not is taken for the record', async (name, record) => {
    expect(await compare(record, {}, { [name]: 1000 })).toEqual(OURS)
  })

  it('with one figure of several that is another is of another process', async () => {
    const ours = { input_tokens: 1000, output_tokens: 500 }
    expect(await compare(expense('a'), ours, { ...ours, output_tokens: 501 })).toEqual(NOT_OURS)
    expect(await compare(expense('a'), ours, { ...ours, notes: 'changed by hand' })).toEqual(OURS)
  })

  it('with other figures is no copy of it, and stays where it is', async () => {
    const work = aSender(doubtful(), {
      list: () => ({
        type: 'accepted',
        value: [1000, 2000].map((ms) => ({
          id: `stored-${ms}`,
          metadata: { idempotency_key: 'a', duration_ms: ms },
        })),
      }),
      remove: () => accepted(),
    })
    work.send(figured(timeEntry('a'), { duration_ms: 2000 }))
    await hours(2)
    expect(work.sent).toEqual(['a'])
    expect(work.removed).toEqual([])
    expect(work.counters).toMatchObject({ recordsReconciled: 1, recordsDuplicated: 0 })
  })
})

describe('one list', () => {
  it('answers for all doubts of its kind, day and project', async () => {
    const records = ['a', 'b', 'c'].map(timeEntry)
    const work = aSender(() => unknown, { list: () => rowsOf('a', 'b', 'c', 'd', 'e', 'f') })
    work.send(
      ...records,
      expense('d'),
      on(timeEntry('e'), { spent_date: '2026-03-02' }),
      on(timeEntry('f'), { project_id: 'project-2' }),
    )
    await minutes(2)
    expect(work.counters.recordsReconciled).toBe(6)
    const asked = work.lists.map(({ kind, query }) => [kind, query.from, query.to, query.project_id].join())
    expect(asked.toSorted()).toEqual([
      'expense,2026-03-01,2026-03-01,project-1',
      'time_entry,2026-03-01,2026-03-01,project-1',
      'time_entry,2026-03-01,2026-03-01,project-2',
      'time_entry,2026-03-02,2026-03-02,project-1',
    ])
  })

  it('does not decide on a record whose late commit may still come', async () => {
    const work = aSender((key) => (work.sent.filter((sent) => sent === key).length > 1 ? accepted() : unknown), {
      list: () => later(5000, rowsOf()),
    })
    work.send(timeEntry('a'))
    await seconds(1)
    work.send(timeEntry('b'))
    // The list that is asked for after 30 s is answered after 35 s; b's commit may come until 31 s.
    await seconds(35)
    expect(work.sent).toEqual(['a', 'b', 'a'])
    await minutes(1)
    expect(work.sent).toEqual(['a', 'b', 'a', 'b'])
    expect(work.lists.length).toBe(2)
  })

  it('that is answered shows that Keito is well: others are sent at once, not one by one', async () => {
    const work = aSender(() => (work.sent.length === 1 ? unknown : later(9000, accepted())), { list: () => rowsOf() })
    work.send(timeEntry('a'))
    await seconds(29.9)
    expect(work.mostUnderWay()).toBe(1)
    await seconds(0.2)
    work.send(timeEntry('b'), timeEntry('c'))
    await seconds(0.1)
    expect(work.sent).toEqual(['a', 'a', 'b', 'c'])
    expect(work.mostUnderWay()).toBe(3)
  })

  it('is asked for no sooner than others can have come together for the next', async () => {
    const work = aSender(() => unknown, { list: () => rowsOf('a', 'b', 'c') })
    for (const [i, key] of ['a', 'b', 'c'].entries()) {
      await ms(i === 0 ? 0 : 5000)
      work.send(timeEntry(key))
    }
    await seconds(20.1)
    expect(work.lists.length).toBe(1)
    await seconds(29)
    expect(work.lists.length).toBe(1)
    await seconds(1)
    expect(work.lists.length).toBe(2)
    expect(work.counters.recordsReconciled).toBe(3)
  })
})

describe('a list of several pages', () => {
  it('waits for the budget before each page, counts each, and is in no hurry meanwhile', async () => {
    const pagesAt: number[] = []
    const start = performance.now()
    const work = aSender(doubtful(), {
      settings: { requestsPerMinute: 2 },
      list: async (_, options) => {
        for (let page = 1; page <= 3; page++) {
          if (page > 1) await options?.nextPage?.()
          pagesAt.push(Math.round((performance.now() - start) / 1000))
        }
        return rowsOf('a')
      },
    })
    work.send(timeEntry('a'))
    await seconds(31)
    work.send(timeEntry('b'))
    await minutes(5)
    // The write after 0 s and the first page fill the first minute, and so on.
    expect(pagesAt).toEqual([30, 60, 90])
    expect(work.counters.recordsReconciled).toBe(1)
    expect(work.sent).toEqual(['a', 'b'])
  })

  it('has a deadline for each page', async () => {
    const signals: (AbortSignal | undefined)[] = []
    const work = aSender(doubtful(), {
      list: async (_, options) => {
        signals.push(options?.signal)
        await later(9000, undefined)
        await options?.nextPage?.()
        await later(9000, undefined)
        await options?.nextPage?.()
        return never()
      },
    })
    work.send(timeEntry('a'))
    await seconds(30 + 27.9)
    expect(signals[0]?.aborted).toBe(false)
    await seconds(0.2)
    expect(signals[0]?.aborted).toBe(true)
    expect(work.outbox.counts()).toMatchObject({ held: 1 })
  })
})

describe('a list that fails', () => {
  it.each([
    ['with a server error', unknown],
    ['with nonsense', 'nonsense'],
    ['with rows that are none', { type: 'accepted', value: { time_entries: [] } }],
  ])('%s is asked for again after a back-off, and the record stays held', async (_, answer) => {
    const work = aSender(doubtful(), { list: answers(answer, answer, rowsOf('a')) })
    work.send(timeEntry('a'))
    const listsAfter: number[] = []
    await seconds(30)
    for (const n of [1, 2]) {
      await ms(n * 1000 - 1)
      listsAfter.push(work.lists.length)
      expect(work.outbox.counts()).toMatchObject({ pending: 0, held: 1 })
      await ms(1)
    }
    expect(listsAfter).toEqual([1, 2])
    expect(work.sent).toEqual(['a'])
    expect(work.counters.recordsReconciled).toBe(1)
  })

  it('after one that did not fail waits as short as the first', async () => {
    const list = answers(unknown, unknown, unknown, rowsOf('a'), unknown, rowsOf('b'))
    const work = aSender(() => unknown, { list })
    work.send(timeEntry('a'))
    await seconds(30 + 1 + 2 + 4)
    expect(work.counters.recordsReconciled).toBe(1)
    work.send(timeEntry('b'))
    await seconds(30 + 1)
    expect(work.counters.recordsReconciled).toBe(2)
  })

  it('does not keep records from being sent', async () => {
    const work = aSender((key) => (key === 'a' ? unknown : accepted()), { list: () => unknown })
    work.send(timeEntry('a'))
    await seconds(40)
    work.send(timeEntry('b'), expense('c'))
    await seconds(1)
    expect(work.sent).toEqual(['a', 'b', 'c'])
  })

  it('because nobody answers ends at its deadline', async () => {
    const work = aSender(doubtful(), { list: answers(never(), rowsOf('a')) })
    work.send(timeEntry('a'))
    await seconds(40.9)
    expect(work.lists.length).toBe(1)
    await seconds(0.2)
    expect(work.counters.recordsReconciled).toBe(1)
  })

  it('because Keito is busy holds everything back as long as Keito asks', async () => {
    const work = aSender((key) => (key === 'a' ? unknown : accepted()), { list: answers(busy(90_000), rowsOf('a')) })
    work.send(timeEntry('a'))
    await seconds(31)
    work.send(timeEntry('b'))
    await seconds(88)
    expect(work.sent).toEqual(['a'])
    await seconds(2)
    expect(work.sent).toEqual(['a', 'b'])
    expect(work.counters).toMatchObject({ recordsReconciled: 1, recordsDelivered: 2 })
  })
})

describe.each([
  ['404', gone],
  ['403', refused(403)],
])('a list that Keito refuses with %s', (_, refusal) => {
  it('leaves the record held, says what to check, and keeps no other record from being sent', async () => {
    const work = aSender((key) => (key === 'a' ? unknown : accepted()), { list: () => refusal })
    work.send(timeEntry('a'))
    await seconds(31)
    work.send(timeEntry('b'), expense('c'))
    await hours(2)
    expect(work.sent).toEqual(['a', 'b', 'c'])
    expect(work.outbox.held()).toMatchObject([{ record: timeEntry('a'), wasSent: true }])
    expect(work.reports).toContainEqual({
      code: 'ambiguous',
      cause: 'time_entry:list',
      message: expect.stringMatching(/refuses to list.*time entry a.*Check that the user of the API key/),
    })
  })

  it('is asked for again after a quarter of an hour', async () => {
    let isRefused = true
    const work = aSender(doubtful(), { list: () => (isRefused ? refusal : rowsOf('a')) })
    work.send(timeEntry('a'))
    await minutes(15)
    expect(work.lists.length).toBe(1)
    isRefused = false
    await minutes(1)
    expect(work.counters).toMatchObject({ recordsReconciled: 1, recordsDelivered: 1 })
  })

  it('lets go of what was most likely never sent', async () => {
    const work = aSender(() => accepted(), { outbox: new LeftOutbox(timeEntry('a'), false), list: () => refusal })
    work.sender.resume()
    await minutes(20)
    expect(work.sent).toEqual(['a'])
  })
})

it('credentials that a list finds refused are reported', async () => {
  let areRefused = false
  const work = aSender((key) => (areRefused ? refused(401) : key === 'a' ? unknown : accepted()), {
    list: () => refused(401),
  })
  work.send(timeEntry('a'))
  await seconds(29)
  areRefused = true
  await seconds(2)
  work.send(timeEntry('b'))
  await hours(2)
  expect(work.reports.map(({ code }) => code)).toContain('unauthorized')
})

describe('a client that cannot list', () => {
  it('leaves the record held for good, and the report says where to look', async () => {
    const work = aSender(doubtful())
    work.send(timeEntry('a'))
    await hours(2)
    expect(work.sent).toEqual(['a'])
    expect(work.outbox.counts()).toMatchObject({ pending: 0, held: 1 })
    expect(work.reports).toMatchObject([
      { code: 'ambiguous', message: expect.stringMatching(/no list to look it up with.*metadata\.idempotency_key/) },
    ])
  })

  it('is not waited for by a drain', async () => {
    const work = aSender(doubtful())
    work.send(timeEntry('a'))
    await seconds(2)
    const drain = watch(work.sender.drain(3_600_000))
    await ms(0)
    expect(drain.isOver).toBe(true)
  })
})

describe('what a process left that is gone', () => {
  it.each([
    ['was sent', true, 30_000],
    ['was most likely not sent', false, 0],
  ])('is looked up if it %s, and sent if Keito has it not', async (_, wasSent, waitMs) => {
    const work = aSender(() => accepted(), { outbox: new LeftOutbox(timeEntry('a'), wasSent), list: () => rowsOf() })
    work.sender.resume()
    work.sender.resume()
    if (waitMs > 0) await ms(waitMs - 1)
    expect(work.lists.length).toBe(0)
    await ms(1)
    expect(work.lists.length).toBe(1)
    expect(work.sent).toEqual(['a'])
    // Only what was sent can be there twice.
    await hours(1)
    expect(work.lists.length).toBe(wasSent ? 2 : 1)
  })

  it('does not put off the look-up of what this process has sent', async () => {
    const work = aSender(() => unknown, { list: () => rowsOf('a') })
    work.send(timeEntry('a'))
    await seconds(20)
    work.sender.resume()
    await seconds(10)
    expect(work.counters.recordsReconciled).toBe(1)
  })

  it.each([
    ['stays held if it was sent', true, []],
    ['is sent if it most likely was not', false, ['a']],
  ])('%s, where nothing can be looked up', async (_, wasSent, sent) => {
    const work = aSender(() => accepted(), { outbox: new LeftOutbox(timeEntry('a'), wasSent) })
    work.sender.resume()
    await hours(1)
    expect(work.sent).toEqual(sent)
    expect(work.outbox.counts().held).toBe(wasSent ? 1 : 0)
  })
})

describe('a client that ignores its deadline', () => {
  it('and answers late that the record was stored, has delivered it: no list is needed', async () => {
    const work = aSender(() => later(25_000, accepted('late')), { list: () => rowsOf() })
    work.send(timeEntry('a'))
    await hours(1)
    expect(work.lists).toEqual([])
    expect(work.sent).toEqual(['a'])
    expect(work.outbox.counts()).toMatchObject({ pending: 0, held: 0 })
    expect(work.events.map(({ status, id }) => [status, id])).toEqual([
      ['held', undefined],
      ['delivered', 'late'],
    ])
  })

  it('is not asked to send the record again while its call goes on, though no list shows it', async () => {
    const work = aSender(() => (work.sent.length === 1 ? later(600_000, unknown) : accepted()), {
      list: () => rowsOf(),
    })
    work.send(timeEntry('a'))
    await seconds(599)
    expect(work.sent).toEqual(['a'])
    expect(work.lists).toHaveLength(1)
    await seconds(32)
    expect(work.sent).toEqual(['a', 'a'])
    expect(work.counters.recordsDelivered).toBe(1)
  })

  it('does not put off the look-up of another record', async () => {
    const work = aSender((key) => (key === 'hangs' ? never() : work.sent.length === 2 ? unknown : accepted()), {
      list: () => rowsOf(),
    })
    work.send(timeEntry('hangs'))
    await seconds(60)
    work.send(timeEntry('b'))
    await seconds(90)
    expect(work.sent).toEqual(['hangs', 'b', 'b'])
  })

  it('and answers after a list has shown the record, says nothing new', async () => {
    const work = aSender(() => later(60_000, accepted('late')), { list: () => rowsOf('a') })
    work.send(timeEntry('a'))
    await hours(1)
    expect(work.counters).toMatchObject({ recordsDelivered: 1, recordsReconciled: 1 })
    expect(work.events.map(({ status }) => status)).toEqual(['held', 'delivered'])
  })

  it('is not one that answers as soon as it is aborted: the record is sent again when no list shows it', async () => {
    const aborted = ({ signal }: { readonly signal?: AbortSignal } = {}) =>
      new Promise<typeof unknown>((resolve) => signal?.addEventListener('abort', () => resolve(unknown)))
    const create = vi.fn((_: object, options?: { readonly signal?: AbortSignal }) =>
      create.mock.calls.length === 1 ? aborted(options) : Promise.resolve(accepted()),
    )
    const timeEntries = { create, list: async () => rowsOf() }
    const work = aSender(never, { client: { answers: 'outcomes', timeEntries, expenses: { create } } })
    work.send(timeEntry('a'))
    await minutes(10)
    expect(create).toHaveBeenCalledTimes(2)
    expect(work.counters.recordsDelivered).toBe(1)
  })
})

describe('the second look', () => {
  it('at a record that was sent again is taken once, and says nothing when all is well', async () => {
    const work = aSender(doubtful(), { list: answers(rowsOf(), rowsOf('a')) })
    work.send(timeEntry('a'))
    await seconds(30 + 299)
    expect(work.lists.length).toBe(1)
    await seconds(2)
    expect(work.lists.length).toBe(2)
    await hours(24)
    expect(work.lists.length).toBe(2)
    expect(work.reports.map(({ code }) => code)).toEqual(['ambiguous'])
    expect(work.counters).toMatchObject({ recordsDelivered: 1, recordsReconciled: 0, recordsDuplicated: 0 })
  })

  it('deletes the later ones of a time entry, and says so', async () => {
    const work = aSender(doubtful(), { list: answers(rowsOf(), rowsOf('a', 'b', 'a', 'a')), remove: () => accepted() })
    work.send(timeEntry('a'))
    await hours(1)
    expect(work.removed).toEqual(['stored-a-2', 'stored-a-3'])
    expect(work.counters.recordsDuplicated).toBe(2)
    expect(work.reports.at(-1)).toEqual({
      code: 'booked-twice',
      cause: 'a',
      message: expect.stringMatching(/time entry a more than once.* 2 of the copies were deleted\.$/),
    })
    expect(work.events.map(({ status }) => status)).toEqual(['held', 'delivered'])
  })

  it('names the ones to delete by hand of an expense', async () => {
    const work = aSender(doubtful(), { list: answers(rowsOf(), rowsOf('a', 'a')), remove: () => accepted() })
    work.send(expense('a'))
    await hours(1)
    expect(work.removed).toEqual([])
    expect(work.counters.recordsDuplicated).toBe(1)
    const message = expect.stringMatching(/Delete stored-a-1 by hand, and keep stored-a-0: Keito has no way to delete/)
    expect(work.reports.at(-1)).toEqual({ code: 'booked-twice', cause: 'a', message })
  })

  it.each([
    ['when the delete fails', { remove: () => unknown }],
    ['when the client cannot delete', {}],
  ])('names the time entry to delete by hand %s', async (_, shelves) => {
    const work = aSender(doubtful(), { list: answers(rowsOf(), rowsOf('a', 'a')), ...shelves })
    work.send(timeEntry('a'))
    await hours(1)
    expect(work.reports.at(-1)?.message).toMatch(/Delete stored-a-1 by hand, and keep stored-a-0/)
  })

  it('deletes no time entry that somebody has changed meanwhile', async () => {
    const rows = rowsOf('a', 'a').value.map((row, i) => ({ ...row, metadata: { ...row.metadata, invoice: i } }))
    const list = answers(rowsOf(), { type: 'accepted', value: rows })
    const work = aSender(doubtful(), { list, remove: () => accepted() })
    work.send(timeEntry('a'))
    await hours(1)
    expect(work.removed).toEqual([])
    expect(work.reports.at(-1)?.message).toMatch(/Delete stored-a-1 by hand/)
  })

  it('keeps the one that was stored first, in whatever order the list shows them', async () => {
    const value = rowsOf('a', 'a').value.toReversed()
    const work = aSender(doubtful(), {
      list: answers(rowsOf(), { type: 'accepted', value }),
      remove: () => accepted(),
    })
    work.send(timeEntry('a'))
    await hours(1)
    expect(work.removed).toEqual(['stored-a-1'])
  })

  it('deletes within the budget', async () => {
    const removedAt: number[] = []
    const start = performance.now()
    const work = aSender(doubtful(), {
      settings: { requestsPerMinute: 1, recheckAfterMs: 120_000 },
      list: answers(rowsOf(), rowsOf('a', 'a', 'a')),
      remove: () => {
        removedAt.push(Math.round((performance.now() - start) / 1000))
        return accepted()
      },
    })
    work.send(timeEntry('a'))
    await minutes(10)
    // The write, the list, the repeat, the list two minutes later: each in a minute of its own.
    expect(removedAt).toEqual([300, 360])
  })
})

describe('copies that the first list shows already', () => {
  /** Sent, not in the list, sent again, and in doubt again: by then both writes have been made. */
  const aSenderInDoubt = () =>
    aSender(() => unknown, { list: answers(rowsOf(), rowsOf('a', 'a')), remove: () => accepted() })

  it('of a time entry are deleted, and the one that stays is delivered', async () => {
    const work = aSenderInDoubt()
    work.send(timeEntry('a'))
    await seconds(100)
    expect(work.removed).toEqual(['stored-a-1'])
    expect(work.events.at(-1)).toMatchObject({ status: 'delivered', id: 'stored-a-0' })
    expect(work.counters).toMatchObject({ recordsDelivered: 1, recordsReconciled: 1, recordsDuplicated: 1 })
  })

  it('of an expense are counted and reported once', async () => {
    const work = aSenderInDoubt()
    work.send(expense('a'))
    await hours(1)
    expect(work.counters).toMatchObject({ recordsDelivered: 1, recordsReconciled: 1, recordsDuplicated: 1 })
    expect(work.reports.filter(({ code }) => code === 'booked-twice').length).toBe(1)
  })
})

describe('a drain', () => {
  it('waits for a look-up that is due before its deadline, and for what follows from it', async () => {
    const work = aSender(answers(unknown, later(500, accepted())), { list: () => later(1000, rowsOf()) })
    work.send(timeEntry('a'))
    await ms(0)
    const drain = watch(work.sender.drain(35_000))
    await seconds(30.5)
    expect(drain.isOver).toBe(false)
    await seconds(2)
    expect(drain.isOver).toBe(true)
    expect(work.counters.recordsDelivered).toBe(1)
  })

  it('does not wait for a look-up that is due after its deadline', async () => {
    const work = aSender(doubtful(), { list: () => rowsOf('a') })
    work.send(timeEntry('a'))
    await ms(0)
    const drain = watch(work.sender.drain(25_000))
    await ms(0)
    expect(drain.isOver).toBe(true)
  })

  it('does not wait for second looks', async () => {
    const work = aSender(doubtful(), { list: () => rowsOf() })
    work.send(timeEntry('a'))
    await seconds(31)
    expect(work.counters.recordsDelivered).toBe(1)
    const drain = watch(work.sender.drain(3_600_000))
    await ms(0)
    expect(drain.isOver).toBe(true)
  })

  it('ends at once when a list is told to wait for hours', async () => {
    const work = aSender(doubtful(), { list: () => busy(7_200_000) })
    work.send(timeEntry('a'))
    const drain = watch(work.sender.drain(60_000))
    await seconds(29)
    expect(drain.isOver).toBe(false)
    await seconds(1.1)
    expect(drain.isOver).toBe(true)
    await hours(1.9)
    expect(work.lists.length).toBe(1)
    expect(work.sent).toEqual(['a'])
  })

  it('does not wait for a list that Keito refuses', async () => {
    const work = aSender(doubtful(), { list: () => gone })
    work.send(timeEntry('a'))
    await seconds(31)
    const drain = watch(work.sender.drain(600_000))
    await ms(0)
    expect(drain.isOver).toBe(true)
    expect(work.outbox.counts()).toMatchObject({ held: 1 })
  })

  it('waits until a copy that was found is deleted', async () => {
    const work = aSender(() => unknown, {
      list: answers(rowsOf(), rowsOf('a', 'a')),
      remove: () => later(100, accepted()),
    })
    work.send(timeEntry('a'))
    void work.sender.drain(120_000).then(() => work.sender.close())
    await minutes(3)
    expect(work.removed).toEqual(['stored-a-1'])
    expect(work.reports.at(-1)?.message).toMatch(/1 of the copies was deleted\.$/)
  })
})

describe('no look-up is made', () => {
  it('while Keito asks to wait', async () => {
    const work = aSender((key) => (key === 'a' ? unknown : busy(120_000)), { list: () => rowsOf('a') })
    work.send(timeEntry('a'))
    await seconds(29)
    work.send(timeEntry('b'))
    await seconds(119)
    expect(work.lists.length).toBe(0)
    await seconds(2)
    expect(work.lists.length).toBe(1)
  })

  it('after the sender was closed, and one that is under way is aborted and decides nothing', async () => {
    let signal: AbortSignal | undefined
    const work = aSender(doubtful(), {
      list: (_, options) => {
        signal = options?.signal
        return later(1000, rowsOf('a'))
      },
    })
    work.send(timeEntry('a'))
    await seconds(30.5)
    work.sender.close()
    expect(signal?.aborted).toBe(true)
    await hours(1)
    expect(work.lists.length).toBe(1)
    expect(work.outbox.counts()).toMatchObject({ pending: 0, held: 1 })
    expect(work.counters.recordsDelivered).toBe(0)
  })

  /** A client that knows no signals, whose lists have 100 pages of a second each, the first as long as told. */
  const endless = (firstPageMs: number) => {
    const pages: (number | undefined)[] = []
    const client = outcomesOf({
      timeEntries: {
        create: async () => Promise.reject(new Error('no answer')),
        list: async ({ page }: ListQuery) => {
          pages.push(page)
          await later(page === 1 ? firstPageMs : 1000, undefined)
          return { time_entries: [{ id: String(page) }], total_pages: 100 }
        },
      },
      expenses: { create: never },
    })
    return { client, pages }
  }

  it('for further pages after the sender was closed', async () => {
    const { client, pages } = endless(1000)
    const work = aSender(never, { client })
    work.send(timeEntry('a'))
    await seconds(30.5)
    work.sender.close()
    await hours(1)
    expect(pages).toEqual([1])
  })

  it('for further pages of a list that was given up', async () => {
    const { client, pages } = endless(20_000)
    const work = aSender(never, { client })
    work.send(timeEntry('a'))
    await minutes(2)
    expect(pages.every((page) => page === 1)).toBe(true)
  })
})

describe('the budget', () => {
  it('of a minute is shared by writes and lists', async () => {
    const work = aSender((key) => (key === 'a' ? unknown : accepted()), {
      settings: { requestsPerMinute: 2 },
      list: () => rowsOf('a'),
    })
    work.send(timeEntry('a'))
    await seconds(20)
    work.send(timeEntry('b'))
    await seconds(39.9)
    expect([work.sent, work.lists.length]).toEqual([['a', 'b'], 0])
    await seconds(0.2)
    expect(work.lists.length).toBe(1)
    work.send(timeEntry('c'))
    await seconds(19)
    expect(work.sent).toEqual(['a', 'b'])
    await seconds(1)
    expect(work.sent).toEqual(['a', 'b', 'c'])
  })

  it('of a day is shared by writes and lists', async () => {
    const work = aSender((key) => (key === 'a' ? unknown : accepted()), {
      settings: { requestsPerDay: 3 },
      list: () => rowsOf('a'),
    })
    work.send(timeEntry('a'), timeEntry('b'))
    await minutes(1)
    work.send(timeEntry('c'), timeEntry('d'))
    await hours(23.9)
    expect([work.sent, work.lists.length]).toEqual([['a', 'b'], 1])
    await hours(0.2)
    expect(work.sent).toEqual(['a', 'b', 'c', 'd'])
  })

  it('that is used up for hours ends a drain at once, and nothing is sent before', async () => {
    const work = aSender(() => accepted(), { settings: { requestsPerDay: 1 } })
    work.send(timeEntry('a'), timeEntry('b'))
    const drain = watch(work.sender.drain(3_600_000))
    await ms(0)
    expect(drain.isOver).toBe(true)
    await hours(23)
    expect(work.sent).toEqual(['a'])
  })
})
