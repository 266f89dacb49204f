/** Directories for journals, and disks that fail. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { afterAll } from 'vitest'
import { frameOf, type Scan, scan } from '../../../src/delivery/journal/frame.ts'
import { type NodeModules, requiredNodeModules } from '../../../src/delivery/journal/node.ts'

const directories: string[] = []
afterAll(() => {
  for (const made of directories.splice(0)) rmSync(made, { recursive: true, force: true })
})

/** A new, empty directory that is gone after the test file. */
export function aDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'journal-'))
  directories.push(directory)
  return directory
}

/** The payloads as they stand in a file. */
export function framesOf(...payloads: readonly string[]): string {
  return payloads.map((payload) => frameOf(payload, crc32)).join('')
}

/** What a reader finds in a file. */
export function contentOf(path: string): Scan {
  return scan(readFileSync(path), crc32)
}

/** An error as the file system throws it. */
export function fsError(code: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: made up`), { code })
}

/** Node with some calls to the file system replaced. */
export function nodeWith(fs: Partial<NodeModules['fs']>): NodeModules {
  const node = requiredNodeModules()
  return { ...node, fs: { ...node.fs, ...fs } }
}
