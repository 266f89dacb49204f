/**
 * The values that say where a run is booked: how each is read, and what it has to be.
 *
 * @module
 */
import { ConfigError } from '../errors.ts'
import { type Attribution, isKeitoId } from '../genai/hints.ts'
import { cleanName } from './metadata.ts'
import { userNote } from './notes.ts'

/** Values of others, read; or the first of them that is not usable. */
export type Reading =
  | { readonly type: 'read'; readonly values: Attribution }
  | { readonly type: 'unusable'; readonly key: string; readonly expected: string; readonly found: string }

const AN_ID = 'a Keito id (1 to 128 printable ASCII characters without blanks)'

/** Names of errors that may be repeated; anything else could be a message in disguise. */
const ERROR_NAME = /^[A-Za-z]{1,40}$/

const idOf = (value: unknown) => (typeof value === 'string' && isKeitoId(value.trim()) ? value.trim() : undefined)

/** How each value is read (the clean value, or undefined when it is not usable), and what it has to be. */
export const VALUES = {
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

/** Reads each value that is there, up to the first one that is not usable. */
export function readValues(from: object): Reading {
  const values: Record<string, unknown> = {}
  for (const [key, { read, expected }] of Object.entries(VALUES)) {
    const value: unknown = Reflect.get(from, key)
    if (value === undefined) continue
    const clean = read(value)
    if (clean === undefined) return { type: 'unusable', key, expected, found: kindOf(value) }
    values[key] = clean
  }
  return { type: 'read', values }
}

/**
 * Checks values that the user's own code gives for runs.
 *
 * @param name What the values are called in the message.
 * @returns The values, clean.
 * @throws {ConfigError} When they are wrong; the message says what was expected and what kind of thing was found.
 */
export function checkedAttribution(values: unknown, name: string): Attribution {
  if (values === undefined) return {}
  if (typeof values !== 'object' || values === null || Array.isArray(values)) {
    throw new ConfigError(`${name}: the values must be an object such as { projectId }, but are ${kindOf(values)}`)
  }
  const known = Object.keys(VALUES)
  const stranger = Object.keys(values).find((key) => !known.includes(key))
  if (stranger !== undefined) {
    throw new ConfigError(`${name}: there is no value ${stranger.slice(0, 60)}; the values are ${known.join(', ')}`)
  }
  const reading = readValues(values)
  if (reading.type === 'read') return reading.values
  const { key, expected, found } = reading
  throw new ConfigError(`${name}: ${key} must be ${expected}, but is ${found}`)
}

/** What a value is, in words that do not repeat it. */
export function kindOf(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'an array'
  return typeof value === 'string' ? `a string of ${value.length} characters` : `a value of type ${typeof value}`
}

/** The name of an error, in so far as it can be no message in disguise. */
export function errorNameOf(error: unknown): string {
  const name = error instanceof Error ? error.name : ''
  return ERROR_NAME.test(name) ? name : 'an error'
}
