/**
 * Where a run is booked: the `attribution` function over span attributes over configuration, key by key.
 *
 * @module
 */
import type { MissingId } from '../delivery/outbox.ts'
import type { Attribution } from '../genai/hints.ts'
import type { RunSummary, Settings } from '../options.ts'
import type { Settlement } from '../session/settlement.ts'
import { errorNameOf, kindOf, readValues, VALUES } from './attribution-values.ts'
import { dateOf } from './calendar.ts'
import { cleanName } from './metadata.ts'

/** Where a run is booked. An id is absent when nobody gave a usable one. */
export interface Booking {
  readonly projectId?: string | undefined
  readonly taskId?: string | undefined
  readonly expenseCategoryId?: string | undefined
  readonly agentId: string
  readonly billable: boolean
  /** The user's note for the time entry, on one line. */
  readonly notes?: string | undefined
}

/** Where a run is booked, as far as somebody said so. */
export interface Resolved {
  readonly type: 'resolved'
  readonly booking: Booking
  /** The ids that spans, the configuration and the `attribution` function do not give. */
  readonly missing: readonly MissingId[]
}

/**
 * What became of the question where a run is booked. `failed`: the `attribution` function gave no usable answer, so
 * nobody knows; `reason` is one line that names the problem and none of the values.
 */
export type Resolution = Resolved | { readonly type: 'failed'; readonly reason: string }

/** The answer of the `attribution` function, read and checked. */
type Answer =
  | { readonly type: 'answered'; readonly values: Attribution }
  | { readonly type: 'failed'; readonly reason: string }

const IDS = ['projectId', 'taskId', 'expenseCategoryId'] as const

/**
 * Says where a run is booked. Per key the answer of the `attribution` function wins over span attributes, and those over
 * the configured defaults. An id that is said but unusable counts as missing rather than falling back to a default,
 * because a wrong project is worse than a late one. The agent is, without an agent id, called after itself or its service.
 *
 * @param spare Clean values for what nobody gives, or what is unusable. They never replace a value that somebody gives.
 */
export function resolveAttribution(settlement: Settlement, settings: Settings, spare: Attribution = {}): Resolution {
  const said = saidOf(settlement, settings)
  const answer = answerOf(settings.attribute, settlement, said)
  if (answer.type === 'failed') return answer
  const all: Attribution = { ...said, ...answer.values }
  const ids = {
    projectId: VALUES.projectId.read(all.projectId),
    taskId: VALUES.taskId.read(all.taskId),
    expenseCategoryId: VALUES.expenseCategoryId.read(all.expenseCategoryId),
  }
  return {
    type: 'resolved',
    missing: IDS.filter((name) => ids[name] === undefined),
    booking: {
      projectId: ids.projectId ?? spare.projectId,
      taskId: ids.taskId ?? spare.taskId,
      expenseCategoryId: ids.expenseCategoryId ?? spare.expenseCategoryId,
      agentId:
        VALUES.agentId.read(all.agentId) ??
        spare.agentId ??
        cleanName(settlement.agentName) ??
        cleanName(settlement.serviceName) ??
        'unknown',
      billable: VALUES.billable.read(all.billable) ?? spare.billable ?? true,
      notes: (VALUES.notes.read(all.notes) ?? spare.notes) || undefined,
    },
  }
}

/** A run as the `attribution` function is shown it. */
export function runSummaryOf(settlement: Settlement, settings: Settings): RunSummary {
  return summaryOf(settlement, saidOf(settlement, settings))
}

/** What spans say over what is configured. */
function saidOf(settlement: Settlement, settings: Settings): Attribution {
  return { ...spoken(settings.attribution), ...spoken(settlement.attribution) }
}

/** Copies, so that nobody who is shown a run can change what is billed. */
function summaryOf(settlement: Settlement, attribution: Attribution): RunSummary {
  return {
    sessionId: settlement.sessionId,
    runId: settlement.runId,
    ...(settlement.agentName === undefined ? {} : { agentName: settlement.agentName }),
    ...(settlement.serviceName === undefined ? {} : { serviceName: settlement.serviceName }),
    outcome: settlement.outcome,
    startTime: dateOf(settlement.startNs),
    endTime: dateOf(settlement.endNs),
    llmCalls: settlement.llmCalls,
    toolCalls: settlement.toolCalls,
    models: [...settlement.allModels],
    attribution: { ...attribution },
  }
}

function answerOf(attribute: Settings['attribute'], settlement: Settlement, said: Attribution): Answer {
  if (!attribute) return { type: 'answered', values: {} }
  try {
    const answer: unknown = attribute(summaryOf(settlement, said))
    if (answer === undefined) return { type: 'answered', values: {} }
    if (typeof answer !== 'object' || answer === null || Array.isArray(answer)) {
      return failed(`must return an object or undefined, but returned ${kindOf(answer)}`)
    }
    if ('then' in answer && typeof answer.then === 'function') {
      // Nobody else will look at this promise: without a handler its rejection could end the host's process.
      Promise.resolve(answer).catch(() => {})
      return failed('must return its answer at once, but returned a promise; it cannot be async')
    }
    return readAnswer(answer)
  } catch (error) {
    return failed(`threw ${errorNameOf(error)}`)
  }
}

function readAnswer(answer: object): Answer {
  const reading = readValues(answer)
  if (reading.type === 'read') return { type: 'answered', values: reading.values }
  return failed(`must return ${reading.expected} as ${reading.key}, but returned ${reading.found}`)
}

function failed(what: string): { readonly type: 'failed'; readonly reason: string } {
  return { type: 'failed', reason: `the attribution function ${what}` }
}

/** The keys that have a value: an undefined one says nothing and must not hide what a weaker source says. */
function spoken(attribution: Attribution): Attribution {
  return Object.fromEntries(Object.entries(attribution).filter(([, value]) => value !== undefined))
}
