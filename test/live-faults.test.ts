/**
 * Rule: whatever goes wrong on the way, with live timers the same is booked as without, once, and no timer is left. The
 * clock costs nothing, and Keito answers without a server, so that many stories can be told.
 */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { type KeitoProcessorOptions, KeitoRestClient } from '../src/index.ts'
import { type DrawnFault, FaultDraws, readFaults } from '../src/testing/faults.ts'
import type { SandboxFaultTarget, SandboxRequest } from '../src/testing/index.ts'
import { ledgerOf, runningIn } from './helpers/ledgers.ts'
import { startDesk, tellWork } from './helpers/live-rig.ts'
import { simulateKeito } from './helpers/simulated-keito.ts'
import { fastForward, sleep } from './helpers/timer-world.ts'

beforeAll(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance', 'Date'] })
})
afterAll(() => {
  vi.useRealTimers()
})

/** A late write is made within 900 ms. */
const DELIVERY = {
  concurrency: 4,
  timeoutMs: 2000,
  maxBackoffMs: 1000,
  reconcileAfterMs: 3000,
  shutdownTimeoutMs: 3_600_000,
} as const
const RUNS = 40
const isStart = ({ body }: SandboxRequest) => JSON.stringify(body)?.includes('"is_running":true') === true

type Draw = (target: SandboxFaultTarget) => DrawnFault | undefined

const wellDraw: Draw = () => undefined

/** Tells a story to a Keito that fails so. */
async function booksOf(draw: Draw, seed: number, options: KeitoProcessorOptions) {
  const keito = simulateKeito(draw)
  const { fetch, exporterOptions } = keito
  const client = new KeitoRestClient({ ...exporterOptions, fetch, timeoutMs: DELIVERY.timeoutMs })
  const desk = startDesk({ ...exporterOptions, client, ...options, delivery: { ...DELIVERY, ...options.delivery } })
  await fastForward(
    (async () => {
      await tellWork(desk.begin, { seed, runs: RUNS, sleep, longestMs: 3000 })
      await desk.processor.shutdown()
      await sleep(10_000)
    })(),
  )
  return { keito, ledger: ledgerOf(keito), stats: desk.processor.stats(), problems: desk.problems }
}

const SEEDS = Array.from({ length: Number(process.env.SEEDS ?? 16) }, (_, i) => i + 1)

/** The timer of a human, who uses the same account. */
const HUMANS = {
  project_id: 'cmproject1',
  task_id: 'cmtask1',
  spent_date: '2026-11-20',
  hours: 0,
  is_running: true,
}

describe(`${RUNS} runs of which some fail`, () => {
  it.each(SEEDS)('while four in ten requests go wrong are booked as without timers (%i)', async (seed) => {
    const draws = new FaultDraws(readFaults({ seed, rate: 0.4 }))
    let faults = 0
    const draw: Draw = (target) => {
      const fault = draws.next(target)
      if (fault) faults++
      return fault
    }
    const time = (['skip', 'unbilled', 'billed'] as const)[seed % 3] ?? 'skip'
    const options: KeitoProcessorOptions = {
      failedRuns: { time },
      agents: seed % 2 ? 'outermost' : 'each',
      // With so few, records and timers wait for each other.
      delivery: seed % 4 ? {} : { concurrency: 1, requestsPerMinute: 30 },
    }
    const live = await booksOf(draw, seed, { ...options, live: { minMs: 200 } })
    const plain = await booksOf(wellDraw, seed, { ...options, live: false })
    expect(live.ledger).toEqual(plain.ledger)
    expect(runningIn(live.keito)).toEqual([])
    expect(live.stats).toMatchObject({
      recordsMade: plain.stats.recordsMade,
      recordsDelivered: plain.stats.recordsMade,
      recordsPending: 0,
      recordsHeld: 0,
      recordsDead: 0,
      recordsDropped: 0,
      recordsDuplicated: 0,
    })
    // Without these, nothing was tried.
    expect(live.keito.requests().filter(isStart).length).toBeGreaterThan(0)
    expect(faults).toBeGreaterThan(20)
    expect(plain.ledger.timeEntries.length).toBeGreaterThan(RUNS / 3)
  })
})

describe('a run whose credentials are refused for ten minutes', () => {
  it.each(['before it begins', 'while it is shown'])('%s is booked when they are mended', async (moment) => {
    const keito = simulateKeito(wellDraw)
    let isRefused = moment === 'before it begins'
    const fetch: typeof globalThis.fetch = async (...args) =>
      isRefused ? Response.json({ error: 'unauthorized' }, { status: 401 }) : keito.fetch(...args)
    const client = new KeitoRestClient({ ...keito.exporterOptions, fetch })
    const { begin, processor, problems } = startDesk({ ...keito.exporterOptions, client, delivery: DELIVERY })
    await fastForward(
      (async () => {
        const run = begin('review-bot').call(1)
        await sleep(1000)
        isRefused = true
        await sleep(1000)
        run.end(3600)
        await sleep(600_000)
        isRefused = false
        await processor.shutdown()
      })(),
    )
    expect(ledgerOf(keito)).toMatchObject({ timeEntries: [{ hours: 1, isRunning: false }], expenses: [{ units: 1 }] })
    expect(keito.timeEntries()).toHaveLength(1)
    expect(problems.map(({ code }) => code)).toEqual(['unauthorized'])
  })
})

describe('a thousand runs at once', () => {
  const MANY = 1000

  /** They begin, last a while, and end one by one. */
  const tellMany = async (
    keito: ReturnType<typeof simulateKeito>,
    lastsMs: number,
    live: KeitoProcessorOptions['live'],
  ) => {
    const { fetch, exporterOptions } = keito
    const client = new KeitoRestClient({ ...exporterOptions, fetch })
    const { begin, processor, problems } = startDesk({
      ...exporterOptions,
      client,
      live: live ?? false,
      delivery: DELIVERY,
    })
    await fastForward(
      (async () => {
        const runs = Array.from({ length: MANY }, (_, i) => begin(`agent-${i % 7}`))
        await sleep(lastsMs)
        for (const [i, run] of runs.entries()) run.end(36 * (i + 1))
        await processor.shutdown()
      })(),
    )
    expect(problems).toEqual([])
    return ledgerOf(keito)
  }

  it.each([
    [5, 5],
    [60, 5],
    [60, 200],
    [500, 5],
  ])(
    'that last %i ms have one timer, which costs two requests, also when its start takes %i ms',
    async (lastsMs, startMs) => {
      const well = simulateKeito(wellDraw)
      const fetch: typeof globalThis.fetch = async (input, init) => {
        if (String(init?.body).includes('"is_running":true')) await sleep(startMs)
        return well.fetch(input, init)
      }
      const keito = { ...well, fetch }
      const ledger = await tellMany(keito, lastsMs, { minMs: 0 })
      expect(ledger).toEqual(await tellMany(simulateKeito(wellDraw), lastsMs, false))
      expect(ledger.timeEntries).toHaveLength(MANY)
      expect(keito.requests().filter(isStart).length).toBeLessThanOrEqual(1)
      expect(keito.requests().length).toBeLessThanOrEqual(MANY + 2)
    },
  )

  it('beside the timer of a human try for HUMANS a few times, less and less often', async () => {
    const keito = simulateKeito(wellDraw)
    const client = new KeitoRestClient({ ...keito.exporterOptions, fetch: keito.fetch })
    await fastForward(client.timeEntries.create({ ...HUMANS, notes: 'standup' } as never))
    const [entry] = keito.timeEntries()
    await tellMany(keito, 600_000, { minMs: 0 })
    expect(keito.timeEntries()[0]).toEqual(entry)
    expect(keito.timeEntries()).toHaveLength(MANY + 1)
    const refused = keito.requests().filter(({ status }) => status === 409)
    // The longest wait between two is a second here.
    expect(refused.length).toBeGreaterThan(2)
    expect(refused.length).toBeLessThan(1000)
    expect(keito.requests().length - refused.length).toBe(MANY + 1)
  })
})

describe('a flush', () => {
  it('does not wait for a timer that may not be started yet', async () => {
    const keito = simulateKeito(wellDraw)
    const { fetch, exporterOptions } = keito
    const client = new KeitoRestClient({ ...exporterOptions, fetch })
    await fastForward(client.timeEntries.create(HUMANS as never))
    const { begin, processor } = startDesk({
      ...exporterOptions,
      client,
      delivery: { ...DELIVERY, maxBackoffMs: 60_000, flushTimeoutMs: 25_000 },
    })
    const tookMs = await fastForward(
      (async () => {
        for (let i = 0; i < 10; i++) begin(`agent-${i}`)
        await sleep(8000)
        const startMs = performance.now()
        await processor.forceFlush()
        return performance.now() - startMs
      })(),
    )
    expect(tookMs).toBeLessThan(1000)
    await fastForward(processor.shutdown())
  })

  it('does not wait for a timer that perhaps was started', async () => {
    let faults = 0
    const draw: Draw = ({ method }) =>
      method === 'POST' && ++faults === 1 ? { kind: 'error', moment: 'before' } : undefined
    const keito = simulateKeito(draw)
    const { fetch, exporterOptions } = keito
    const client = new KeitoRestClient({ ...exporterOptions, fetch })
    const { begin, processor } = startDesk({
      ...exporterOptions,
      client,
      delivery: { ...DELIVERY, reconcileAfterMs: 30_000, flushTimeoutMs: 25_000 },
    })
    const tookMs = await fastForward(
      (async () => {
        const run = begin('review-bot')
        await sleep(5000)
        run.end(3600)
        await sleep(500)
        const startMs = performance.now()
        await processor.forceFlush()
        return performance.now() - startMs
      })(),
    )
    expect(processor.stats()).toMatchObject({ timersLost: 1, recordsDelivered: 1, recordsPending: 0 })
    expect(tookMs).toBeLessThan(1000)
    await fastForward(processor.shutdown())
  })
})

describe('runs that need nearly all requests of a minute', () => {
  const RUNS_A_MINUTE = 28
  /** What is counted after some minutes of such runs, each of which comes to two records. */
  const countedAfter = async (live: KeitoProcessorOptions['live']) => {
    const keito = simulateKeito(wellDraw)
    const { fetch, exporterOptions } = keito
    const client = new KeitoRestClient({ ...exporterOptions, fetch })
    const delivery = { ...DELIVERY, requestsPerMinute: 60 }
    const { begin, processor } = startDesk({ ...exporterOptions, client, live: live ?? false, delivery })
    const counted = await fastForward(
      (async () => {
        for (let i = 0; i < 8 * RUNS_A_MINUTE; i++) {
          const run = begin('review-bot', i).call(i)
          setTimeout(() => run.end(i + 10), 7500)
          await sleep(60_000 / RUNS_A_MINUTE)
        }
        await sleep(10_000)
        return processor.stats()
      })(),
    )
    await fastForward(processor.shutdown())
    return counted
  }

  it('are booked in time: timers take only what is left', async () => {
    const [plain, live] = [await countedAfter(false), await countedAfter({ minMs: 5000 })]
    expect(live.timersStarted).toBeGreaterThan(0)
    expect(live.recordsMade).toBe(plain.recordsMade)
    expect(plain.recordsPending).toBe(0)
    // Those of half a minute, however long it goes on.
    expect(live.recordsPending).toBeLessThan(RUNS_A_MINUTE)
  })
})
