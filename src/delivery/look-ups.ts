/**
 * The requests of reconciliation: lists that tell what Keito has, and deletes of what it has twice.
 *
 * @module
 */
import type { KeitoRecord } from '../billing/record.ts'
import type { OutcomeClient } from '../keito/client.ts'
import type { StoredRecord } from '../keito/types.ts'
import type { Counters } from '../telemetry/stats.ts'
import type { Pause } from './backoff.ts'
import type { Budget } from './budget.ts'
import type { Callbacks } from './callbacks.ts'
import type { DoubtGroup } from './doubts.ts'
import { duplicateReport, listReport, unknownReport } from './failure-report.ts'
import type { Failure } from './outcome.ts'
import type { Finding, Reconciler } from './reconciler.ts'
import { Requester, type RequesterParts } from './requester.ts'
import { list, type Receipt, receiptFrom, remove, rowsFrom } from './requests.ts'

/** What {@link LookUps} work with. */
export interface LookUpParts extends RequesterParts {
  readonly client: OutcomeClient
  readonly reconciler: Reconciler
  readonly budget: Budget
  readonly counters: Counters
  readonly callbacks: Callbacks
  /** Milliseconds clock. */
  readonly now: () => number
  /** Whether a request for the key is still under way in the client, in spite of its deadline. */
  readonly isUnanswered: (key: string) => boolean
  /** Keito has the record. */
  readonly onFound: (record: KeitoRecord, receipt: Receipt) => void
  /** Keito does not have the record. */
  readonly onAbsent: (record: KeitoRecord) => void
  /** A look-up has ended, and other requests may start. */
  readonly onEnd: () => void
}

/** Makes the look-ups that are due. Never rejects. */
export class LookUps {
  readonly #parts: LookUpParts
  readonly #requester: Requester
  /** Lists whose findings are not acted on yet, and records whose copies are not deleted yet. */
  #unfinished = 0
  #isClosed = false

  constructor(parts: LookUpParts) {
    this.#parts = parts
    this.#requester = new Requester(parts)
  }

  /** Requests under way, or waiting for their turn between two pages. */
  get underWay(): number {
    return this.#requester.underWay
  }

  /** Whether there is nothing to wait for. */
  get isIdle(): boolean {
    return this.#unfinished === 0
  }

  /** Starts the list that is due. Returns false when none is. */
  startDue(): boolean {
    const { reconciler, budget, now } = this.#parts
    const group = reconciler.begin(now())
    if (!group) return false
    budget.start(now())
    void this.#lookUp(group)
    return true
  }

  /** Aborts what is under way. What it was to tell is not known then. */
  close(): void {
    this.#isClosed = true
    this.#requester.close()
  }

  async #lookUp(group: DoubtGroup): Promise<void> {
    const { client, reconciler, budget, callbacks, isUnanswered, onEnd } = this.#parts
    const startedAt = this.#parts.now()
    this.#unfinished++
    const { outcome } = await this.#requester.request((options) => list(client, group, options), rowsFrom)
    if (this.#isClosed) return
    const now = this.#parts.now()
    if (outcome.type === 'accepted') budget.resume(now)
    else if (isForAll(outcome) && budget.pause(outcome, now)) callbacks.report(listReport(group.kind, outcome))
    // Behind a pause, records have their turn before a list that may fail again.
    const freeAt = now + budget.waitMs(now)
    for (const finding of reconciler.conclude(group, startedAt, freeAt, outcome, isUnanswered)) {
      callbacks.guard('outbox', () => this.#act(finding))
    }
    this.#unfinished--
    onEnd()
  }

  #act({ verdict, record, stored }: Finding): void {
    const { reconciler, callbacks, counters, onFound, onAbsent } = this.#parts
    const [first, ...extra] = stored
    if (verdict === 'unknown') callbacks.report(unknownReport(record))
    if (verdict === 'absent') onAbsent(record)
    if (verdict === 'found') {
      counters.recordsReconciled++
      onFound(record, receiptFrom(first))
    }
    if (!first || extra.length === 0) return
    reconciler.unwatch(record)
    void this.#undo(record, first, extra)
  }

  /** Keito has a record more than once. Of a time entry the later ones are deleted; nobody can delete an expense. */
  async #undo(record: KeitoRecord, first: StoredRecord, extra: readonly StoredRecord[]): Promise<void> {
    const { client, counters, callbacks, onEnd } = this.#parts
    counters.recordsDuplicated += extra.length
    this.#unfinished++
    const left: string[] = []
    for (const row of extra) {
      const mayDelete = record.kind === 'time_entry' && client.timeEntries.delete && isSameBooking(first, row)
      if (!mayDelete || !(await this.#isDeleted(row.id))) left.push(row.id)
    }
    this.#unfinished--
    callbacks.report(duplicateReport(record, first.id, extra.length, left))
    onEnd()
  }

  async #isDeleted(id: string): Promise<boolean> {
    const { client } = this.#parts
    await this.#parts.turns.next()
    if (this.#isClosed) return false
    const { outcome } = await this.#requester.request(
      (options) => remove(client, id, options),
      () => true,
    )
    return outcome.type === 'accepted'
  }
}

/** Whether a failed list says something about all requests. A 403 does not: the user may not see this one project. */
function isForAll(failure: Failure): failure is Pause {
  return failure.type === 'retryable' || (failure.type === 'unauthorized' && failure.status === 401)
}

/** Whether two stored records came of the same request body: their metadata, which names the run and its figures. */
function isSameBooking(a: StoredRecord, b: StoredRecord): boolean {
  return sortedJson(a.metadata) === sortedJson(b.metadata)
}

function sortedJson(metadata: StoredRecord['metadata']): string {
  return JSON.stringify(Object.entries(metadata ?? {}).sort(([a], [b]) => (a < b ? -1 : 1)))
}
