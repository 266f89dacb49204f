/**
 * Rule: what a dead process has left is adopted exactly once, whoever asks and however often; what a live one holds is
 * left alone.
 */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Claimed, claimDead, claimDeadFiles, release } from '../src/delivery/journal/adopt.ts'
import { type FileName, fileNameOf } from '../src/delivery/journal/file-name.ts'
import { openJournal } from '../src/delivery/journal/journal.ts'
import { requiredNodeModules } from '../src/delivery/journal/node.ts'
import { openFiles } from '../src/delivery/journal/open-files.ts'
import { LEASE_MS, newFileName } from '../src/delivery/journal/owner.ts'
import { DESTINATION } from './helpers/journal/destination.ts'
import { aDirectory, contentOf, framesOf, fsError, nodeWith } from './helpers/journal/directory.ts'
import { aHolder } from './helpers/journal/processes.ts'

const node = requiredNodeModules()

/** This process with an open journal in a new directory. */
function aPlace() {
  const directory = aDirectory()
  const journal = openJournal(directory, DESTINATION)
  return { directory, journal, me: journal.name }
}

/** Another process of this machine that has been killed. */
const killed = { pid: 999_999_999, thread: 0 }
/** A process whose pid says nothing here. */
const elsewhere = { place: 'p000000000000', pid: 1, thread: 0, start: '1' }

/** Puts a journal there, last touched some time ago. */
function aFile(directory: string, owner: Partial<FileName>, content = framesOf('left'), ageMs = 0, extension?: string) {
  const name = { ...newFileName(DESTINATION, node), ...owner }
  const path = join(directory, fileNameOf(name, extension))
  writeFileSync(path, content)
  const touched = new Date(Date.now() - ageMs)
  utimesSync(path, touched, touched)
  return { name, path }
}

const payloadsOf = (claims: readonly Claimed[]) => claims.flatMap(({ payloads }) => payloads).sort()

describe('processes', () => {
  it('a journal is adopted once its process is killed, and not before', async () => {
    const { directory, me } = aPlace()
    const holder = await aHolder(directory, 'a', 'b')
    const touched = new Date(Date.now() - 10 * LEASE_MS)
    utimesSync(holder.path, touched, touched)
    expect(claimDead(directory, me)).toEqual([])

    await holder.kill()
    const path = join(directory, fileNameOf({ ...me, id: holder.name.id }))
    const content = { payloads: ['a', 'b'], damaged: 0, tornBytes: 0 }
    expect(claimDead(directory, me)).toEqual([{ id: holder.name.id, extension: 'journal', path, ...content }])
    expect([existsSync(holder.path), existsSync(path)]).toEqual([false, true])
  })

  it('of ten that claim at once, one gets each dead journal, and none gets a live one', async () => {
    const { directory, journal } = aPlace()
    journal.append('of the living')
    journal.commit({ sync: false })
    const left = Array.from({ length: 60 }, (_, n) => `left-${n}`)
    for (const payload of left) aFile(directory, killed, framesOf(payload))
    const holders = await Promise.all(Array.from({ length: 10 }, (_, n) => aHolder(directory, `of holder ${n}`)))

    const claims = await Promise.all(holders.map((holder) => holder.claim()))
    expect(payloadsOf(claims.flat())).toEqual([...left].sort())
    expect(claims.flat().filter(({ error }) => error !== undefined)).toEqual([])
    expect(new Set(claims.flat().map(({ id }) => id)).size).toBe(60)
  })

  it('what a claimer that is killed has not released is claimed again, and keeps its id', async () => {
    const { directory, me } = aPlace()
    const { name } = aFile(directory, killed)
    const first = await aHolder(directory)
    expect(payloadsOf(await first.claim())).toEqual(['left'])
    expect(claimDead(directory, me)).toEqual([])

    await first.kill()
    const claims = claimDead(directory, me)
    expect(payloadsOf(claims)).toEqual(['left'])
    expect(claims.map(({ id }) => id).sort()).toEqual([name.id, first.name.id].sort())
  })
})

describe('a claim', () => {
  it('takes journals of its own destination only', () => {
    const { directory, me } = aPlace()
    const { path } = aFile(directory, { ...killed, destination: 'ffffffff' })
    expect(claimDead(directory, me)).toEqual([])
    expect(existsSync(path)).toBe(true)
  })

  it('leaves all other files alone', () => {
    const { directory, me } = aPlace()
    const names = ['notes.txt', 'keito-v1-.journal', `${fileNameOf({ ...me, ...killed })}.new`]
    for (const name of names) writeFileSync(join(directory, name), 'mine')
    expect(claimDead(directory, me)).toEqual([])
    expect(readdirSync(directory)).toEqual(expect.arrayContaining(names))
  })

  it('says what is damaged and what is torn', () => {
    const { directory, me } = aPlace()
    aFile(directory, killed, `${framesOf('a')}noise\n${framesOf('b')}torn`)
    expect(claimDead(directory, me)).toMatchObject([{ payloads: ['a', 'b'], damaged: 1, tornBytes: 4 }])
  })

  it('finds exactly what was whole when the writer was killed in the middle of a write, at any byte', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string().map(JSON.stringify), { minLength: 1, maxLength: 6 }),
        fc.nat(),
        (payloads, cut) => {
          const { directory, me } = aPlace()
          const { path } = aFile(directory, killed, framesOf(...payloads))
          truncateSync(path, cut % (statSync(path).size + 1))
          const kept = contentOf(path)
          expect(claimDead(directory, me)).toMatchObject([kept])
          expect(kept.payloads).toEqual(payloads.slice(0, kept.payloads.length))
        },
      ),
      { numRuns: 30 },
    )
  })

  it('removes what the dead process has left of a journal that it was writing anew', () => {
    const { directory, me } = aPlace()
    const { path } = aFile(directory, killed)
    writeFileSync(`${path}.new`, framesOf('half'))
    expect(payloadsOf(claimDead(directory, me))).toEqual(['left'])
    expect(existsSync(`${path}.new`)).toBe(false)
  })

  it('of a process killed between the writing of the new content and its rename finds the old content whole', () => {
    const { directory, me } = aPlace()
    const dying = nodeWith({
      renameSync: () => {
        throw fsError('KILLED')
      },
      // The dead do not tidy up.
      unlinkSync: () => undefined,
    })
    const journal = openJournal(directory, DESTINATION, dying)
    journal.append('old')
    journal.commit({ sync: false })
    expect(() => journal.rewrite(['new'])).toThrow('KILLED')
    journal.close({ remove: false })
    expect(contentOf(`${journal.path}.new`).payloads).toEqual(['new'])

    expect(claimDead(directory, me)).toMatchObject([{ payloads: ['old'], damaged: 0, tornBytes: 0 }])
    expect(readdirSync(directory).filter((file) => file.endsWith('.new'))).toEqual([])
  })

  it('that comes too late is no error', () => {
    const { directory, me } = aPlace()
    aFile(directory, killed)
    for (const late of ['statSync', 'utimesSync', 'renameSync'] as const) {
      const faster = nodeWith({
        [late]: () => {
          throw fsError('ENOENT')
        },
      })
      expect(claimDead(directory, me, faster)).toEqual([])
    }
    expect(payloadsOf(claimDead(directory, me))).toEqual(['left'])
  })

  it('fails as a whole only where the directory cannot be listed', () => {
    const { me } = aPlace()
    expect(() => claimDead(join(aDirectory(), 'gone'), me)).toThrow(expect.objectContaining({ code: 'ENOENT' }))
  })
})

describe('owners in another place', () => {
  it('are left alone while their lease runs, and adopted after it', () => {
    const { directory, me } = aPlace()
    aFile(directory, elsewhere, framesOf('fresh'), LEASE_MS - 5000)
    aFile(directory, elsewhere, framesOf('lapsed'), LEASE_MS + 5000)
    expect(payloadsOf(claimDead(directory, me))).toEqual(['lapsed'])
  })

  it('see a claimed file as touched, from the moment it has its new name', () => {
    const { directory, me } = aPlace()
    aFile(directory, killed, framesOf('left'), 10 * LEASE_MS)
    let ageMs = Number.POSITIVE_INFINITY
    const watching = nodeWith({
      renameSync: (from, to) => {
        node.fs.renameSync(from, to)
        ageMs = Date.now() - statSync(to).mtimeMs
      },
    })
    expect(claimDead(directory, me, watching)).toHaveLength(1)
    expect(ageMs).toBeLessThan(LEASE_MS / 2)
  })

  it('tell by isOwned() that they were adopted while they lived', () => {
    const { directory, me } = aPlace()
    const hidesProc = nodeWith({
      readlinkSync: () => {
        throw fsError('ENOENT')
      },
    })
    const theirs = openJournal(directory, DESTINATION, hidesProc)
    openFiles().delete(theirs.name.id)
    expect(claimDead(directory, me)).toEqual([])
    utimesSync(theirs.path, 0, 0)
    theirs.beat()
    expect(claimDead(directory, me)).toEqual([])
    utimesSync(theirs.path, 0, 0)
    expect(claimDead(directory, me)).toHaveLength(1)
    expect(theirs.isOwned()).toBe(false)
  })
})

describe('this process', () => {
  it('never claims a journal that it has open', () => {
    const { directory, me } = aPlace()
    openJournal(directory, DESTINATION)
    expect(claimDead(directory, me)).toEqual([])
  })

  it('not even when another process has adopted it and died', () => {
    const { directory, journal, me } = aPlace()
    renameSync(journal.path, join(directory, fileNameOf({ ...me, ...killed })))
    expect(claimDead(directory, me)).toEqual([])
  })

  it('claims a journal that it has closed with something in it', () => {
    const { directory, me } = aPlace()
    const closed = openJournal(directory, DESTINATION)
    closed.append('unsent')
    closed.commit({ sync: false })
    closed.close({ remove: false })
    expect(claimDead(directory, me)).toMatchObject([{ id: closed.name.id, payloads: ['unsent'] }])
  })

  it('does not claim again what it has claimed, until it is released', () => {
    const { directory, me } = aPlace()
    aFile(directory, killed)
    const [claim] = claimDead(directory, me)
    expect(claimDead(directory, me)).toEqual([])
    if (claim) release(claim)
    expect(readdirSync(directory)).toEqual([fileNameOf(me)])
    expect(openFiles()).not.toContain(`${claim?.id}.journal`)
  })

  it('shares what is open with other copies of the package', () => {
    const { me } = aPlace()
    const shared = Reflect.get(
      process.getBuiltinModule('node:process'),
      Symbol.for('opentelemetry-exporter-keito.open-journals'),
    )
    expect(shared).toContain(me.id)
  })
})

describe('a release', () => {
  it('lasts: the directory is synced', () => {
    const { directory, me } = aPlace()
    aFile(directory, killed)
    const [claim] = claimDead(directory, me)
    const steps: string[] = []
    const watching = nodeWith({
      unlinkSync: (path) => {
        steps.push('unlink')
        node.fs.unlinkSync(path)
      },
      fsyncSync: () => {
        steps.push('sync')
      },
    })
    if (claim) release(claim, watching)
    expect(steps).toEqual(['unlink', 'sync'])
  })

  it('that fails says so, and the file is not claimed again by this process', () => {
    const { directory, me } = aPlace()
    aFile(directory, killed)
    const [claim] = claimDead(directory, me)
    const readOnly = nodeWith({
      unlinkSync: () => {
        throw fsError('EROFS')
      },
    })
    expect(() => claim && release(claim, readOnly)).toThrow(expect.objectContaining({ code: 'EROFS' }))
    expect(claimDead(directory, me)).toEqual([])
  })

  it('of what is gone already is done', () => {
    const { directory, me } = aPlace()
    aFile(directory, killed)
    const [claim] = claimDead(directory, me)
    if (claim) release(claim)
    expect(() => claim && release(claim)).not.toThrow()
  })
})

describe('a file that gives trouble', () => {
  it('that cannot be read is reported, left in place, and tried again; the others are claimed', () => {
    const { directory, me } = aPlace()
    aFile(directory, killed, framesOf('good'))
    // A directory is a file that cannot be read, for root as well.
    const { path, name } = aFile(directory, killed)
    node.fs.rmSync(path)
    mkdirSync(path)
    for (let round = 0; round < 2; round++) {
      const claims = claimDead(directory, me)
      const bad = claims.filter(({ error }) => error !== undefined)
      expect(bad).toEqual([
        {
          id: name.id,
          extension: 'journal',
          path: expect.any(String),
          error: expect.any(Error),
          payloads: [],
          damaged: 0,
          tornBytes: 0,
        },
      ])
      expect(payloadsOf(claims)).toEqual(round === 0 ? ['good'] : [])
      expect(bad.every((claim) => existsSync(claim.path))).toBe(true)
      for (const claim of bad) release(claim)
      expect(bad.every((claim) => existsSync(claim.path))).toBe(true)
    }
  })

  it.each(['utimesSync', 'renameSync'] as const)('that cannot be claimed (%s) is reported where it is', (call) => {
    const { directory, me } = aPlace()
    const { path } = aFile(directory, killed)
    const readOnly = nodeWith({
      [call]: () => {
        throw fsError('EROFS')
      },
    })
    expect(claimDead(directory, me, readOnly)).toMatchObject([{ path, error: { code: 'EROFS' }, payloads: [] }])
    expect(readFileSync(path, 'utf8')).toBe(framesOf('left'))
    expect(payloadsOf(claimDead(directory, me))).toEqual(['left'])
  })
})

describe('files of the family', () => {
  const DEAD = 'dead.jsonl'

  it('are claimed by their extension, unread, apart from the journal', () => {
    const { directory, me } = aPlace()
    const { name } = aFile(directory, killed)
    aFile(directory, name, 'a dead letter\n', 0, DEAD)
    const path = join(directory, fileNameOf({ ...me, id: name.id }, DEAD))
    expect(claimDead(directory, me)).toHaveLength(1)
    expect(claimDeadFiles(directory, me, DEAD)).toEqual([{ id: name.id, extension: DEAD, path }])
    expect(claimDeadFiles(directory, me, DEAD)).toEqual([])
    expect(readFileSync(path, 'utf8')).toBe('a dead letter\n')
  })

  it('are released apart as well', () => {
    const { directory, me } = aPlace()
    const { name } = aFile(directory, killed)
    aFile(directory, name, '', 0, DEAD)
    const [claim] = [...claimDead(directory, me), ...claimDeadFiles(directory, me, DEAD)]
    if (claim) release(claim)
    expect(readdirSync(directory).map((file) => basename(file))).toEqual(
      expect.arrayContaining([fileNameOf({ ...me, id: name.id }, DEAD)]),
    )
    expect(claimDeadFiles(directory, me, DEAD)).toEqual([])
  })

  it('of an open journal of this process are not dead', () => {
    const { directory, journal, me } = aPlace()
    writeFileSync(join(dirname(journal.path), fileNameOf(me, DEAD)), 'mine\n')
    expect(claimDeadFiles(directory, me, DEAD)).toEqual([])
    journal.close({ remove: true })
    const next = openJournal(directory, DESTINATION)
    expect(claimDeadFiles(directory, next.name, DEAD)).toHaveLength(1)
  })

  it('in another place live as long as the journal is touched', () => {
    const { directory, me } = aPlace()
    const { name, path } = aFile(directory, elsewhere)
    aFile(directory, name, 'old\n', 10 * LEASE_MS, DEAD)
    expect(claimDeadFiles(directory, me, DEAD)).toEqual([])
    node.fs.rmSync(path)
    expect(claimDeadFiles(directory, me, DEAD)).toHaveLength(1)
  })
})
