/**
 * The rollup: finished records of the same work, day and price as one, for accounts whose requests are few.
 *
 * Hours and units were rounded, with a carry, before they come here. So nothing is rounded again, and a sum is what
 * would have been booked one by one.
 *
 * @module
 */
import type { Metadata, MetadataValue } from '../keito/types.ts'
import type { RunOutcome } from '../session/settlement.ts'
import { rollupKey } from './key.ts'
import { boundedMetadata } from './metadata.ts'
import { expenseNote, mergedExpenseNote, mergedTimeEntryNote, type RunCount, timeEntryNote } from './notes.ts'
import type { KeitoRecord } from './record.ts'

/** A record to send, and the keys of the records it was made of, in the order they came. */
export interface RolledUp {
  readonly record: KeitoRecord
  readonly keys: readonly string[]
}

type Records = readonly [KeitoRecord, ...KeitoRecord[]]

/** How billing words the note of a kind of record, alone and merged, and what it takes from the metadata for it. */
interface Wording {
  readonly alone: (...args: [...WordingFacts, outcome: RunOutcome]) => string
  readonly merged: (...args: [...WordingFacts, count: RunCount]) => string
  readonly facts: (metadata: Metadata) => WordingFacts
}
type WordingFacts = [name: string, first: number, second: number]

/** Keito's limit for one time entry. */
const MAX_HOURS = 24
/** Hours and milliseconds have six decimals at most: they are added up in millionths, without binary noise. */
const MILLION = 1_000_000

const OUTCOMES: readonly RunOutcome[] = ['ok', 'failed', 'interrupted']
/** Kept when all records say the same. */
const SHARED_KEYS = ['provider', 'agent_type', 'agent_name', 'service_name', 'outcome'] as const
/** Added up. */
const TOKEN_KEYS = [
  'input_tokens',
  'output_tokens',
  'cache_read_tokens',
  'cache_write_tokens',
  'reasoning_tokens',
] as const
/** Added up, but a time entry counts the calls of its whole run, like every other entry of that run. */
const CALL_KEYS = ['llm_calls', 'tool_calls'] as const

const WORDING: Readonly<Record<KeitoRecord['kind'], Wording>> = {
  time_entry: {
    alone: timeEntryNote,
    merged: mergedTimeEntryNote,
    facts: (metadata) => [
      textAt(metadata, 'agent_name') ?? textAt(metadata, 'agent_id') ?? '',
      numberAt(metadata, 'llm_calls') ?? 0,
      numberAt(metadata, 'tool_calls') ?? 0,
    ],
  },
  expense: {
    alone: expenseNote,
    merged: mergedExpenseNote,
    facts: (metadata) => [
      textAt(metadata, 'model') ?? '',
      numberAt(metadata, 'input_tokens') ?? 0,
      numberAt(metadata, 'output_tokens') ?? 0,
    ],
  },
}

/**
 * Merges what can be merged among records of any kind. Each key appears once; groups come in the order of their first
 * record. Where the entries of a group are more than 24 hours together, they become several.
 */
export function rollUp(records: readonly KeitoRecord[]): readonly RolledUp[] {
  return groupsOf(records)
    .flatMap(withinMaxHours)
    .map((group) => ({ record: mergeRecords(group), keys: group.map(({ key }) => key) }))
}

/**
 * What records must have in common to be merged: kind, project, task or category, agent, day, billable flag, model (or
 * that there is none), and the note when a user gave it. A record that was merged before, or that has a cost in place
 * of units, is a group of its own.
 *
 * @returns A text that is the same for records of the same group only.
 */
export function rollupGroupOf(record: KeitoRecord): string {
  const { key, kind, body } = record
  return JSON.stringify([
    kind,
    body.project_id,
    record.kind === 'time_entry' ? record.body.task_id : record.body.expense_category_id,
    textAt(body.metadata, 'agent_id'),
    body.spent_date,
    body.billable,
    textAt(body.metadata, 'model'),
    hasUserNote(record) ? body.notes : undefined,
    standsAlone(record) ? key : undefined,
  ])
}

/**
 * One record in place of several: the sums of what they say, the runs they stand for (each once, however many records
 * it has) and their first and last session. One record alone is returned unchanged.
 *
 * @param records Of one {@link rollupGroupOf}, in the order they came; time entries of at most 24 hours together.
 */
export function mergeRecords(records: Records): KeitoRecord {
  const [first] = records
  if (records.length === 1) return first
  const key = rollupKey(first.key, records.length)
  const metadata = mergedMetadata(records, key)
  const notes = hasUserNote(first) ? first.body.notes : mergedNote(records, metadata)
  if (first.kind === 'time_entry') {
    return { ...first, key, body: { ...first.body, hours: decimalSum(records.map(hoursOf)), notes, metadata } }
  }
  const { units: _, total_cost: __, ...body } = first.body
  const units = sum(records.map(unitsOf))
  return { ...first, key, body: { ...body, ...(units > 0 ? { units } : { total_cost: 0 }), notes, metadata } }
}

function groupsOf(records: readonly KeitoRecord[]): readonly Records[] {
  const groups = new Map<string, [KeitoRecord, ...KeitoRecord[]]>()
  for (const record of records) {
    const name = rollupGroupOf(record)
    const group = groups.get(name)
    if (group) group.push(record)
    else groups.set(name, [record])
  }
  return [...groups.values()]
}

/** The group in parts, its order kept, that one time entry can hold each. */
function withinMaxHours(group: Records): readonly Records[] {
  const parts: [KeitoRecord, ...KeitoRecord[]][] = []
  let hours = 0
  for (const record of group) {
    const part = parts.at(-1)
    const together = decimalSum([hours, hoursOf(record)])
    const fits = part !== undefined && together <= MAX_HOURS
    if (fits) part.push(record)
    else parts.push([record])
    hours = fits ? together : hoursOf(record)
  }
  return parts
}

/** Records whose runs or money would be counted wrong. A cost of 0 stands for 0 units, and those can be merged. */
function standsAlone(record: KeitoRecord): boolean {
  return 'runs' in record.body.metadata || (record.kind === 'expense' && (record.body.total_cost ?? 0) > 0)
}

function mergedMetadata(records: Records, key: string): Metadata {
  const [first] = records
  const all = records.map(({ body }) => body.metadata)
  const runs = lastOfEachRun(records).map(({ body }) => body.metadata)
  return boundedMetadata(
    {
      agent_id: textAt(first.body.metadata, 'agent_id') ?? '',
      session_id: first.sessionId,
      model: textAt(first.body.metadata, 'model'),
      idempotency_key: key,
    },
    {
      ...valuesBy(SHARED_KEYS, (name) => sharedValue(all, name)),
      ...valuesBy(TOKEN_KEYS, (name) => totalAt(all, name, sum)),
      ...valuesBy(CALL_KEYS, (name) => totalAt(first.kind === 'time_entry' ? runs : all, name, sum)),
      duration_ms: totalAt(all, 'duration_ms', decimalSum),
      started_at: instantsAt(all, 'started_at').at(0),
      ended_at: instantsAt(all, 'ended_at').at(-1),
      models: [...new Set(all.flatMap(modelsOf))],
      runs: runs.length,
      first_session_id: first.sessionId,
      last_session_id: records.at(-1)?.sessionId,
    },
  )
}

/** The sentence for several records, made of what they say together. */
function mergedNote(records: Records, metadata: Metadata): string {
  const { merged, facts } = WORDING[records[0].kind]
  const outcomes = lastOfEachRun(records).map(outcomeInNote)
  const countOf = (outcome: RunOutcome) => outcomes.filter((one) => one === outcome).length
  const count = { ok: countOf('ok'), failed: countOf('failed'), interrupted: countOf('interrupted') }
  return merged(...facts(metadata), count)
}

/** Billing writes its sentence from what the metadata says too: a note that it would not write again is a user's. */
function hasUserNote(record: KeitoRecord): boolean {
  return outcomeInNote(record) === undefined
}

/** The outcome with which billing would write this very note. The metadata of an expense does not say how its run ended. */
function outcomeInNote({ kind, body }: KeitoRecord): RunOutcome | undefined {
  const { alone, facts } = WORDING[kind]
  return OUTCOMES.find((outcome) => alone(...facts(body.metadata), outcome) === body.notes)
}

/** One record for each run: the last, because it knows most of the run. */
function lastOfEachRun(records: Records): readonly KeitoRecord[] {
  const runOf = ({ sessionId, body }: KeitoRecord) => JSON.stringify([sessionId, textAt(body.metadata, 'run_id')])
  return [...new Map(records.map((record) => [runOf(record), record])).values()]
}

function hoursOf(record: KeitoRecord): number {
  return record.kind === 'time_entry' ? record.body.hours : 0
}

function unitsOf(record: KeitoRecord): number {
  return record.kind === 'expense' ? (record.body.units ?? 0) : 0
}

/** The list of models, each record's own first; a record that used one model has no list. */
function modelsOf({ models }: Metadata): readonly string[] {
  return typeof models === 'object' ? models : []
}

function valuesBy<K extends string>(names: readonly K[], read: (name: K) => MetadataValue | undefined) {
  return Object.fromEntries(names.map((name) => [name, read(name)]))
}

function sharedValue(all: readonly Metadata[], name: string): MetadataValue | undefined {
  const [value, ...others] = new Set(all.map((metadata) => metadata[name]))
  return others.length === 0 ? value : undefined
}

/** Undefined when no record says anything, as a count of 0 would be a statement. */
function totalAt(all: readonly Metadata[], name: string, add: typeof sum): number | undefined {
  const values = all.flatMap((metadata) => numberAt(metadata, name) ?? [])
  return values.length > 0 ? add(values) : undefined
}

/** The instants of all records, the earliest first. Years beyond 9999 do not sort as text. */
function instantsAt(all: readonly Metadata[], name: string): readonly string[] {
  const instants = all.flatMap((metadata) => textAt(metadata, name) ?? [])
  return instants.sort((a, b) => Date.parse(a) - Date.parse(b))
}

function textAt(metadata: Metadata, name: string): string | undefined {
  const value = metadata[name]
  return typeof value === 'string' ? value : undefined
}

function numberAt(metadata: Metadata, name: string): number | undefined {
  const value = metadata[name]
  return typeof value === 'number' ? value : undefined
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}

function decimalSum(values: readonly number[]): number {
  return sum(values.map((value) => Math.round(value * MILLION))) / MILLION
}
