/**
 * Rule: what is kept for want of a project outlives the process, is tried again by the next one, and is booked once,
 * whenever a process is killed and whatever of its journal is lost.
 */
import { copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import fc from 'fast-check'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { corpseOf, journalsIn, type Keito, type Process, type StartOptions, World } from './helpers/outbox-world.ts'
import { aTrace } from './helpers/spans.ts'

const TOKENS = 1500
const HOUR = 3_600_000
/** As JavaScript code may give it: the project is named nowhere. */
const NOWHERE = { projectId: undefined } as unknown as StartOptions
const HERE = { projectId: 'cmproject' }

/** A run of an hour with one call. */
function aRun(agent = 'reviewer', attributes = {}) {
  const run = aTrace().agent(agent, { at: [0, HOUR], attributes })
  run.chat({ input: 1000, output: 500 })
  return run.spans
}

/** A world with runs that a process has kept. */
async function kept(runs = 1, options: StartOptions = NOWHERE) {
  const world = new World()
  const one = world.start(options)
  for (let i = 0; i < runs; i++) one.take(aRun(`agent-${i}`))
  await one.flush()
  expect(one.exporter.stats()).toMatchObject({ recordsUnassigned: 2 * runs, recordsMade: 0 })
  return { world, one }
}

function expectBooked({ keito }: World, runs: number) {
  expect(keito.keys).toHaveLength(2 * runs)
  expect(new Set(keito.keys).size).toBe(2 * runs)
  expect([keito.msOf(), keito.tokensOf()]).toEqual([runs * HOUR, runs * TOKENS])
}

const unassignedIn = ({ exporter }: Process) => exporter.stats().recordsUnassigned
const gets = ({ keito }: World) => keito.requests.filter((request) => request.startsWith('GET')).length

afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
})

describe.each(['is killed', 'shuts down'] as const)('what a process keeps that %s', (end) => {
  async function left(runs?: number) {
    const { world, one } = await kept(runs)
    if (end === 'is killed') one.kill()
    else await one.end()
    return world
  }

  it('is booked by the next process when its configuration names the project', async () => {
    const world = await left(3)
    const other = world.start()
    await other.flush()
    expectBooked(world, 3)
    expect(world.keito.entries).toMatchObject([{ project_id: 'cmproject' }, {}, {}])
    expect(unassignedIn(other)).toBe(0)
    expect(other.codes.filter((code) => code !== 'interrupted')).toEqual([])
    await other.end()
    await world.start().end()
    expectBooked(world, 3)
  })

  it('is booked without a flush or any span', async () => {
    const world = await left()
    world.start({ settle: { graceMs: 0 } })
    await vi.waitFor(() => expectBooked(world, 1), { timeout: 5000 })
  })

  it('is looked up before it is sent', async () => {
    const world = await left()
    const other = world.start()
    await other.flush()
    expect(world.keito.requests.slice(0, 2).sort()).toEqual(['GET expenses', 'GET time_entries'])
    expectBooked(world, 1)
  })

  it('stays, silently, while nothing names the project, however often processes end', async () => {
    const world = await left(2)
    for (let i = 0; i < 3; i++) {
      const next = world.start(NOWHERE)
      await next.flush()
      expect(unassignedIn(next)).toBe(4)
      expect(next.codes.filter((code) => code !== 'interrupted')).toEqual([])
      next.kill()
    }
    expect(world.keito.requests).toEqual([])
    const last = world.start(NOWHERE)
    expect(last.exporter.release(HERE)).toBe(2)
    await last.end()
    expectBooked(world, 2)
  })

  it('is booked where a span says, not where the configuration does', async () => {
    const world = new World()
    const one = world.start({ taskId: undefined } as unknown as StartOptions)
    one.take(aRun('reviewer', { 'keito.project_id': 'cmharbour' }))
    await one.flush()
    expect(unassignedIn(one)).toBe(1)
    if (end === 'is killed') one.kill()
    else await one.end()
    await world.start().end()
    expect(world.keito.entries).toMatchObject([{ project_id: 'cmharbour', task_id: 'cmtask' }])
    expect(world.keito.expenses).toMatchObject([{ project_id: 'cmharbour' }])
  })

  it('is not tried before the code that starts the process has run', async () => {
    const world = await left()
    const attribution = vi.fn()
    const other = world.start({ attribution })
    expect(attribution).not.toHaveBeenCalled()
    await other.flush()
    expect(attribution).toHaveBeenCalled()
    expectBooked(world, 1)
  })
})

describe('what rounding leaves over', () => {
  it('is what it would have been, over releases and kills', async () => {
    const world = new World()
    // 12 s are a third of a step of hours, 300 tokens less than half a unit.
    const short = () => {
      const run = aTrace().agent('short', { at: [0, 12_000] })
      run.chat({ input: 200, output: 100 })
      return run.spans
    }
    for (let i = 0; i < 6; i++) {
      const process = world.start(NOWHERE)
      process.take(short())
      await process.flush()
      if (i % 2) process.exporter.release(HERE)
      await process.flush()
      process.kill()
    }
    await world.start().end()
    expect(world.keito.entries).toHaveLength(6)
    expect(world.keito.entries.reduce((sum, { hours }) => sum + hours, 0)).toBeCloseTo(0.02)
    expect(world.keito.expenses.reduce((sum, { units = 0 }) => sum + units, 0)).toBe(2)
  })
})

describe('a process that runs', () => {
  it('books what another one leaves, when it finds it', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    const { world: elsewhere, one } = await kept()
    const world = new World()
    const running = world.start()
    const [journal = ''] = journalsIn(one.kill())
    copyFileSync(journal, join(world.directory, basename(journal)))
    vi.advanceTimersByTime(30_000)
    vi.useRealTimers()
    expect(unassignedIn(running)).toBe(2)
    await running.flush()
    expectBooked(world, 1)
    expect(elsewhere.keito.requests).toEqual([])
  })

  it('does not try again what it has kept itself when it finds what another one left', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    const { one } = await kept()
    const world = new World()
    const attribution = vi.fn().mockReturnValueOnce('nonsense')
    const running = world.start({ ...NOWHERE, attribution })
    running.take(aRun())
    await running.flush()
    expect(unassignedIn(running)).toBe(1)
    running.exporter.release()
    expect(unassignedIn(running)).toBe(2)
    attribution.mockClear()
    const [journal = ''] = journalsIn(one.kill())
    copyFileSync(journal, join(world.directory, basename(journal)))
    vi.advanceTimersByTime(30_000)
    vi.useRealTimers()
    await running.flush()
    expect(attribution.mock.calls.map(([run]) => run.agentName)).toEqual(['agent-0', 'agent-0'])
    expect(unassignedIn(running)).toBe(4)
  })
})

describe('a release', () => {
  it('is on disk before anything is sent', async () => {
    const { world, one } = await kept()
    one.wire = 'cut'
    expect(one.exporter.release(HERE)).toBe(1)
    // Killed at once, before the sender had its turn.
    one.kill()
    const other = world.start(NOWHERE)
    expect(other.exporter.stats()).toMatchObject({ recordsUnassigned: 0, recordsHeld: 2 })
    await other.end()
    expectBooked(world, 1)
  })

  it('of what this process has kept itself needs no look-up', async () => {
    const { world, one } = await kept()
    one.exporter.release(HERE)
    await one.flush()
    expectBooked(world, 1)
    expect(gets(world)).toBe(0)
  })

  it('of a run that another process began is looked up: that one may have booked it', async () => {
    const world = new World()
    const spans = aRun()
    const one = world.start(NOWHERE)
    one.take(spans.slice(0, 1))
    one.kill()
    const other = world.start(NOWHERE)
    other.take(spans.slice(1))
    await other.flush()
    expect(unassignedIn(other)).toBe(2)
    other.exporter.release(HERE)
    expect(other.exporter.stats()).toMatchObject({ recordsHeld: 2, recordsPending: 0 })
    await other.flush()
    expectBooked(world, 1)
  })

  it('in parts of what another process had is looked up, part by part', async () => {
    const world = new World()
    const one = world.start({ attribution: () => 'nonsense' as never })
    one.take(aRun())
    await one.flush()
    expect(unassignedIn(one)).toBe(1)
    one.kill()
    const other = world.start({ taskId: undefined } as unknown as StartOptions)
    other.exporter.release()
    expect(other.exporter.stats()).toMatchObject({ recordsUnassigned: 1, recordsHeld: 1 })
    other.exporter.release({ taskId: 'cmtask' })
    expect(other.exporter.stats()).toMatchObject({ recordsUnassigned: 0, recordsHeld: 2, recordsPending: 0 })
    await other.flush()
    expectBooked(world, 1)
  })

  it('is not made of what another process has taken over meanwhile', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    const { world, one } = await kept()
    const [journal = ''] = journalsIn(world.directory)
    one.kill()
    rmSync(journal)
    await world.start().end()
    expectBooked(world, 1)
    vi.spyOn(Date, 'now').mockReturnValue(Date.now() + 120_000)
    one.wire = 'open'
    expect(one.exporter.release({ projectId: 'cmelsewhere' })).toBe(0)
    expect(one.exporter.stats()).toMatchObject({ recordsUnassigned: 0, recordsMade: 0 })
    await one.end()
    expectBooked(world, 1)
  })

  /** What a process leaves that kept two runs, released them, and was killed when Keito had everything. */
  async function released(spare: object, options: StartOptions) {
    const { world, one } = await kept(2, options)
    expect(one.exporter.release(spare)).toBe(2)
    await one.flush()
    const booked = world.keito
    const directory = one.kill()
    const [path = ''] = journalsIn(directory)
    const journal = readFileSync(path)
    // Each item, with what it left over, is an entry of its own.
    const entries = journal
      .toString()
      .split('\n')
      .filter((entry) => entry.includes('["assign"'))
    expect(entries).toHaveLength(4)
    expect(entries.filter((entry) => entry.includes('["carry"'))).toHaveLength(2)
    return { booked, path, journal, keptAt: endOf(journal, '"unassigned"') }
  }

  /** A world in which Keito has what it is said to have, and a journal holds the first bytes of another. */
  function cutWorld({ path, journal }: { path: string; journal: Buffer }, length: number, keito: Keito): World {
    const world = new World()
    world.keito = keito
    writeFileSync(join(world.directory, basename(path)), journal.subarray(0, length))
    return world
  }

  it.each<readonly [string, object, StartOptions]>([
    ['in whole', HERE, NOWHERE],
    ['in part', HERE, { ...NOWHERE, attribution: (run) => (run.agentName === 'agent-1' ? { taskId: 'cmother' } : {}) }],
  ])('%s that is cut off at any byte is booked once, whatever Keito had stored by then', async (_, spare, options) => {
    const done = await released(spare, options)
    const steps = done.journal.length - done.keptAt
    expect(steps).toBeGreaterThan(300)
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: steps }), fc.boolean(), fc.boolean(), async (more, isStored, isNamed) => {
        const length = done.keptAt + more
        // Without a request nothing is stored; a disk that lies may have lost that there was one.
        const isDone = done.journal.subarray(0, length).includes('["done"')
        const keito = isStored || isDone ? done.booked.copy() : new World().keito
        const world = cutWorld(done, length, keito)
        const next = world.start(isNamed ? { ...options, ...HERE } : options)
        if (!isNamed) {
          await next.flush()
          next.exporter.release(spare)
        }
        await next.end()
        expectBooked(world, 2)
        expect(next.exporter.stats()).toMatchObject({ recordsUnassigned: 0, recordsPending: 0, recordsHeld: 0 })
      }),
      { numRuns: 40 },
    )
  })

  it('whose entry in the journal is damaged is booked once', async () => {
    const done = await released(HERE, NOWHERE)
    const first = done.journal.indexOf('["assign"')
    const second = done.journal.indexOf('["assign"', first + 1)
    for (const at of [first, second]) {
      const world = cutWorld(done, done.journal.length, done.booked.copy())
      const [path = ''] = journalsIn(world.directory)
      const bytes = readFileSync(path)
      bytes.write('#', at + 20)
      writeFileSync(path, bytes)
      const next = world.start()
      await next.end()
      expect(next.codes).toContain('outbox')
      expectBooked(world, 2)
    }
  })
})

describe('the same item in two journals', () => {
  /** Journals of a process that kept a run and was killed, and of one that took it over and went on from it. */
  async function twice(then: (other: Process) => Promise<void>) {
    const { world, one } = await kept()
    const [stale = ''] = journalsIn(one.kill())
    const bytes = readFileSync(stale)
    const other = world.start(NOWHERE)
    await other.flush()
    await then(other)
    other.kill()
    // As if the file had come back from a backup.
    writeFileSync(join(world.directory, basename(stale)), bytes)
    expect(journalsIn(world.directory)).toHaveLength(2)
    return world
  }

  it('is kept once', async () => {
    const world = await twice(async () => undefined)
    const next = world.start(NOWHERE)
    expect(unassignedIn(next)).toBe(2)
    expect(next.exporter.release(HERE)).toBe(1)
    await next.end()
    expectBooked(world, 1)
  })

  it('is kept no more where one of them has booked it', async () => {
    const world = await twice(async (other) => {
      other.exporter.release(HERE)
      await other.flush()
    })
    expectBooked(world, 1)
    const next = world.start({ projectId: 'cmelsewhere' })
    expect(unassignedIn(next)).toBe(0)
    await next.end()
    expectBooked(world, 1)
  })

  it('is kept no more where one of them has it on its way', async () => {
    const world = await twice(async (other) => {
      other.wire = 'cut'
      other.exporter.release(HERE)
    })
    const next = world.start({ projectId: 'cmelsewhere' })
    expect(unassignedIn(next)).toBe(0)
    await next.end()
    expectBooked(world, 1)
    expect(world.keito.entries).toMatchObject([{ project_id: 'cmproject' }])
  })

  it('is let go of by a process that keeps it when it finds that another one has booked it', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    const { world, one } = await kept()
    const backup = corpseOf(world.directory)
    one.exporter.release(HERE)
    await one.flush()
    const [journal = ''] = journalsIn(one.kill())
    const { keito } = world
    const later = Object.assign(new World(), { keito, directory: backup })
    const running = later.start(NOWHERE)
    await running.flush()
    expect(unassignedIn(running)).toBe(2)
    copyFileSync(journal, join(backup, basename(journal)))
    vi.advanceTimersByTime(30_000)
    expect(unassignedIn(running)).toBe(0)
    expect(running.exporter.release({ projectId: 'cmelsewhere' })).toBe(0)
    vi.useRealTimers()
    await running.end()
    expectBooked(later, 1)
  })
})

/** The length of a journal up to the end of the last entry with a text in it. */
function endOf(journal: Buffer, text: string): number {
  return journal.indexOf('\n', journal.lastIndexOf(text)) + 1
}
