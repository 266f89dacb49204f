/**
 * The outbox that lives in memory: what it holds is lost when the process ends.
 *
 * @module
 */
import { ConfigError } from '../errors.ts'
import type { Outbox } from './outbox.ts'
import { RecordOutbox } from './record-outbox.ts'

/** Settings of {@link memoryOutbox}. */
export interface MemoryOutboxOptions {
  /** Records kept at most: waiting, in flight, held and unassigned. A whole number from 1. @default 100000 */
  readonly maxRecords?: number
}

/**
 * Makes an outbox in memory: first in, first out, bounded. When it is full, new records are refused, counted and
 * reported; what it already holds stays. Of dead letters it keeps the last 1,000.
 *
 * @param options Its bound.
 * @throws {ConfigError} When `maxRecords` is not a whole number from 1.
 *
 * @example
 * ```ts
 * new KeitoSpanExporter({ outbox: memoryOutbox({ maxRecords: 10_000 }) })
 * ```
 */
export function memoryOutbox({ maxRecords = DEFAULT_MAX_RECORDS }: MemoryOutboxOptions = {}): Outbox {
  return new RecordOutbox(recordLimit('memoryOutbox', maxRecords))
}

/** Records that an outbox keeps at most unless it is told otherwise. */
export const DEFAULT_MAX_RECORDS = 100_000

/** @throws {ConfigError} When the limit is not a whole number from 1. */
export function recordLimit(name: string, maxRecords: unknown): number {
  if (typeof maxRecords === 'number' && Number.isSafeInteger(maxRecords) && maxRecords >= 1) return maxRecords
  throw new ConfigError(`${name}: maxRecords must be a whole number from 1, got ${String(maxRecords)}`)
}
