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
import { jsonOf, type Op } from './journal-ops.ts'
import { leftIn, readableOf } from './left-behind.ts'
import type { Replay } from './replay.ts'

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
  /** Whether records can be looked up in Keito, so that an old journal cannot make anything be booked twice. */
  readonly canLookUp: boolean
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
    const journal = this.#journal
    this.#journal = undefined
    if (!journal) return
    try {
      const frames = [...this.#parts.snapshot()]
      if (frames.length > 0) this.#rewrite(journal, [...frames, [['closed']]])
      journal.close({ remove: frames.length === 0 })
    } catch (error) {
      // What was committed before says the same at greater length.
      closeQuietly(journal, false)
      const { directory, report } = this.#parts
      report('outbox', 'close', `The journal was left as it was: ${describeFsError(error, directory)}.`)
    }
  }

  #tick(): void {
    if (!this.#journal) this.#open()
    else if (this.#isOwned()) {
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
    const { directory, node, adopt } = this.#parts
    const found = [...this.#unreleased, ...claimDead(directory, journal.name, node)]
    const readable = readableOf(found, this.#parts)
    if (readable.length === 0) return
    const left = leftIn(readable, [...this.#givenUp, ...this.#unreleased.map(({ id }) => id)], this.#parts)
    adopt(left, journal)
    this.#unreleased = readable
    this.#compact(
      journal,
      readable.map(({ id }) => id),
    )
    this.#unreleased = readable.filter((claimed) => !isReleased(claimed, node))
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
    if (!journal || isOwned(journal)) return true
    this.#lose(journal)
    return false
  }

  /** Another process goes on from what was in the journal; here it is forgotten. */
  #lose(journal: Journal): void {
    this.#journal = undefined
    this.#ops = []
    closeQuietly(journal, false)
    this.#parts.abandon()
    this.#parts.report(
      'outbox',
      'lost',
      `Another process has taken over the journal ${journal.name.id}, because this one did not touch it for two minutes. ` +
        'That process books what was in it; this one goes on with a new journal.',
    )
    this.#open()
  }

  #try(act: (journal: Journal) => void): void {
    if (!this.#journal) return
    try {
      act(this.#journal)
    } catch (error) {
      this.#giveUp(error)
    }
  }

  /**
   * Goes on in memory. What is on disk is of the past from now on. It stays, in case this process ends before the disk
   * is well again, where the next process can look up in Keito what of it has been booked meanwhile.
   */
  #giveUp(error: unknown): void {
    const { directory, report, canLookUp } = this.#parts
    const journal = this.#journal
    if (journal && !isOwned(journal)) {
      this.#lose(journal)
      return
    }
    this.#journal = undefined
    this.#isBehind = true
    this.#ops = []
    if (journal) {
      this.#givenUp.add(journal.name.id)
      closeQuietly(journal, !canLookUp)
    }
    const message =
      `${describeFsError(error, directory)}. Work goes on in memory: what Keito does not have when this process ends is ` +
      'lost. The directory is tried again every 30 seconds.'
    report('outbox', codeOf(error) ?? 'write', message.charAt(0).toUpperCase() + message.slice(1))
  }
}

/** In doubt it is: a disk that cannot say so is reported by the next write. */
function isOwned(journal: Journal): boolean {
  try {
    return journal.isOwned()
  } catch {
    return true
  }
}

function closeQuietly(journal: Journal, remove: boolean): void {
  try {
    journal.close({ remove })
  } catch {
    // The disk has failed already, and that is reported.
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
