/**
 * Names in a directory: making and removing them so that a power failure does not undo it.
 *
 * @module
 */
import { codeOf } from './fs-error.ts'
import type { NodeModules } from './node.ts'

/** Only the user that runs the process reads what is billed. */
const DIRECTORY_MODE = 0o700

/** Makes a directory for this user alone, and those above it. One that is there is left as it is. */
export function makeDirectory(directory: string, node: NodeModules): void {
  const path = node.path.resolve(directory)
  const firstMade = node.fs.mkdirSync(path, { recursive: true, mode: DIRECTORY_MODE })
  if (firstMade === undefined) return
  // Each new name is in the directory above it.
  const above = node.path.dirname(firstMade)
  for (let made = path; made.length > above.length; made = node.path.dirname(made)) {
    syncDirectory(node.path.dirname(made), node)
  }
}

/** What systems say that cannot sync a directory (Windows, some network volumes). */
const CANNOT_SYNC = new Set(['EINVAL', 'EISDIR', 'EPERM', 'EACCES', 'ENOTSUP', 'EBADF'])

/**
 * Waits until the disk has the names in a directory, where the system can do that.
 *
 * @throws The error of the file system when the disk fails.
 */
export function syncDirectory(directory: string, { fs }: NodeModules): void {
  let fd: number | undefined
  try {
    fd = fs.openSync(directory, 'r')
    fs.fsyncSync(fd)
  } catch (error) {
    if (!CANNOT_SYNC.has(codeOf(error) ?? '')) throw error
  } finally {
    if (fd !== undefined) fs.closeSync(fd)
  }
}

/**
 * Removes a file, if it is there, so that it does not come back.
 *
 * @throws The error of the file system when it stays.
 */
export function removeForGood(path: string, node: NodeModules): void {
  removeIfThere(path, node)
  syncDirectory(node.path.dirname(path), node)
}

/**
 * Removes a file, if it is there.
 *
 * @throws The error of the file system when it stays.
 */
export function removeIfThere(path: string, { fs }: NodeModules): void {
  try {
    fs.unlinkSync(path)
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error
  }
}

/** Removes a file that is of no more use; one that stays does no harm. */
export function removeIfPossible(path: string, node: NodeModules): void {
  try {
    removeIfThere(path, node)
  } catch {}
}
