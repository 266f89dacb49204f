/**
 * The heart of the processor without its edges: spans start and end, and sessions are settled, by a clock of the test.
 *
 * @module
 */
import { type Context, ROOT_CONTEXT } from '@opentelemetry/api'
import { joinFeeds } from '../../src/feeds.ts'
import { Intake } from '../../src/intake.ts'
import type { Settings } from '../../src/options.ts'
import type { SpanLike } from '../../src/otel/span.ts'
import type { SettleScope } from '../../src/session/completion.ts'
import { OpenSpans } from '../../src/session/open-spans.ts'
import type { Settlement } from '../../src/session/settlement.ts'
import { SessionStore, type StoreRules } from '../../src/session/store.ts'
import { createLog } from '../../src/telemetry/log.ts'
import { createCounters } from '../../src/telemetry/stats.ts'
import { someSettings } from './billing.ts'
import { someRules } from './sessions.ts'

/** A store of sessions that knows which spans are open, with what it has settled so far. */
export class LiveDesk {
  readonly counters = createCounters()
  readonly openSpans: OpenSpans
  readonly store: SessionStore
  /** Everything that was settled, in order. */
  readonly settled: Settlement[] = []
  readonly #intake: Intake

  constructor(rules: Partial<StoreRules> = {}, settings: Partial<Settings> = {}) {
    const all = someRules(rules)
    this.openSpans = new OpenSpans(all.settle.maxOpenSpans)
    const findings = { onDuplicate: () => undefined, onStray: () => undefined }
    this.store = new SessionStore(all, this.counters, findings, this.openSpans)
    // What else feeds Keito is not the matter here.
    const feeds = joinFeeds({ destination: this, has: () => false, hasTaken: () => false })
    this.#intake = new Intake({
      settings: someSettings({ readsBaggage: true, ...settings }),
      store: this.store,
      openSpans: this.openSpans,
      feeds,
      noteTrace: () => undefined,
      counters: this.counters,
      log: createLog(undefined),
    })
  }

  /** A span starts. */
  start(span: SpanLike | undefined, context: Context = ROOT_CONTEXT): this {
    if (span) this.#intake.start(span, context)
    return this
  }

  /** Spans end, and what is complete by it is settled at once. */
  end(spans: readonly (SpanLike | undefined)[], nowMs = 0): this {
    for (const span of spans) if (span) this.#intake.take(span, nowMs)
    this.settled.push(...this.store.relieve())
    this.settle('ended', nowMs)
    return this
  }

  /** Settles, and answers what is due by it. */
  settle(scope: SettleScope = 'all', nowMs = 0): readonly Settlement[] {
    const due = this.store.settle(scope, nowMs)
    this.settled.push(...due)
    return due
  }
}
