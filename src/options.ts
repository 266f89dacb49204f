/**
 * The options of the exporter, each with its default.
 *
 * @module
 */
import type { KeitoRecord } from './billing/record.ts'
import type { Outbox } from './delivery/outbox.ts'
import type { KeitoError } from './errors.ts'
import type { Attribution } from './genai/hints.ts'
import type { KeitoClient, OutcomeClient } from './keito/client.ts'
import type { MeterProviderLike } from './otel/meter.ts'
import type { RunOutcome } from './session/settlement.ts'

/**
 * The hour policy: what of a run counts as hours. `wall`: its duration. `active`: the time in which a model call or a
 * tool was at work. Calls that are only known from `AgentRun.usage` tell when they ended, not when they began: they make
 * no active time beside traced calls or tools, and where they are all that is known, the time up to the last one counts.
 */
export type HourPolicy = 'wall' | 'active'

/** How exact hours become booked hours. */
export type RoundingMode = 'carry' | 'nearest' | 'up'

/** What is done with the time or the tokens of a run that failed or was interrupted. */
export type FailedRunPolicy = 'skip' | 'unbilled' | 'billed'

/** An agent run, as shown to the `attribution` function. Holds no content of prompts or results. */
export interface RunSummary {
  /** The trace id, 32 hex digits. */
  readonly sessionId: string
  /** The span id of the run, or `session` for model calls that belong to no agent span. */
  readonly runId: string
  readonly agentName?: string
  readonly serviceName?: string
  readonly outcome: RunOutcome
  readonly startTime: Date
  readonly endTime: Date
  readonly llmCalls: number
  readonly toolCalls: number
  /** The models of the run; most tokens first. */
  readonly models: readonly string[]
  /** What `keito.*` attributes on the run, its ancestors and the resource say, over the configured defaults. */
  readonly attribution: Attribution
}

/** What became of a record: see `onRecord`. */
export interface RecordEvent {
  readonly record: KeitoRecord
  /**
   * `delivered`: Keito stored it. `held`: nobody knows; another event follows once it has been looked up in Keito, which
   * needs a client that can list. `dead`: Keito refused it. `printed`: it was shown by a dry run.
   */
  readonly status: 'delivered' | 'held' | 'dead' | 'printed'
  /** Keito's id of the stored record, when `delivered`. */
  readonly id?: string
  /** Why, when `held` or `dead`. */
  readonly reason?: string
}

/** Hours: see {@link KeitoExporterOptions.rounding}. */
export interface RoundingOptions {
  /** Smallest step of booked hours, in hours; at least 0.001 and at most 24. @default 0.01 */
  readonly step?: number
  /**
   * `carry`: the remainder goes to the next entry of the same project, task and agent, so that the sum of entries is
   * the sum of durations to half a step. `nearest`: each entry alone. `up`: each entry alone, upwards.
   * @default 'carry'
   */
  readonly mode?: RoundingMode
}

/** Expenses: see {@link KeitoExporterOptions.expenses}. */
export interface ExpenseOptions {
  /** `units`: whole units of `unitTokens` tokens, priced by the expense category in Keito. @default 'units' */
  readonly basis?: 'units'
  /** Tokens that make one unit; a whole number from 1. @default 1000 */
  readonly unitTokens?: number
}

/** Failed runs: see {@link KeitoExporterOptions.failedRuns}. */
export interface FailedRunOptions {
  /** The time entry of a failed run. @default 'skip' */
  readonly time?: FailedRunPolicy
  /** The LLM expenses of a failed run; its tokens were spent. @default 'unbilled' */
  readonly expense?: FailedRunPolicy
}

/** When a session is complete: see {@link KeitoExporterOptions.settle}. */
export interface SettleOptions {
  /**
   * How long a session whose root has arrived waits for late spans, in milliseconds. With a processor, which knows what
   * is open, only one that holds a model call without a parent waits.
   * @default 2000
   */
  readonly graceMs?: number
  /** How long a session whose root never comes waits after its last span, in milliseconds. @default 600000 */
  readonly idleMs?: number
  /**
   * Spans remembered at most, over all sessions; beyond it the oldest session is settled early, and what comes of it
   * later is late and not billed.
   * @default 100000
   */
  readonly maxOpenSpans?: number
}

/** Delivery to Keito: see {@link KeitoExporterOptions.delivery}. */
export interface DeliveryOptions {
  /** Requests under way at once. @default 4 */
  readonly concurrency?: number
  /** Requests within any 60 seconds; Keito allows 60 (free) to 300 (pro). `Infinity` for no limit. @default 300 */
  readonly requestsPerMinute?: number
  /** Requests within any 24 hours; Keito allows 1,000 (free) to 50,000 (pro). `Infinity` for no limit. @default 50000 */
  readonly requestsPerDay?: number
  /**
   * How long after an unclear answer Keito is asked whether it stored the record, in milliseconds. Longer than a request
   * can stay in its servers: what is stored later than that is booked twice.
   * @default 30000
   */
  readonly reconcileAfterMs?: number
  /**
   * How long after a record had to be sent again Keito is looked at for a copy of it, in milliseconds.
   * @default 300000
   */
  readonly recheckAfterMs?: number
  /** Deadline of one request, its body included, in milliseconds. @default 10000 */
  readonly timeoutMs?: number
  /** Longest back-off between repeats, in milliseconds. @default 60000 */
  readonly maxBackoffMs?: number
  /** Deadline of `forceFlush`, in milliseconds. @default 25000 */
  readonly flushTimeoutMs?: number
  /** Deadline of `shutdown`, in milliseconds. @default 5000 */
  readonly shutdownTimeoutMs?: number
}

/** Rollup: see {@link KeitoExporterOptions.rollup}. */
export interface RollupOptions {
  /** How long runs are gathered, in milliseconds. */
  readonly windowMs: number
}

/**
 * Options of `KeitoSpanExporter`. Everything may be left out that an environment variable or a span attribute gives.
 *
 * @example
 * ```ts
 * new KeitoSpanExporter({ projectId: 'cm1...', taskId: 'cm2...', expenseCategoryId: 'cm3...' })
 * ```
 */
export interface KeitoExporterOptions {
  /**
   * A Keito client to send through: an instance of the documented `Keito` class, or anything of its shape.
   * @default a `KeitoRestClient` made from `apiKey`, `accountId` and `baseUrl`
   */
  readonly client?: KeitoClient | OutcomeClient
  /** Keito API key. @default process.env.KEITO_API_KEY */
  readonly apiKey?: string
  /** Keito account (company) id. @default process.env.KEITO_ACCOUNT_ID */
  readonly accountId?: string
  /** Base URL of Keito, without `/api/v2`. @default process.env.KEITO_API_URL, else 'https://app.keito.ai' */
  readonly baseUrl?: string
  /** Project that work is booked on. @default process.env.KEITO_PROJECT_ID */
  readonly projectId?: string
  /** Task that time is booked on. @default process.env.KEITO_TASK_ID */
  readonly taskId?: string
  /** Category that LLM expenses are booked in. @default process.env.KEITO_EXPENSE_CATEGORY_ID */
  readonly expenseCategoryId?: string
  /** `agent_id` of all records. @default process.env.KEITO_AGENT_ID, else the agent's name, else `service.name` */
  readonly agentId?: string
  /** `agent_type` of time entries. @default process.env.KEITO_AGENT_TYPE, else the emitter, e.g. 'vercel-ai-sdk' */
  readonly agentType?: string
  /** Whether records are billable. @default process.env.KEITO_BILLABLE, else true */
  readonly billable?: boolean
  /**
   * Says where a run is booked, over configuration and span attributes; what it leaves out keeps its value. When it
   * throws, the run is kept unassigned and reported, because a wrong project is worse than a late one.
   * @default nothing is changed
   */
  readonly attribution?: (run: RunSummary) => Attribution | undefined
  /**
   * What of a run counts as hours. `wall`: its duration. `active`: the union of its model calls and tools, so that
   * waiting for a human is not billed.
   * @default 'wall'
   */
  readonly hours?: HourPolicy
  /** How hours are rounded. */
  readonly rounding?: RoundingOptions
  /** How tokens become expenses. */
  readonly expenses?: ExpenseOptions
  /** What is booked of a failed run. */
  readonly failedRuns?: FailedRunOptions
  /** IANA zone of `spent_date`. @default process.env.KEITO_TIME_ZONE, else 'UTC' */
  readonly timeZone?: string
  /** When a session is complete. */
  readonly settle?: SettleOptions
  /** Where accepted records wait for Keito. @default fileOutbox in process.env.KEITO_OUTBOX_DIR, else memoryOutbox() */
  readonly outbox?: Outbox
  /**
   * Merges runs of the same project, task, agent, day, billable flag and model into one time entry and one expense: for
   * accounts whose daily limit of requests is below their number of runs. A flush or shutdown ends the window.
   * @default every run is booked on its own
   */
  readonly rollup?: RollupOptions
  /** How records are sent. */
  readonly delivery?: DeliveryOptions
  /**
   * A trace with model calls but no agent span: `run` books one time entry for the session, `tokens` only expenses.
   * @default 'run'
   */
  readonly bareCalls?: 'run' | 'tokens'
  /**
   * Who gets the time and the tokens of agents within agents. `outermost`: the outermost agent, for all below it.
   * `each`: every agent its own, so that a moment goes to the deepest agent at work and tokens to the nearest agent
   * above them. The sums are the same, and what failed or is skipped is decided by the outermost agent either way.
   * @default 'outermost'
   */
  readonly agents?: 'outermost' | 'each'
  /** Instrumentation scopes to leave out, by exact name. @default [] */
  readonly ignoreScopes?: readonly string[]
  /** Whether the same call recorded by two instrumentations is found and billed once. @default 'detect' */
  readonly duplicateInstrumentation?: 'detect' | 'off'
  /** Called with each record that is delivered, dead or held. Must be quick; what it throws is reported and ignored. */
  readonly onRecord?: (event: RecordEvent) => void
  /** Where the exporter's own metrics go. @default none are made */
  readonly meterProvider?: MeterProviderLike
  /** Called with each reported problem, at most once a minute per cause. */
  readonly onError?: (error: KeitoError) => void
  /**
   * Print what would be booked and send nothing; needs no credentials, and ignores `outbox` and `live`.
   * @default process.env.KEITO_DRY_RUN ('1' or 'true'), else false
   */
  readonly dryRun?: boolean
}

/**
 * Options of `KeitoSpanProcessor`: those of the exporter, and what only a processor can do.
 *
 * @example
 * ```ts
 * new KeitoSpanProcessor({ projectId: 'cm1...', taskId: 'cm2...', expenseCategoryId: 'cm3...', live: true })
 * ```
 */
export interface KeitoProcessorOptions extends KeitoExporterOptions {
  /**
   * Shows agent runs in Keito while they are under way, as running time entries: the "agent session" of Keito's guide.
   * When a run ends, its timer is stopped and gets the exact hours; that of a failed run is deleted. Keito has one
   * running timer per user, so of runs at the same time one has a timer, and the others appear when they have ended.
   * What is booked is the same with and without. The `attribution` function is asked once more, when a timer is to be
   * started, with what is known of the run by then. Not together with `rollup`.
   * @default false
   */
  readonly live?: boolean | LiveOptions
  /**
   * Whether W3C baggage says where work is booked (`keito.project_id`, `keito.task_id`, `keito.expense_category_id`,
   * `keito.agent_id`, `keito.billable`; nothing else is looked at). Baggage comes with requests: where clients that you
   * do not trust can send it, remove it at the edge or turn this off.
   * @default true
   */
  readonly baggage?: boolean
}

/** Live timers: see {@link KeitoProcessorOptions.live}. */
export interface LiveOptions {
  /** Runs that are shorter start no timer, in milliseconds. @default 5000 */
  readonly minMs?: number
}

/** All options with their values settled: what the stages work with. Frozen. */
export interface Settings {
  readonly attribution: Attribution
  readonly attribute: ((run: RunSummary) => Attribution | undefined) | undefined
  readonly agentType: string | undefined
  readonly hours: HourPolicy
  readonly rounding: Readonly<Required<RoundingOptions>>
  readonly unitTokens: number
  readonly failedRuns: Readonly<Required<FailedRunOptions>>
  readonly timeZone: string
  readonly settle: Readonly<Required<SettleOptions>>
  readonly delivery: Readonly<Required<DeliveryOptions>>
  readonly rollup: Readonly<RollupOptions> | undefined
  readonly bareCalls: 'run' | 'tokens'
  readonly agents: 'outermost' | 'each'
  readonly ignoreScopes: ReadonlySet<string>
  readonly readsBaggage: boolean
  readonly live: Readonly<Required<LiveOptions>> | undefined
  readonly detectDuplicates: boolean
}
