/** Rule: a file name says whose the file is; its owner counts as dead only where that is proven, or its lease has run out. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import { type FileName, fileNameOf, type Owner, parsedFileName } from '../src/delivery/journal/file-name.ts'
import { type NodeModules, requiredNodeModules } from '../src/delivery/journal/node.ts'
import { isAlive, LEASE_MS, newFileName, thisOwner } from '../src/delivery/journal/owner.ts'
import { DESTINATION } from './helpers/journal/destination.ts'
import { fsError, nodeWith } from './helpers/journal/directory.ts'

const node = requiredNodeModules()
const me = thisOwner(node)
const FRESH = 0
const LAPSED = LEASE_MS + 1

const children: ChildProcess[] = []
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
})

/** A process that waits for its end. */
function aProcess(command: string, ...args: readonly string[]): ChildProcess {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'ignore'] })
  children.push(child)
  return child
}

/** The owner that a process on this machine is. */
function ownerOf(pid: number): Owner {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  return { ...me, pid, thread: 0, start: stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '' }
}

const name: FileName = {
  destination: DESTINATION,
  id: 'a1b2c3d4e5f6',
  place: 'p0123456789ab',
  pid: 42,
  thread: 0,
  start: '99',
}

describe('a file name', () => {
  it('says destination, id, place, pid and start', () => {
    expect(fileNameOf(name)).toBe('keito-v1-0123abcd-a1b2c3d4e5f6-p0123456789ab-42-99.journal')
    expect(parsedFileName(fileNameOf(name))).toEqual(name)
  })

  it('names the thread, where it is not the main one', () => {
    const ofWorker = { ...name, thread: 3 }
    expect(fileNameOf(ofWorker)).toBe('keito-v1-0123abcd-a1b2c3d4e5f6-p0123456789ab-42t3-99.journal')
    expect(parsedFileName(fileNameOf(ofWorker))).toEqual(ofWorker)
  })

  it('of another file of the family has another extension', () => {
    expect(fileNameOf(name, 'dead.jsonl')).toBe('keito-v1-0123abcd-a1b2c3d4e5f6-p0123456789ab-42-99.dead.jsonl')
    expect(parsedFileName(fileNameOf(name, 'dead.jsonl'), 'dead.jsonl')).toEqual(name)
    expect(parsedFileName(fileNameOf(name, 'dead.jsonl'))).toBeUndefined()
    expect(parsedFileName(fileNameOf(name), 'dead.jsonl')).toBeUndefined()
  })

  it.each([
    ['one being written', `${fileNameOf(name)}.new`],
    ['another version', fileNameOf(name).replace('v1', 'v2')],
    ['no process', fileNameOf({ ...name, pid: 0 })],
    ['an unknown kind of place', fileNameOf({ ...name, place: 'x0123456789ab' })],
    ['a copy', `copy of ${fileNameOf(name)}`],
    ['another program', 'access.journal'],
  ])('of %s is none of ours', (_name, file) => {
    expect(parsedFileName(file)).toBeUndefined()
  })

  it('of a new journal has an id that no other has', () => {
    const ids = new Set(Array.from({ length: 100 }, () => newFileName(DESTINATION, node).id))
    expect(ids.size).toBe(100)
    expect(newFileName(DESTINATION, node)).toMatchObject({ ...me, destination: DESTINATION })
  })
})

/** Node on another system: what /proc has is as the table says, and no more. */
function nodeOn(proc: Readonly<Record<string, string>>, kill?: NodeModules['process']['kill']): NodeModules {
  const read = (path: unknown) => {
    const found = proc[String(path)]
    if (found === undefined) throw fsError('ENOENT')
    return found
  }
  const faked = nodeWith({
    readFileSync: read as typeof node.fs.readFileSync,
    readlinkSync: read as typeof node.fs.readlinkSync,
  })
  return { ...faked, process: { pid: 42, kill: kill ?? node.process.kill }, os: { hostname: () => 'a-host' } }
}

const stat = (start: string, state = 'S', comm = 'node') => `42 (${comm}) ${state} 1${' 0'.repeat(17)} ${start} 0 0\n`
const LINUX = {
  '/proc/self': '42',
  '/proc/self/stat': stat('77'),
  '/proc/self/ns/pid': 'pid:[4026531836]',
  '/proc/sys/kernel/random/boot_id': 'boot-1\n',
}

describe('this process', () => {
  it('on Linux is known by its pid and the time it started, in a pid namespace of one boot', () => {
    const owner = thisOwner(nodeOn(LINUX))
    expect(owner).toEqual({
      place: expect.stringMatching(/^p[0-9a-f]{12}$/),
      pid: 42,
      thread: node.threads.threadId,
      start: '77',
    })
    expect(thisOwner(nodeOn({ ...LINUX, '/proc/sys/kernel/random/boot_id': 'boot-2' })).place).not.toBe(owner.place)
    expect(thisOwner(nodeOn({ ...LINUX, '/proc/self/ns/pid': 'pid:[2]' })).place).not.toBe(owner.place)
    expect(thisOwner({ ...nodeOn(LINUX), os: { hostname: () => 'renamed' } })).toEqual(owner)
  })

  it('has a start that its name does not confuse', () => {
    expect(thisOwner(nodeOn({ ...LINUX, '/proc/self/stat': stat('77', 'S', 'a) S 1 (b c)') })).start).toBe('77')
  })

  it('elsewhere is known by its pid on a host', () => {
    const owner = thisOwner(nodeOn({}))
    expect(owner).toEqual({
      place: expect.stringMatching(/^h[0-9a-f]{12}$/),
      pid: 42,
      thread: node.threads.threadId,
      start: '0',
    })
    expect(thisOwner({ ...nodeOn({}), os: { hostname: () => 'b-host' } }).place).not.toBe(owner.place)
  })

  it.each(Object.keys(LINUX))('on a Linux that hides %s, too', (hidden) => {
    const { [hidden as keyof typeof LINUX]: _, ...rest } = LINUX
    expect(thisOwner(nodeOn(rest))).toMatchObject({ place: expect.stringMatching(/^h/), start: '0' })
  })

  it('where /proc shows another pid namespace, is not looked for there', () => {
    const [inside, outside] = [nodeOn({ ...LINUX, '/proc/self': '4242' }), nodeOn({})]
    expect(thisOwner(inside)).toMatchObject({ place: expect.stringMatching(/^h/), pid: 42 })
    expect(thisOwner(inside).place).not.toBe(thisOwner(outside).place)
  })
})

describe('an owner in the same pid namespace', () => {
  it('lives while its process runs, however old its file is, and is dead once it is killed', async () => {
    const child = aProcess('sleep', '60')
    const owner = ownerOf(child.pid ?? 0)
    expect(isAlive(owner, LAPSED, me, node)).toBe(true)
    child.kill('SIGKILL')
    await once(child, 'exit')
    expect(isAlive(owner, FRESH, me, node)).toBe(false)
  })

  it('is dead when another process has got its pid', () => {
    const owner = ownerOf(process.ppid)
    expect(isAlive(owner, FRESH, me, node)).toBe(true)
    expect(isAlive({ ...owner, start: `${owner.start}1` }, FRESH, me, node)).toBe(false)
  })

  it('is dead as a zombie, which its parent has not buried', async () => {
    // The shell starts a child that lives until the shell has become a process that buries nobody.
    const parent = aProcess('sh', '-c', 'sleep 0.2 & echo $!; exec sleep 60')
    const [line] = parent.stdout ? await once(parent.stdout, 'data') : []
    const zombie = ownerOf(Number(String(line)))
    expect(isAlive(zombie, FRESH, me, node)).toBe(true)
    for (let tries = 0; tries < 200 && isAlive(zombie, FRESH, me, node); tries++) await wait(20)
    expect(isAlive(zombie, FRESH, me, node)).toBe(false)
    expect(readFileSync(`/proc/${zombie.pid}/stat`, 'utf8')).toContain(') Z ')
  })

  it.each([
    ['S', true],
    ['R', true],
    ['D', true],
    ['T', true],
    ['Z', false],
    ['X', false],
  ])('in state %s lives: %s', (state, lives) => {
    const asked = nodeOn({ ...LINUX, '/proc/7/stat': stat('5', state) })
    const owner = { ...thisOwner(asked), pid: 7, thread: 0, start: '5' }
    expect(isAlive(owner, FRESH, thisOwner(asked), asked)).toBe(lives)
  })

  it.each([
    ['ENOENT', false],
    ['ESRCH', false],
    ['EACCES', true],
    ['EMFILE', true],
  ])('when the system answers %s, lives: %s', (code, lives) => {
    const failing = nodeWith({
      readFileSync: () => {
        throw fsError(code)
      },
    })
    expect(isAlive({ ...me, pid: 7, thread: 0 }, FRESH, me, failing)).toBe(lives)
  })

  it('lives when what /proc says cannot be understood', () => {
    const asked = nodeOn({ ...LINUX, '/proc/7/stat': 'something new' })
    const owner = { ...thisOwner(asked), pid: 7, thread: 0 }
    expect(isAlive(owner, LAPSED, thisOwner(asked), asked)).toBe(true)
  })
})

describe('an owner on the same host, without /proc', () => {
  const killing = (code?: string) =>
    nodeOn({}, () => {
      if (code) throw fsError(code)
      return true
    })

  it.each([
    [undefined, true],
    ['EPERM', true],
    ['ESRCH', false],
  ])('when a signal is answered by %s, lives: %s', (code, lives) => {
    const asked = killing(code)
    const host = thisOwner(asked)
    for (const age of [FRESH, LAPSED]) expect(isAlive({ ...host, pid: 7, thread: 0 }, age, host, asked)).toBe(lives)
  })

  it('is looked for with the signal that does nothing', () => {
    const signals: unknown[] = []
    const asked = nodeOn({}, (...args) => {
      signals.push(args)
      return true
    })
    const host = thisOwner(asked)
    isAlive({ ...host, pid: 7, thread: 0 }, FRESH, host, asked)
    expect(signals).toEqual([[7, 0]])
  })
})

describe('an owner in another place', () => {
  it('lives until its file has not been touched for two minutes', () => {
    // A pid that runs here, and one that does not: pids of another place mean nothing.
    for (const pid of [process.pid, 999_999_999]) {
      const owner = { ...me, place: 'p000000000000', pid }
      expect(isAlive(owner, 120_000, me, node)).toBe(true)
      expect(isAlive(owner, 120_001, me, node)).toBe(false)
    }
  })

  it('lives when its clock is ahead of ours', () => {
    expect(isAlive({ ...me, place: 'h000000000000' }, -5000, me, node)).toBe(true)
  })
})

describe('this very process', () => {
  it('is no owner any more of what is not in use: a closed journal can be adopted', () => {
    expect(isAlive(me, FRESH, me, node)).toBe(false)
  })

  it('a worker thread in it lives until its lease runs out, and longest until the process ends', () => {
    const worker = { ...me, thread: me.thread + 1 }
    expect(isAlive(worker, FRESH, me, node)).toBe(true)
    expect(isAlive(worker, LAPSED, me, node)).toBe(false)
    expect(isAlive({ ...worker, start: '1' }, FRESH, me, node)).toBe(false)
  })

  it('its main thread lives for its workers as long as it runs', () => {
    const worker = { ...me, thread: me.thread + 1 }
    expect(isAlive({ ...me, thread: 0 }, LAPSED, worker, node)).toBe(true)
  })
})
