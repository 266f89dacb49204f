/**
 * Adoption: what dead processes have left in their journals is taken over once, and the user is told of it.
 *
 * @module
 */
import type { KeitoErrorCode } from '../errors.ts'
import { type Claimed, claimDead, release } from './journal/adopt.ts'
import { describeFsError } from './journal/fs-error.ts'
import type { Journal } from './journal/journal.ts'
import type { NodeModules } from './journal/node.ts'
import { opsIn } from './journal-ops.ts'
import { Replay } from './replay.ts'

/** What adoption works with. */
export interface AdoptionParts {
  readonly directory: string
  readonly node: NodeModules
  report(code: KeitoErrorCode, cause: string, message: string): void
}

/** Adopts journals for one outbox, each once. */
export class Adoption {
  readonly #parts: AdoptionParts
  /** Adopted journals that could not be removed yet. */
  #unreleased: readonly Claimed[] = []
  /** Ids of journals of this outbox itself, given up when the disk failed. */
  readonly #own = new Set<string>()

  constructor(parts: AdoptionParts) {
    this.#parts = parts
  }

  /** A journal of this outbox is given up: what it holds is known. */
  disown(id: string): void {
    this.#own.add(id)
  }

  /** Ids of journals whose contents this outbox has, and that are still there. */
  get absorbed(): readonly string[] {
    return this.#unreleased.map(({ id }) => id)
  }

  /**
   * What dead processes have left; undefined when nothing is there to be released either. Of what cannot be read, and of
   * what is damaged, the user is told.
   */
  claim(journal: Journal): readonly Replay[] | undefined {
    const readable = this.#found(journal).filter((claimed) => this.#isReadable(claimed))
    const known = new Set([...this.#own, ...this.absorbed])
    this.#unreleased = [...this.#unreleased, ...readable]
    if (this.#unreleased.length === 0) return undefined
    const replays = readable
      .filter(({ id }) => !known.has(id))
      .map((claimed) => ({ id: claimed.id, replay: replayOf(claimed, this.#parts) }))
    // A process that dies while it takes journals over leaves them beside its own, which has their contents.
    for (const { replay } of replays) for (const id of replay.absorbed) known.add(id)
    const left = replays.filter(({ id }) => !known.has(id)).map(({ replay }) => replay)
    sayWhatIsLeft(left, this.#parts)
    return left
  }

  /** Removes the journals whose contents are durably this outbox's. */
  release(): void {
    this.#unreleased = this.#unreleased.filter((claimed) => !isReleased(claimed, this.#parts.node))
  }

  /** When dead journals cannot be looked for, nothing is lost: they are looked for again. */
  #found(journal: Journal): readonly Claimed[] {
    const { directory, node, report } = this.#parts
    try {
      return claimDead(directory, journal.name, node)
    } catch (error) {
      report('outbox', 'adopt', `What other processes left cannot be looked for: ${describeFsError(error, directory)}.`)
      return []
    }
  }

  #isReadable({ id, error }: Claimed): boolean {
    if (error === undefined) return true
    const { directory, report } = this.#parts
    const why = describeFsError(error, directory)
    report('outbox', `adopt:${id}`, `A journal that a process left could not be read: ${why}. It is tried again.`)
    return false
  }
}

function isReleased(claimed: Claimed, node: NodeModules): boolean {
  try {
    release(claimed, node)
    return true
  } catch {
    return false
  }
}

function replayOf(journal: Claimed, parts: AdoptionParts): Replay {
  const replay = new Replay()
  let damaged = journal.damaged
  for (const payload of journal.payloads) {
    const ops = opsIn(payload)
    if (ops) for (const op of ops) replay.apply(op)
    else damaged++
  }
  sayWhatIsDamaged(journal, damaged, parts)
  return replay
}

function sayWhatIsDamaged(
  { id, payloads, tornBytes }: Claimed,
  damaged: number,
  { directory, report }: AdoptionParts,
): void {
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

function sayWhatIsLeft(left: readonly Replay[], { report }: AdoptionParts): void {
  const crashed = left.filter(({ isClosed }) => !isClosed)
  const records = crashed.reduce((sum, replay) => sum + replay.records.length, 0)
  const sessions = crashed.reduce((sum, replay) => sum + replay.memory.sessions.length, 0)
  if (records + sessions === 0) return
  const message =
    `A process ended without a shutdown. ${records} records and ${sessions} sessions that it left are taken over; ` +
    'runs whose spans never come are booked as interrupted. Await provider.shutdown() before the process ends.'
  report('interrupted', 'interrupted', message)
}
