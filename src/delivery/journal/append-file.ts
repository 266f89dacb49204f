/**
 * A file that only grows.
 *
 * @module
 */
import type { NodeModules } from './node.ts'

/** Only the user that runs the process reads what is billed. */
const FILE_MODE = 0o600

/** A file that this process has made and appends to. All methods throw the error of the file system. */
export class AppendFile {
  readonly #fs: NodeModules['fs']
  readonly #fd: number
  readonly #dev: bigint
  readonly #ino: bigint
  #size = 0
  #isSynced = true

  /**
   * Makes the file, for its user alone.
   *
   * @param path Where nothing is yet.
   */
  constructor(path: string, { fs }: NodeModules) {
    this.#fs = fs
    this.#fd = fs.openSync(path, 'ax', FILE_MODE)
    const { dev, ino } = fs.fstatSync(this.#fd, { bigint: true })
    this.#dev = dev
    this.#ino = ino
  }

  /** Bytes in the file, also after a write that failed in the middle. */
  get size(): number {
    return this.#size
  }

  /** Writes text to the end, with one write unless the system takes less at once. */
  append(text: string): void {
    const bytes = Buffer.from(text)
    let at = 0
    while (at < bytes.length) {
      this.#isSynced = false
      const written = this.#fs.writeSync(this.#fd, bytes, at, bytes.length - at)
      if (written === 0) throw new Error('a write to the disk wrote nothing, and gave no reason')
      at += written
      this.#size += written
    }
  }

  /** Waits until the disk has all that was written. */
  sync(): void {
    if (this.#isSynced) return
    this.#fs.fdatasyncSync(this.#fd)
    this.#isSynced = true
  }

  /** Cuts the end off. */
  cutTo(size: number): void {
    if (size === this.#size) return
    this.#fs.ftruncateSync(this.#fd, size)
    this.#size = size
  }

  /** Whether this file is what the path leads to. */
  isAt(path: string): boolean {
    const found = this.#fs.statSync(path, { bigint: true, throwIfNoEntry: false })
    return found !== undefined && found.ino === this.#ino && found.dev === this.#dev
  }

  /** Sets its time of change to now. */
  touch(): void {
    const now = new Date()
    this.#fs.futimesSync(this.#fd, now, now)
  }

  /** Gives the file back to the system. Call it once. */
  close(): void {
    this.#fs.closeSync(this.#fd)
  }

  /** Gives back a file whose content is of no more use, whatever the system says to that. */
  closeQuietly(): void {
    try {
      this.close()
    } catch {}
  }
}
