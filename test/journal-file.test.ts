/**
 * Rule: what commit() has returned for is in the file, and outlives the process; what it has thrown for is not, and can be
 * tried again; a failure leaves the journal as it was.
 */
import { existsSync, readdirSync, readFileSync, renameSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parsedFileName } from '../src/delivery/journal/file-name.ts'
import { type Journal, openJournal } from '../src/delivery/journal/journal.ts'
import { type NodeModules, requiredNodeModules } from '../src/delivery/journal/node.ts'
import { openFiles } from '../src/delivery/journal/open-files.ts'
import { DESTINATION } from './helpers/journal/destination.ts'
import { aDirectory, contentOf, framesOf, fsError, nodeWith } from './helpers/journal/directory.ts'

const { fs } = requiredNodeModules()
const whole = (...payloads: readonly string[]) => ({ payloads, damaged: 0, tornBytes: 0 })
const modeOf = (path: string) => statSync(path).mode & 0o777

function aJournal(...payloads: readonly string[]): Journal {
  return journalWith({}, ...payloads)
}

function journalWith(replaced: Partial<NodeModules['fs']>, ...payloads: readonly string[]): Journal {
  const journal = openJournal(aDirectory(), DESTINATION, nodeWith(replaced))
  commit(journal, ...payloads)
  return journal
}

function commit(journal: Journal, ...payloads: readonly string[]): void {
  for (const payload of payloads) journal.append(payload)
  journal.commit({ sync: false })
}

/** A call that works, until it is told to fail with a code, and again when it is told to work. */
function breakable<Call extends (...args: never[]) => unknown>(call: Call) {
  let code: string | undefined
  const breaking = (...args: Parameters<Call>) => {
    if (code) throw fsError(code)
    return call(...args)
  }
  return {
    call: breaking as unknown as Call,
    breaks: (with_: string) => {
      code = with_
    },
    works: () => {
      code = undefined
    },
  }
}

/** A disk that is full after some more bytes. */
function aFullDisk() {
  let room = Number.POSITIVE_INFINITY
  const truncate = breakable(fs.ftruncateSync)
  const sync = breakable(fs.fdatasyncSync)
  const journal = journalWith(
    {
      writeSync: ((fd: number, data: Buffer, offset: number, length: number) => {
        if (room === 0) throw fsError('ENOSPC')
        const written = fs.writeSync(fd, data, offset, Math.min(length, room))
        room -= written
        return written
      }) as typeof fs.writeSync,
      ftruncateSync: truncate.call,
      fdatasyncSync: sync.call,
    },
    'before',
  )
  const leaves = (bytes: number) => {
    room = bytes
  }
  return { journal, leaves, truncate, sync }
}

/** Counts the files that are open. */
function counted() {
  const open = new Set<number>()
  const calls = {
    openSync: ((path, flags, mode) => {
      const fd = fs.openSync(path, flags, mode)
      open.add(fd)
      return fd
    }) as typeof fs.openSync,
    closeSync: (fd: number) => {
      open.delete(fd)
      fs.closeSync(fd)
    },
  }
  return { open, calls }
}

describe('opening', () => {
  it('makes a directory and a file that only their user can read', () => {
    const directory = join(aDirectory(), 'a', 'b')
    const journal = openJournal(directory, DESTINATION)
    expect([modeOf(join(directory, '..')), modeOf(directory), modeOf(journal.path)]).toEqual([0o700, 0o700, 0o600])
    expect(journal.bytes).toBe(0)
  })

  it('leaves the mode of a directory that is there alone', () => {
    const directory = aDirectory()
    fs.chmodSync(directory, 0o755)
    openJournal(directory, DESTINATION)
    expect(modeOf(directory)).toBe(0o755)
  })

  it('names the file after the journal and this process', () => {
    const journal = aJournal()
    expect(parsedFileName(basename(journal.path))).toEqual(journal.name)
    expect(journal.name).toMatchObject({ destination: DESTINATION, pid: process.pid })
  })

  it('syncs each directory that got a new name, and the journal’s own', () => {
    const synced: unknown[] = []
    const opened = new Map<number, unknown>()
    const directory = aDirectory()
    const node = nodeWith({
      openSync: (path, flags, mode) => {
        const fd = fs.openSync(path, flags, mode)
        opened.set(fd, path)
        return fd
      },
      fsyncSync: (fd) => {
        synced.push(opened.get(fd))
      },
    })
    openJournal(join(directory, 'a', 'b'), DESTINATION, node)
    expect(synced).toEqual([join(directory, 'a'), directory, join(directory, 'a', 'b')])
  })

  it('two in one process are two files', () => {
    const directory = aDirectory()
    const [one, other] = [openJournal(directory, DESTINATION), openJournal(directory, DESTINATION)]
    commit(one, 'a')
    commit(other, 'b')
    commit(one, 'c')
    expect([contentOf(one.path), contentOf(other.path)]).toEqual([whole('a', 'c'), whole('b')])
  })

  it('takes a destination of 8 hex digits only', () => {
    expect(() => openJournal(aDirectory(), 'keito')).toThrow(
      new TypeError('a journal\'s destination must be 8 hex digits, got "keito"'),
    )
  })

  it.each([
    ['mkdirSync', 'EROFS'],
    ['openSync', 'EMFILE'],
    ['fsyncSync', 'EIO'],
    ['fsyncSync', 'ENOSPC'],
  ] as const)('passes on what %s throws (%s), and leaves nothing behind', (call, code) => {
    const directory = aDirectory()
    const { open, calls } = counted()
    const failing = () => {
      throw fsError(code)
    }
    const inUse = openFiles().size
    const node = nodeWith({ ...calls, [call]: failing })
    expect(() => openJournal(directory, DESTINATION, node)).toThrow(expect.objectContaining({ code }))
    expect([readdirSync(directory), openFiles().size, open.size]).toEqual([[], inUse, 0])
  })

  it.each(['EINVAL', 'EISDIR', 'EPERM', 'ENOTSUP'])('goes on where directories cannot be synced (%s)', (code) => {
    const journal = journalWith({
      fsyncSync: () => {
        throw fsError(code)
      },
    })
    commit(journal, 'a')
    expect(contentOf(journal.path)).toEqual(whole('a'))
  })

  it('closes the directories that it syncs', () => {
    const { open, calls } = counted()
    const journal = openJournal(join(aDirectory(), 'new'), DESTINATION, nodeWith(calls))
    expect(open.size).toBe(1)
    journal.rewrite(['a'])
    expect(open.size).toBe(1)
    journal.close({ remove: true })
    expect(open.size).toBe(0)
  })

  it('never goes on in a file that is there', () => {
    const directory = aDirectory()
    const node = { ...nodeWith({}), crypto: { ...requiredNodeModules().crypto, randomBytes: () => Buffer.alloc(6) } }
    const sameId = { ...node, crypto: node.crypto as unknown as NodeModules['crypto'] }
    const first = openJournal(directory, DESTINATION, sameId)
    commit(first, 'a')
    expect(() => openJournal(directory, DESTINATION, sameId)).toThrow(expect.objectContaining({ code: 'EEXIST' }))
    expect(contentOf(first.path)).toEqual(whole('a'))
  })
})

describe('a commit', () => {
  it('writes what was appended, in order, with one write', () => {
    const writes: string[] = []
    const journal = journalWith({
      writeSync: ((fd: number, data: Buffer, offset: number, length: number) => {
        writes.push(data.toString('utf8', offset, offset + length))
        return fs.writeSync(fd, data, offset, length)
      }) as typeof fs.writeSync,
    })
    commit(journal, 'a', 'ä', 'c')
    commit(journal)
    commit(journal, 'd')
    expect(writes).toEqual([framesOf('a', 'ä', 'c'), framesOf('d')])
    expect(contentOf(journal.path)).toEqual(whole('a', 'ä', 'c', 'd'))
  })

  it('goes on after a write that the system took a part of', () => {
    const journal = journalWith({
      writeSync: ((fd: number, data: Buffer, offset: number, length: number) =>
        fs.writeSync(fd, data, offset, Math.min(length, 5))) as typeof fs.writeSync,
    })
    commit(journal, 'a', 'b')
    expect(contentOf(journal.path)).toEqual(whole('a', 'b'))
    expect(journal.bytes).toBe(statSync(journal.path).size)
  })

  it('does not wait for ever on a disk that takes nothing and says nothing', () => {
    const journal = journalWith({ writeSync: (() => 0) as typeof fs.writeSync })
    expect(() => commit(journal, 'a')).toThrow('a write to the disk wrote nothing')
  })

  it('waits for the disk when it is asked to, also for what was written before, and not when nothing was', () => {
    let syncs = 0
    const journal = journalWith({
      fdatasyncSync: (fd) => {
        syncs++
        fs.fdatasyncSync(fd)
      },
    })
    const syncsOf = (sync: boolean, ...payloads: readonly string[]) => {
      const before = syncs
      for (const payload of payloads) journal.append(payload)
      journal.commit({ sync })
      return syncs - before
    }
    expect(syncsOf(true)).toBe(0)
    expect(syncsOf(false, 'a')).toBe(0)
    expect(syncsOf(true)).toBe(1)
    expect(syncsOf(true)).toBe(0)
    expect(syncsOf(true, 'b')).toBe(1)
  })

  it('bytes are those on disk and those that wait', () => {
    const journal = aJournal('a')
    journal.append('ä')
    expect(journal.bytes).toBe(Buffer.byteLength(framesOf('a', 'ä')))
    expect(statSync(journal.path).size).toBe(framesOf('a').length)
    journal.discard()
    expect(journal.bytes).toBe(framesOf('a').length)
  })

  it('takes one line only', () => {
    const journal = aJournal()
    expect(() => journal.append('a\nb')).toThrow(TypeError)
    expect(journal.bytes).toBe(0)
  })
})

describe('a commit that fails', () => {
  it('throws the error of the disk, cuts the file back, and keeps what was appended for the next commit', () => {
    const { journal, leaves } = aFullDisk()
    const [onDisk, waiting] = [framesOf('before'), framesOf('a', 'b')]
    leaves(framesOf('a').length + 5)
    expect(() => commit(journal, 'a', 'b')).toThrow(expect.objectContaining({ code: 'ENOSPC' }))
    expect(readFileSync(journal.path, 'utf8')).toBe(onDisk)
    expect(journal.bytes).toBe(onDisk.length + waiting.length)

    leaves(1000)
    commit(journal, 'c')
    expect(contentOf(journal.path)).toEqual(whole('before', 'a', 'b', 'c'))
  })

  it('what was appended can be dropped instead', () => {
    const { journal, leaves } = aFullDisk()
    leaves(5)
    expect(() => commit(journal, 'a')).toThrow()
    journal.discard()
    leaves(1000)
    commit(journal, 'b')
    expect(contentOf(journal.path)).toEqual(whole('before', 'b'))
  })

  it('also when only the sync failed: the system may have thrown the bytes away', () => {
    const { journal, sync } = aFullDisk()
    journal.append('a')
    sync.breaks('EIO')
    expect(() => journal.commit({ sync: true })).toThrow(expect.objectContaining({ code: 'EIO' }))
    expect(contentOf(journal.path)).toEqual(whole('before'))
    sync.works()
    journal.commit({ sync: true })
    expect(contentOf(journal.path)).toEqual(whole('before', 'a'))
  })

  it('where the file cannot be cut back either, the torn part takes nothing with it', () => {
    const { journal, leaves, truncate } = aFullDisk()
    truncate.breaks('EIO')
    for (const torn of [5, 0, 7]) {
      leaves(torn)
      expect(() => commit(journal, 'a')).toThrow(expect.objectContaining({ code: 'ENOSPC' }))
    }
    expect(journal.bytes).toBe(statSync(journal.path).size + framesOf('a', 'a', 'a').length)
    journal.discard()
    leaves(1000)
    commit(journal, 'b')
    commit(journal, 'c')
    expect(contentOf(journal.path)).toMatchObject({ payloads: ['before', 'b', 'c'], tornBytes: 0 })
    // The mark that ends a torn part is written once.
    expect(readFileSync(journal.path, 'utf8').endsWith(`\n${framesOf('b', 'c')}`)).toBe(true)
    expect(readFileSync(journal.path, 'utf8').endsWith(`\n\n${framesOf('b', 'c')}`)).toBe(false)
  })

  it('a torn part is still one after a commit of nothing', () => {
    const { journal, leaves, truncate } = aFullDisk()
    truncate.breaks('EIO')
    leaves(5)
    expect(() => commit(journal, 'a')).toThrow()
    journal.discard()
    commit(journal)
    leaves(1000)
    commit(journal, 'b')
    expect(contentOf(journal.path).payloads).toEqual(['before', 'b'])
  })

  it('a disk that is really full (/dev/full) says ENOSPC', () => {
    const journal = journalWith({
      openSync: (path, flags, mode) =>
        fs.openSync(String(path).endsWith('.journal') ? '/dev/full' : path, flags === 'ax' ? 'a' : flags, mode),
    })
    expect(() => commit(journal, 'a')).toThrow(expect.objectContaining({ code: 'ENOSPC' }))
    expect(journal.bytes).toBe(framesOf('a').length)
  })
})

describe('rewriting', () => {
  it('replaces all, what was not committed included, and goes on in the new file', () => {
    const journal = aJournal('a', 'b', 'c')
    journal.append('d')
    journal.rewrite(['b', 'd'])
    expect(journal.bytes).toBe(framesOf('b', 'd').length)
    expect(journal.isOwned()).toBe(true)
    commit(journal, 'e')
    expect(contentOf(journal.path)).toEqual(whole('b', 'd', 'e'))
    expect(modeOf(journal.path)).toBe(0o600)
    expect(readdirSync(join(journal.path, '..'))).toEqual([basename(journal.path)])
  })

  it('takes any number of payloads, and none', () => {
    const journal = aJournal('a')
    const payloads = Array.from({ length: 3000 }, (_, n) => `${n}:${'x'.repeat(500)}`)
    journal.rewrite(payloads.values())
    expect(contentOf(journal.path)).toEqual(whole(...payloads))
    journal.rewrite([])
    expect(statSync(journal.path).size).toBe(0)
  })

  it('is on disk before it takes the place of the old one', () => {
    const steps: string[] = []
    const path = (fd: unknown) => fs.readlinkSync(`/proc/self/fd/${fd}`).replace(/.*\.journal/, 'journal')
    const journal = journalWith(
      {
        fdatasyncSync: (fd) => {
          steps.push(`sync ${path(fd)}`)
        },
        fsyncSync: (fd) => {
          steps.push(fs.fstatSync(fd).isDirectory() ? 'sync directory' : 'sync')
        },
        renameSync: (from, to) => {
          steps.push('rename')
          fs.renameSync(from, to)
        },
      },
      'a',
    )
    steps.length = 0
    journal.rewrite(['b'])
    expect(steps).toEqual(['sync journal.new', 'rename', 'sync directory'])
  })

  it.each([
    ['openSync', 'EMFILE'],
    ['writeSync', 'ENOSPC'],
    ['fdatasyncSync', 'EIO'],
    ['renameSync', 'EACCES'],
  ] as const)('when %s fails (%s), the old file stays in use and nothing else is left', (call, code) => {
    const { open, calls } = counted()
    const broken = breakable((call === 'openSync' ? calls.openSync : fs[call]) as (...args: never[]) => unknown)
    const journal = journalWith({ ...calls, [call]: broken.call }, 'a')
    journal.append('b')
    broken.breaks(code)
    expect(() => journal.rewrite(['z'])).toThrow(expect.objectContaining({ code }))
    expect(open.size).toBe(1)
    broken.works()
    journal.commit({ sync: true })
    expect(contentOf(journal.path)).toEqual(whole('a', 'b'))
    expect(readdirSync(join(journal.path, '..'))).toEqual([basename(journal.path)])
  })

  it('when the payloads themselves throw, too', () => {
    const journal = aJournal('a')
    function* failing() {
      yield 'z'
      throw new Error('no more')
    }
    expect(() => journal.rewrite(failing())).toThrow('no more')
    expect(readdirSync(join(journal.path, '..'))).toEqual([basename(journal.path)])
    expect(contentOf(journal.path)).toEqual(whole('a'))
  })

  it('when only the sync of the directory fails, the new file is in use', () => {
    const sync = breakable(fs.fsyncSync)
    const journal = journalWith({ fsyncSync: sync.call }, 'a')
    sync.breaks('EIO')
    expect(() => journal.rewrite(['b'])).toThrow(expect.objectContaining({ code: 'EIO' }))
    commit(journal, 'c')
    expect(contentOf(journal.path)).toEqual(whole('b', 'c'))
  })

  it('is not stopped by what an earlier one has left', () => {
    const journal = aJournal('a')
    writeFileSync(`${journal.path}.new`, 'half a fi')
    journal.rewrite(['b'])
    expect(contentOf(journal.path)).toEqual(whole('b'))
  })

  it('ends a torn part', () => {
    const { journal, leaves, truncate } = aFullDisk()
    truncate.breaks('EIO')
    leaves(5)
    expect(() => commit(journal, 'a')).toThrow()
    leaves(1000)
    journal.rewrite(['b'])
    commit(journal, 'c')
    expect(readFileSync(journal.path, 'utf8')).toBe(framesOf('b', 'c'))
  })

  it('does not bring a journal back that another process has adopted', () => {
    const journal = aJournal('a')
    renameSync(journal.path, `${journal.path}-adopted`)
    expect(() => journal.rewrite(['a'])).toThrow('another process has adopted this journal')
    expect(readdirSync(join(journal.path, '..'))).toEqual([`${basename(journal.path)}-adopted`])
  })
})

describe('ownership', () => {
  it('is lost when the file is renamed, also when another one takes its place', () => {
    const journal = aJournal('a')
    expect(journal.isOwned()).toBe(true)
    renameSync(journal.path, `${journal.path}-adopted`)
    expect(journal.isOwned()).toBe(false)
    writeFileSync(journal.path, '')
    expect(journal.isOwned()).toBe(false)
  })

  it('is lost when the path leads to another disk, where another file may have the same number', () => {
    let found = { dev: 0n, ino: 0n }
    const journal = journalWith({ statSync: (() => found) as unknown as typeof fs.statSync })
    const own = statSync(journal.path, { bigint: true })
    found = { dev: own.dev, ino: own.ino }
    expect(journal.isOwned()).toBe(true)
    found = { dev: own.dev + 1n, ino: own.ino }
    expect(journal.isOwned()).toBe(false)
  })

  it('is not doubted by a disk that does not answer', () => {
    const stat = breakable(fs.statSync as (...args: never[]) => unknown)
    const journal = journalWith({ statSync: stat.call as typeof fs.statSync })
    stat.breaks('EIO')
    expect(() => journal.isOwned()).toThrow(expect.objectContaining({ code: 'EIO' }))
  })

  it('a beat touches the file', () => {
    const journal = aJournal('a')
    utimesSync(journal.path, 1000, 1000)
    const before = Date.now()
    journal.beat()
    expect(statSync(journal.path).mtimeMs).toBeGreaterThanOrEqual(before - 1)
  })
})

describe('closing', () => {
  it('keeps the file, or removes it', () => {
    const [kept, removed] = [aJournal('a'), aJournal('a')]
    kept.close({ remove: false })
    removed.close({ remove: true })
    expect([existsSync(kept.path), existsSync(removed.path)]).toEqual([true, false])
  })

  it('ends its use: a second close does nothing, all else says so', () => {
    const journal = aJournal('a')
    journal.append('never committed')
    journal.close({ remove: false })
    journal.close({ remove: true })
    expect(contentOf(journal.path)).toEqual(whole('a'))
    expect(journal.bytes).toBe(0)
    const uses = [
      () => journal.append('b'),
      () => journal.commit({ sync: false }),
      () => journal.rewrite([]),
      () => journal.isOwned(),
      () => journal.beat(),
    ]
    for (const use of uses) expect(use).toThrow('this journal is closed; open another one')
  })

  it('does not remove what another process has adopted, or put in its place', () => {
    const journal = aJournal('a')
    renameSync(journal.path, `${journal.path}-adopted`)
    writeFileSync(journal.path, 'another')
    journal.close({ remove: true })
    expect(readFileSync(journal.path, 'utf8')).toBe('another')
  })

  it('is open in this process until then, and not after it, also when the file cannot be removed', () => {
    const unlink = breakable(fs.unlinkSync)
    const journal = journalWith({ unlinkSync: unlink.call }, 'a')
    expect(openFiles().has(journal.name.id)).toBe(true)
    unlink.breaks('EROFS')
    expect(() => journal.close({ remove: true })).toThrow(expect.objectContaining({ code: 'EROFS' }))
    expect(openFiles().has(journal.name.id)).toBe(false)
  })
})
