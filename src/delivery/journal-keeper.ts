/**
 * Keeps the journal of a file outbox: writes, compacts, adopts what dead processes left, and goes on without a disk.
 *
 * @module
 */
import type { KeitoErrorCode } from '../errors.ts'
import { Adoption } from './adoption.ts'
import { codeOf, describeFsError } from './journal/fs-error.ts'
import { closeQuietly, isStillOurs } from './journal/in-trouble.ts'
import { type Journal, openJournal } from './journal/journal.ts'
import type { NodeModules } from './journal/node.ts'
import { LEASE_MS } from './journal/owner.ts'
import { jsonOf, type Op } from './journal-ops.ts'
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
  readonly #adoption: Adoption
  #journal: Journal | undefined
  /** Operations of the frame that is not sealed. */
  #ops: string[] = []
  #needsSync = false
  #hasTaken = false
  /** Its size after the last compaction, and after the last commit. */
  #compactedBytes = 0
  #committedBytes = 0
  /** When the journal was written or touched last, Unix time in milliseconds. */
  #touchedAt = 0
  /** How often another process has taken the journal over. */
  #losses = 0
  /** Whether something happened while there was no journal to write it to. */
  #isBehind = false
  #timer: ReturnType<typeof setInterval> | undefined

  constructor(parts: KeeperParts) {
    this.#parts = parts
    this.#adoption = new Adoption(parts)
  }

  /** Opens a journal and takes over what dead processes left. */
  start(): void {
    this.#open()
    this.#timer = setInterval(() => this.#tick(), TICK_MS)
    this.#timer.unref?.()
  }

  /** Whether what is committed is on disk. */
  get isOnDisk(): boolean {
    return this.#journal !== undefined
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
    const lossesBefore = this.#losses
    if (this.#stoodStill) this.#checkOwner()
    this.seal()
    this.#try((journal) => {
      journal.commit({ sync: this.#needsSync && this.#parts.sync })
      this.#needsSync = false
      this.#touchedAt = Date.now()
      if (this.#isWorthCompacting(journal.bytes)) this.#compact(journal)
      this.#committedBytes = journal.bytes
    })
    if (this.#hasTaken) this.#checkOwner()
    this.#hasTaken = false
    return this.#losses === lossesBefore
  }

  /**
   * Writes what is worth keeping, and ends. Another process, or a later exporter of this one, goes on from it.
   *
   * @returns Whether everything is on disk.
   */
  close(): boolean {
    clearInterval(this.#timer)
    if (!this.#journal) this.#open()
    const journal = this.#journal
    this.#journal = undefined
    if (!journal) return false
    try {
      const frames = [...this.#parts.snapshot()]
      if (frames.length > 0) this.#rewrite(journal, [...frames, [['closed']]])
      journal.close({ remove: frames.length === 0 })
      return true
    } catch (error) {
      // What was committed before says the same at greater length.
      closeQuietly(journal, false)
      this.#reportUnchanged(error)
      return !this.#isBehind
    }
  }

  #tick(): void {
    if (!this.#journal) this.#open()
    this.#checkOwner()
    this.#try((journal) => {
      journal.beat()
      this.#touchedAt = Date.now()
      this.#adopt(journal)
    })
  }

  #open(): void {
    const { directory, destination, node, opened } = this.#parts
    try {
      const journal = openJournal(directory, destination, node)
      this.#journal = journal
      this.#touchedAt = Date.now()
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
    this.#rewrite(journal, this.#parts.snapshot())
    this.#isBehind = false
    report('outbox', 'back', `The outbox directory ${directory} can be written to again, and holds everything again.`)
  }

  #adopt(journal: Journal): void {
    const left = this.#adoption.claim(journal)
    if (!left) return
    this.#parts.adopt(left, journal)
    if (this.#compact(journal)) this.#adoption.release()
  }

  /** A compaction must pay: it writes everything that is kept. */
  #isWorthCompacting(bytes: number): boolean {
    if (bytes >= this.#parts.maxBytes) return bytes > this.#compactedBytes * WORTH_COMPACTING
    return bytes >= Math.max(COMPACT_BYTES, this.#compactedBytes * 2)
  }

  /** Returns whether it went well. When not, the journal goes on as it was. */
  #compact(journal: Journal): boolean {
    this.seal()
    try {
      this.#rewrite(journal, this.#parts.snapshot())
      return true
    } catch (error) {
      if (!isStillOurs(journal)) throw error
      this.#compactedBytes = journal.bytes
      this.#reportUnchanged(error)
      return false
    }
  }

  /** The snapshot has all that was taken in, so what waited to be written is not needed any more. */
  #rewrite(journal: Journal, frames: Iterable<readonly Op[]>): void {
    const { absorbed } = this.#adoption
    journal.rewrite(payloadsOf(absorbed.length > 0 ? [[['absorbed', absorbed]], ...frames] : frames))
    this.#ops = []
    this.#needsSync = false
    this.#compactedBytes = journal.bytes
    this.#committedBytes = journal.bytes
  }

  #reportUnchanged(error: unknown): void {
    const { directory, report } = this.#parts
    report('outbox', 'compact', `The journal stays as long as it is: ${describeFsError(error, directory)}.`)
  }

  /** Whether this process did nothing for so long that others may have taken it for dead. */
  get #stoodStill(): boolean {
    return Date.now() - this.#touchedAt >= LEASE_MS
  }

  /** Nobody takes over a journal that was touched just now; when such a one is not there any more, it was removed. */
  #checkOwner(): void {
    const journal = this.#journal
    if (!journal || isStillOurs(journal)) return
    if (this.#stoodStill) this.#lose(journal)
    else this.#giveUp(Object.assign(new Error('the journal was removed'), { code: 'ENOENT' }))
  }

  /** Another process goes on from what was in the journal; here it is forgotten. */
  #lose(journal: Journal): void {
    this.#losses++
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
    if (journal && !isStillOurs(journal) && this.#stoodStill) {
      this.#lose(journal)
      return
    }
    this.#journal = undefined
    this.#isBehind = true
    this.#ops = []
    if (journal) {
      this.#adoption.disown(journal.name.id)
      closeQuietly(journal, !canLookUp)
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
