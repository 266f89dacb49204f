/**
 * The pipeline: composes the stages and moves data through them, one way. It holds no rule of its own.
 *
 * @module
 */
import { checkedAttribution } from './billing/attribution-values.ts'
import { Booker } from './booker.ts'
import { connect } from './connect.ts'
import type { Outbox } from './delivery/outbox.ts'
import { canList } from './delivery/requests.ts'
import { Sender } from './delivery/sender.ts'
import { WakeUp } from './delivery/wake-up.ts'
import { joinFeeds } from './feeds.ts'
import type { Attribution } from './genai/hints.ts'
import { Intake } from './intake.ts'
import { ignoredOptions } from './known-options.ts'
import { LiveRuns, liveRules } from './live.ts'
import type { KeitoProcessorOptions, RunSummary, Settings } from './options.ts'
import type { ContextLike, SpanLike } from './otel/span.ts'
import { callable, meterProviderOf, processEnv, resolveOptions } from './resolve-options.ts'
import type { SettleScope } from './session/completion.ts'
import { OpenSpans } from './session/open-spans.ts'
import { SessionStore } from './session/store.ts'
import { createFindingsReport } from './telemetry/findings-report.ts'
import { createLog, type Log } from './telemetry/log.ts'
import { createMetrics, type Metrics } from './telemetry/metrics.ts'
import { createSamplingReport } from './telemetry/sampling-report.ts'
import { type Counters, createCounters, type KeitoStats } from './telemetry/stats.ts'

/** From spans to delivered records. No method throws, except the constructor and {@link release}. */
export class Pipeline {
  readonly #settings: Settings
  readonly #counters: Counters = createCounters()
  readonly #log: Log
  readonly #store: SessionStore
  readonly #intake: Intake
  readonly #outbox: Outbox
  readonly #booker: Booker
  readonly #metrics: Metrics
  readonly #sender: Sender
  readonly #live: LiveRuns | undefined
  readonly #wakeUp: WakeUp
  #isClosing = false
  #isClosed = false

  /**
   * @param kind What feeds it. A processor knows which spans are open.
   * @param beforeTick Called before what is due by time is settled: spans that have ended may be on their way.
   * @throws {ConfigError} When an option or environment variable is missing or wrong.
   */
  constructor(options: KeitoProcessorOptions, kind: 'exporter' | 'processor', beforeTick = () => {}) {
    this.#wakeUp = new WakeUp(() => {
      beforeTick()
      this.settle('due')
    })
    const env = processEnv()
    const settings = resolveOptions(options, env)
    const log = createLog(callable(options.onError, 'onError'))
    for (const { name, message } of ignoredOptions(options, kind)) log.report('config', name, message)
    const counters = this.#counters
    const { destination, account, ...connection } = connect(options, settings, env)
    const { outbox } = connection
    const live = kind === 'processor' ? liveRules(settings, connection) : undefined
    const isWritten = outbox.log !== undefined
    const rules = { ...settings, isWritten, keepsFailedTime: settings.failedRuns.time !== 'skip' }
    this.#settings = settings
    this.#log = log
    this.#outbox = outbox
    const openSpans = kind === 'processor' ? new OpenSpans(settings.settle.maxOpenSpans) : undefined
    const store = new SessionStore(rules, counters, createFindingsReport(log), openSpans)
    this.#store = store
    const feeds = joinFeeds({
      destination,
      // Also after its shutdown: what it has billed may still be on its way to another one.
      has: (traceId, spanId) =>
        (!this.#isClosed && openSpans?.get(traceId, spanId) !== undefined) || store.has(traceId, spanId),
      hasTaken: (traceId, spanId) => store.has(traceId, spanId),
    })
    const noteTrace = createSamplingReport(log, kind === 'exporter' ? env : undefined)
    this.#intake = new Intake({ settings, store, openSpans, feeds, noteTrace, counters, log })
    this.#booker = new Booker({ settings, store, outbox, counters, log, onTimeEntry: (key) => this.#live?.made(key) })
    this.#metrics = createMetrics(meterProviderOf(options), () => this.stats(), log)
    this.#sender = new Sender({ ...connection, counters, log, metrics: this.#metrics })
    const { timers } = this.#sender
    this.#live = openSpans && live && new LiveRuns({ settings, openSpans, store, timers }, live.minMs)
    outbox.open?.({
      destination: account,
      canLookUp: canList(connection.client, 'time_entry') && canList(connection.client, 'expense'),
      report: (code, cause, message) => log.report(code, cause, message),
      wake: () => this.#sender.resume(),
      snapshot: () => ({ ...this.#booker.memory(), timers: timers.marks }),
      restore: (memory) => {
        this.#booker.restore(memory)
        timers.adopt(memory.timers)
        this.#schedule()
      },
      abandon: () => {
        this.#booker.abandon()
        timers.abandon()
      },
    })
    // An outbox that an earlier exporter has filled may hold records, and what could not be booked.
    this.#sender.resume()
    this.#schedule()
  }

  /** Whether it has shut down, and takes nothing in any more. */
  get isClosed(): boolean {
    return this.#isClosed
  }

  /** Notes that a span has started. Runs for every span of the host. */
  start(span: SpanLike, context: ContextLike): void {
    const ids = this.#intake.start(span, context)
    if (!ids || !this.#live) return
    const isFirst = this.#live.nextAt === Number.POSITIVE_INFINITY
    this.#live.started(ids.traceId, ids.spanId, performance.now())
    if (isFirst) this.#schedule()
  }

  /** Takes the facts of ended spans in. Afterwards the spans are needed no more. */
  take(spans: readonly SpanLike[]): void {
    const nowMs = performance.now()
    this.#booker.prepare()
    for (const span of spans) this.#intake.take(span, nowMs)
    this.#booker.writeSpans()
    if (this.#store.isOverfull) this.#book(() => this.#store.relieve(), 'due')
    this.#settleLast()
    this.#schedule()
  }

  /** Counts spans that ended after the shutdown. */
  refuse(spans: number): void {
    if (spans === 0) return
    this.#counters.spansSeen += spans
    this.#counters.spansLate += spans
    const message =
      'Spans ended after the shutdown, and are not billed. Where several providers share a processor, shut them down ' +
      'together; a process that goes on needs a new processor.'
    this.#log.report('closed', 'closed', message)
  }

  /** Settles sessions and starts to send what they come to. */
  settle(scope: SettleScope): void {
    const now = performance.now()
    this.#book(() => this.#store.settle(scope, now), scope === 'due' || scope === 'ended' ? 'due' : 'all')
    this.#live?.look(now)
    this.#schedule()
  }

  /**
   * Settles what is complete and sends it, until the flush deadline.
   *
   * @param before Runs first, within the same deadline, in milliseconds.
   */
  async flush(before?: (timeoutMs: number) => Promise<void>): Promise<void> {
    const { flushTimeoutMs } = this.#settings.delivery
    const leftMs = before ? await timeAfter(before, flushTimeoutMs) : flushTimeoutMs
    this.settle('rooted')
    await this.#sender.drain(leftMs)
  }

  /**
   * Settles everything, sends it until the shutdown deadline, and says what is left.
   *
   * @param before Runs first, within the same deadline, in milliseconds.
   */
  async close(before?: (timeoutMs: number) => Promise<void>): Promise<void> {
    const { shutdownTimeoutMs } = this.#settings.delivery
    const endAt = performance.now() + shutdownTimeoutMs
    const leftMs = before ? await timeAfter(before, shutdownTimeoutMs) : shutdownTimeoutMs
    this.#isClosing = true
    this.settle('all')
    this.#live?.close()
    await this.#sender.drain(leftMs)
    // What has ended meanwhile.
    await before?.(0)
    this.settle('all')
    await this.#sender.drain(Math.max(0, endAt - performance.now()))
    this.#isClosed = true
    this.#wakeUp.close()
    this.#sender.close()
    this.#metrics.close()
    this.#sayWhatIsLeft(this.#outbox.close?.() ?? false)
  }

  /**
   * Books what is kept for want of a project, task or category: see `KeitoSpanExporter.release`.
   *
   * @throws {ConfigError} When an argument is wrong.
   */
  release(attribution?: Attribution, where?: (run: RunSummary) => boolean): number {
    const spare = checkedAttribution(attribution, 'release')
    const picks = callable(where, 'release: where')
    if (this.#isClosed) return 0
    const released = this.#booker.release(spare, picks)
    this.#sender.wake()
    this.#settleLast()
    this.#schedule()
    return released
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

  /** What comes after the last settlement of all has no other. */
  #settleLast(): void {
    if (this.#isClosing) this.settle('all')
  }

  #book(...args: Parameters<Booker['book']>): void {
    this.#booker.book(...args)
    this.#sender.wake()
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
    if (this.#isClosed) return
    const isIdle = this.#store.isEmpty && this.#booker.isIdle
    const tickMs = isIdle ? Number.POSITIVE_INFINITY : Math.min(MAX_TICK_MS, this.#settings.settle.graceMs / 2)
    const now = performance.now()
    const liveAt = this.#live?.nextAt ?? Number.POSITIVE_INFINITY
    this.#wakeUp.planFor(Math.max(now + MIN_TICK_MS, Math.min(now + tickMs, liveAt)), now)
  }
}

/** How often complete sessions are looked for, in milliseconds. */
const MIN_TICK_MS = 50
const MAX_TICK_MS = 1000

/** Milliseconds of a deadline that are left when the first part has run. */
async function timeAfter(before: (timeoutMs: number) => Promise<void>, timeoutMs: number): Promise<number> {
  const startedAt = performance.now()
  // Half of the time, so that there is time to send what it brings in.
  await before(timeoutMs / 2)
  return Math.max(0, timeoutMs - (performance.now() - startedAt))
}
