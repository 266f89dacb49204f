/**
 * What dead processes have left in their journals, and what the user is told of it.
 *
 * @module
 */
import type { KeitoErrorCode } from '../errors.ts'
import type { Claimed } from './journal/adopt.ts'
import { describeFsError } from './journal/fs-error.ts'
import { opsIn } from './journal-ops.ts'
import { Replay } from './replay.ts'

/** Whom to tell, and of which directory. */
export interface Teller {
  readonly directory: string
  report(code: KeitoErrorCode, cause: string, message: string): void
}

/** The journals that could be read; of the others the user is told. */
export function readableOf(found: readonly Claimed[], { directory, report }: Teller): readonly Claimed[] {
  return found.filter(({ id, error }) => {
    if (error === undefined) return true
    const why = describeFsError(error, directory)
    report('outbox', `adopt:${id}`, `A journal that a process left could not be read: ${why}. It is tried again.`)
    return false
  })
}

/**
 * What is left in journals, except in those that are known already: in one of these, because a process took it over
 * before it died itself, or to the caller.
 *
 * @param known Ids of journals that the caller knows.
 */
export function leftIn(journals: readonly Claimed[], known: readonly string[], teller: Teller): readonly Replay[] {
  const ids = new Set(known)
  const replays = journals
    .filter(({ id }) => !ids.has(id))
    .map((journal) => ({ id: journal.id, replay: replayOf(journal, teller) }))
  for (const { replay } of replays) for (const id of replay.absorbed) ids.add(id)
  const left = replays.filter(({ id }) => !ids.has(id)).map(({ replay }) => replay)
  sayWhatIsLeft(left, teller)
  return left
}

function replayOf(journal: Claimed, teller: Teller): Replay {
  const replay = new Replay()
  let damaged = journal.damaged
  for (const payload of journal.payloads) {
    const ops = opsIn(payload)
    if (ops) for (const op of ops) replay.apply(op)
    else damaged++
  }
  sayWhatIsDamaged(journal, damaged, teller)
  return replay
}

function sayWhatIsDamaged({ id, payloads, tornBytes }: Claimed, damaged: number, { directory, report }: Teller): void {
  if (damaged > 0) {
    const message =
      `The journal ${id} in ${directory} is damaged: ${damaged} of its entries cannot be read and are lost, ` +
      `${payloads.length} can. Check the disk.`
    report('outbox', 'damaged', message)
  }
  if (tornBytes > 0) {
    const message =
      `The last entry of the journal ${id} in ${directory} was cut off after ${tornBytes} bytes, and is lost. A process ` +
      'that is killed while it writes has not acknowledged that entry; if it was not killed, check the disk.'
    report('outbox', 'torn', message)
  }
}

function sayWhatIsLeft(left: readonly Replay[], { report }: Teller): void {
  const crashed = left.filter(({ isClosed }) => !isClosed)
  const records = crashed.reduce((sum, replay) => sum + replay.records.length, 0)
  const sessions = crashed.reduce((sum, replay) => sum + replay.memory.sessions.length, 0)
  if (records + sessions === 0) return
  const message =
    `A process ended without a shutdown. ${records} records and ${sessions} sessions that it left are taken over; ` +
    'runs whose spans never come are booked as interrupted. Await provider.shutdown() before the process ends.'
  report('interrupted', 'interrupted', message)
}
