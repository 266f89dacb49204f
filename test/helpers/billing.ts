/**
 * Builders for billing tests: a settlement and settings in which only what a test is about has to be said.
 *
 * @module
 */
import type { Usage } from '../../src/genai/fact.ts'
import { NO_USAGE } from '../../src/genai/fact.ts'
import type { Settings } from '../../src/options.ts'
import type { ModelUsage, Settlement } from '../../src/session/settlement.ts'

export const TRACE_ID = '0af7651916cd43dd8448eb211c80319c'
export const RUN_ID = 'b7ad6b7169203331'

const NS_PER_SECOND = 1_000_000_000n

/** Unix nanoseconds of an ISO instant. */
export function at(iso: string): bigint {
  return BigInt(Date.parse(iso)) * 1_000_000n
}

/** Nanoseconds of a number of whole seconds. */
export function seconds(count: number): bigint {
  return BigInt(count) * NS_PER_SECOND
}

export const minutes = (count: number) => seconds(count * 60)
export const hours = (count: number) => seconds(count * 3600)

/** A successful run of `review-bot` without time or tokens, changed as told. */
export function aSettlement(changes: Partial<Settlement> = {}): Settlement {
  return {
    sessionId: TRACE_ID,
    runId: RUN_ID,
    agentName: 'review-bot',
    serviceName: 'reviews',
    emitter: 'semconv',
    outcome: 'ok',
    startNs: at('2026-03-10T09:00:00Z'),
    endNs: at('2026-03-10T09:00:00Z'),
    llmCalls: 0,
    toolCalls: 0,
    models: [],
    allModels: [],
    attribution: {},
    ...changes,
  }
}

/** A run that worked for a while, from its start without a pause. */
export function aRunOf(durationNs: bigint, changes: Partial<Settlement> = {}): Settlement {
  const settlement = aSettlement({ time: { durationNs, index: 0 }, ...changes })
  return { ...settlement, endNs: settlement.startNs + durationNs }
}

/** The tokens of one model. */
export function tokensOf(model: string, usage: Partial<Usage>, changes: Partial<ModelUsage> = {}): ModelUsage {
  return { model, usage: { ...NO_USAGE, ...usage }, llmCalls: 1, index: 0, ...changes }
}

/** A run that used tokens and no time. */
export function aRunWith(...models: readonly ModelUsage[]): Settlement {
  return aSettlement({ models, allModels: models.map((used) => used.model) })
}

/** Settings with every id given and every other option at its default, changed as told. */
export function someSettings(changes: Partial<Settings> = {}): Settings {
  return {
    attribution: { projectId: 'cmproject', taskId: 'cmtask', expenseCategoryId: 'cmcategory', billable: true },
    attribute: undefined,
    agentType: undefined,
    hours: 'wall',
    rounding: { step: 0.01, mode: 'carry' },
    unitTokens: 1000,
    failedRuns: { time: 'skip', expense: 'unbilled' },
    timeZone: 'UTC',
    settle: { graceMs: 2000, idleMs: 600_000, maxOpenSpans: 100_000 },
    delivery: {
      concurrency: 4,
      requestsPerMinute: 300,
      requestsPerDay: 50_000,
      reconcileAfterMs: 30_000,
      recheckAfterMs: 300_000,
      timeoutMs: 10_000,
      maxBackoffMs: 60_000,
      flushTimeoutMs: 25_000,
      shutdownTimeoutMs: 5000,
    },
    rollup: undefined,
    bareCalls: 'run',
    agents: 'outermost',
    readsBaggage: true,
    live: undefined,
    ignoreScopes: new Set(),
    detectDuplicates: true,
    ...changes,
  }
}
