/**
 * The pipeline: composes the stages and moves data through them, one way. It holds no rule of its own.
 *
 * @module
 */
import { bill } from './billing/bill.ts'
import type { KeitoRecord } from './billing/record.ts'
import { CarryBook } from './billing/rounding.ts'
import { connect, outboxOf } from './connect.ts'
import type { Outbox, Unassigned } from './delivery/outbox.ts'
import { Sender } from './delivery/sender.ts'
import { readHints } from './genai/hints.ts'
import { readFact } from './genai/read.ts'
import type { KeitoExporterOptions, Settings } from './options.ts'
import { hasRemoteParent, isId, parentSpanIdOf, type SpanLike, scopeNameOf } from './otel/span.ts'
import { callable, processEnv, resolveOptions, unknownOptions } from './resolve-options.ts'
import type { Settlement } from './session/settlement.ts'
import { SessionStore, type SettleScope } from './session/store.ts'
import { createFindingsReport } from './telemetry/findings-report.ts'
import { createLog, type Log } from './telemetry/log.ts'
import { type Counters, createCounters, type KeitoStats } from './telemetry/stats.ts'

/** From spans to delivered records. No method throws, except the constructor. */
export class Pipeline {
  readonly #settings: Settings
  readonly #counters: Counters = createCounters()
  readonly #log: Log
  readonly #store: SessionStore
  readonly #carry = new CarryBook()
  readonly #outbox: Outbox
  readonly #sender: Sender
  #timer: ReturnType<typeof setTimeout> | undefined
  #isClosed = false

  /** @throws {ConfigError} When an option or environment variable is missing or wrong. */
  constructor(options: KeitoExporterOptions) {
    const env = processEnv()
    this.#settings = resolveOptions(options, env)
    this.#log = createLog(callable(options.onError, 'onError'))
    for (const name of unknownOptions(options)) {
      this.#log.report('config', name, `There is no option ${name.slice(0, 60)}; it is ignored. Check its spelling.`)
    }
    const rules = { ...this.#settings, keepsFailedTime: this.#settings.failedRuns.time !== 'skip' }
    this.#store = new SessionStore(rules, this.#counters, createFindingsReport(this.#log))
    this.#outbox = outboxOf(options.outbox)
    const connection = connect(options, this.#settings, env)
    this.#sender = new Sender({ ...connection, outbox: this.#outbox, counters: this.#counters, log: this.#log })
  }

  /** Takes the facts of ended spans in. Afterwards the spans are needed no more. */
  take(spans: readonly SpanLike[]): void {
    const nowMs = performance.now()
    for (const span of spans) {
      this.#counters.spansSeen++
      try {
        this.#takeOne(span, nowMs)
      } catch {
        this.#countUnreadable()
      }
    }
    this.#bill(() => this.#store.relieve())
    this.#schedule()
  }

  /** Settles sessions and starts to send what they come to. */
  settle(scope: SettleScope): void {
    this.#bill(() => this.#store.settle(scope, performance.now()))
    this.#schedule()
  }

  /** Settles what is complete and sends it, until the flush deadline. */
  async flush(): Promise<void> {
    this.settle('rooted')
    await this.#sender.drain(this.#settings.delivery.flushTimeoutMs)
  }

  /** Settles everything, sends it until the shutdown deadline, and says what is left. */
  async close(): Promise<void> {
    this.settle('all')
    await this.#sender.drain(this.#settings.delivery.shutdownTimeoutMs)
    this.#isClosed = true
    clearTimeout(this.#timer)
    this.#sender.close()
    const { pending, held, unassigned } = this.#outbox.counts()
    const left = [
      pending > 0 ? `${pending} not sent` : '',
      held > 0 ? `${held} whose fate is unknown` : '',
      unassigned > 0 ? `${unassigned} without a project, task or category` : '',
    ].filter(Boolean)
    if (left.length === 0) return
    this.#log.report(
      'undelivered',
      'shutdown',
      `The exporter shut down with records that Keito may not have: ${left.join(', ')}. ` +
        'A memory outbox loses them when the process ends.',
    )
  }

  /** What has been counted so far. */
  stats(): KeitoStats {
    const { pending, held, unassigned } = this.#outbox.counts()
    return {
      ...this.#counters,
      openSessions: this.#store.openSessions,
      recordsPending: pending,
      recordsHeld: held,
      recordsUnassigned: unassigned,
    }
  }

  #takeOne(span: SpanLike, nowMs: number): void {
    const { traceId, spanId } = span.spanContext()
    const { attributes } = span
    if (!isId(traceId) || !isId(spanId)) {
      this.#countUnreadable()
      return
    }
    const isIgnored = this.#settings.ignoreScopes.size > 0 && this.#settings.ignoreScopes.has(scopeNameOf(span))
    const reading = isIgnored ? undefined : readFact(span)
    const hints = isIgnored ? undefined : readHints(attributes)
    const parentId = hasRemoteParent(span) ? undefined : parentSpanIdOf(span)

    // A span without usable times is not billed, but it still stands between others in the tree.
    const fact = reading === 'unreadable' ? undefined : reading
    if (reading === 'unreadable') this.#countUnreadable()
    else if (reading) this.#counters.spansRead++
    else this.#counters.spansIgnored++
    if (fact) this.#counters.valuesRefused += fact.refused
    if (hints) this.#counters.valuesRefused += hints.refused
    if (!this.#store.add(traceId, spanId, parentId, fact?.fact, hints?.hints, nowMs)) this.#countLate(traceId)
  }

  #countLate(traceId: string): void {
    this.#counters.spansLate++
    this.#log.report(
      'late',
      'late',
      `A span of trace ${traceId} came after its session had been settled and forgotten; it is not billed. ` +
        'Raise settle.idleMs or settle.maxOpenSpans if this is normal for your application.',
    )
  }

  #countUnreadable(): void {
    this.#counters.spansUnreadable++
    this.#log.report(
      'unreadable',
      'unreadable',
      'A span could not be read and is not billed: it has no usable ids or times, or reading it threw.',
    )
  }

  /** Bills what is due. A timer may be the caller, and what is thrown there would end the host's process. */
  #bill(due: () => readonly Settlement[]): void {
    try {
      const settlements = due()
      for (const settlement of settlements) this.#billOne(settlement)
      if (settlements.length > 0) this.#sender.wake()
    } catch (error) {
      this.#countDropped('the sessions that were due', `settling them failed with ${nameOf(error)}`)
    }
  }

  #billOne(settlement: Settlement): void {
    try {
      const { records, unassigned, failure } = bill(settlement, this.#settings, this.#carry)
      this.#keep(records)
      for (const item of unassigned) this.#keepUnassigned(item, failure)
    } catch (error) {
      this.#countDropped(`a run of trace ${settlement.sessionId}`, `billing it failed with ${nameOf(error)}`)
    }
  }

  #keep(records: readonly KeitoRecord[]): void {
    this.#counters.recordsMade += records.length
    for (const record of this.#outbox.add(records)) this.#countDropped(record.key, OUTBOX_FULL)
  }

  #keepUnassigned(item: Unassigned, failure: string | undefined): void {
    const { settlement, missing } = item
    if (!this.#outbox.keepUnassigned(item)) this.#countDropped(`a run of trace ${settlement.sessionId}`, OUTBOX_FULL)
    const found = failure ?? `no usable ${missing.map((name) => SOURCES[name]).join(', no ')} is known`
    this.#log.report(
      'unassigned',
      failure ?? missing.join(),
      `A run of trace ${settlement.sessionId} cannot be booked and is kept: ${found}.`,
    )
  }

  #countDropped(what: string, why: string): void {
    this.#counters.recordsDropped++
    this.#log.report('dropped', why, `Not kept, and so not billed: ${what}, because ${why}.`)
  }

  /** Looks for complete sessions now and then while sessions are remembered, without keeping the process alive. */
  #schedule(): void {
    if (this.#timer !== undefined || this.#isClosed || this.#store.isEmpty) return
    const waitMs = Math.min(MAX_TICK_MS, Math.max(MIN_TICK_MS, this.#settings.settle.graceMs / 2))
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.settle('due')
    }, waitMs)
    this.#timer.unref?.()
  }
}

/** How often complete sessions are looked for, in milliseconds. */
const MIN_TICK_MS = 50
const MAX_TICK_MS = 1000

const OUTBOX_FULL = 'the outbox is full'

/** Where each id may come from. */
const SOURCES: Readonly<Record<Unassigned['missing'][number], string>> = {
  projectId: 'project (option projectId, KEITO_PROJECT_ID, span attribute keito.project_id)',
  taskId: 'task (option taskId, KEITO_TASK_ID, span attribute keito.task_id)',
  expenseCategoryId:
    'expense category (option expenseCategoryId, KEITO_EXPENSE_CATEGORY_ID, span attribute keito.expense_category_id)',
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : typeof error
}
