/**
 * What the session stage hands to billing: the time and tokens of one agent run that have not been billed yet.
 *
 * @module
 */
import type { Usage } from '../genai/fact.ts'
import type { Attribution } from '../genai/hints.ts'

/**
 * How a run ended. `interrupted`: its process was killed or went away before the run's span had ended, so that only
 * what ended before is known of it.
 */
export type RunOutcome = 'ok' | 'failed' | 'interrupted'

/** The `runId` of what belongs to no agent span: model calls on their own, and orphans. */
export const SESSION_RUN_ID = 'session'

/** Newly billable tokens of one model within a run. */
export interface ModelUsage {
  readonly model: string
  readonly provider?: string
  readonly usage: Usage
  /** Model calls behind this usage. */
  readonly llmCalls: number
  /** 0 the first time tokens of this run and model are billed, one more for each later addition. */
  readonly index: number
}

/** Newly billable time of a run. */
export interface RunTime {
  /** What counts as work under the chosen hour policy, in nanoseconds. */
  readonly durationNs: bigint
  /** Entries that an earlier settlement of this run has already made; the first new entry gets this number. */
  readonly index: number
}

/** One agent run (or what belongs to none), with what is newly billable of it. Plain data. */
export interface Settlement {
  /** The trace id, 32 hex digits. */
  readonly sessionId: string
  /** The span id of the run, 16 hex digits, or {@link SESSION_RUN_ID}. */
  readonly runId: string
  readonly agentName?: string
  readonly serviceName?: string
  /** The convention of the run's span: the default `agent_type`. */
  readonly emitter: string
  readonly outcome: RunOutcome
  /** Start of the run, Unix time in nanoseconds. */
  readonly startNs: bigint
  /** End of the run, Unix time in nanoseconds. */
  readonly endNs: bigint
  /** Absent when there is no new time to bill. */
  readonly time?: RunTime
  /** Model calls of the whole run, as known now. */
  readonly llmCalls: number
  /** Tool calls of the whole run, as known now. */
  readonly toolCalls: number
  /** Newly billable tokens, one element per model; most tokens first. */
  readonly models: readonly ModelUsage[]
  /** Every model of the whole run, as known now; most tokens first. */
  readonly allModels: readonly string[]
  /** What the run's span, its ancestors and the resource say, the nearest first, already merged. */
  readonly attribution: Attribution
}
