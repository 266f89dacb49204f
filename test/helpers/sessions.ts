/**
 * The heart of the package without its edges: spans are read and kept in a session store with a clock of the test.
 *
 * @module
 */
import { readHints } from '../../src/genai/hints.ts'
import { readFact } from '../../src/genai/read.ts'
import { hasRemoteParent, parentSpanIdOf, type SpanLike } from '../../src/otel/span.ts'
import type { SettleScope } from '../../src/session/completion.ts'
import type { ScopePair } from '../../src/session/scope-pairs.ts'
import type { Settlement } from '../../src/session/settlement.ts'
import { SessionStore, type StoreRules } from '../../src/session/store.ts'
import { createCounters } from '../../src/telemetry/stats.ts'
import type { TraceBuilder } from './spans.ts'

/** The default rules, changed as told. */
export function someRules(changes: Partial<StoreRules> = {}): StoreRules {
  return {
    hours: 'wall',
    bareCalls: 'run',
    agents: 'outermost',
    settle: { graceMs: 2000, idleMs: 600_000, maxOpenSpans: 100_000 },
    keepsFailedTime: false,
    detectDuplicates: true,
    isWritten: false,
    ...changes,
  }
}

/** A store of sessions, with what it has settled so far. */
export class Desk {
  readonly counters = createCounters()
  readonly store: SessionStore
  /** Everything that was settled, in order. */
  readonly settled: Settlement[] = []
  /** Calls that two instrumentations recorded, as they were reported. */
  readonly duplicates: ScopePair[] = []
  /** Scopes whose spans do not nest, as they were reported. */
  readonly strayScopes: string[] = []
  /** Spans that came after their session had been forgotten. */
  late = 0

  constructor(rules: Partial<StoreRules> = {}) {
    this.store = new SessionStore(someRules(rules), this.counters, {
      onDuplicate: (pair) => this.duplicates.push(pair),
      onStray: (scope) => this.strayScopes.push(scope),
    })
  }

  /** Takes ended spans in, at a moment of the store's clock. */
  take(spans: readonly SpanLike[], nowMs = 0): this {
    for (const span of spans) {
      const reading = readFact(span)
      if (reading === 'unreadable') throw new Error('a test span must be readable')
      const { traceId, spanId } = span.spanContext()
      const parentId = hasRemoteParent(span) ? undefined : parentSpanIdOf(span)
      const hints = readHints(span.attributes)?.hints
      if (!this.store.add(traceId, spanId, parentId, reading?.fact, hints, nowMs)) this.late++
    }
    this.settled.push(...this.store.relieve())
    return this
  }

  /** Settles, and answers what is due by it. */
  settle(scope: SettleScope = 'all', nowMs = 0): readonly Settlement[] {
    const due = this.store.settle(scope, nowMs)
    this.settled.push(...due)
    return due
  }
}

/** Settles whole traces at once. */
export function settle(traces: readonly TraceBuilder[], rules: Partial<StoreRules> = {}): readonly Settlement[] {
  return new Desk(rules).take(traces.flatMap((trace) => trace.spans)).settle()
}

/** What a trace comes to when it is settled at once: tokens by model as `[input, output]`, and run milliseconds. */
export function billOf(trace: TraceBuilder, ...others: readonly TraceBuilder[]) {
  const settled = settle([trace, ...others])
  return { tokens: tokensOf(settled), runs: runsOf(settled) }
}

/** Tokens by model, `[input, output]`. */
export function tokensOf(settlements: readonly Settlement[]): Record<string, readonly [number, number]> {
  const tokens: Record<string, readonly [number, number]> = {}
  for (const { model, usage } of settlements.flatMap(({ models }) => models)) {
    const [input, output] = tokens[model] ?? [0, 0]
    tokens[model] = [input + usage.input, output + usage.output]
  }
  return tokens
}

/** Tokens by session, over all models. */
export function tokensBySession(settlements: readonly Settlement[]): Record<string, readonly [number, number]> {
  const tokens: Record<string, readonly [number, number]> = {}
  for (const { sessionId, models } of settlements) {
    for (const { usage } of models) {
      const [input, output] = tokens[sessionId] ?? [0, 0]
      tokens[sessionId] = [input + usage.input, output + usage.output]
    }
  }
  return tokens
}

/** Milliseconds that were billed, by agent; `session` for what has no agent. */
export function runsOf(settlements: readonly Settlement[]): Record<string, number> {
  const runs: Record<string, number> = {}
  for (const { agentName, time } of settlements) {
    const name = agentName ?? 'session'
    if (time) runs[name] = (runs[name] ?? 0) + Number(time.durationNs) / 1e6
  }
  return runs
}

/** All milliseconds that were billed. */
export function msOf(settlements: readonly Settlement[]): number {
  return Object.values(runsOf(settlements)).reduce((sum, ms) => sum + ms, 0)
}
