/**
 * Rule: a process that starts on an outbox directory goes on where the one that was killed there had come to: nothing
 * that was acknowledged is lost, and nothing is booked again.
 */
import { cpSync } from 'node:fs'
import { afterEach, describe, expect, it, vi } from 'vitest'
import type { KeitoExporterOptions } from '../src/index.ts'
import { journalsIn, World } from './helpers/outbox-world.ts'
import { aTrace, type FromTo } from './helpers/spans.ts'

const CALL = { input: 1000, output: 500 }
const TOKENS = 1500
const HOUR = 3_600_000

/** A run of an hour with one call. */
function aRun(at: FromTo = [0, HOUR]) {
  const run = aTrace().agent('reviewer', { at })
  const call = run.chat({ ...CALL, at: [at[0], at[0] + 1000] })
  return { run, call, traceId: run.traceId, spans: run.spans }
}

/** All that is to be seen of one run. */
const ONCE = { keys: 2, ms: HOUR, tokens: TOKENS }
const seen = ({ keito }: World) => ({ keys: new Set(keito.keys).size, ms: keito.msOf(), tokens: keito.tokensOf() })
const posts = ({ keito }: World) => keito.requests.filter((request) => request.startsWith('POST')).length

afterEach(() => {
  vi.useRealTimers()
})

describe('records', () => {
  it('that waited are sent by the next process, once they were not found in Keito', async () => {
    const world = new World()
    const one = world.start({ wire: 'cut', delivery: { concurrency: 1 } })
    expect(one.take(aRun().spans)).toBe(true)
    await one.book()
    one.kill()

    const other = world.start()
    expect(other.exporter.stats()).toMatchObject({ recordsHeld: 2, recordsPending: 0 })
    await other.flush()
    expect(seen(world)).toEqual(ONCE)
    expect(world.keito.requests.sort()).toEqual([
      'GET expenses',
      'GET time_entries',
      'POST expenses',
      'POST time_entries',
    ])
    expect(other.exporter.stats()).toMatchObject({ recordsHeld: 0, recordsPending: 0, recordsDelivered: 2 })
  })

  it('that were under way are not sent again when Keito has them', async () => {
    const world = new World()
    const one = world.start({ wire: 'deaf' })
    one.take(aRun().spans)
    await one.book()
    expect(posts(world)).toBe(2)
    one.kill()

    const other = world.start()
    await other.flush()
    expect(seen(world)).toEqual(ONCE)
    expect(posts(world)).toBe(2)
    expect(other.exporter.stats()).toMatchObject({ recordsReconciled: 2, recordsDelivered: 2, recordsHeld: 0 })
  })

  it('that were under way are looked for only after a late commit must have happened', async () => {
    const world = new World()
    const one = world.start({ wire: 'cut' })
    one.take(aRun().spans)
    await one.book()
    one.kill()
    const other = world.start({ delivery: { reconcileAfterMs: 100 } })
    await other.book()
    expect(world.keito.requests).toEqual([])
    await other.flush()
    expect(seen(world)).toEqual(ONCE)
  })

  it.each(['entries', 'expenses'] as const)(
    'that Keito does not have, the %s, are sent before a flush ends',
    async (lost) => {
      const world = new World()
      const one = world.start({ wire: 'deaf' })
      one.take(aRun().spans)
      await one.book()
      one.kill()
      world.keito[lost].length = 0
      const other = world.start()
      await other.flush()
      expect(other.exporter.stats()).toMatchObject({ recordsDelivered: 2, recordsPending: 0, recordsHeld: 0 })
      expect(seen(world)).toEqual(ONCE)
    },
  )

  it('that were delivered stay delivered, also when their session is settled anew', async () => {
    const world = new World()
    const one = world.start()
    one.take(aRun().spans)
    await one.flush()
    one.kill()
    for (let restarts = 0; restarts < 3; restarts++) {
      const next = world.start()
      await next.flush()
      next.kill()
    }
    await world.start().end()
    expect(seen(world)).toEqual(ONCE)
    expect(posts(world)).toBe(2)
  })

  it('outlive any number of processes that are killed before they can send', async () => {
    const world = new World()
    const one = world.start({ wire: 'cut' })
    one.take(aRun().spans)
    await one.book()
    one.kill()
    for (let restarts = 0; restarts < 5; restarts++) {
      const next = world.start({ wire: 'cut' })
      await next.book()
      next.kill()
    }
    await world.start().end()
    expect(seen(world)).toEqual(ONCE)
  })

  it('that could not be sent before a shutdown in order are sent by the next process', async () => {
    const world = new World()
    const one = world.start({ wire: 'down', delivery: { shutdownTimeoutMs: 30 } })
    one.take(aRun().spans)
    await one.end()
    expect(one.codes).toContain('undelivered')
    const other = world.start()
    await other.flush()
    expect(seen(world)).toEqual(ONCE)
    expect(other.codes).toEqual([])
  })

  it('gathered for a rollup are merged by the next process', async () => {
    const world = new World()
    const rollup: KeitoExporterOptions = { rollup: { windowMs: HOUR }, settle: { graceMs: 0 } }
    vi.useFakeTimers({ toFake: ['setTimeout'] })
    const one = world.start(rollup)
    one.take([...aRun().spans, ...aRun().spans])
    vi.advanceTimersByTime(1000)
    vi.useRealTimers()
    expect(one.exporter.stats()).toMatchObject({ recordsMade: 4, recordsPending: 4 })
    expect(world.keito.requests).toEqual([])
    one.kill()

    const other = world.start(rollup)
    expect(other.exporter.stats()).toMatchObject({ recordsPending: 0, recordsHeld: 2 })
    await other.end()
    expect(seen(world)).toEqual({ keys: 2, ms: 2 * HOUR, tokens: 2 * TOKENS })
    expect(world.keito.keys.every((key) => key.endsWith(':rollup:2'))).toBe(true)
  })

  it('of one run in a rollup that wait at a shutdown in order are sent by the next process', async () => {
    const world = new World()
    const rollup = { rollup: { windowMs: HOUR } }
    const one = world.start({ ...rollup, wire: 'down', delivery: { shutdownTimeoutMs: 30 } })
    one.take(aRun().spans)
    await one.end()
    const other = world.start(rollup)
    await other.end()
    expect(seen(world)).toEqual(ONCE)
  })

  it('that cannot be booked anywhere are still shown', async () => {
    const world = new World()
    const nowhere: KeitoExporterOptions = { attribution: () => ({ projectId: 'no id' }) }
    const one = world.start(nowhere)
    one.take(aRun().spans)
    await one.book()
    const left = one.outbox.unassigned()
    expect(left).toMatchObject([{ missing: [], settlement: { models: [{ usage: CALL }], time: { index: 0 } } }])
    one.kill()

    const other = world.start(nowhere)
    await other.flush()
    expect(other.outbox.unassigned()).toEqual(left)
    expect(other.exporter.stats().recordsUnassigned).toBe(1)
    expect(world.keito.requests).toEqual([])
  })
})

describe('an open session', () => {
  it('whose run ends after the restart is booked as if nothing had happened', async () => {
    const world = new World()
    const { run, spans } = aRun()
    const one = world.start()
    one.take(run.without(run))
    one.kill()

    const other = world.start()
    other.take(spans.slice(-1))
    await other.flush()
    expect(seen(world)).toEqual(ONCE)
    expect(world.keito.entries).toMatchObject([{ hours: 1, billable: true, metadata: { outcome: 'ok', llm_calls: 1 } }])
    expect(world.keito.expenses).toMatchObject([{ notes: 'gpt-4o: 1k input + 500 output', billable: true }])
    await other.end()
    expect(seen(world)).toEqual(ONCE)
  })

  it('is delivered by the process that settles it, without another restart', async () => {
    const world = new World()
    const { run } = aRun()
    const one = world.start()
    one.take(run.without(run))
    one.kill()
    const other = world.start()
    await other.end()
    expect(world.keito.tokensOf()).toBe(TOKENS)
    expect(other.codes).not.toContain('undelivered')
  })

  it('is remembered with spans that came before the first one of interest', async () => {
    const world = new World()
    const request = aTrace().http({ at: [0, HOUR], attributes: { 'keito.project_id': 'cmother' } })
    const run = request.http({ at: [0, HOUR] }).agent('reviewer', { at: [0, HOUR] })
    run.chat({ ...CALL, at: [0, 1000] })
    const one = world.start()
    for (const span of run.without(request)) one.take([span])
    one.kill()
    const other = world.start()
    other.take(request.spans.filter((span) => span === request.ended))
    await other.flush()
    expect(seen(world)).toEqual(ONCE)
    expect(world.keito.entries).toMatchObject([{ project_id: 'cmother' }])
  })

  it('is settled when it is idle for long enough', async () => {
    const world = new World()
    const { run } = aRun()
    const one = world.start()
    one.take(run.without(run))
    one.kill()
    const other = world.start({ settle: { graceMs: 0, idleMs: 30 } })
    await vi.waitFor(() => expect(world.keito.tokensOf()).toBe(TOKENS), { timeout: 5000 })
    expect(world.keito.entries).toEqual([])
    expect(other.exporter.stats().openSessions).toBe(0)
  })

  it('that is finished after it was booked as interrupted gets its hours, and its tokens once', async () => {
    const world = new World()
    const { run, spans } = aRun()
    const one = world.start()
    one.take(run.without(run))
    one.kill()
    const other = world.start({ settle: { graceMs: 0, idleMs: 30 } })
    await vi.waitFor(() => expect(world.keito.tokensOf()).toBe(TOKENS), { timeout: 5000 })
    other.take(spans.slice(-1))
    await other.flush()
    expect(seen(world)).toEqual(ONCE)
  })
})

describe('an interrupted session', () => {
  /** A run of which a call from 0 to 10 min and a tool from 20 to 30 min had ended; the run itself had not. */
  async function interrupted(options: KeitoExporterOptions) {
    const world = new World()
    const run = aTrace().agent('reviewer', { at: [0, HOUR] })
    run.chat({ ...CALL, at: [0, HOUR / 6] })
    run.tool('search', { at: [HOUR / 3, HOUR / 2] })
    const one = world.start(options)
    one.take(run.without(run))
    one.kill()
    const other = world.start(options)
    expect(other.codes).toEqual(['interrupted'])
    await other.end()
    expect(other.codes).toEqual(['interrupted'])
    const { entries, expenses } = world.keito
    return {
      times: entries.map(({ hours, billable, metadata }) => [hours, billable, metadata.outcome]),
      tokens: expenses.map(({ units, billable, notes }) => [units, billable, notes]),
    }
  }

  const NOTE = 'gpt-4o: 1k input + 500 output (interrupted run)'

  it('has its tokens on record and no hours, unless the options say otherwise', async () => {
    expect(await interrupted({})).toEqual({ times: [], tokens: [[2, false, NOTE]] })
  })

  it.each([
    ['skip', []],
    ['unbilled', [[0.5, false, 'interrupted']]],
    ['billed', [[0.5, true, 'interrupted']]],
  ] as const)('has hours from its first start to its last end with failedRuns.time %s', async (time, times) => {
    expect((await interrupted({ failedRuns: { time } })).times).toEqual(times)
  })

  it('has hours of its calls and tools alone with hours active', async () => {
    const { times } = await interrupted({ hours: 'active', failedRuns: { time: 'billed' } })
    expect(times).toEqual([[0.33, true, 'interrupted']])
  })

  it.each([
    ['skip', []],
    ['unbilled', [[2, false, NOTE]]],
    ['billed', [[2, true, NOTE]]],
  ] as const)('has its tokens with failedRuns.expense %s', async (expense, tokens) => {
    expect((await interrupted({ failedRuns: { expense } })).tokens).toEqual(tokens)
  })

  it('is not billed for the time of a run inside it that has ended', async () => {
    const world = new World()
    const outer = aTrace().agent('planner', { at: [0, HOUR] })
    outer.chat({ ...CALL, at: [0, HOUR / 4] })
    const inner = outer.agent('reviewer', { at: [HOUR / 4, HOUR / 2] })
    inner.chat({ ...CALL, at: [HOUR / 4, HOUR / 2] })
    const options: KeitoExporterOptions = { failedRuns: { time: 'billed' } }
    const one = world.start(options)
    one.take(outer.without(outer))
    one.kill()
    await world.start(options).end()
    expect(world.keito.msOf()).toBe(HOUR / 2)
    expect(world.keito.tokensOf()).toBe(2 * TOKENS)
  })
})

describe('what was billed', () => {
  it('is not billed again with what comes after the restart', async () => {
    const world = new World()
    const run = aTrace().agent('reviewer', { at: [0, HOUR] })
    run.chat(CALL)
    const late = run.chat({ input: 7, output: 3 })
    const one = world.start()
    one.take(run.without(late))
    await one.flush()
    one.kill()

    const other = world.start()
    other.take(run.spans.filter((span) => span === late.ended))
    await other.end()
    expect(seen(world)).toEqual({ keys: 3, ms: HOUR, tokens: TOKENS + 10 })
    expect(world.keito.keys.filter((key) => key.includes(':llm:')).map((key) => key.at(-1))).toEqual(['0', '1'])
  })

  it('is not billed again when all of its spans are handed over once more', async () => {
    const world = new World()
    const { spans } = aRun()
    const one = world.start()
    one.take(spans)
    await one.flush()
    one.kill()
    const other = world.start()
    other.take(spans)
    await other.end()
    expect(seen(world)).toEqual(ONCE)
  })

  it.each(['before', 'after'] as const)(
    'is not billed again for a record of the same call in another trace, %s the kill',
    async (when) => {
      const world = new World()
      const run = aTrace().agent('reviewer', { at: [0, 1000] })
      run.chat({ ...CALL, at: [0, 100] })
      const client = aTrace()
      client.chat({ ...CALL, at: [1, 99], scope: 'client' })
      const one = world.start()
      one.take(run.spans)
      await one.flush()
      if (when === 'before') {
        one.take(client.spans)
        await one.flush()
      }
      one.kill()
      const other = world.start()
      other.take(client.spans)
      await other.end()
      expect(world.keito.tokensOf()).toBe(TOKENS)
      expect(world.keito.tokensOf(run.traceId)).toBe(TOKENS)
      expect(world.keito.msOf()).toBe(1000)
    },
  )

  it('is not billed again for its record in another trace that is remembered for longer', async () => {
    vi.useFakeTimers({ toFake: ['performance'] })
    const world = new World()
    const run = aTrace().agent('reviewer', { at: [0, 1000] })
    run.chat({ ...CALL, at: [0, 100] })
    const client = aTrace()
    client.chat({ ...CALL, at: [1, 99], scope: 'client' })
    const one = world.start({ settle: { idleMs: 1000 } })
    one.take([...run.spans, ...client.spans])
    await one.flush()
    expect(world.keito.tokensOf()).toBe(TOKENS)
    vi.advanceTimersByTime(600)
    client.http({ at: [600, 700] })
    one.take(client.spans)
    await one.flush()
    vi.advanceTimersByTime(600)
    // The run is over now, and the trace of the client is not.
    await one.flush()
    one.kill()

    await world.start().end()
    expect(world.keito.tokensOf()).toBe(TOKENS)
    expect(world.keito.msOf()).toBe(1000)
  })

  it('is not billed again for spans of a session that is over: they are late', async () => {
    const world = new World()
    const { run, spans } = aRun()
    const late = run.chat({ input: 7, output: 3 })
    const one = world.start({ settle: { graceMs: 0, idleMs: 1 } })
    one.take(spans)
    await vi.waitFor(() => expect(world.keito.keys).toHaveLength(2), { timeout: 5000 })
    // The next look at what is due forgets it.
    await new Promise((resolve) => setTimeout(resolve, 5))
    await one.flush()
    one.kill()
    const other = world.start()
    other.take(run.spans.filter((span) => span === late.ended))
    await other.end()
    expect(other.exporter.stats().spansLate).toBe(1)
    expect(seen(world)).toEqual(ONCE)
  })

  it('leaves remainders that go on: 360 runs of 10 s and 300 tokens, a kill after each, are 1.00 h and 108 units', async () => {
    const world = new World()
    for (let i = 0; i < 60; i++) {
      const process = world.start()
      const runs = Array.from({ length: 6 }, () => {
        const run = aTrace().agent('reviewer', { at: [0, 10_000] })
        run.chat({ input: 200, output: 100, at: [0, 1000] })
        return run.spans
      })
      process.take(runs.flat())
      await process.flush()
      process.kill()
    }
    const { entries, expenses } = world.keito
    expect(entries).toHaveLength(360)
    expect(entries.reduce((sum, { hours }) => sum + hours, 0)).toBeCloseTo(1, 6)
    expect(expenses.reduce((sum, { units = 0 }) => sum + units, 0)).toBe(108)
  })
})

describe('a process that runs', () => {
  it('takes over within 30 seconds what another has left that is killed beside it', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    const [world, beside] = [new World(), new World()]
    beside.keito = world.keito
    const living = world.start()
    const dying = beside.start({ wire: 'cut' })
    const { run, spans } = aRun()
    dying.take([...aRun().spans, ...run.without(run)])
    await dying.book()
    cpSync(dying.kill(), world.directory, { recursive: true })

    vi.advanceTimersByTime(29_000)
    expect(living.codes).toEqual([])
    vi.advanceTimersByTime(1000)
    expect(living.codes).toEqual(['interrupted'])
    living.take(spans.slice(-1))
    await living.flush()
    expect(seen(world)).toEqual({ keys: 4, ms: 2 * HOUR, tokens: 2 * TOKENS })
    expect(journalsIn(world.directory)).toHaveLength(1)
  })
})
