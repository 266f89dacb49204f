/** Rule: when the disk refuses, the user reads in one line what happened and what to do; without Node, what to use instead. */
import { afterEach, describe, expect, it, vi } from 'vitest'
import { codeOf, describeFsError } from '../src/delivery/journal/fs-error.ts'
import { nodeModules, requiredNodeModules } from '../src/delivery/journal/node.ts'
import { ConfigError } from '../src/errors.ts'
import { fsError } from './helpers/journal/directory.ts'

describe('a disk that refuses', () => {
  it.each([
    ['ENOSPC', 'the disk is full'],
    ['EDQUOT', 'the disk quota is used up'],
    ['EROFS', 'the file system is read-only'],
    ['EACCES', 'this user may not write there'],
    ['EPERM', 'this user may not write there'],
    ['ENOENT', 'it does not exist any more'],
    ['ENOTDIR', 'a part of the path is a file'],
    ['EEXIST', 'a file of that name is in the way'],
    ['EMFILE', 'this process has too many files open'],
    ['ENFILE', 'this machine has too many files open'],
    ['EIO', 'the disk fails'],
  ])('%s is explained, with what to do', (code, meaning) => {
    const message = describeFsError(fsError(code), '/var/lib/outbox')
    expect(message).toMatch(`cannot write to the outbox directory /var/lib/outbox: ${meaning} (${code}); `)
  })

  it('an unknown code is named', () => {
    expect(describeFsError(fsError('ESTALE'), 'out')).toBe('cannot write to the outbox directory out: ESTALE')
  })

  it('a name that objects have anyway is no code', () => {
    expect(describeFsError(fsError('toString'), 'out')).toBe('cannot write to the outbox directory out: toString')
  })

  it('what is no error of the disk is told in its own words, in one line', () => {
    expect(describeFsError(new Error('this journal\nis closed'), 'o\nut')).toBe(
      'cannot write to the outbox directory o ut: this journal is closed',
    )
    expect(describeFsError('thrown text', 'out')).toBe('cannot write to the outbox directory out: thrown text')
  })

  it('has a code only where there is one', () => {
    expect([fsError('EIO'), { code: 5 }, {}, null, undefined, 'EIO'].map(codeOf)).toEqual([
      'EIO',
      ...Array.from({ length: 5 }, () => undefined),
    ])
  })
})

describe('a world without Node', () => {
  afterEach(() => {
    vi.unstubAllGlobals()
  })
  const { getBuiltinModule } = process

  it.each([
    ['no process', undefined],
    ['a process of a bundler', { env: {} }],
    ['a Node that cannot be asked', { ...process, getBuiltinModule: undefined }],
    [
      'a Node before crc32',
      { getBuiltinModule: (id: string) => (id === 'node:zlib' ? {} : getBuiltinModule(id as 'node:fs')) },
    ],
    [
      'a runtime with a part of the modules',
      { getBuiltinModule: (id: string) => (id === 'node:fs' ? undefined : getBuiltinModule(id as 'node:os')) },
    ],
    ['a runtime with none', { getBuiltinModule: () => undefined }],
  ])('%s has no modules', (_name, stub) => {
    vi.stubGlobal('process', stub)
    expect(nodeModules()).toBeUndefined()
    expect(requiredNodeModules).toThrow(ConfigError)
    expect(requiredNodeModules).toThrow('needs Node.js 20.16 or newer')
  })

  it('Node has them', () => {
    expect(Object.keys(nodeModules() ?? {})).toEqual(['fs', 'os', 'zlib', 'crypto', 'path', 'threads', 'process'])
  })
})
