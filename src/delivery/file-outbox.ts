/**
 * The outbox on disk: what was accepted outlives the process, also when it is killed.
 *
 * @module
 */
import type { KeitoRecord } from '../billing/record.ts'
import { ConfigError } from '../errors.ts'
import { DeadLetters } from './dead-letters.ts'
import { claimDeadFiles, release } from './journal/adopt.ts'
import { fileNameOf } from './journal/file-name.ts'
import { describeFsError } from './journal/fs-error.ts'
import type { Journal } from './journal/journal.ts'
import { type NodeModules, requiredNodeModules } from './journal/node.ts'
import { JournalKeeper } from './journal-keeper.ts'
import type { Op } from './journal-ops.ts'
import { DEFAULT_MAX_RECORDS, recordLimit } from './memory-outbox.ts'
import type { AddOptions, ExporterLog, KeptRecord, Outbox, OutboxCounts, OutboxHost } from './outbox.ts'
import { RecordOutbox } from './record-outbox.ts'
import type { NewRecord } from './record-states.ts'
import { framesOf, LEFT_BEHIND, SENT_BEFORE, takeOver } from './snapshot.ts'

/** Settings of {@link fileOutbox}. */
export interface FileOutboxOptions {
  /**
   * Where the journal is. Made when it is not there. Processes may share it, as long as their exporters have the same
   * settings: what one leaves, another books.
   */
  readonly directory: string
  /**
   * Whether to wait for the disk before spans are acknowledged and before requests are made. Without, what a process
   * that is killed has acknowledged is safe, but not what a machine that loses power has.
   * @default true
   */
  readonly sync?: boolean
  /** Longest journal of one process, in bytes; beyond it, records are refused and reported. @default 268435456 */
  readonly maxBytes?: number
  /** Records kept at most: waiting, in flight, held and unassigned. A whole number from 1. @default 100000 */
  readonly maxRecords?: number
}

/**
 * Makes an outbox on disk. It holds records, the facts of open sessions and the remainders of rounding in an append-only
 * journal for each process; a process that starts, or runs, on the same directory goes on from what dead ones left.
 * Dead letters are in `*.dead.jsonl` beside the journals. When the disk fails, that is reported and work goes on in
 * memory.
 *
 * @param options The directory and its bounds.
 * @throws {ConfigError} When an option is wrong, or where there is no Node.js 20.16 or newer.
 *
 * @example
 * ```ts
 * new KeitoSpanExporter({ outbox: fileOutbox({ directory: '/var/lib/my-app/keito' }) })
 * ```
 */
export function fileOutbox(options: FileOutboxOptions): Outbox {
  const { directory, sync = true, maxBytes = 256 * 1024 * 1024, maxRecords = DEFAULT_MAX_RECORDS } = options
  if (typeof directory !== 'string' || directory.trim() === '') {
    throw new ConfigError(
      'fileOutbox: directory (KEITO_OUTBOX_DIR) must be the path of a directory, but is missing or blank',
    )
  }
  if (typeof sync !== 'boolean') throw new ConfigError(`fileOutbox: sync must be true or false, got ${String(sync)}`)
  if (!Number.isSafeInteger(maxBytes) || maxBytes < 1) {
    throw new ConfigError(`fileOutbox: maxBytes must be a whole number from 1, got ${String(maxBytes)}`)
  }
  return new FileOutbox(
    { directory, sync, maxBytes, maxRecords: recordLimit('fileOutbox', maxRecords) },
    requiredNodeModules(),
  )
}

/** The ending of the files of dead letters. */
const DEAD_LETTERS = 'dead.jsonl'

/** An outbox whose changes are written down before anybody relies on them. For tests, its disk can be made to fail. */
export class FileOutbox extends RecordOutbox {
  readonly #options: Required<FileOutboxOptions>
  readonly #node: NodeModules
  /** Keys that were sent by a process that is gone, whose records are lost. */
  readonly #sentBefore = new Set<string>()
  #keeper: JournalKeeper | undefined
  #letters: DeadLetters | undefined

  /** Use {@link fileOutbox}. */
  constructor(options: Required<FileOutboxOptions>, node: NodeModules) {
    super(options.maxRecords)
    this.#options = options
    this.#node = node
  }

  override open(host: OutboxHost): void {
    if (this.#keeper)
      throw new ConfigError('outbox: a file outbox belongs to one exporter; make one for each with fileOutbox()')
    const node = this.#node
    const { directory } = this.#options
    this.host = host
    // Given to a second exporter after the first has shut down, it goes on from the disk like anybody else.
    this.states.clear()
    this.#keeper = new JournalKeeper({
      ...this.#options,
      node,
      destination: host.destination,
      canLookUp: host.canLookUp,
      report: host.report,
      snapshot: () => framesOf(this.states, host.snapshot()),
      opened: (journal) => {
        this.#letters = new DeadLetters(node.path.join(directory, fileNameOf(journal.name, DEAD_LETTERS)), node)
        this.#adoptLetters(journal)
      },
      adopt: (left, journal) => {
        takeOver(left, this.states, this.#sentBefore)
        for (const { memory } of left) host.restore(memory)
        this.#adoptLetters(journal)
        host.wake()
      },
      abandon: () => {
        this.states.clear()
        host.abandon()
      },
    })
    this.#keeper.start()
  }

  close(): boolean {
    const isOnDisk = this.#keeper?.close() ?? false
    this.#keeper = undefined
    return isOnDisk
  }

  commit(): boolean {
    return this.#keeper?.commit() ?? true
  }

  readonly log: ExporterLog = {
    spans: (traceId, spans) => {
      if (this.#keeper?.hasRoom === false) this.#reportFull()
      else this.write(['spans', traceId, spans])
    },
    settled: (traceId, state) => this.write(['settled', traceId, state]),
    forgotten: (traceId) => this.write(['forgotten', [traceId]]),
    carried: (key, remainder) => this.write(['carry', key, remainder]),
    timer: (mark) => this.write(['timer', mark]),
    timerGone: (key) => this.write(['timer-gone', key]),
    seal: () => this.#keeper?.seal(),
  }

  override add(records: readonly KeitoRecord[], { lookUpFirst = false }: AddOptions = {}): readonly KeitoRecord[] {
    let isInDoubt = false
    const refused = this.keep(records, (record) => {
      const state = this.#newRecord(record, lookUpFirst)
      this.states.put(state)
      if (state.state !== 'held') return ['add', record]
      isInDoubt = true
      return ['held', record, state.reason, state.wasSent]
    })
    if (isInDoubt) this.host?.wake()
    return refused
  }

  override bury(key: string, reason: string): void {
    const record = this.states.inFlight(key)
    const isWritten = record && this.#onDisk((letters) => letters.add({ record, reason }))
    if (isWritten) this.delivered(key)
    else super.bury(key, reason)
  }

  override redeliver(): number {
    if (!this.#keeper) return 0
    let count = super.redeliver()
    this.#onDisk((letters) => {
      for (const { record } of letters.all()) {
        // A letter can be there twice, when a process was killed while it took the letters of another over.
        if (this.states.isHere(record.key)) continue
        this.merge([], record)
        count++
      }
      this.commit()
      if (this.#keeper?.isOnDisk) letters.clear()
    })
    this.host?.wake()
    return count
  }

  override counts(): OutboxCounts {
    const counts = this.states.counts()
    return { ...counts, dead: counts.dead + (this.#letters?.count ?? 0) }
  }

  override dead(): readonly KeptRecord[] {
    let letters: readonly KeptRecord[] = []
    this.#onDisk((file) => {
      letters = file.all()
    })
    return [...letters, ...this.states.dead()]
  }

  protected override get isFull(): boolean {
    return this.states.isFull || this.#keeper?.hasRoom === false
  }

  protected override write(op: Op): void {
    this.#keeper?.write(op)
  }

  protected override assigned(record: KeitoRecord, isInDoubt: boolean, gather: boolean): NewRecord {
    const state = this.#newRecord(record, isInDoubt)
    return gather && state.state === 'waiting' ? { state: 'gathered', record } : state
  }

  /** What another process may have sent is held until it has been looked up. */
  #newRecord(record: KeitoRecord, lookUpFirst: boolean): NewRecord {
    const wasSent = this.#sentBefore.delete(record.key)
    if (!wasSent && !lookUpFirst) return { state: 'waiting', record }
    return { state: 'held', record, reason: wasSent ? SENT_BEFORE : LEFT_BEHIND, wasSent }
  }

  #adoptLetters(journal: Journal): void {
    this.#onDisk((letters) => {
      for (const file of claimDeadFiles(this.#options.directory, journal.name, DEAD_LETTERS, this.#node)) {
        if (file.error !== undefined) throw file.error
        letters.adopt(file.path)
        release(file, this.#node)
      }
    })
  }

  /** Works on the file of dead letters. Returns whether that went well; when not, it is reported. */
  #onDisk(act: (letters: DeadLetters) => void): boolean {
    if (!this.#letters) return false
    try {
      act(this.#letters)
      return true
    } catch (error) {
      const what = describeFsError(error, this.#options.directory)
      this.host?.report('outbox', 'dead-letters', `Dead letters stay in memory, or where they are: ${what}`)
      return false
    }
  }

  #reportFull(): void {
    const { directory, maxBytes } = this.#options
    this.host?.report(
      'outbox',
      'full',
      `The journal in ${directory} has reached maxBytes (${maxBytes}), so open sessions are in memory only, and new ` +
        'records are refused. Raise maxBytes, or see why Keito takes no records.',
    )
  }
}
