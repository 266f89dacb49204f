/**
 * Looks for numbers in attributes that hold JSON text. Such text may hold content: nothing but numbers is taken.
 *
 * @module
 */
import { countOf } from '../otel/attributes.ts'

/** Longest JSON text that is parsed; beyond it, the host's time is worth more than a breakdown. */
const MAX_JSON = 65_536

/** Parses an attribute that holds JSON text; undefined when it is anything else, broken or too long. */
export function parseJson(value: unknown): unknown {
  if (typeof value !== 'string' || value.length > MAX_JSON) return undefined
  try {
    return JSON.parse(value)
  } catch {
    return undefined
  }
}

/** The value at a path of own properties, or undefined. */
export function at(value: unknown, ...path: readonly string[]): unknown {
  let current = value
  for (const name of path) {
    if (typeof current !== 'object' || current === null || !Object.hasOwn(current, name)) return undefined
    current = Reflect.get(current, name)
  }
  return current
}

/** The token count at a path, or undefined. */
export function countAt(value: unknown, ...path: readonly string[]): number | undefined {
  return countOf(at(value, ...path))
}
