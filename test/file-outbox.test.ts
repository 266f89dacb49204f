/**
 * Rule: the outbox directory is private, bounded and used for one account, and a disk that fails costs nothing but what
 * a process in memory would lose.
 */
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { requiredNodeModules } from '../src/delivery/journal/node.ts'
import { ConfigError, type FileOutboxOptions, fileOutbox, KeitoSpanExporter, memoryOutbox } from '../src/index.ts'
import { fsError } from './helpers/journal/directory.ts'
import { aDirectory, filesIn, journalsIn, type StartOptions, World } from './helpers/outbox-world.ts'
import { aTrace } from './helpers/spans.ts'

const CALL = { input: 1000, output: 500 }
const TOKENS = 1500

/** The spans of a run of a second with one call. */
function aRun() {
  const run = aTrace().agent('reviewer')
  run.chat(CALL)
  return run.spans
}

afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllEnvs()
})

describe('options', () => {
  const wrong: readonly (readonly [string, object])[] = [
    ['directory', {}],
    ['directory', { directory: '  ' }],
    ['directory', { directory: 7 }],
    ['sync', { directory: 'outbox', sync: 'yes' }],
    ['maxBytes', { directory: 'outbox', maxBytes: 0 }],
    ['maxBytes', { directory: 'outbox', maxBytes: 1.5 }],
    ['maxRecords', { directory: 'outbox', maxRecords: 0 }],
    ['maxRecords', { directory: 'outbox', maxRecords: '9' }],
  ]

  it.each(wrong)('a wrong %s is a ConfigError that names it: %j', (name, options) => {
    const make = () => fileOutbox(options as FileOutboxOptions)
    expect(make).toThrow(ConfigError)
    expect(make).toThrow(new RegExp(`^fileOutbox: ${name}`))
  })

  it('nothing is made on disk before an exporter uses it', () => {
    const directory = join(aDirectory(), 'outbox')
    fileOutbox({ directory })
    expect(() => statSync(directory)).toThrow('ENOENT')
  })

  it('one outbox in two exporters is a ConfigError, and the first goes on', async () => {
    const world = new World()
    const one = world.start()
    expect(() => world.start({ outbox: one.outbox })).toThrow(ConfigError)
    one.take(aRun())
    await one.flush()
    expect(world.keito.tokensOf()).toBe(TOKENS)
  })

  it('KEITO_OUTBOX_DIR makes a file outbox there, unless the option outbox is given', async () => {
    const directory = join(aDirectory(), 'outbox')
    vi.stubEnv('KEITO_OUTBOX_DIR', directory)
    const world = new World()
    const client = world.keito.client(() => 'open')
    const inMemory = new KeitoSpanExporter({ client, outbox: memoryOutbox() })
    expect(() => statSync(directory)).toThrow('ENOENT')
    const onDisk = new KeitoSpanExporter({ client })
    expect(journalsIn(directory)).toHaveLength(1)
    await Promise.all([inMemory.shutdown(), onDisk.shutdown()])
  })

  it('a dry run leaves the directory alone', async () => {
    const print = vi.spyOn(console, 'info').mockImplementation(() => undefined)
    const world = new World()
    const one = world.start({ wire: 'cut' })
    one.take(aRun())
    one.kill()
    const before = readdirSync(world.directory)
    const ids = { projectId: 'cmproject', taskId: 'cmtask', expenseCategoryId: 'cmcategory' }
    const dry = new KeitoSpanExporter({ ...ids, dryRun: true, outbox: fileOutbox({ directory: world.directory }) })
    dry.export(aRun(), () => undefined)
    await dry.shutdown()
    expect(print).toHaveBeenCalled()
    print.mockRestore()
    expect(readdirSync(world.directory)).toEqual(before)
  })
})

describe('the directory', () => {
  it('is made for its user alone, and so is what is in it', () => {
    const world = new World()
    world.directory = join(world.directory, 'new', 'outbox')
    world.start().take(aRun())
    expect(statSync(world.directory).mode & 0o777).toBe(0o700)
    const [journal = ''] = journalsIn(world.directory)
    expect(statSync(journal).mode & 0o777).toBe(0o600)
  })

  it('keeps its mode when it is there', () => {
    const world = new World()
    chmodSync(world.directory, 0o750)
    world.start()
    expect(statSync(world.directory).mode & 0o777).toBe(0o750)
  })

  it('may hold what is not ours', async () => {
    const world = new World()
    writeFileSync(join(world.directory, 'notes.txt'), 'mine')
    mkdirSync(join(world.directory, 'keito-v1-folder.journal'))
    const one = world.start()
    one.take(aRun())
    await one.end()
    expect(world.keito.tokensOf()).toBe(TOKENS)
    expect(one.codes).toEqual([])
    expect(readFileSync(join(world.directory, 'notes.txt'), 'utf8')).toBe('mine')
  })

  it.each([{ accountId: 'cmother' }, { baseUrl: 'https://other.example' }])(
    'what is for another account waits for that: %j',
    async (options) => {
      const world = new World()
      const one = world.start({ wire: 'cut' })
      one.take(aRun())
      await one.book()
      one.kill()
      const [journal = ''] = journalsIn(world.directory)
      const before = readFileSync(journal)

      const stranger = world.start(options)
      await stranger.end()
      expect(world.keito.requests).toEqual([])
      expect(readFileSync(journal)).toEqual(before)

      await world.start().end()
      expect(world.keito.tokensOf()).toBe(TOKENS)
    },
  )

  it('has no prompts and no credentials in it', async () => {
    const world = new World()
    const run = aTrace().agent('reviewer', { attributes: { 'gen_ai.input.messages': 'SECRET-PROMPT' } })
    run.chat({ ...CALL, attributes: { 'gen_ai.prompt.0.content': 'SECRET-PROMPT' } })
    const one = world.start({ apiKey: 'kto_SECRET', wire: 'cut' })
    one.take(run.spans)
    await one.book()
    const [journal = ''] = journalsIn(world.directory)
    expect(readFileSync(journal, 'utf8')).toContain(run.traceId)
    expect(readFileSync(journal, 'utf8')).not.toContain('SECRET')
  })

  it('stays small, however many sessions there were', async () => {
    const world = new World()
    const one = world.start({ settle: { graceMs: 0, idleMs: 1 } })
    const sizes = [0]
    for (let round = 0; round < 12; round++) {
      const runs = Array.from({ length: 100 }, () => aTrace().agent('reviewer'))
      for (const run of runs) for (let i = 0; i < 200; i++) run.tool()
      one.take(runs.flatMap((run) => run.spans))
      await one.flush()
      sizes.push(journalsIn(world.directory).reduce((sum, path) => sum + statSync(path).size, 0))
    }
    expect(world.keito.keys).toHaveLength(1200)
    const written = sizes.reduce((sum, size, i) => sum + Math.max(0, size - (sizes[i - 1] ?? 0)), 0)
    expect(written).toBeGreaterThan(1.2 * Math.max(...sizes))
    expect(sizes.at(-1)).toBeLessThan(written / 2)
    expect(one.codes).toEqual([])
  })
})

describe('dead letters', () => {
  /** A process that has had a run refused. */
  async function refused(options: StartOptions = {}) {
    const world = new World()
    const one = world.start({ ...options, wire: 'refuses' })
    one.take(aRun())
    await one.flush()
    return { world, one, lettersOf: () => filesIn(world.directory, '.dead.jsonl') }
  }

  it('are lines that people can read, with the reason, for the user alone', async () => {
    const { one, lettersOf } = await refused()
    const [path = '', ...others] = lettersOf()
    expect(others).toEqual([])
    expect(statSync(path).mode & 0o777).toBe(0o600)
    const lines = readFileSync(path, 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(lines).toHaveLength(2)
    for (const line of lines) {
      expect(line).toMatchObject({ reason: 'HTTP 422, no such task', key: line.body.metadata.idempotency_key })
      expect(new Date(line.at).getTime()).toBeGreaterThan(Date.now() - 60_000)
    }
    expect(one.outbox.counts()).toMatchObject({ dead: 2, pending: 0, held: 0 })
    expect(one.outbox.dead()).toMatchObject(lines.map(({ key, reason }) => ({ record: { key }, reason })))
  })

  it('are not sent again by themselves, not by the next process either', async () => {
    const { world, one, lettersOf } = await refused()
    one.wire = 'open'
    await one.flush()
    one.kill()
    const other = world.start()
    await other.end()
    expect(world.keito.keys).toEqual([])
    expect(other.outbox.counts()).toMatchObject({ dead: 2 })
    expect(lettersOf()).toHaveLength(1)
  })

  it('are sent again once with redeliver, which may be called again', async () => {
    const { world, one, lettersOf } = await refused()
    one.wire = 'open'
    expect(one.outbox.redeliver()).toBe(2)
    expect(one.outbox.redeliver()).toBe(0)
    await one.flush()
    expect(one.outbox.redeliver()).toBe(0)
    await one.flush()
    expect(world.keito.keys).toHaveLength(2)
    expect(world.keito.tokensOf()).toBe(TOKENS)
    expect(one.outbox.counts()).toMatchObject({ dead: 0 })
    expect(lettersOf()).toEqual([])
  })

  it('of a process that was killed are sent again by another one with redeliver', async () => {
    const { world, one } = await refused()
    one.kill()
    const other = world.start()
    expect(other.outbox.redeliver()).toBe(2)
    await other.end()
    expect(world.keito.tokensOf()).toBe(TOKENS)
    expect(world.keito.keys).toHaveLength(2)
  })

  it('that are sent again outlive a kill before that is done', async () => {
    const { world, one } = await refused()
    one.wire = 'cut'
    expect(one.outbox.redeliver()).toBe(2)
    await one.book()
    one.kill()
    const other = world.start()
    expect(other.outbox.counts()).toMatchObject({ dead: 0, held: 2 })
    await other.end()
    expect(world.keito.keys).toHaveLength(2)
  })

  it('that are sent again and still wait at a shutdown in order are sent by the next process', async () => {
    const { world, one } = await refused({ delivery: { shutdownTimeoutMs: 30 } })
    one.wire = 'down'
    expect(one.outbox.redeliver()).toBe(2)
    await one.end()
    const other = world.start()
    expect(other.outbox.counts()).toMatchObject({ dead: 0, held: 2 })
    await other.end()
    expect(world.keito.keys).toHaveLength(2)
  })

  it('that are refused again are there once', async () => {
    const { world, one } = await refused()
    for (let i = 0; i < 3; i++) {
      one.outbox.redeliver()
      await one.flush()
    }
    expect(one.outbox.counts()).toMatchObject({ dead: 2 })
    one.kill()
    const other = world.start()
    expect(other.outbox.redeliver()).toBe(2)
    await other.end()
    expect(world.keito.keys).toHaveLength(2)
  })

  it('that cannot be read stay in the file', async () => {
    const { world, one, lettersOf } = await refused()
    const [path = ''] = lettersOf()
    const [first = ''] = readFileSync(path, 'utf8').split('\n')
    const broken = ['not JSON', '{"key":"k"}', '[]', first.replace('"kind":"', '"kind":"my_')]
    writeFileSync(path, `${broken[0]}\n${first}\n${broken.slice(1).join('\n')}\n`)
    one.kill()
    const other = world.start()
    expect(other.outbox.dead()).toHaveLength(1)
    expect(other.outbox.redeliver()).toBe(1)
    await other.flush()
    expect(world.keito.keys).toHaveLength(1)
    const [left = ''] = lettersOf()
    expect(readFileSync(left, 'utf8')).toBe(`${broken.join('\n')}\n`)
    expect(other.outbox.redeliver()).toBe(0)
  })

  it('stay in memory when the disk refuses them, and that is said', async () => {
    const disk = aDisk()
    disk.failsAt = /dead\.jsonl$/
    const { one, lettersOf } = await refused({ node: disk.node })
    expect(lettersOf()).toEqual([])
    expect(one.codes).toContain('outbox')
    expect(one.outbox.dead()).toHaveLength(2)
    disk.failsAt = undefined
    one.wire = 'open'
    expect(one.outbox.redeliver()).toBe(2)
  })
})

/** A disk that can be made to fail: with a code, for all paths that are opened from then on, or for all writes. */
function aDisk() {
  const node = requiredNodeModules()
  const disk = {
    code: 'ENOSPC',
    /** Whether nothing can be written or removed at all. */
    fails: false,
    /** Whether no journal can be removed. */
    keepsAll: false,
    /** Paths that cannot be opened. */
    failsAt: undefined as RegExp | undefined,
    node,
  }
  const check = (path = '') => {
    if (disk.fails || disk.failsAt?.test(path)) throw fsError(disk.code)
  }
  const { openSync, writeSync, unlinkSync } = node.fs
  const fs = {
    ...node.fs,
    openSync: (...args: Parameters<typeof openSync>) => {
      if (args[1] !== 'r') check(String(args[0]))
      return openSync(...args)
    },
    writeSync: ((...args: Parameters<typeof writeSync>) => {
      check()
      return writeSync(...args)
    }) as typeof writeSync,
    unlinkSync: (path: Parameters<typeof unlinkSync>[0]) => {
      check()
      if (disk.keepsAll && String(path).endsWith('.journal')) throw fsError('EPERM')
      unlinkSync(path)
    },
  }
  disk.node = { ...node, fs }
  return disk
}

describe('sync', () => {
  /** What happens, in order: `write` and `sync` of the journal, `ack` of spans, `send` of a request. */
  async function orderOf(sync: boolean) {
    const order: string[] = []
    const node = requiredNodeModules()
    const note = <A extends readonly unknown[], R>(what: string, act: (...args: A) => R) => {
      return (...args: A): R => {
        order.push(what)
        return act(...args)
      }
    }
    const { writeSync, fdatasyncSync } = node.fs
    const fs = {
      ...node.fs,
      writeSync: note('write', writeSync as () => number),
      fdatasyncSync: note('sync', fdatasyncSync),
    }
    const world = new World()
    const one = world.start({
      file: { sync },
      node: { ...node, fs: fs as typeof node.fs },
      delivery: { concurrency: 1 },
    })
    vi.spyOn(world.keito.requests, 'push').mockImplementation((what) => order.push(what))
    order.length = 0
    one.exporter.export(
      aRun(),
      note('ack', () => undefined),
    )
    await one.flush()
    return order.slice(0, order.indexOf('POST time_entries') + 1)
  }

  it('waits for the disk before spans are acknowledged and before a request is made', async () => {
    expect(await orderOf(true)).toEqual(['write', 'sync', 'ack', 'write', 'sync', 'write', 'sync', 'POST time_entries'])
  })

  it('false writes before both all the same, and waits for nothing', async () => {
    expect(await orderOf(false)).toEqual(['write', 'ack', 'write', 'write', 'POST time_entries'])
  })
})

describe('a journal that another process has taken over', () => {
  it("is that process's: the one that had it sends nothing of it, says so, and goes on with a new one", async () => {
    const world = new World()
    const one = world.start({ wire: 'cut' })
    one.take(aRun())
    const [journal = ''] = journalsIn(world.directory)
    const taken = one.kill()
    rmSync(journal)
    one.wire = 'open'
    // So long this process must have stood still, or another could not have taken its journal for dead.
    const stoodStillUntil = Date.now() + 120_000
    vi.spyOn(Date, 'now').mockReturnValue(stoodStillUntil)
    await one.flush()
    vi.restoreAllMocks()
    expect(world.keito.requests).toEqual([])
    expect(one.codes).toEqual(['outbox'])
    expect(one.exporter.stats()).toMatchObject({ openSessions: 0, recordsPending: 0 })

    world.directory = taken
    await world.start().end()
    one.take(aRun())
    await one.flush()
    expect(world.keito.keys).toHaveLength(4)
    expect(world.keito.tokensOf()).toBe(2 * TOKENS)
  })
})

it('a journal that somebody has removed is missed before the next request, and what was in it is not lost', async () => {
  const world = new World()
  const one = world.start({ wire: 'cut' })
  one.take(aRun())
  const [journal = ''] = journalsIn(world.directory)
  rmSync(journal)
  one.wire = 'open'
  await one.flush()
  expect(world.keito.keys).toHaveLength(2)
  expect(world.keito.tokensOf()).toBe(TOKENS)
  expect(one.codes).toEqual(['outbox'])
  await one.end()
})

it('a process says every 30 seconds that it lives, to those that cannot see it otherwise', () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  const world = new World()
  world.start()
  const [journal = ''] = journalsIn(world.directory)
  utimesSync(journal, 0, 0)
  vi.advanceTimersByTime(30_000)
  expect(statSync(journal).mtimeMs).toBeGreaterThan(Date.now() - 60_000)
})

describe('a disk that fails', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  })

  it.each(['ENOSPC', 'EROFS', 'EIO'])('with %s is reported once, and work goes on in memory', async (code) => {
    const world = new World()
    const disk = aDisk()
    disk.code = code
    const one = world.start({ node: disk.node })
    one.take(aRun())
    disk.fails = true
    for (let i = 0; i < 3; i++) {
      expect(one.take(aRun())).toBe(true)
      await one.flush()
      vi.advanceTimersByTime(30_000)
    }
    expect(world.keito.tokensOf()).toBe(4 * TOKENS)
    expect(one.codes).toEqual(['outbox'])
    expect(one.errors[0]?.message).toContain(code)
  })

  it('from the start does not keep the exporter from working', async () => {
    const world = new World()
    const disk = aDisk()
    disk.fails = true
    const one = world.start({ node: disk.node })
    one.take(aRun())
    await one.end()
    expect(world.keito.tokensOf()).toBe(TOKENS)
    expect(one.codes).toEqual(['outbox'])
  })

  it.each(['before', 'after'] as const)(
    'and works again holds everything again that Keito does not have, seen %s the start',
    async (when) => {
      const world = new World()
      const disk = aDisk()
      disk.fails = when === 'before'
      const one = world.start({ node: disk.node, wire: 'cut' })
      const run = aTrace().agent('reviewer')
      run.chat(CALL)
      disk.fails = true
      one.take([...run.without(run), ...aRun()])
      await one.book()
      disk.fails = false
      vi.advanceTimersByTime(30_000)
      expect(one.codes).toEqual(['outbox', 'outbox'])
      expect(one.errors[1]?.message).toMatch(/again/)

      one.take(aRun())
      await one.book()
      one.kill()
      const other = world.start()
      other.take(run.spans.filter((span) => span === run.ended))
      await other.end()
      expect(world.keito.keys).toHaveLength(6)
      expect(world.keito.tokensOf()).toBe(3 * TOKENS)
      expect(world.keito.msOf()).toBe(3000)
    },
  )

  it('and comes back has nothing booked twice that was delivered meanwhile', async () => {
    const world = new World()
    const disk = aDisk()
    const one = world.start({ node: disk.node })
    one.take(aRun())
    await one.book()
    disk.fails = true
    one.take(aRun())
    await one.flush()
    disk.fails = false
    vi.advanceTimersByTime(30_000)
    one.kill()
    await world.start().end()
    expect(new Set(world.keito.keys).size).toBe(4)
    expect(world.keito.keys).toHaveLength(4)
  })

  /** A run of so many seconds; a step of hours is 36. */
  const aRunOf = (seconds: number) => aTrace().agent('reviewer', { at: [0, seconds * 1000] }).spans
  const hoursOf = ({ keito }: World) => keito.entries.map(({ hours }) => hours)

  it('and keeps what a dead process left, after it was taken over, does not have it taken over again', async () => {
    const world = new World()
    const dead = world.start()
    dead.take(aRunOf(10))
    await dead.flush()
    dead.kill()
    const disk = aDisk()
    disk.keepsAll = true
    const one = world.start({ node: disk.node })
    vi.advanceTimersByTime(90_000)
    expect(journalsIn(world.directory)).toHaveLength(2)
    disk.keepsAll = false
    vi.advanceTimersByTime(30_000)
    expect(journalsIn(world.directory)).toHaveLength(1)
    one.take(aRunOf(1))
    await one.flush()
    one.take(aRunOf(10))
    await one.flush()
    // 10, 11 and 21 seconds, of which 18 are half a step.
    expect(hoursOf(world)).toEqual([0, 0, 0.01])
  })

  it('and keeps the journal that was given up does not have it taken over again', async () => {
    const world = new World()
    const disk = aDisk()
    const one = world.start({ node: disk.node })
    one.take(aRunOf(10))
    await one.flush()
    disk.fails = true
    one.take(aRunOf(1))
    await one.flush()
    disk.fails = false
    vi.advanceTimersByTime(60_000)
    expect(journalsIn(world.directory)).toHaveLength(1)
    one.take(aRunOf(6))
    await one.flush()
    expect(hoursOf(world)).toEqual([0, 0, 0])
    one.kill()
    const other = world.start()
    other.take(aRunOf(1))
    await other.flush()
    expect(hoursOf(world)).toEqual([0, 0, 0, 0.01])
  })

  it('and never comes back leaves an old journal of which nothing is booked twice', async () => {
    const world = new World()
    const disk = aDisk()
    const one = world.start({ node: disk.node, wire: 'cut' })
    one.take(aRun())
    await one.book()
    const past = one.kill()
    one.wire = 'open'
    await world.start().end()
    expect(world.keito.keys).toHaveLength(2)
    world.directory = past
    await world.start().end()
    expect(world.keito.keys).toHaveLength(2)
  })
})

describe('maxBytes', () => {
  it('reached: no more sessions and records are taken in, which is counted and reported once; the others are sent', async () => {
    const world = new World()
    const one = world.start({ wire: 'down', file: { maxBytes: 20_000 } })
    for (let i = 0; i < 40; i++) {
      expect(one.take(aRun())).toBe(true)
      await one.book()
    }
    const { recordsMade, recordsDropped, recordsPending } = one.exporter.stats()
    expect(recordsMade).toBe(80)
    expect(recordsDropped).toBeGreaterThan(0)
    expect(recordsPending).toBe(80 - recordsDropped)
    expect(one.codes.filter((code) => code === 'dropped')).toHaveLength(1)
    expect(one.errors.filter(({ code, message }) => code === 'outbox' && /maxBytes/.test(message))).toHaveLength(1)

    one.wire = 'open'
    await one.flush()
    expect(world.keito.keys).toHaveLength(80 - recordsDropped)
  })

  it('is not reached by what Keito has already', async () => {
    const world = new World()
    const one = world.start({ file: { maxBytes: 100_000 }, settle: { graceMs: 0, idleMs: 1 } })
    for (let i = 0; i < 200; i++) {
      one.take(aRun())
      await one.flush()
    }
    expect(one.codes).toEqual([])
    expect(one.exporter.stats()).toMatchObject({ recordsDropped: 0, recordsDelivered: 400 })
  })
})
