/**
 * What the user is told when the disk refuses.
 *
 * @module
 */
import { oneLine } from '../../telemetry/one-line.ts'

/** What each code means, and what to do. */
const MEANINGS: ReadonlyMap<string, string> = new Map(
  Object.entries({
    ENOSPC: 'the disk is full (ENOSPC); free some space, or choose a directory on another disk',
    EDQUOT: 'the disk quota is used up (EDQUOT); free some space, or choose a directory on another disk',
    EROFS: 'the file system is read-only (EROFS); choose a directory on a writable volume',
    EACCES: 'this user may not write there (EACCES); give it the rights, or choose another directory',
    EPERM: 'this user may not write there (EPERM); give it the rights, or choose another directory',
    ENOENT: 'it does not exist any more (ENOENT); do not remove it while the process runs',
    ENOTDIR: 'a part of the path is a file (ENOTDIR); choose a path made of directories',
    EEXIST: 'a file of that name is in the way (EEXIST); choose the path of a directory',
    EMFILE: 'this process has too many files open (EMFILE); raise its limit (ulimit -n), or close some',
    ENFILE: 'this machine has too many files open (ENFILE); raise its limit, or end some processes',
    EIO: 'the disk fails (EIO); look at the log of the system, and choose another disk',
  }),
)

/**
 * One line about a failed write to the outbox directory: what happened and what to do.
 *
 * @param error What a file system call has thrown.
 * @param directory As the user has given it.
 */
export function describeFsError(error: unknown, directory: string): string {
  const code = codeOf(error)
  const meaning = MEANINGS.get(code ?? '') ?? code ?? oneLine(error instanceof Error ? error.message : String(error))
  return `cannot write to the outbox directory ${oneLine(directory)}: ${meaning}`
}

/** The code of a file system error, such as `ENOSPC`; undefined for other values. */
export function codeOf(error: unknown): string | undefined {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined
  return typeof code === 'string' ? code : undefined
}
