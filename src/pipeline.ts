/**
 * The pipeline: composes the stages and moves data through them, one way. It holds no rule of its own.
 *
 * @module
 */
import { Booker } from './booker.ts'
import { connect } from './connect.ts'
import type { Outbox } from './delivery/outbox.ts'
import { canList } from './delivery/requests.ts'
import { Sender } from './delivery/sender.ts'
import { readHints } from './genai/hints.ts'
import { readFact } from './genai/read.ts'
import type { KeitoExporterOptions, Settings } from './options.ts'
import { hasRemoteParent, isId, parentSpanIdOf, type SpanLike, scopeNameOf } from './otel/span.ts'
import { callable, meterProviderOf, processEnv, resolveOptions, unknownOptions } from './resolve-options.ts'
import { SessionStore, type SettleScope } from './session/store.ts'
import { createFindingsReport } from './telemetry/findings-report.ts'
import { createLog, type Log } from './telemetry/log.ts'
import { createMetrics, type Metrics } from './telemetry/metrics.ts'
import { type Counters, createCounters, type KeitoStats } from './telemetry/stats.ts'

/** From spans to delivered records. No method throws, except the constructor. */
export class Pipeline {
  readonly #settings: Settings
  readonly #counters: Counters = createCounters()
  readonly #log: Log
  readonly #store: SessionStore
  readonly #outbox: Outbox
  readonly #booker: Booker
  readonly #metrics: Metrics
  readonly #sender: Sender
  #timer: ReturnType<typeof setTimeout> | undefined
  #isClosed = false

  /** @throws {ConfigError} When an option or environment variable is missing or wrong. */
  constructor(options: KeitoExporterOptions) {
    const env = processEnv()
    const settings = resolveOptions(options, env)
    const log = createLog(callable(options.onError, 'onError'))
    for (const name of unknownOptions(options)) {
      log.report('config', name, `There is no option ${name.slice(0, 60)}; it is ignored. Check its spelling.`)
    }
    const counters = this.#counters
    const { destination, ...connection } = connect(options, settings, env)
    const { outbox } = connection
    const isWritten = outbox.log !== undefined
    const rules = { ...settings, isWritten, keepsFailedTime: settings.failedRuns.time !== 'skip' }
    this.#settings = settings
    this.#log = log
    this.#outbox = outbox
    this.#store = new SessionStore(rules, counters, createFindingsReport(log))
    this.#booker = new Booker({ settings, store: this.#store, outbox, counters, log })
    this.#metrics = createMetrics(meterProviderOf(options), () => this.stats(), log)
    this.#sender = new Sender({ ...connection, counters, log, metrics: this.#metrics })
    outbox.open?.({
      destination,
      canLookUp: canList(connection.client, 'time_entry') && canList(connection.client, 'expense'),
      report: (code, cause, message) => log.report(code, cause, message),
      wake: () => this.#sender.resume(),
      snapshot: () => this.#booker.memory(),
      restore: (memory) => {
        this.#booker.restore(memory)
        this.#schedule()
      },
      abandon: () => this.#booker.abandon(),
    })
    // An outbox that an earlier exporter has filled may hold records.
    this.#sender.resume()
  }

  /** Whether it has shut down, and takes nothing in any more. */
  get isClosed(): boolean {
    return this.#isClosed
  }

  /** Takes the facts of ended spans in. Afterwards the spans are needed no more. */
  take(spans: readonly SpanLike[]): void {
    const nowMs = performance.now()
    this.#booker.prepare()
    for (const span of spans) {
      this.#counters.spansSeen++
      try {
        this.#takeOne(span, nowMs)
      } catch {
        this.#countUnreadable()
      }
    }
    this.#booker.writeSpans()
    if (this.#store.isOverfull) this.#book(() => this.#store.relieve(), 'due')
    this.#schedule()
  }

  /** Settles sessions and starts to send what they come to. */
  settle(scope: SettleScope): void {
    this.#book(() => this.#store.settle(scope, performance.now()), scope === 'due' ? 'due' : 'all')
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
    this.#metrics.close()
    this.#sayWhatIsLeft(this.#outbox.close?.() ?? false)
  }

  /** What has been counted so far. */
  stats(): KeitoStats {
    const { pending, gathered, held, unassigned, oldestAt } = this.#outbox.counts()
    return {
      ...this.#counters,
      openSessions: this.#store.openSessions,
      recordsPending: pending + gathered,
      recordsHeld: held,
      recordsUnassigned: unassigned,
      oldestPendingMs: oldestAt === undefined ? 0 : Math.max(0, Date.now() - oldestAt),
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

  #book(...args: Parameters<Booker['book']>): void {
    this.#booker.book(...args)
    this.#sender.wake()
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

  #sayWhatIsLeft(isOnDisk: boolean): void {
    const { pending, held, unassigned } = this.#outbox.counts()
    const left = [
      pending > 0 ? `${pending} not sent` : '',
      held > 0 ? `${held} whose fate is unknown` : '',
      unassigned > 0 ? `${unassigned} without a project, task or category` : '',
    ].filter(Boolean)
    if (left.length === 0) return
    const future = isOnDisk
      ? 'They are in the outbox directory, and the next process goes on with them.'
      : 'They are in memory, and lost when the process ends; see fileOutbox (KEITO_OUTBOX_DIR).'
    const message = `The exporter shut down with records that Keito may not have: ${left.join(', ')}. ${future}`
    this.#log.report('undelivered', 'shutdown', message)
  }

  /** Looks for what is due now and then while something is remembered, without keeping the process alive. */
  #schedule(): void {
    if (this.#timer !== undefined || this.#isClosed || (this.#store.isEmpty && this.#booker.isIdle)) return
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
