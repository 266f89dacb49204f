/**
 * Where a run is booked: the `attribution` function over span attributes over configuration, key by key.
 *
 * @module
 */
import { type Attribution, isKeitoId } from '../genai/hints.ts'
import type { RunSummary, Settings } from '../options.ts'
import type { Settlement } from '../session/settlement.ts'
import { dateOf } from './calendar.ts'
import { cleanName } from './metadata.ts'
import { userNote } from './notes.ts'

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

/**
 * What became of the question where a run is booked. `failed`: the `attribution` function gave no usable answer, so
 * nobody knows; `reason` is one line that names the problem and none of the values.
 */
export type Resolution =
  | { readonly type: 'resolved'; readonly booking: Booking }
  | { readonly type: 'failed'; readonly reason: string }

/** The answer of the `attribution` function, read and checked. */
type Answer =
  | { readonly type: 'answered'; readonly values: Attribution }
  | { readonly type: 'failed'; readonly reason: string }

const AN_ID = 'a Keito id (1 to 128 printable ASCII characters without blanks)'
/** Names of errors that may be repeated; anything else could be a message in disguise. */
const ERROR_NAME = /^[A-Za-z]{1,40}$/

const idOf = (value: unknown) => (typeof value === 'string' && isKeitoId(value.trim()) ? value.trim() : undefined)

/** How each value is read (the clean value, or undefined when it is not usable), and what it has to be. */
const VALUES = {
  projectId: { read: idOf, expected: AN_ID },
  taskId: { read: idOf, expected: AN_ID },
  expenseCategoryId: { read: idOf, expected: AN_ID },
  agentId: {
    read: (value: unknown) => (typeof value === 'string' ? cleanName(value) : undefined),
    expected: 'a non-empty string',
  },
  billable: {
    read: (value: unknown) => (typeof value === 'boolean' ? value : undefined),
    expected: 'true or false',
  },
  notes: {
    read: (value: unknown) => (typeof value === 'string' ? (userNote(value) ?? '') : undefined),
    expected: 'a string',
  },
}

/**
 * Says where a run is booked. Per key the answer of the `attribution` function wins over span attributes, and those over
 * the configured defaults. An id that is said but unusable counts as missing rather than falling back to a default,
 * because a wrong project is worse than a late one. The agent is, without an agent id, called after itself or its service.
 */
export function resolveAttribution(settlement: Settlement, settings: Settings): Resolution {
  const said = { ...spoken(settings.attribution), ...spoken(settlement.attribution) }
  const answer = answerOf(settings.attribute, settlement, said)
  if (answer.type === 'failed') return answer
  const all: Attribution = { ...said, ...answer.values }
  return {
    type: 'resolved',
    booking: {
      projectId: VALUES.projectId.read(all.projectId),
      taskId: VALUES.taskId.read(all.taskId),
      expenseCategoryId: VALUES.expenseCategoryId.read(all.expenseCategoryId),
      agentId:
        VALUES.agentId.read(all.agentId) ??
        cleanName(settlement.agentName) ??
        cleanName(settlement.serviceName) ??
        'unknown',
      billable: VALUES.billable.read(all.billable) ?? true,
      notes: VALUES.notes.read(all.notes) || undefined,
    },
  }
}

/** What the `attribution` function is shown: copies, so that it cannot change what is billed. */
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
  const values: Record<string, unknown> = {}
  for (const [key, { read, expected }] of Object.entries(VALUES)) {
    const value: unknown = Reflect.get(answer, key)
    if (value === undefined) continue
    const clean = read(value)
    if (clean === undefined) return failed(`must return ${expected} as ${key}, but returned ${kindOf(value)}`)
    values[key] = clean
  }
  return { type: 'answered', values }
}

function failed(what: string): { readonly type: 'failed'; readonly reason: string } {
  return { type: 'failed', reason: `the attribution function ${what}` }
}

/** The keys that have a value: an undefined one says nothing and must not hide what a weaker source says. */
function spoken(attribution: Attribution): Attribution {
  return Object.fromEntries(Object.entries(attribution).filter(([, value]) => value !== undefined))
}

function kindOf(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'an array'
  return typeof value === 'string' ? `a string of ${value.length} characters` : `a value of type ${typeof value}`
}

function errorNameOf(error: unknown): string {
  const name = error instanceof Error ? error.name : ''
  return ERROR_NAME.test(name) ? name : 'an error'
}
