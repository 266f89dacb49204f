/**
 * The dead letters of a file outbox: a file of readable JSON lines, one for each record that Keito refused for good.
 *
 * @module
 */
import type { KeitoRecord } from '../billing/record.ts'
import { isFields } from './fields.ts'
import { removeIfThere } from './journal/directory.ts'
import type { NodeModules } from './journal/node.ts'
import type { KeptRecord } from './outbox.ts'

/** Only the owner may read what was billed to whom. */
const FILE_MODE = 0o600

/** A file of dead letters. Methods throw the error of the file system. */
export class DeadLetters {
  readonly #path: string
  readonly #node: NodeModules
  #count = 0

  /** @param path The file; made when the first dead letter comes. */
  constructor(path: string, node: NodeModules) {
    this.#path = path
    this.#node = node
  }

  /** How many there are. */
  get count(): number {
    return this.#count
  }

  /** Writes one down. When this returns, it outlives the process and a power failure. */
  add({ record, reason }: KeptRecord): void {
    const { key, kind, sessionId, body } = record
    const at = new Date().toISOString()
    this.#append([JSON.stringify({ at, reason, key, kind, sessionId, body })])
  }

  /** Takes over the lines of another file of dead letters. */
  adopt(path: string): void {
    this.#append(linesOf(this.#node.fs.readFileSync(path, 'utf8')))
  }

  /** All of them that can be read, the oldest first. */
  all(): readonly KeptRecord[] {
    return this.#lines().flatMap((line) => letterIn(line) ?? [])
  }

  /** Removes all that can be read; with nothing else in it, the file. */
  clear(): void {
    const unreadable = this.#lines().filter((line) => letterIn(line) === undefined)
    removeIfThere(this.#path, this.#node)
    this.#count = 0
    this.#append(unreadable)
  }

  #lines(): readonly string[] {
    return this.#count === 0 ? [] : linesOf(this.#node.fs.readFileSync(this.#path, 'utf8'))
  }

  #append(lines: readonly string[]): void {
    if (lines.length === 0) return
    const { fs } = this.#node
    const fd = fs.openSync(this.#path, 'a', FILE_MODE)
    try {
      // Unlike writeSync, it goes on where a write was short.
      fs.appendFileSync(fd, `${lines.join('\n')}\n`)
      fs.fdatasyncSync(fd)
    } finally {
      fs.closeSync(fd)
    }
    this.#count += lines.length
  }
}

function linesOf(text: string): readonly string[] {
  return text.split('\n').filter((line) => line !== '')
}

/** People may have had the file in an editor: a line counts when it has all that a record needs. */
function letterIn(line: string): KeptRecord | undefined {
  try {
    const value: unknown = JSON.parse(line)
    if (!isFields(value)) return undefined
    const { reason, key, kind, sessionId, body } = value
    const isWhole =
      typeof key === 'string' && typeof sessionId === 'string' && isFields(body) && isFields(body.metadata)
    if (!isWhole || (kind !== 'time_entry' && kind !== 'expense')) return undefined
    return { record: { kind, key, sessionId, body } as unknown as KeitoRecord, reason: String(reason) }
  } catch {
    return undefined
  }
}
