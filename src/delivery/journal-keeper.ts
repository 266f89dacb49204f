/**
 * Keeps the journal of a file outbox: writes, compacts, adopts what dead processes left, and goes on without a disk.
 *
 * @module
 */
import type { KeitoErrorCode } from '../errors.ts'
import { type Claimed, claimDead, release } from './journal/adopt.ts'
import { codeOf, describeFsError } from './journal/fs-error.ts'
import { type Journal, openJournal } from './journal/journal.ts'
import type { NodeModules } from './journal/node.ts'
import { jsonOf, type Op, opsIn } from './journal-ops.ts'
import { Replay } from './replay.ts'

/** How often the journal is touched, dead journals are looked for, and a failed disk is tried again. */
const TICK_MS = 30_000
/** A journal is compacted when it is as long, and twice as long as after the last time. */
const COMPACT_BYTES = 16 * 1024 * 1024
/** A journal without room is compacted when it has grown by this factor since. */
const WORTH_COMPACTING = 1.25

/** What a {@link JournalKeeper} works with. */
export interface KeeperParts {
  readonly directory: string
  /** 8 hex digits; only journals with the same are adopted. */
  readonly destination: string
  /** Whether to wait for the disk. */
  readonly sync: boolean
  /** Longest journal, in bytes. */
  readonly maxBytes: number
  readonly node: NodeModules
  report(code: KeitoErrorCode, cause: string, message: string): void
  /** Everything that is to be kept, as frames of operations. */
  snapshot(): Iterable<readonly Op[]>
  /** Takes in what dead processes left, and says that it is to be looked after. */
  adopt(left: readonly Replay[], journal: Journal): void
  /** Called when there is a new journal. */
  opened(journal: Journal): void
  /** Lets go of everything, because another process has taken the journal over. */
  abandon(): void
}

/** Methods do not throw: when the disk fails, that is reported, and everything goes on in memory. */
export class JournalKeeper {
  readonly #parts: KeeperParts
  #journal: Journal | undefined
  /** Operations of the frame that is not sealed. */
  #ops: string[] = []
  #needsSync = false
  #hasTaken = false
  /** Its size after the last compaction, and after the last commit. */
  #compactedBytes = 0
  #committedBytes = 0
  /** Adopted journals that could not be removed yet, and ids of journals of this outbox that were given up. */
  #unreleased: readonly Claimed[] = []
  readonly #givenUp = new Set<string>()
  /** Whether something happened while there was no journal to write it to. */
  #isBehind = false
  #timer: ReturnType<typeof setInterval> | undefined

  constructor(parts: KeeperParts) {
    this.#parts = parts
  }

  /** Opens a journal and takes over what dead processes left. */
  start(): void {
    this.#open()
    this.#timer = setInterval(() => this.#tick(), TICK_MS)
    this.#timer.unref?.()
  }

  /**
   * Whether the journal may grow, as of the last commit: what belongs together is taken in as a whole. Without a disk
   * there is nothing to grow.
   */
  get hasRoom(): boolean {
    return this.#journal === undefined || this.#committedBytes < this.#parts.maxBytes
  }

  /** Takes an operation in; it is written by the next {@link commit}, together with the others up to the next seal. */
  write(op: Op): void {
    if (!this.#journal) return
    this.#ops.push(jsonOf(op))
    if (op[0] === 'take') this.#hasTaken = true
    // That a record is gone may be forgotten: it is then found in Keito.
    if (op[0] !== 'done' && op[0] !== 'back') this.#needsSync = true
  }

  /** Ends a frame: after a crash, all of its operations are known, or none. */
  seal(): void {
    const ops = this.#ops
    if (ops.length === 0) return
    this.#ops = []
    this.#try((journal) => journal.append(`[${ops.join(',')}]`))
  }

  /**
   * Writes everything down. Returns false when another process has taken the journal over, and with it what was taken.
   */
  commit(): boolean {
    this.seal()
    this.#try((journal) => {
      journal.commit({ sync: this.#needsSync && this.#parts.sync })
      this.#needsSync = false
      if (this.#isWorthCompacting(journal.bytes)) this.#compact(journal, [])
      this.#committedBytes = journal.bytes
    })
    if (!this.#hasTaken) return true
    this.#hasTaken = false
    return this.#isOwned()
  }

  /** Writes what is worth keeping, and ends. Another process, or a later exporter of this one, goes on from it. */
  close(): void {
    clearInterval(this.#timer)
    this.#try((journal) => {
      const frames = [...this.#parts.snapshot()]
      if (frames.length > 0) this.#rewrite(journal, [...frames, [['closed']]])
      journal.close({ remove: frames.length === 0 })
    })
    this.#journal = undefined
  }

  #tick(): void {
    if (!this.#journal) this.#open()
    else {
      this.#try((journal) => {
        journal.beat()
        this.#adopt(journal)
      })
    }
  }

  #open(): void {
    const { directory, destination, node, opened } = this.#parts
    try {
      const journal = openJournal(directory, destination, node)
      this.#journal = journal
      opened(journal)
      this.#adopt(journal)
      if (this.#isBehind) this.#catchUp(journal)
    } catch (error) {
      this.#giveUp(error)
    }
  }

  /** Writes what happened while the disk had failed. */
  #catchUp(journal: Journal): void {
    const { directory, report } = this.#parts
    this.#compact(journal, [])
    this.#isBehind = false
    report('outbox', 'back', `The outbox directory ${directory} can be written to again, and holds everything again.`)
  }

  #adopt(journal: Journal): void {
    const { directory, node, adopt, report } = this.#parts
    const found = [...this.#unreleased, ...claimDead(directory, journal.name, node)]
    for (const { id, error } of found) {
      if (error !== undefined)
        report(
          'outbox',
          `adopt:${id}`,
          `A journal that a process left could not be read: ${describeFsError(error, directory)}. It is tried again.`,
        )
    }
    const readable = found.filter(({ error }) => error === undefined)
    if (readable.length === 0) return
    const known = new Set([...this.#givenUp, ...this.#unreleased.map(({ id }) => id)])
    const replays = readable
      .filter(({ id }) => !known.has(id))
      .map((claimed) => ({ id: claimed.id, replay: this.#replay(claimed) }))
    for (const { replay } of replays) for (const id of replay.absorbed) known.add(id)
    const left = replays.filter(({ id }) => !known.has(id)).map(({ replay }) => replay)
    this.#sayWhatIsLeft(left)
    adopt(left, journal)
    this.#unreleased = readable
    this.#compact(
      journal,
      readable.map(({ id }) => id),
    )
    this.#unreleased = readable.filter((claimed) => !isReleased(claimed, node))
  }

  #sayWhatIsLeft(left: readonly Replay[]): void {
    const crashed = left.filter(({ isClosed }) => !isClosed)
    const records = crashed.reduce((sum, replay) => sum + replay.records.length, 0)
    const sessions = crashed.reduce((sum, replay) => sum + replay.memory.sessions.length, 0)
    if (records + sessions === 0) return
    this.#parts.report(
      'interrupted',
      'interrupted',
      `A process ended without a shutdown. ${records} records and ${sessions} sessions that it left are taken over; ` +
        'runs whose spans never come are booked as interrupted. Await provider.shutdown() before the process ends.',
    )
  }

  #replay(claimed: Claimed): Replay {
    const replay = new Replay()
    let damaged = claimed.damaged
    for (const payload of claimed.payloads) {
      const ops = opsIn(payload)
      if (ops) for (const op of ops) replay.apply(op)
      else damaged++
    }
    if (damaged > 0) {
      const message = `The journal ${claimed.id} in ${this.#parts.directory} is damaged: ${damaged} of its ${damaged + claimed.payloads.length} entries cannot be read and are lost. Check the disk.`
      this.#parts.report('outbox', 'damaged', message)
    }
    return replay
  }

  /** A compaction must pay: it writes everything that is kept. */
  #isWorthCompacting(bytes: number): boolean {
    if (bytes >= this.#parts.maxBytes) return bytes > this.#compactedBytes * WORTH_COMPACTING
    return bytes >= Math.max(COMPACT_BYTES, this.#compactedBytes * 2)
  }

  #compact(journal: Journal, absorbed: readonly string[]): void {
    const frames = this.#parts.snapshot()
    this.#rewrite(journal, absorbed.length > 0 ? [[['absorbed', absorbed]], ...frames] : frames)
    this.#compactedBytes = journal.bytes
    this.#committedBytes = journal.bytes
  }

  /** The snapshot has all that was taken in, so what waited to be written is not needed any more. */
  #rewrite(journal: Journal, frames: Iterable<readonly Op[]>): void {
    this.#ops = []
    journal.rewrite(payloadsOf(frames))
    this.#needsSync = false
  }

  #isOwned(): boolean {
    const journal = this.#journal
    if (!journal) return true
    let isOwned = true
    this.#try(() => {
      isOwned = journal.isOwned()
    })
    if (isOwned) return true
    this.#journal = undefined
    this.#ops = []
    journal.close({ remove: false })
    this.#parts.abandon()
    this.#parts.report(
      'outbox',
      'lost',
      `Another process has taken over the journal ${journal.name.id}, because this one did not touch it for two minutes. ` +
        'That process books what was in it; this one goes on with a new journal.',
    )
    this.#open()
    return false
  }

  #try(act: (journal: Journal) => void): void {
    if (!this.#journal) return
    try {
      act(this.#journal)
    } catch (error) {
      this.#giveUp(error)
    }
  }

  /** Goes on in memory. What is on disk is of the past from now on, and is not to be gone on from. */
  #giveUp(error: unknown): void {
    const { directory, report } = this.#parts
    const journal = this.#journal
    this.#journal = undefined
    this.#isBehind = true
    this.#ops = []
    if (journal) {
      this.#givenUp.add(journal.name.id)
      try {
        journal.close({ remove: true })
      } catch {
        // It stays there. What it says is looked up in Keito before anything of it is sent.
      }
    }
    const message =
      `${describeFsError(error, directory)}. Work goes on in memory: what Keito does not have when this process ends is ` +
      'lost. The directory is tried again every 30 seconds.'
    report('outbox', codeOf(error) ?? 'write', message.charAt(0).toUpperCase() + message.slice(1))
  }
}

function* payloadsOf(frames: Iterable<readonly Op[]>): Generator<string> {
  for (const ops of frames) yield `[${ops.map(jsonOf).join(',')}]`
}

function isReleased(claimed: Claimed, node: NodeModules): boolean {
  try {
    release(claimed, node)
    return true
  } catch {
    return false
  }
}
