/**
 * Rule: whatever befalls the disk, the journal and the processes, all that was acknowledged is booked, nothing is booked
 * twice, and what the user is told of it is true.
 */
import { cpSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { fileNameOf, parsedFileName } from '../src/delivery/journal/file-name.ts'
import { type NodeModules, requiredNodeModules } from '../src/delivery/journal/node.ts'
import { KeitoSpanExporter, memoryOutbox } from '../src/index.ts'
import { fsError } from './helpers/journal/directory.ts'
import { corpseOf, journalsIn, type Process, type StartOptions, type Wire, World } from './helpers/outbox-world.ts'
import { aTrace } from './helpers/spans.ts'

const CALL = { input: 1000, output: 500 }
const TOKENS = 1500
const HOUR = 3_600_000
const ROLLUP: StartOptions = { rollup: { windowMs: HOUR }, settle: { graceMs: 0 } }
const SHORT: StartOptions = { delivery: { shutdownTimeoutMs: 30 } }

/** Spans of a run with one call, which make two records. */
function aRun(seconds = 1) {
  const run = aTrace().agent('reviewer', { at: [0, seconds * 1000] })
  run.chat(CALL)
  return run.spans
}

afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
})

type Fs = NodeModules['fs']
/** Names the error with which a call to the file system fails. */
type Fault = (call: keyof Fs, path: string, how: unknown) => string | undefined

/** A disk with faults that come and go. */
function aDisk() {
  const node = requiredNodeModules()
  const disk: { fault: Fault | undefined } = { fault: undefined }
  const fs = new Proxy(node.fs, {
    get(target, call: keyof Fs & string) {
      const real: unknown = target[call]
      if (typeof real !== 'function') return real
      return (...args: readonly unknown[]) => {
        const code = disk.fault?.(call, String(args[0]), args[1])
        if (code !== undefined) throw fsError(code)
        return Reflect.apply(real, target, args)
      }
    },
  })
  return Object.assign(disk, { node: { ...node, fs } })
}

const FAULTS = {
  /** There is room for what is there, and none for a new file. */
  newFile: (call, path) => (call === 'openSync' && path.endsWith('.new') ? 'ENOSPC' : undefined),
  /** The journal cannot be written. */
  write: (call, _path, how) =>
    call === 'writeSync' || (call === 'openSync' && how !== 'r' && how !== 'a') ? 'ENOSPC' : undefined,
  /** What is there stays as it is. */
  readOnly: (call, _path, how) =>
    /^(write|unlink|rename|append|ftruncate)/.test(call) || (call === 'openSync' && how !== 'r') ? 'EROFS' : undefined,
  /** Too many files are open. */
  list: (call) => (call === 'readdirSync' ? 'EMFILE' : undefined),
  /** A journal is open in something else, such as a scanner. */
  remove: (call, path) => (call === 'unlinkSync' && path.endsWith('.journal') ? 'EBUSY' : undefined),
} satisfies Record<string, Fault>

/** Takes the timers of the outbox, and no others, into the hands of the test. */
const holdTicks = () => vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
const tick = () => vi.advanceTimersByTime(30_000)
const lastOf = ({ errors }: Process) => errors.at(-1)
const messagesOf = ({ errors }: Process) => errors.map(({ message }) => message).join('\n')

/** A world whose Keito is that of another one: processes in two directories. */
function beside({ keito }: World) {
  const other = new World()
  other.keito = keito
  return other
}

/** That this many runs were booked, each once. */
function expectBooked({ keito }: World, runs: number) {
  expect(keito.keys).toHaveLength(2 * runs)
  expect(new Set(keito.keys).size).toBe(2 * runs)
  expect(keito.tokensOf()).toBe(runs * TOKENS)
}

describe('a shutdown', () => {
  it('on a disk without room for a shorter journal leaves the journal, from which the next process goes on', async () => {
    const world = new World()
    const disk = aDisk()
    const one = world.start({ wire: 'down', node: disk.node, ...SHORT })
    one.take(aRun())
    await one.book()
    disk.fault = FAULTS.newFile
    await one.end()
    expect(journalsIn(world.directory)).toHaveLength(1)
    expect(messagesOf(one)).toMatch(/The journal stays as long as it is: .*the disk is full/)
    expect(lastOf(one)).toMatchObject({ code: 'undelivered' })
    expect(lastOf(one)?.message).toMatch(/2 not sent\. They are in the outbox directory/)

    await world.start().end()
    expectBooked(world, 1)
  })

  it('on a disk that had failed and works again writes everything, and the next process goes on from it', async () => {
    const world = new World()
    const disk = aDisk()
    const one = world.start({ wire: 'down', node: disk.node, ...SHORT })
    disk.fault = FAULTS.write
    one.take(aRun())
    await one.book()
    disk.fault = undefined
    await one.end()
    expect(lastOf(one)?.message).toMatch(/They are in the outbox directory/)
    await world.start().end()
    expectBooked(world, 1)
  })

  it('on a disk that still fails says that what is left is lost', async () => {
    const world = new World()
    const disk = aDisk()
    const one = world.start({ wire: 'down', node: disk.node, ...SHORT })
    disk.fault = FAULTS.write
    one.take(aRun())
    await one.end()
    expect(lastOf(one)).toMatchObject({ code: 'undelivered' })
    expect(lastOf(one)?.message).toMatch(/2 not sent\. They are in memory, and lost when the process ends/)
  })
})

describe('an export', () => {
  it('after a shutdown is refused', async () => {
    const world = new World()
    const one = world.start()
    await one.end()
    expect(one.take(aRun())).toBe(false)
    expect(one.exporter.stats().openSessions).toBe(0)
  })

  it.each([1, 2, 3])(
    '%i microtasks after the outbox was closed is refused: nobody would book it',
    async (microtasks) => {
      const world = new World()
      const one = world.start()
      one.take(aRun())
      const answers: boolean[] = []
      let isOver = false
      let wasOver = true
      const close = one.outbox.close.bind(one.outbox)
      vi.spyOn(one.outbox, 'close').mockImplementation(() => {
        const isOnDisk = close()
        const late = (left: number) => {
          if (left > 1) return queueMicrotask(() => late(left - 1))
          wasOver = isOver
          answers.push(one.take(aRun()))
        }
        queueMicrotask(() => late(microtasks))
        return isOnDisk
      })
      await one.end().then(() => {
        isOver = true
      })
      await vi.waitFor(() => expect(answers).toEqual([false]))
      if (microtasks === 1) expect(wasOver).toBe(false)
      expectBooked(world, 1)
      expect(one.exporter.stats()).toMatchObject({ openSessions: 0, recordsPending: 0 })
    },
  )
})

describe('a session of which another half is over here', () => {
  /** The halves of a session of two processes: a planner that is killed, and a helper of it that has ended. */
  function halves() {
    const trace = aTrace()
    const planner = trace.agent('planner', { at: [0, HOUR] })
    planner.chat({ ...CALL, at: [10, 20] })
    const killed = planner.without(planner)
    const helper = trace.agent('helper', { at: [100, 200], parent: 'remote' })
    helper.chat({ input: 77, output: 7, at: [100, 200] })
    return { killed, ended: trace.spans.filter((span) => span !== planner.ended && !killed.includes(span)) }
  }
  const ALL = TOKENS + 84

  /** A process that has booked these spans and has forgotten their session. */
  async function forgetful(world: World, spans: ReturnType<typeof aRun>) {
    vi.useFakeTimers({ toFake: ['performance', 'setInterval', 'clearInterval'] })
    const one = world.start({ settle: { graceMs: 0, idleMs: 1000 } })
    one.take(spans)
    await one.flush()
    vi.advanceTimersByTime(2000)
    await one.flush()
    expect(one.exporter.stats()).toMatchObject({ openSessions: 0, recordsDelivered: 2 })
    return one
  }

  /** What a process leaves that is killed with these spans; its journal is found before all others, or after. */
  function leftOf(world: World, spans: ReturnType<typeof aRun>, place: 'first' | 'last') {
    const one = world.start({ wire: 'cut' })
    one.take(spans)
    const directory = one.kill()
    for (const file of readdirSync(directory)) {
      const name = parsedFileName(file, 'journal')
      if (!name) continue
      const id = (place === 'first' ? '0' : 'f').repeat(name.id.length)
      renameSync(join(directory, file), join(directory, fileNameOf({ ...name, id }, 'journal')))
    }
    return directory
  }

  it('is restored and billed by the process that takes it over while it runs', async () => {
    const world = new World()
    const { killed, ended } = halves()
    const living = await forgetful(world, ended)
    cpSync(leftOf(beside(world), killed, 'first'), world.directory, { recursive: true })
    tick()
    expect(living.exporter.stats()).toMatchObject({ openSessions: 1, spansLate: 0 })
    await living.end()
    expect(world.keito.tokensOf()).toBe(ALL)
  })

  it.each(['first', 'last'] as const)(
    'is restored and billed when both have left a journal, also after another kill: the open half is found %s',
    async (place) => {
      const world = new World()
      const { killed, ended } = halves()
      const over = await forgetful(world, ended)
      over.kill()
      cpSync(leftOf(beside(world), killed, place), world.directory, { recursive: true })
      vi.useRealTimers()

      const next = world.start({ wire: 'cut' })
      expect(next.exporter.stats().openSessions).toBe(1)
      next.kill()
      const last = world.start()
      expect(last.exporter.stats()).toMatchObject({ openSessions: 1, spansLate: 0 })
      await last.end()
      expect(world.keito.tokensOf()).toBe(ALL)
    },
  )
})

describe('gathered records that a dead process left', () => {
  const gather = (one: Process) => {
    vi.useFakeTimers({ toFake: ['setTimeout'] })
    one.take([...aRun(), ...aRun()])
    vi.advanceTimersByTime(1000)
    vi.useRealTimers()
    expect(one.exporter.stats()).toMatchObject({ recordsPending: 4 })
  }

  it('are looked up under the key of their merger, which Keito may have', async () => {
    const world = new World()
    const disk = aDisk()
    const one = world.start({ ...ROLLUP, node: disk.node })
    gather(one)
    disk.fault = FAULTS.readOnly
    await one.end()
    const booked = world.keito.keys
    expect(booked).toHaveLength(2)
    world.directory = corpseOf(world.directory)
    expect(journalsIn(world.directory)).toHaveLength(1)

    const other = world.start(ROLLUP)
    expect(other.exporter.stats()).toMatchObject({ recordsHeld: 2, recordsPending: 0 })
    await other.end()
    expect(world.keito.keys).toEqual(booked)
    expect(other.exporter.stats()).toMatchObject({ recordsReconciled: 2, recordsHeld: 0 })
  })

  it('are not booked twice when the entry that says what became of them is damaged', async () => {
    const world = new World()
    const one = world.start({ ...ROLLUP, wire: 'deaf' })
    one.take([...aRun(), ...aRun()])
    await one.book()
    const booked = world.keito.keys
    expect(booked).toHaveLength(2)
    const [journal = ''] = journalsIn(one.kill())
    const text = readFileSync(journal, 'utf8')
    expect(text).toContain('"merge"')
    writeFileSync(journal, text.replaceAll('"merge"', '"mErge"'))

    const other = world.start(ROLLUP)
    await other.end()
    expect(world.keito.keys).toEqual(booked)
    expect(messagesOf(other)).toMatch(/is damaged/)
  })
})

describe('a look for dead journals', () => {
  /** Without a list, a journal that is given up is removed: what is in it could not be looked up. */
  function unlistable(world: World, wire: () => Wire): StartOptions {
    const { timeEntries, expenses } = world.keito.client(wire)
    return {
      client: {
        answers: 'outcomes',
        timeEntries: { create: timeEntries.create },
        expenses: { create: expenses.create },
      },
    }
  }

  it('that fails leaves our own journal alone, and what comes afterwards is written to it', async () => {
    holdTicks()
    const world = new World()
    const disk = aDisk()
    const one = world.start({ node: disk.node, ...unlistable(world, () => 'cut') })
    one.take(aRun())
    const before = journalsIn(world.directory)
    disk.fault = FAULTS.list
    tick()
    expect(journalsIn(world.directory)).toEqual(before)
    expect(one.codes).toEqual(['outbox'])
    expect(lastOf(one)?.message).toMatch(/What other processes left cannot be looked for: .*EMFILE/)
    one.take(aRun())
    one.kill()
    await world.start().end()
    expectBooked(world, 2)
  })

  it('that fails is made again, and finds what was left', async () => {
    holdTicks()
    const world = new World()
    const disk = aDisk()
    const living = world.start({ node: disk.node })
    const dead = beside(world).start({ wire: 'cut' })
    dead.take(aRun())
    cpSync(dead.kill(), world.directory, { recursive: true })
    disk.fault = FAULTS.list
    tick()
    expect(living.exporter.stats().openSessions).toBe(0)
    disk.fault = undefined
    tick()
    expect(living.exporter.stats().openSessions).toBe(1)
    expect(journalsIn(world.directory)).toHaveLength(1)
    await living.end()
    expectBooked(world, 1)
  })

  it('that cannot write down what it found keeps both journals, until it can', async () => {
    holdTicks()
    const world = new World()
    const disk = aDisk()
    const living = world.start({ node: disk.node, ...unlistable(world, () => 'open') })
    living.take(aRun())
    const dead = beside(world).start({ wire: 'cut' })
    dead.take(aRun())
    cpSync(dead.kill(), world.directory, { recursive: true })
    disk.fault = FAULTS.newFile
    tick()
    expect(journalsIn(world.directory)).toHaveLength(2)
    living.take(aRun())
    const other = new World()
    cpSync(world.directory, other.directory, { recursive: true })
    disk.fault = undefined
    tick()
    expect(journalsIn(world.directory)).toHaveLength(1)
    expect(living.exporter.stats().openSessions).toBe(3)
    await living.end()
    expectBooked(world, 3)

    // Had it been killed instead before it could:
    other.directory = corpseOf(other.directory)
    vi.useRealTimers()
    await other.start().end()
    expectBooked(other, 3)
  })
})

describe('dead letters', () => {
  it('that are sent again stay in their file as long as the journal cannot hold them', async () => {
    const world = new World()
    const disk = aDisk()
    const one = world.start({ wire: 'refuses', node: disk.node })
    one.take(aRun())
    await one.flush()
    one.wire = 'cut'
    disk.fault = FAULTS.write
    expect(one.outbox.redeliver()).toBe(2)
    one.kill()

    const other = world.start()
    expect(other.outbox.counts().dead).toBe(2)
    expect(other.outbox.redeliver()).toBe(2)
    await other.flush()
    expectBooked(world, 1)
    expect(other.outbox.counts().dead).toBe(0)
    await other.end()
  })

  it('are whole in their file, although the disk takes 30 bytes at a time', async () => {
    const node = requiredNodeModules()
    const writeSync = (fd: number, data: string | NodeJS.ArrayBufferView, ...rest: readonly unknown[]): number =>
      typeof data === 'string'
        ? node.fs.writeSync(fd, data.slice(0, 30))
        : Number(Reflect.apply(node.fs.writeSync, node.fs, [fd, data, ...rest]))
    const world = new World()
    const one = world.start({ wire: 'refuses', node: { ...node, fs: Object.assign({ ...node.fs }, { writeSync }) } })
    one.take(aRun())
    await one.flush()
    one.kill()
    const other = world.start()
    expect(other.outbox.counts().dead).toBe(2)
    expect(
      other.outbox
        .dead()
        .map(({ record }) => record.kind)
        .sort(),
    ).toEqual(['expense', 'time_entry'])
  })
})

describe('journals that were taken over and cannot be removed', () => {
  const NOWHERE: StartOptions = { attribution: () => ({ projectId: 'no id' }) }

  /** Ways in which the process ends that took them over. */
  const ends = {
    'a shutdown': async (one: Process) => one.end(),
    'a later compaction and a kill': async (_: Process, world: World) => {
      const dead = beside(world).start({ wire: 'cut' })
      cpSync(dead.kill(), world.directory, { recursive: true })
      tick()
    },
  }

  it.each(Object.entries(ends))('leave their remainders once, after %s', async (_name, end) => {
    holdTicks()
    const world = new World()
    const dead = world.start()
    // 10 s and 1 s are 0.00 h; 10 s, another 10 s and 1 s would be 0.01 h.
    dead.take(aRun(10))
    await dead.flush()
    dead.kill()
    const disk = aDisk()
    disk.fault = FAULTS.remove
    await end(world.start({ node: disk.node }), world)
    expect(journalsIn(world.directory).length).toBeGreaterThan(1)
    world.directory = corpseOf(world.directory)
    vi.useRealTimers()

    const last = world.start()
    last.take(aRun(1))
    await last.flush()
    expect(world.keito.entries.map(({ hours }) => hours)).toEqual([0, 0])
  })

  it.each(Object.entries(ends))('leave what has no project once, after %s', async (_name, end) => {
    holdTicks()
    const world = new World()
    const dead = world.start(NOWHERE)
    dead.take(aRun())
    await dead.book()
    const left = dead.outbox.unassigned()
    expect(left).toHaveLength(1)
    dead.kill()
    const disk = aDisk()
    disk.fault = FAULTS.remove
    await end(world.start({ ...NOWHERE, node: disk.node }), world)
    expect(journalsIn(world.directory).length).toBeGreaterThan(1)
    world.directory = corpseOf(world.directory)
    vi.useRealTimers()
    expect(world.start(NOWHERE).outbox.unassigned()).toEqual(left)
  })
})

describe('an outbox that is given to a second exporter after the first has shut down', () => {
  const base = {
    baseUrl: 'https://keito.example',
    accountId: 'cmaccount',
    projectId: 'cmproject',
    taskId: 'cmtask',
    expenseCategoryId: 'cmcategory',
  }

  it.each(['cut', 'deaf'] as const)('in memory, has records looked up that are held: the wire was %s', async (wire) => {
    const world = new World()
    const outbox = memoryOutbox()
    const start = (wire: Wire) =>
      new KeitoSpanExporter({
        ...base,
        client: world.keito.client(() => wire),
        outbox,
        delivery: { shutdownTimeoutMs: 20, reconcileAfterMs: 5 },
        onError: () => undefined,
      })
    const one = start(wire)
    one.export(aRun(), () => undefined)
    await one.shutdown()
    expect(outbox.counts()).toMatchObject({ held: 2 })

    const other = start('open')
    await vi.waitFor(() => expect(outbox.counts()).toMatchObject({ pending: 0, held: 0 }))
    expectBooked(world, 1)
    await other.shutdown()
  })

  it('on disk, has what has no project once', async () => {
    const world = new World()
    const one = world.start({ attribution: () => ({ projectId: 'no id' }) })
    one.take(aRun())
    await one.end()
    const left = one.outbox.unassigned()
    expect(left).toHaveLength(1)
    const other = new KeitoSpanExporter({ ...base, client: world.keito.client(() => 'open'), outbox: one.outbox })
    expect(one.outbox.unassigned()).toEqual(left)
    expect(other.stats().recordsUnassigned).toBe(1)
    await other.shutdown()
  })

  it('on disk, has what waited booked once', async () => {
    const world = new World()
    const one = world.start({ wire: 'down', ...SHORT })
    one.take(aRun())
    await one.end()
    const other = new KeitoSpanExporter({ ...base, client: world.keito.client(() => 'open'), outbox: one.outbox })
    await other.shutdown()
    expectBooked(world, 1)
  })
})

describe('a process that stood still for two minutes while another took its journal over', () => {
  /** One process with a run that waits, and another that has booked it meanwhile. */
  async function stoodStill(file: StartOptions['file'] = {}) {
    holdTicks()
    const world = new World()
    const { directory } = world
    const one = world.start({ wire: 'down', file })
    one.take(aRun())
    await one.book()
    const [journal = ''] = journalsIn(directory)
    one.kill()
    rmSync(journal)
    await world.start().end()
    expectBooked(world, 1)
    const now = Date.now() + 120_000
    vi.spyOn(Date, 'now').mockReturnValue(now)
    return { world, one, directory }
  }

  const acts: { readonly [act: string]: (one: Process, directory: string) => void } = {
    'a tick': tick,
    'a compaction, for what another dead process left': (_, directory) => {
      const dead = new World().start({ wire: 'cut' })
      cpSync(dead.kill(), directory, { recursive: true })
      tick()
    },
    'an export': (one) => one.take(aRun()),
    'exports that make the journal so long that it is compacted': (one) => {
      for (let exports = 0; exports < 12; exports++) one.take(aRun())
    },
    'a flush': () => undefined,
  }

  it.each(Object.entries(acts))('and whose next act is %s sends nothing of it', async (_name, act) => {
    const { world, one, directory } = await stoodStill({ maxBytes: 9000 })
    const booked = world.keito.keys
    act(one, directory)
    one.wire = 'open'
    await one.end()
    const { keys } = world.keito
    expect(keys).toEqual([...new Set(keys)])
    expect(keys).toEqual(expect.arrayContaining([...booked]))
    expect(messagesOf(one)).toMatch(/Another process has taken over the journal/)
  })

  it('books what it acknowledges from then on', async () => {
    const { world, one } = await stoodStill()
    tick()
    one.wire = 'open'
    expect(one.take(aRun())).toBe(true)
    await one.end()
    expectBooked(world, 2)
  })

  it('books what it acknowledges first of all', async () => {
    const { world, one } = await stoodStill()
    one.wire = 'open'
    const isAcked = one.take(aRun())
    await one.end()
    expectBooked(world, isAcked ? 2 : 1)
  })
})
