/**
 * What is written into the journal: one operation for each thing that happens, as JSON.
 *
 * @module
 */
import type { KeitoRecord } from '../billing/record.ts'
import type { Attribution } from '../genai/hints.ts'
import type { SettledState, SpanState } from '../session/state.ts'
import { type FactJson, factOfJson, jsonOfFact } from './fact-json.ts'
import { isFields } from './fields.ts'
import type { Unassigned } from './outbox.ts'
import type { NewRecord } from './record-states.ts'
import type { TimerMark } from './timer.ts'

/** An operation: its name and what it is about. */
export type Op =
  /** A record waits, is gathered for a rollup, or takes the place of gathered ones. */
  | readonly ['add' | 'gather', record: KeitoRecord]
  | readonly ['merge', keys: readonly string[], record: KeitoRecord]
  /** A record in doubt, as a snapshot has it. */
  | readonly ['held', record: KeitoRecord, reason: string, wasSent: boolean]
  /** A record is under way, waits again, was stored or refused: its key. */
  | readonly ['take' | 'back' | 'done', key: string]
  | readonly ['hold', key: string, reason: string]
  /** Keys of records that are gone, as a snapshot has them. */
  | readonly ['gone', keys: readonly string[]]
  | readonly ['unassigned', item: Unassigned]
  /** Records, and items that are left of it, take the place of an item: its key. */
  | readonly ['assign', key: string, records: readonly NewRecord[], rest: readonly Unassigned[]]
  | readonly ['spans', traceId: string, spans: readonly SpanState[]]
  | readonly ['settled', traceId: string, state: SettledState]
  | readonly ['forgotten', traceIds: readonly string[]]
  | readonly ['carry', key: string, remainder: bigint]
  /** A timer is about to be started in Keito, or is not there any more: its key. */
  | readonly ['timer', mark: TimerMark]
  | readonly ['timer-gone', key: string]
  /** Ids of journals whose contents are in this one. */
  | readonly ['absorbed', ids: readonly string[]]
  /** The exporter has shut down in order. */
  | readonly ['closed']

/** The names of operations. */
export type OpName = Op[0]

/** An operation as JSON. Times are strings there, because JSON knows no bigint. */
export function jsonOf(op: Op): string {
  switch (op[0]) {
    case 'spans':
      return JSON.stringify(['spans', op[1], op[2].map(slimSpan)])
    case 'settled':
      return JSON.stringify(['settled', op[1], slimState(op[2])], asText)
    case 'unassigned':
    case 'assign':
    case 'carry':
      return JSON.stringify(op, asText)
    default:
      return JSON.stringify(op)
  }
}

/**
 * The operations in a payload of the journal; undefined when it holds something else, such as a newer version's.
 *
 * @param payload One payload, which the journal has found to be what was written.
 */
export function opsIn(payload: string): readonly Op[] | undefined {
  try {
    const ops: unknown = JSON.parse(payload, reviveTimes)
    if (!Array.isArray(ops)) return undefined
    const read = ops.map(readOp)
    return read.every((op) => op !== undefined) ? read : undefined
  } catch {
    return undefined
  }
}

function slimSpan({ spanId, parentId, fact, hints }: SpanState): readonly unknown[] {
  if (!fact) return hints ? [spanId, parentId, null, hints] : [spanId, parentId]
  return hints ? [spanId, parentId, jsonOfFact(fact), hints] : [spanId, parentId, jsonOfFact(fact)]
}

function slimState({ ledger, twins }: SettledState): unknown {
  return { time: [...ledger.time], models: [...ledger.models], twins }
}

function asText(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value
}

const TIMES: ReadonlySet<string> = new Set(['startNs', 'endNs', 'durationNs'])

function reviveTimes(key: string, value: unknown): unknown {
  return typeof value === 'string' && TIMES.has(key) ? BigInt(value) : value
}

/**
 * The edge: a checksum has proven that this is what some exporter wrote, so only as much is checked as tells an
 * operation of this version from another.
 */
function readOp(value: unknown): Op | undefined {
  if (!Array.isArray(value)) return undefined
  const name: unknown = value[0]
  const read = typeof name === 'string' && Object.hasOwn(READERS, name) ? READERS[name as OpName] : undefined
  return read?.(value)
}

type Reader = (op: readonly unknown[]) => Op | undefined

const keyed: Reader = (op) => (typeof op[1] === 'string' ? (op as unknown as Op) : undefined)
const listed: Reader = (op) => (Array.isArray(op[1]) ? (op as unknown as Op) : undefined)
const recorded: Reader = (op) => (isRecord(op[1]) ? (op as unknown as Op) : undefined)

const READERS: Readonly<Record<OpName, Reader>> = {
  add: recorded,
  gather: recorded,
  held: recorded,
  merge: (op) => (Array.isArray(op[1]) && isRecord(op[2]) ? (op as unknown as Op) : undefined),
  take: keyed,
  back: keyed,
  done: keyed,
  hold: keyed,
  gone: listed,
  forgotten: listed,
  absorbed: listed,
  unassigned: (op) => (isItem(op[1]) ? (op as unknown as Op) : undefined),
  assign: (op) => {
    const [, key, records, rest] = op
    if (typeof key !== 'string' || !Array.isArray(records) || !Array.isArray(rest)) return undefined
    return records.every(isNewRecord) && rest.every(isItem) ? (op as unknown as Op) : undefined
  },
  carry: (op) => (typeof op[1] === 'string' ? ['carry', op[1], BigInt(String(op[2]))] : undefined),
  timer: (op) => (isFields(op[1]) && typeof op[1].key === 'string' ? (op as unknown as Op) : undefined),
  'timer-gone': keyed,
  closed: () => ['closed'],
  spans: ([, traceId, spans]) => {
    if (typeof traceId !== 'string' || !Array.isArray(spans)) return undefined
    return ['spans', traceId, spans.map((span: unknown) => fullSpan(traceId, span))]
  },
  settled: ([, traceId, state]) => {
    if (typeof traceId !== 'string' || !isFields(state)) return undefined
    const { time, models, twins } = state as unknown as SlimState
    return ['settled', traceId, { ledger: { time: new Map(time), models: new Map(models) }, twins }]
  },
}

interface SlimState {
  readonly time: Iterable<[string, never]>
  readonly models: Iterable<[string, never]>
  readonly twins: SettledState['twins']
}

function fullSpan(traceId: string, span: unknown): SpanState {
  const [spanId, parentId, fact, hints] = span as SlimSpan
  return {
    spanId,
    parentId: parentId ?? undefined,
    fact: fact ? factOfJson(traceId, spanId, fact) : undefined,
    hints: hints ?? undefined,
  }
}

type SlimSpan = readonly [
  spanId: string,
  parentId: string | null | undefined,
  fact: FactJson | null | undefined,
  hints: Attribution | undefined,
]

const NEW_STATES: Readonly<Record<NewRecord['state'], true>> = { waiting: true, gathered: true, held: true }

function isNewRecord(value: unknown): boolean {
  return isFields(value) && Object.hasOwn(NEW_STATES, String(value.state)) && isRecord(value.record)
}

function isItem(value: unknown): boolean {
  return isFields(value) && typeof value.key === 'string' && isFields(value.settlement)
}

function isRecord(value: unknown): value is KeitoRecord {
  return isFields(value) && typeof value.key === 'string' && isFields(value.body) && isFields(value.body.metadata)
}
