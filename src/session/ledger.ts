/**
 * What of a session has been billed, and what is due beyond it. Nothing is ever taken back: when a later look at the
 * session moves tokens or minutes from one run or model to another, only the excess over the total is due.
 *
 * @module
 */
import { NO_USAGE, type Usage } from '../genai/fact.ts'
import type { Interval } from '../otel/time.ts'
import { addUsage, totalOf } from './merge.ts'
import { type ModelUsage, type RunTime, SESSION_RUN_ID, type Settlement } from './settlement.ts'
import type { RunStatement } from './statement.ts'
import { timeDue } from './time-due.ts'
import { modelKey, tokensDue } from './tokens-due.ts'

/** What of the time of a run or agent has been billed. */
export interface BilledTime {
  /**
   * The intervals that time entries were made for: of a run, those of its agents too. An agent that was never a run has
   * none, so that its minutes stay those of the run when it turns out to lie elsewhere.
   */
  readonly intervals: readonly Interval[]
  /** Time entries made so far, those of agents within it not counted. */
  readonly entries: number
}

interface BilledModel {
  readonly runId: string
  readonly model: string
  readonly usage: Usage
  readonly llmCalls: number
  /** Expenses made so far. */
  readonly expenses: number
}

/** What of one session has been billed. */
export interface Ledger {
  /** By id of the run or agent. */
  readonly time: ReadonlyMap<string, BilledTime>
  /** By id of the run or agent, and model. */
  readonly models: ReadonlyMap<string, BilledModel>
}

/** What a ledger goes by. */
export interface LedgerRules {
  /** Whether the time of failed runs is booked at all. Where it is not, an agent above one still owns those minutes. */
  readonly keepsFailedTime: boolean
  /** Whether the time of runs that are adrift is due too: nobody expects the spans above them any more. */
  readonly isFinal: boolean
}

/** Nothing has been billed yet. */
export const EMPTY_LEDGER: Ledger = { time: new Map(), models: new Map() }

/**
 * Settles a session: what is due now, and the ledger after it.
 *
 * @param sessionId The trace id.
 * @param statements All runs of the session with all that is known of them now.
 * @param ledger What has been billed of it.
 */
export function settle(
  sessionId: string,
  statements: readonly RunStatement[],
  ledger: Ledger,
  rules: LedgerRules,
): { readonly settlements: readonly Settlement[]; readonly ledger: Ledger } {
  const time = timeDue(statements, ledger.time, rules)
  const dueUsage = tokensDue(statements, ledger.models)
  const models = new Map(ledger.models)

  const settlements: Settlement[] = []
  for (const statement of statements) {
    const dueTime = time.due.get(statement.runId)
    const dueModels: ModelUsage[] = []
    for (const [model, total] of statement.models) {
      const key = modelKey(statement.runId, model)
      const billed = models.get(key)
      const usage = dueUsage.get(key)
      if (!usage || totalOf(usage) === 0) continue
      const llmCalls = Math.max(0, total.llmCalls - (billed?.llmCalls ?? 0))
      const index = billed?.expenses ?? 0
      dueModels.push({ model, ...(total.provider ? { provider: total.provider } : {}), usage, llmCalls, index })
      models.set(key, {
        runId: statement.runId,
        model,
        usage: billed ? addUsage(billed.usage, usage) : usage,
        llmCalls: total.llmCalls,
        expenses: index + 1,
      })
    }
    if (dueTime || dueModels.length > 0) settlements.push(settlementOf(sessionId, statement, dueTime, dueModels))
  }
  return { settlements, ledger: { time: time.billed, models } }
}

/**
 * What remains of a ledger when its session is over, for one that begins anew in the same trace: the numbers of the next
 * records. Those of runs are not among them, because the id of a run comes once.
 *
 * @returns Undefined when no number has to be remembered.
 */
export function numbersOf({ time, models }: Ledger): Ledger | undefined {
  const own = time.get(SESSION_RUN_ID)
  const ownModels = [...models].filter(([_, { runId }]) => runId === SESSION_RUN_ID)
  if (!own && ownModels.length === 0) return undefined
  return {
    time: new Map(own ? [[SESSION_RUN_ID, { intervals: [], entries: own.entries }]] : []),
    models: new Map(ownModels.map(([key, model]) => [key, { ...model, usage: NO_USAGE, llmCalls: 0 }])),
  }
}

function settlementOf(
  sessionId: string,
  statement: RunStatement,
  time: RunTime | undefined,
  models: readonly ModelUsage[],
): Settlement {
  const { runId, agentName, serviceName, emitter, outcome, startNs, endNs, llmCalls, toolCalls, attribution } =
    statement
  return {
    sessionId,
    runId,
    ...(agentName === undefined ? {} : { agentName }),
    ...(serviceName === undefined ? {} : { serviceName }),
    emitter,
    outcome,
    startNs,
    endNs,
    ...(time ? { time } : {}),
    llmCalls,
    toolCalls,
    models,
    allModels: [...statement.models.keys()],
    attribution,
  }
}
