/**
 * What the context of a span says about where its work is to be booked: W3C baggage, and `withKeitoAttribution`.
 *
 * @module
 */
import { type Baggage, type Context, createContextKey, propagation } from '@opentelemetry/api'
import { type Attribution, type HintsReading, readHints } from './hints.ts'

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

/** The attribution that code around has set in a context. The same object for everything inside, so it can be told. */
export function attributionIn(context: Context): Attribution | undefined {
  const value: unknown = context.getValue(ATTRIBUTION_KEY)
  return typeof value === 'object' && value !== null ? value : undefined
}

/** A context with an attribution for everything inside. */
export function withAttributionIn(context: Context, attribution: Attribution): Context {
  return context.setValue(ATTRIBUTION_KEY, attribution)
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
