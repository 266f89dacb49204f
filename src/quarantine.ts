/**
 * Quarantine: runs that nobody has named a project, task or category for are kept, and this is their way out.
 *
 * @module
 */
import { runSummaryOf } from './billing/attribution.ts'
import { errorNameOf, kindOf } from './billing/attribution-values.ts'
import { bill } from './billing/bill.ts'
import type { CarryBook } from './billing/rounding.ts'
import type { Outbox, Unassigned } from './delivery/outbox.ts'
import type { RollupWindow } from './delivery/rollup-window.ts'
import type { Attribution } from './genai/hints.ts'
import type { RunSummary, Settings } from './options.ts'
import type { Settlement } from './session/settlement.ts'
import type { Log } from './telemetry/log.ts'
import type { Counters } from './telemetry/stats.ts'

/** Items tried at once while the host is at work: some ten milliseconds. */
const SOME = 500

/** What a {@link Quarantine} works with. */
export interface QuarantineParts {
  readonly settings: Settings
  readonly outbox: Outbox
  readonly counters: Counters
  readonly log: Log
  readonly carry: CarryBook
  readonly rollup: RollupWindow
}

/** What became of a try to book an item: whether records came of it, and why what stays of it stays. */
interface Attempt {
  readonly isBooked: boolean
  readonly stays: readonly Unassigned[]
  readonly failure?: string | undefined
}

/** Keeps what cannot be booked, and bills it again when there is a chance that it can. */
export class Quarantine {
  readonly #parts: QuarantineParts
  /** Items that were tried with the present configuration. The others have come with the outbox. */
  readonly #tried = new WeakSet<Unassigned>()
  #hasArrivals = true
  #isAtWork = false

  constructor(parts: QuarantineParts) {
    this.#parts = parts
  }

  /** Whether nothing waits to be tried. */
  get isIdle(): boolean {
    return !this.#hasArrivals || this.#parts.outbox.counts().unassigned === 0
  }

  /**
   * Keeps an item and says so.
   *
   * @param failure Why the `attribution` function gave no usable answer.
   * @param lookUpFirst Whether a process that is gone may have booked it.
   * @returns False when there is no room.
   */
  keep(item: Unassigned, failure: string | undefined, lookUpFirst: boolean): boolean {
    this.#tried.add(item)
    const isKept = this.#parts.outbox.keepUnassigned(item, { lookUpFirst })
    if (isKept) this.#report(item, failure)
    return isKept
  }

  /** Says that the outbox may have brought items along. */
  noteArrivals(): void {
    this.#hasArrivals = true
  }

  /**
   * Bills items that the outbox has brought along. Those that stay were reported when they were kept.
   *
   * @param howMany `some`: so many that the host is not held up, and the others the next time.
   */
  tryArrivals(howMany: 'some' | 'all'): void {
    if (!this.#hasArrivals || this.#isAtWork) return
    let left = howMany === 'all' ? Number.POSITIVE_INFINITY : SOME
    this.#hasArrivals = false
    this.#work((item) => {
      if (this.#tried.has(item)) return
      if (left > 0) this.#try(item, {})
      else this.#hasArrivals = true
      left--
    })
  }

  /**
   * Bills items again.
   *
   * @param spare Values for what is missing.
   * @param where Says which runs are meant.
   * @returns How many runs records were made of. 0 when it is called from a function that it calls itself.
   */
  release(spare: Attribution, where: ((run: RunSummary) => boolean) | undefined): number {
    const released = new Set<string>()
    this.#work((item) => {
      const { settlement } = item
      if (where && !this.#isPicked(settlement, where)) return
      const { isBooked, stays, failure } = this.#try(item, spare)
      if (isBooked) released.add(`${settlement.sessionId}:${settlement.runId}`)
      const isSpared = (name: keyof Attribution) => spare[name] !== undefined
      for (const { missing, ...rest } of stays) {
        this.#report({ ...rest, missing: missing.filter((name) => !isSpared(name)) }, failure)
      }
    })
    return released.size
  }

  /** Does something with each item there is. Functions of the user are called, which may call what leads here again. */
  #work(act: (item: Unassigned) => void): void {
    if (this.#isAtWork) return
    this.#isAtWork = true
    try {
      for (const item of this.#parts.outbox.unassigned()) this.#guard(item, act)
    } finally {
      this.#isAtWork = false
    }
  }

  #guard(item: Unassigned, act: (item: Unassigned) => void): void {
    try {
      act(item)
    } catch (error) {
      const what = `A run of trace ${item.settlement.sessionId} stays kept: booking it failed`
      this.#parts.log.report('outbox', 'release', `${what} with ${errorNameOf(error)}.`)
    }
  }

  #try(item: Unassigned, spare: Attribution): Attempt {
    const { settings, outbox, carry, rollup, counters } = this.#parts
    this.#tried.add(item)
    const { records, unassigned, failure } = bill(item.settlement, settings, carry, spare)
    if (failure !== undefined) return { isBooked: false, stays: [item], failure }
    if (records.length === 0 && isSame(unassigned, item)) return { isBooked: false, stays: [item] }
    for (const rest of unassigned) this.#tried.add(rest)
    counters.recordsMade += records.length
    outbox.assign(item.key, records, { gather: settings.rollup !== undefined, rest: unassigned })
    if (settings.rollup) rollup.note(records, performance.now())
    // The records, what they left over, and that the item is gone: one thing in the journal.
    outbox.log?.seal()
    return { isBooked: records.length > 0, stays: unassigned }
  }

  #isPicked(settlement: Settlement, where: (run: RunSummary) => boolean): boolean {
    try {
      const answer: unknown = where(runSummaryOf(settlement, this.#parts.settings))
      if (answer === true || !answer) return answer === true
      // Nobody else will look at a promise: without a handler its rejection could end the host's process.
      Promise.resolve(answer).catch(() => {})
      this.#reportWhere(`must return true or false at once, but returned ${kindOf(answer)}`, settlement)
    } catch (error) {
      this.#reportWhere(`threw ${errorNameOf(error)}`, settlement)
    }
    return false
  }

  #reportWhere(what: string, { sessionId }: Settlement): void {
    const message = `release: the function where ${what}. Runs on which it does so stay kept, such as one of trace ${sessionId}.`
    this.#parts.log.report('callback', `where ${what}`, message)
  }

  #report({ settlement, missing }: Unassigned, failure: string | undefined): void {
    const found = failure ?? `no usable ${missing.map((name) => SOURCES[name]).join(', no ')} is known`
    const advice =
      failure === undefined ? 'Name it in the configuration, or call release().' : 'Mend it, and call release().'
    const message = `A run of trace ${settlement.sessionId} cannot be booked and is kept: ${found}. ${advice}`
    this.#parts.log.report('unassigned', failure ?? missing.join(), message)
  }
}

/** Whether the same is left of an item as there was. */
function isSame(left: readonly Unassigned[], { key, missing }: Unassigned): boolean {
  const [only] = left
  return left.length === 1 && only?.key === key && only.missing.join() === missing.join()
}

/** Where each id may come from. */
const SOURCES: Readonly<Record<Unassigned['missing'][number], string>> = {
  projectId: 'project (option projectId, KEITO_PROJECT_ID, span attribute keito.project_id)',
  taskId: 'task (option taskId, KEITO_TASK_ID, span attribute keito.task_id)',
  expenseCategoryId:
    'expense category (option expenseCategoryId, KEITO_EXPENSE_CATEGORY_ID, span attribute keito.expense_category_id)',
}
