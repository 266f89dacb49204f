/**
 * Looks for numbers in attributes that hold JSON text. Such text may hold content: nothing but numbers is taken.
 *
 * @module
 */
import { countOf } from '../otel/attributes.ts'

/**
 * Longest JSON text that is parsed, in UTF-16 code units: more than the longest reply of a model. Of prose, that is less
 * than 1 ms of work; of nothing but small objects, 7 ms.
 */
const MAX_JSON = 524_288
/** Usage is not deeper than that; what is may be deeper than a stack. */
const MAX_DEPTH = 3

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

/** The values of an object and of the objects in it, under names joined by a dot: `details.cached_tokens`. */
export function flatten(value: unknown): { readonly [key: string]: unknown } {
  const flat: Record<string, unknown> = {}
  const walk = (node: object, prefix: string, depth: number): void => {
    for (const [key, item] of Object.entries(node)) {
      if (typeof item !== 'object' || item === null) flat[prefix + key] = item
      else if (depth < MAX_DEPTH) walk(item, `${prefix}${key}.`, depth + 1)
    }
  }
  if (isObject(value)) walk(value, '', 1)
  return flat
}

/** Whether a value is an object with names, as usage is. */
export function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
