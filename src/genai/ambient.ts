/**
 * What the context of a span says about where its work is to be booked: W3C baggage, and `withKeitoAttribution`.
 *
 * @module
 */
import { type Baggage, type Context, createContextKey, propagation } from '@opentelemetry/api'
import { type Attribution, type HintsReading, mergeAttributions, readHints } from './hints.ts'

/** `createContextKey` is `Symbol.for`, so that two copies of this package in one process understand each other. */
const ATTRIBUTION_KEY = createContextKey('opentelemetry-exporter-keito attribution')

/**
 * The only baggage entries that are looked at. Free text for an invoice is not among them: baggage may come from
 * another service, or from a client.
 */
const BAGGAGE_KEYS = [
  'keito.project_id',
  'keito.task_id',
  'keito.expense_category_id',
  'keito.agent_id',
  'keito.billable',
] as const

/** What code around has said, and what code around that has. The same object for everything inside, so it can be told. */
export interface Said {
  readonly own: Attribution
  readonly outer: Said | undefined
}

/** What code around has said in a context. */
export function saidIn(context: Context): Said | undefined {
  const value: unknown = context.getValue(ATTRIBUTION_KEY)
  return typeof value === 'object' && value !== null && 'own' in value ? (value as Said) : undefined
}

/** A context with an attribution for everything inside. */
export function withAttributionIn(context: Context, own: Attribution): Context {
  return context.setValue(ATTRIBUTION_KEY, { own, outer: saidIn(context) } satisfies Said)
}

/** What was said in a context and not yet in an earlier one: the innermost first. */
export function saidSince(said: Said | undefined, earlier: Said | undefined): Attribution | undefined {
  const nearestFirst: Attribution[] = []
  for (let at = said; at && at !== earlier; at = at.outer) nearestFirst.push(at.own)
  return nearestFirst.length > 0 ? mergeAttributions(nearestFirst) : undefined
}

/** The baggage of a context, unread. */
export function baggageIn(context: Context): Baggage | undefined {
  return propagation.getBaggage(context)
}

/** What baggage says about where work is to be booked, checked like attributes of a span. */
export function readBaggage(baggage: Baggage): HintsReading | undefined {
  const entries: Record<string, unknown> = {}
  for (const key of BAGGAGE_KEYS) entries[key] = baggage.getEntry(key)?.value
  return readHints(entries)
}

/** Attributes that say what an attribution says. */
export function attributesOf(attribution: Attribution) {
  return {
    'keito.project_id': attribution.projectId,
    'keito.task_id': attribution.taskId,
    'keito.expense_category_id': attribution.expenseCategoryId,
    'keito.agent_id': attribution.agentId,
    'keito.billable': attribution.billable,
    'keito.notes': attribution.notes,
  }
}
