/**
 * The metadata of a record: allow-listed keys, clean strings, never over Keito's limit.
 *
 * @module
 */
import type { Metadata, MetadataValue } from '../keito/types.ts'
import { cleanText } from './text.ts'

/** Keito's limit: UTF-8 bytes of the compact JSON. */
const MAX_BYTES = 4_096
/** Longest string in metadata, in code points. Four of these at 4 bytes each leave room for the names of their keys. */
const MAX_TEXT = 200
/** Longest list in metadata. */
const MAX_ITEMS = 20

/** The keys that are never dropped: reports join records by them, and delivery finds records again by the last. */
const PROTECTED_KEYS = ['agent_id', 'session_id', 'model', 'idempotency_key'] as const

/**
 * The keys that may be dropped to stay within the limit, the most useful first. They are dropped from the end. The
 * counts that an invoice is checked against come first; lists and names, which are what can get long, come last. A merged
 * record has `runs` and two session ids in place of `run_id`.
 */
const OPTIONAL_KEYS = [
  'input_tokens',
  'output_tokens',
  'duration_ms',
  'runs',
  'run_id',
  'outcome',
  'started_at',
  'ended_at',
  'first_session_id',
  'last_session_id',
  'cache_read_tokens',
  'cache_write_tokens',
  'reasoning_tokens',
  'llm_calls',
  'tool_calls',
  'provider',
  'agent_type',
  'agent_name',
  'service_name',
  'models',
] as const

/** Keys that every record has. */
export interface ProtectedMetadata {
  readonly agent_id: string
  readonly session_id: string
  /** Left out when a run used no model. */
  readonly model?: string | undefined
  readonly idempotency_key: string
}

/** Keys that are left out when they have no value, and dropped when there is no room. */
export type OptionalMetadata = { readonly [Key in (typeof OPTIONAL_KEYS)[number]]?: MetadataValue | undefined }

/**
 * Makes the metadata of a record: at most 4,096 bytes of UTF-8 compact JSON, whatever the names are. Strings are
 * cleaned and cut to 200 code points, lists to 20 items; empty values are left out (`unknown` under a protected key).
 * When it is too long, optional keys go in a fixed order: `models`, `service_name`, `agent_name`, `agent_type`,
 * `provider`, then call and token details, the sessions of a merged record, times, and at last what is billed by.
 */
export function boundedMetadata(required: ProtectedMetadata, optional: OptionalMetadata): Metadata {
  const metadata: Record<string, MetadataValue> = {}
  for (const key of PROTECTED_KEYS) {
    const value = required[key]
    if (value !== undefined) metadata[key] = cleanName(value) ?? 'unknown'
  }
  for (const key of OPTIONAL_KEYS) {
    const value = cleanValue(optional[key])
    if (value !== undefined) metadata[key] = value
  }
  for (const key of OPTIONAL_KEYS.toReversed()) {
    if (byteLengthOf(metadata) <= MAX_BYTES) break
    delete metadata[key]
  }
  return metadata
}

/**
 * A name as metadata shows it.
 *
 * @returns The clean name, or undefined when nothing visible is left.
 */
export function cleanName(name: string | undefined): string | undefined {
  return cleanText(name ?? '', MAX_TEXT) || undefined
}

function cleanValue(value: MetadataValue | undefined): MetadataValue | undefined {
  if (value === undefined) return undefined
  if (typeof value === 'string') return cleanName(value)
  if (typeof value === 'number') return Number.isFinite(value) ? value : undefined
  if (typeof value === 'boolean') return value
  const items = value.slice(0, MAX_ITEMS).flatMap((item) => cleanName(item) ?? [])
  return items.length > 0 ? items : undefined
}

/** UTF-8 bytes of the compact JSON, or more: a UTF-16 unit is three bytes at most, so most need not be encoded. */
function byteLengthOf(metadata: Metadata): number {
  const json = JSON.stringify(metadata)
  return json.length * 3 <= MAX_BYTES ? json.length * 3 : new TextEncoder().encode(json).length
}
