/**
 * What a span or resource says about where its work is to be booked: the `keito.*` attributes.
 *
 * @module
 */
import { booleanOf, textOf } from '../otel/attributes.ts'
import type { Attributes } from './dialect.ts'

/**
 * Where work is booked, as far as somebody said so. Given by `keito.*` attributes on a span or resource
 * (`keito.project_id`, `keito.task_id`, `keito.expense_category_id`, `keito.agent_id`, `keito.billable`,
 * `keito.notes`), by the same names in the telemetry metadata of the AI SDK, or returned by the `attribution` option.
 */
export interface Attribution {
  /** Keito project, `project_id`. */
  readonly projectId?: string | undefined
  /** Keito task of the time entry, `task_id`. */
  readonly taskId?: string | undefined
  /** Keito category of the LLM expense, `expense_category_id`. */
  readonly expenseCategoryId?: string | undefined
  /** `metadata.agent_id` of both records. */
  readonly agentId?: string | undefined
  /** Whether the client pays for it. */
  readonly billable?: boolean | undefined
  /** Notes of the time entry, in place of the generated sentence. Clients may read them on the invoice. */
  readonly notes?: string | undefined
}

/** Hints, and how many `keito.*` values made no sense and were left out. */
export interface HintsReading {
  readonly hints?: Attribution
  readonly refused: number
}

/** Keito ids are opaque; anything with blanks, control characters or other alphabets is a mistake, not an id. */
const ID = /^[\x21-\x7e]{1,128}$/

/** Longest notes that are kept of an attribute, in UTF-16 code units. */
const MAX_NOTES = 1000
/**
 * Stands for an id that is there but is none. It must not fall back to a default: work would be booked on a project
 * that somebody meant to override.
 */
const UNUSABLE = ''

/** Whether a text can be the id of a Keito record: 1 to 128 printable ASCII characters without blanks. */
export function isKeitoId(text: string): boolean {
  return ID.test(text)
}

type Names = Readonly<Record<keyof Attribution, string>>

const namesBelow = (prefix: string): Names => ({
  projectId: `${prefix}keito.project_id`,
  taskId: `${prefix}keito.task_id`,
  expenseCategoryId: `${prefix}keito.expense_category_id`,
  agentId: `${prefix}keito.agent_id`,
  billable: `${prefix}keito.billable`,
  notes: `${prefix}keito.notes`,
})

const OWN = namesBelow('')
/**
 * Where the AI SDK, which makes its spans itself, puts what a host wants on them: up to version 6
 * `experimental_telemetry.metadata`, in 7 `runtimeContext`.
 */
const CARRIED = ['ai.telemetry.metadata.', 'ai.settings.context.'].map(namesBelow)

/**
 * Reads the `keito.*` attributes of a span or resource. Undefined, without allocating anything, when it has none.
 */
export function readHints(attributes: Attributes): HintsReading | undefined {
  const carried = isOfModels(attributes) ? CARRIED.find((names) => says(attributes, names)) : undefined
  if (!carried && !says(attributes, OWN)) return undefined

  const said = (key: keyof Attribution): unknown => attributes[OWN[key]] ?? (carried && attributes[carried[key]])
  let refused = 0
  const checked = <T>(value: unknown, read: (value: unknown) => T | undefined): T | undefined => {
    if (value === undefined || value === null) return undefined
    const result = read(value)
    if (result === undefined) refused++
    return result
  }
  const id = (value: unknown): string | undefined => {
    const text = checked(value, idOf)
    return text === undefined && value !== undefined && value !== null ? UNUSABLE : text
  }
  const hints: Attribution = {
    projectId: id(said('projectId')),
    taskId: id(said('taskId')),
    expenseCategoryId: id(said('expenseCategoryId')),
    agentId: checked(said('agentId'), (value) => textOf(value)),
    billable: checked(said('billable'), booleanOf),
    notes: checked(said('notes'), (value) => textOf(value, MAX_NOTES)),
  }
  return { hints, refused }
}

/** Lays attributions over each other, key by key; what an earlier one says wins over a later one. */
export function mergeAttributions(nearestFirst: readonly (Attribution | undefined)[]): Attribution {
  const pick = <K extends keyof Attribution>(key: K): Attribution[K] => {
    for (const one of nearestFirst) {
      const value = one?.[key]
      if (value !== undefined) return value
    }
    return undefined
  }
  return {
    projectId: pick('projectId'),
    taskId: pick('taskId'),
    expenseCategoryId: pick('expenseCategoryId'),
    agentId: pick('agentId'),
    billable: pick('billable'),
    notes: pick('notes'),
  }
}

/** Whether any of the names is there. Runs for every span of the host, so it is not a loop. */
function says(attributes: Attributes, names: Names): boolean {
  return (
    attributes[names.projectId] !== undefined ||
    attributes[names.taskId] !== undefined ||
    attributes[names.expenseCategoryId] !== undefined ||
    attributes[names.agentId] !== undefined ||
    attributes[names.billable] !== undefined ||
    attributes[names.notes] !== undefined
  )
}

/** Only such spans are made by the AI SDK: most spans of a host need not be asked more. */
function isOfModels(attributes: Attributes): boolean {
  return attributes['ai.operationId'] !== undefined || attributes['gen_ai.operation.name'] !== undefined
}

function idOf(value: unknown): string | undefined {
  if (typeof value !== 'string' || value.length > 200) return undefined
  const text = value.trim()
  return isKeitoId(text) ? text : undefined
}
