/**
 * Finds the stored record in a client's answer.
 *
 * @module
 */
import { isFields } from '../delivery/fields.ts'
import type { StoredRecord } from './types.ts'

/**
 * The stored record, with its id as text, when a value has one.
 *
 * @param value A parsed reply, or what a foreign client resolved with.
 * @returns The record, or undefined when there is no object with an id. Its other fields are as they came, unchecked.
 */
export function storedRecord<Stored extends StoredRecord>(value: unknown): Stored | undefined {
  if (!isFields(value)) return undefined
  const { id } = value
  const isId = (typeof id === 'string' && id !== '') || typeof id === 'number'
  // The edge: only the id is relied on without a look; all other fields of a stored record are optional.
  return isId ? ({ ...value, id: String(id) } as unknown as Stored) : undefined
}
