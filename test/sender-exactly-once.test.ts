/** Rule: whatever Keito answers, each record ends exactly once, and is not sent again when Keito may have it. */
import fc from 'fast-check'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import type { CallOptions } from '../src/keito/client.ts'
import type { ListQuery, StoredRecord } from '../src/keito/types.ts'
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

it('without a list, each record ends as its last answer says, once', async () => {
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
      expect(work.outbox.counts()).toEqual({
        pending: 0,
        gathered: 0,
        held: count('held'),
        dead: count('dead'),
        unassigned: 0,
      })
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

type ArbitraryValue<A> = A extends fc.Arbitrary<infer T> ? T : never

/** What becomes of a write: whether and when Keito stores the record, and what the client says. */
const aWrite = fc.record({
  says: fc.constantFrom('stored', 'unknown', 'nothing', 'late', 'busy', 'refused', 'invalid'),
  stores: fc.constantFrom('before', 'late', 'never'),
  delayMs: fc.nat({ max: 12_000 }),
})
type Write = ArbitraryValue<typeof aWrite>

/** What becomes of a list. */
const aList = fc.record({
  says: fc.constantFrom('rows', 'rows', 'rows', 'unknown', 'nothing', 'busy', 'invalid'),
  pages: fc.integer({ min: 1, max: 3 }),
  delayMs: fc.nat({ max: 3000 }),
})
type List = ArbitraryValue<typeof aList>

const WELL: Write = { says: 'stored', stores: 'before', delayMs: 5 }
const WELL_LIST: List = { says: 'rows', pages: 1, delayMs: 5 }
/** A record is stored no later than this after its request was answered or given up; look-ups wait for longer. */
const LATE_MS = 25_000

const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))
/** Waits as a client does that ends its request soon after it is told to. */
const sleepUntilAborted = ({ signal }: CallOptions = {}) =>
  new Promise<void>((resolve) => {
    signal?.addEventListener('abort', () => setTimeout(resolve, 1), { once: true })
  })

/** Keito, as far as it can be told from outside: it has no idempotency key, so what comes twice is stored twice. */
class Model {
  readonly rows: StoredRecord[] = []
  /** What must never happen, in words. */
  readonly violations: string[] = []
  readonly #writes: Iterator<Write, undefined>
  readonly #lists: Iterator<List, undefined>
  readonly #underWay = new Set<string>()
  #listsUnderWay = 0

  constructor(writes: readonly Write[], lists: readonly List[]) {
    this.#writes = writes[Symbol.iterator]()
    this.#lists = lists[Symbol.iterator]()
  }

  has(key: string): boolean {
    return this.rows.some((row) => row.metadata?.idempotency_key === key)
  }

  readonly create: Answer = async (key, options) => {
    if (this.#underWay.has(key)) this.violations.push(`${key} is sent while it is under way`)
    if (this.has(key)) this.violations.push(`${key} is sent although it is stored`)
    this.#underWay.add(key)
    const outcome = await this.#write(key, this.#writes.next().value ?? WELL, options)
    this.#underWay.delete(key)
    return outcome
  }

  async list(_: ListQuery, options: CallOptions | undefined): Promise<unknown> {
    const { says, pages, delayMs } = this.#lists.next().value ?? WELL_LIST
    if (++this.#listsUnderWay > 2) this.violations.push('more lists at once than there are kinds of records')
    // A snapshot when it is asked for: what is stored later is not in it.
    const rows = [...this.rows]
    for (let page = 1; page <= pages; page++) {
      if (page > 1) await options?.nextPage?.()
      await (says === 'nothing' ? sleepUntilAborted(options) : sleep(delayMs))
      if (options?.signal?.aborted) break
    }
    this.#listsUnderWay--
    if (options?.signal?.aborted) return unknown
    const outcomes = { rows: { type: 'accepted', value: rows }, nothing: unknown, unknown, busy: busy(2000), invalid }
    return outcomes[says]
  }

  async #write(key: string, { says, stores, delayMs }: Write, options: CallOptions | undefined): Promise<unknown> {
    switch (says) {
      case 'stored':
        await sleep(Math.min(delayMs, 9000))
        return accepted(this.#store(key))
      case 'unknown':
      case 'nothing':
        if (stores === 'before') this.#store(key)
        await (says === 'unknown' ? sleep(Math.min(delayMs, 9000)) : sleepUntilAborted(options))
        if (stores === 'late') setTimeout(() => this.#store(key), LATE_MS)
        return unknown
      case 'late':
        // A client that knows no deadline, and answers after it.
        await sleep(15_000)
        return stores === 'never' ? unknown : accepted(this.#store(key))
      default:
        await sleep(Math.min(delayMs, 9000))
        return { busy: busy(), refused: refused(403), invalid }[says]
    }
  }

  #store(key: string): string {
    const id = `id-${this.rows.length}`
    this.rows.push({ id, metadata: { idempotency_key: key } })
    return id
  }
}

it('with a list, each record is in Keito once, or dead and not there, whatever comes of writes and lists', async () => {
  const settings = fc.record({
    concurrency: fc.integer({ min: 1, max: 6 }),
    requestsPerMinute: fc.integer({ min: 2, max: 50 }),
    maxBackoffMs: fc.integer({ min: 1, max: 60_000 }),
  })
  const writes = fc.array(aWrite, { maxLength: 40 })
  const lists = fc.array(aList, { maxLength: 10 })
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 12 }),
      writes,
      lists,
      settings,
      async (count, script, shown, delivery) => {
        const keito = new Model(script, shown)
        const work = aSender(keito.create, {
          list: (query, options) => keito.list(query, options),
          settings: { ...delivery, recheckAfterMs: 300_000 },
        })
        const records = Array.from({ length: count }, (_, i) => (i % 2 === 0 ? timeEntry : expense)(String(i)))
        work.send(...records)
        const drained = work.sender.drain(1e9)
        await vi.advanceTimersByTimeAsync(1e9)
        await drained

        expect(keito.violations).toEqual([])
        const { pending, held, dead } = work.outbox.counts()
        expect({ pending, held }).toEqual({ pending: 0, held: 0 })
        const buried = new Set(work.outbox.dead().map(({ record }) => record.key))
        const stored = keito.rows.map((row) => String(row.metadata?.idempotency_key))
        expect(stored.toSorted()).toEqual(records.flatMap(({ key }) => (buried.has(key) ? [] : key)).toSorted())
        expect(work.counters).toMatchObject({
          recordsDelivered: count - dead,
          recordsDead: dead,
          recordsDuplicated: 0,
        })

        // Told as it was: in doubt any number of times, then one end, which names the row that is there.
        for (const { key } of records) {
          const told = work.events.filter(({ record }) => record.key === key)
          const end = told.pop()
          expect(told.every(({ status }) => status === 'held')).toBe(true)
          expect(end?.status).toBe(buried.has(key) ? 'dead' : 'delivered')
          expect(end?.id).toBe(keito.rows.find((row) => row.metadata?.idempotency_key === key)?.id)
        }
        work.sender.close()
      },
    ),
    { numRuns: 150 },
  )
})
