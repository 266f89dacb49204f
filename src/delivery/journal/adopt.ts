/**
 * Adoption: taking over what dead processes have left. A claim is one rename, so that of several claimers one wins.
 *
 * @module
 */
import { removeForGood, removeIfPossible } from './directory.ts'
import { type FileName, fileNameOf, JOURNAL, parsedFileName } from './file-name.ts'
import { type Scan, scan } from './frame.ts'
import { codeOf } from './fs-error.ts'
import { type NodeModules, requiredNodeModules } from './node.ts'
import { claimOf, openFiles } from './open-files.ts'
import { isAlive } from './owner.ts'
import { unfinishedOf } from './replacement.ts'

/** A file of a dead owner that this process has made its own, or has failed to. */
export interface ClaimedFile {
  /** The journal that it is, or is of the family of. */
  readonly id: string
  readonly extension: string
  /** Where it is now. */
  readonly path: string
  /** Why it could not be claimed or read. It stays where it is and is tried again by the next claim. */
  readonly error?: unknown
}

/** A journal of a dead owner, with what it holds; nothing when there is an error. */
export interface Claimed extends ClaimedFile, Scan {}

/**
 * Claims the journals of dead owners and reads them. Make the contents yours, durably, before {@link release}: until
 * then, when this process dies, the next one claims them again.
 *
 * @param directory Where journals are.
 * @param me The name of this process's open journal: only journals of its destination are claimed.
 * @param node Node's modules. @default those of this process
 * @throws The error of the file system when the directory cannot be listed. Trouble with one file is in its result.
 */
export function claimDead(directory: string, me: FileName, node = requiredNodeModules()): readonly Claimed[] {
  return claimDeadFiles(directory, me, JOURNAL, node).map((file) => withContent(file, node))
}

/**
 * Claims the files with an extension that dead owners have left, and does not read them.
 *
 * @param directory Where journals are.
 * @param me The name of this process's open journal: only files of its destination are claimed.
 * @param extension Without a leading dot, such as `dead.jsonl`. @default 'journal'
 * @param node Node's modules. @default those of this process
 * @throws The error of the file system when the directory cannot be listed. Trouble with one file is in its result.
 */
export function claimDeadFiles(
  directory: string,
  me: FileName,
  extension: string = JOURNAL,
  node = requiredNodeModules(),
): readonly ClaimedFile[] {
  return node.fs.readdirSync(directory).flatMap((file) => {
    const name = parsedFileName(file, extension)
    if (name?.destination !== me.destination || isInUse(name.id, extension)) return []
    return claimed(directory, name, me, extension, node) ?? []
  })
}

/**
 * Removes a claimed file whose contents are yours by now. One with an error is left where it is.
 *
 * @throws The error of the file system when it cannot be removed; this process does not claim it again then.
 */
export function release({ id, extension, path, error }: ClaimedFile, node = requiredNodeModules()): void {
  if (error !== undefined) return
  removeForGood(path, node)
  openFiles().delete(claimOf(id, extension))
}

function isInUse(id: string, extension: string): boolean {
  return openFiles().has(id) || openFiles().has(claimOf(id, extension))
}

/** The file as claimed, or undefined when its owner lives or another process was faster. */
function claimed(
  directory: string,
  name: FileName,
  me: FileName,
  extension: string,
  node: NodeModules,
): ClaimedFile | undefined {
  const { id } = name
  const from = node.path.join(directory, fileNameOf(name, extension))
  const to = node.path.join(directory, fileNameOf({ ...me, id }, extension))
  try {
    if (isAlive(name, ageOf(from, node.path.join(directory, fileNameOf(name)), node), me, node)) return undefined
    // Before the rename: who sees the new name without seeing our process must find it touched.
    const now = new Date()
    node.fs.utimesSync(from, now, now)
    node.fs.renameSync(from, to)
  } catch (error) {
    return codeOf(error) === 'ENOENT' ? undefined : { id, extension, path: from, error }
  }
  openFiles().add(claimOf(id, extension))
  removeIfPossible(unfinishedOf(from), node)
  return { id, extension, path: to }
}

/** Milliseconds since the owner touched the file, or the journal of its family, which is the one that it keeps touching. */
function ageOf(path: string, journal: string, { fs }: NodeModules): number {
  const touchedMs = Math.max(fs.statSync(path).mtimeMs, fs.statSync(journal, { throwIfNoEntry: false })?.mtimeMs ?? 0)
  return Date.now() - touchedMs
}

function withContent(file: ClaimedFile, { fs, zlib }: NodeModules): Claimed {
  if (file.error !== undefined) return { ...file, ...NOTHING }
  try {
    return { ...file, ...scan(fs.readFileSync(file.path), zlib.crc32) }
  } catch (error) {
    openFiles().delete(claimOf(file.id, file.extension))
    return { ...file, ...NOTHING, error }
  }
}

const NOTHING: Scan = { payloads: [], damaged: 0, tornBytes: 0 }
