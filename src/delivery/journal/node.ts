/**
 * Node's own modules, fetched when they are needed: a static import would keep the package from loading in bundlers and
 * in workers that have no file system.
 *
 * @module
 */
import type * as crypto from 'node:crypto'
import type * as fs from 'node:fs'
import type * as os from 'node:os'
import type * as path from 'node:path'
import type * as threads from 'node:worker_threads'
import type * as zlib from 'node:zlib'
import { ConfigError } from '../../errors.ts'

/** What a journal uses of Node. Given as a parameter, so that a test can put a failing disk in its place. */
export interface NodeModules {
  readonly fs: typeof fs
  readonly os: Pick<typeof os, 'hostname'>
  readonly zlib: Pick<typeof zlib, 'crc32'>
  readonly crypto: Pick<typeof crypto, 'createHash' | 'randomBytes'>
  readonly path: Pick<typeof path, 'join' | 'dirname' | 'resolve'>
  readonly threads: Pick<typeof threads, 'threadId'>
  readonly process: Pick<NodeJS.Process, 'pid' | 'kill'>
}

/** The modules of Node (20.16 or newer), or undefined where there are none. */
export function nodeModules(): NodeModules | undefined {
  const process: NodeJS.Process | undefined = globalThis.process
  if (typeof process?.getBuiltinModule !== 'function') return undefined
  const modules = {
    fs: process.getBuiltinModule('node:fs'),
    os: process.getBuiltinModule('node:os'),
    zlib: process.getBuiltinModule('node:zlib'),
    crypto: process.getBuiltinModule('node:crypto'),
    path: process.getBuiltinModule('node:path'),
    threads: process.getBuiltinModule('node:worker_threads'),
    process,
  }
  const isWhole = Object.values(modules).every(Boolean) && typeof modules.zlib.crc32 === 'function'
  return isWhole ? modules : undefined
}

/**
 * The modules of Node, for who cannot do without.
 *
 * @throws {ConfigError} Where there are none.
 */
export function requiredNodeModules(): NodeModules {
  const node = nodeModules()
  if (node) return node
  throw new ConfigError(
    'a journal on disk needs Node.js 20.16 or newer (process.getBuiltinModule), which is missing here; use memoryOutbox()',
  )
}
