/**
 * What can be done with a journal whose disk may have failed, without another error.
 *
 * @module
 */
import type { Journal } from './journal.ts'

/** Whether the journal still is this process's. In doubt it is: what the disk cannot say, the next write will. */
export function isStillOurs(journal: Journal): boolean {
  try {
    return journal.isOwned()
  } catch {
    return true
  }
}

/** Closes the journal. That this fails too is not worth another word: the disk has failed already, and that is reported. */
export function closeQuietly(journal: Journal, remove: boolean): void {
  try {
    journal.close({ remove })
  } catch {}
}
