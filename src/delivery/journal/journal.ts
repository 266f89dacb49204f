/**
 * A journal: the file of one process, to which payloads are appended and in which they outlive it.
 *
 * @module
 */
import { AppendFile } from './append-file.ts'
import { makeDirectory, removeForGood, removeIfPossible, syncDirectory } from './directory.ts'
import { type FileName, fileNameOf } from './file-name.ts'
import { frameOf } from './frame.ts'
import { type NodeModules, requiredNodeModules } from './node.ts'
import { openFiles } from './open-files.ts'
import { newFileName } from './owner.ts'
import { replacementOf } from './replacement.ts'

/**
 * Opens a new journal. The directory is made (mode 0700) where there is none; its mode is left alone where there is one.
 *
 * @param directory Where journals are; shared by processes, and by hosts if need be.
 * @param destination 8 hex digits: processes with the same one adopt each other's journals.
 * @param node Node's modules. @default those of this process
 * @throws {ConfigError} Where there is no Node.
 * @throws {TypeError} When the destination is not 8 hex digits.
 * @throws The error of the file system; nothing is left open then.
 */
export function openJournal(directory: string, destination: string, node = requiredNodeModules()): Journal {
  if (!/^[0-9a-f]{8}$/.test(destination)) {
    throw new TypeError(`a journal's destination must be 8 hex digits, got ${JSON.stringify(destination)}`)
  }
  makeDirectory(directory, node)
  return new Journal(directory, newFileName(destination, node), node)
}

/**
 * The open journal of this process. All is synchronous: when {@link Journal.commit} returns, a killed process has lost
 * nothing of it. Methods throw the error of the file system, and an `Error` after {@link Journal.close}.
 */
export class Journal {
  /** What its file name says: its id, its destination, and this process. */
  readonly name: FileName
  /** Where it is. */
  readonly path: string
  readonly #node: NodeModules
  readonly #directory: string
  /** Undefined once it is closed. */
  #file: AppendFile | undefined
  #frames: string[] = []
  #bufferedBytes = 0
  /** Part of a failed write is still at the end of the file. */
  #isTorn = false

  /** Use {@link openJournal}. */
  constructor(directory: string, name: FileName, node: NodeModules) {
    this.name = name
    this.path = node.path.join(directory, fileNameOf(name))
    this.#node = node
    this.#directory = directory
    openFiles().add(name.id)
    try {
      this.#file = this.#madeDurably()
    } catch (error) {
      openFiles().delete(name.id)
      throw error
    }
  }

  /** Bytes on disk and bytes waiting for {@link Journal.commit}. */
  get bytes(): number {
    return (this.#file?.size ?? 0) + this.#bufferedBytes
  }

  /**
   * Takes a payload in; {@link Journal.commit} writes it.
   *
   * @param payload One line of text.
   * @throws {TypeError} When it has a line feed.
   */
  append(payload: string): void {
    this.#openFile()
    const frame = frameOf(payload, this.#node.zlib.crc32)
    this.#frames.push(frame)
    this.#bufferedBytes += Buffer.byteLength(frame)
  }

  /**
   * Writes all that was appended, with one write.
   *
   * When it throws, nothing of it counts: the file is cut back to where it ended before, and the payloads stay appended,
   * so that the next commit writes them, or {@link Journal.discard} drops them. Where even cutting fails, some of them
   * may stand in the file, and stand there twice later.
   *
   * @param options.sync Whether to wait for the disk: needed against power failures, not against a kill.
   */
  commit({ sync }: { readonly sync: boolean }): void {
    const file = this.#openFile()
    const sizeBefore = file.size
    try {
      // Behind the part of a failed write, a frame would be read as the rest of that one.
      if (this.#frames.length > 0) file.append(`${this.#isTorn ? '\n' : ''}${this.#frames.join('')}`)
      if (sync) file.sync()
    } catch (error) {
      this.#cutBack(file, sizeBefore)
      throw error
    }
    if (this.#frames.length > 0) this.#isTorn = false
    this.discard()
  }

  /** Drops what was appended and not committed. */
  discard(): void {
    this.#frames = []
    this.#bufferedBytes = 0
  }

  /**
   * Replaces all that the journal holds, what was appended and not committed included. A crash leaves the old content or
   * the new one. When it throws, the old content stays in use, and so does what was appended; only when just the sync of
   * the directory failed, the new content is in use.
   *
   * @param payloads All that is worth keeping.
   * @throws {Error} When another process has adopted the journal.
   */
  rewrite(payloads: Iterable<string>): void {
    const old = this.#openFile()
    if (!old.isAt(this.path)) throw new Error('another process has adopted this journal; go on with a new one')
    this.#file = replacementOf(this.path, payloads, this.#node)
    this.#isTorn = false
    this.discard()
    old.closeQuietly()
    syncDirectory(this.#directory, this.#node)
  }

  /**
   * Whether the journal still is this process's: false once another one has adopted it, having taken this one for dead.
   * What was committed before is theirs then; the last commits may have come too late for them to read.
   */
  isOwned(): boolean {
    return this.#openFile().isAt(this.path)
  }

  /** Says that its owner lives, to processes that cannot see it otherwise. Due every 30 seconds. */
  beat(): void {
    this.#openFile().touch()
  }

  /**
   * Ends its use; what was not committed is dropped. A second call does nothing.
   *
   * @param options.remove Whether to remove the file, unless another process has adopted it. A file that stays is
   *   adopted later, by this process or another.
   */
  close({ remove }: { readonly remove: boolean }): void {
    const file = this.#file
    if (!file) return
    this.#file = undefined
    this.discard()
    try {
      if (remove && file.isAt(this.path)) removeForGood(this.path, this.#node)
    } finally {
      openFiles().delete(this.name.id)
      file.close()
    }
  }

  #openFile(): AppendFile {
    if (this.#file) return this.#file
    throw new Error('this journal is closed; open another one')
  }

  #cutBack(file: AppendFile, size: number): void {
    try {
      file.cutTo(size)
    } catch {
      this.#isTorn = true
    }
  }

  /** A new, empty file whose name lasts. */
  #madeDurably(): AppendFile {
    const file = new AppendFile(this.path, this.#node)
    try {
      syncDirectory(this.#directory, this.#node)
      return file
    } catch (error) {
      file.closeQuietly()
      removeIfPossible(this.path, this.#node)
      throw error
    }
  }
}
