/**
 * Safe readers for attribute values, which are unknown and may be hostile: wrong types, NaN, megabytes of text.
 *
 * @module
 */

/** Longest name or id that is kept of an attribute, in UTF-16 code units. */
const MAX_TEXT = 256
/** More tokens than any call can have used; a count above it is an error of the emitter. */
const MAX_COUNT = 1e12
const NUMERIC = /^\d{1,15}(\.\d{1,15})?$/

/**
 * Reads a name or id: trimmed and cut. Anything but a non-blank string is undefined.
 *
 * @param maxLength Longest result, in UTF-16 code units.
 */
export function textOf(value: unknown, maxLength = MAX_TEXT): string | undefined {
  if (typeof value !== 'string') return undefined
  if (value.length > maxLength) return copyOf(value.slice(0, maxLength)).trim() || undefined
  return value.trim() || undefined
}

/** A slice keeps its megabyte of source text alive in V8; a copy does not. */
function copyOf(slice: string): string {
  return Array.from(slice).join('')
}

/**
 * Reads a token count: a number, bigint or numeric string, finite, not negative, rounded down. Anything else,
 * `NaN`, objects and text such as `0[object Object]` among it, is undefined.
 */
export function countOf(value: unknown): number | undefined {
  const number =
    typeof value === 'number'
      ? value
      : typeof value === 'bigint'
        ? Number(value)
        : typeof value === 'string' && value.length <= 40 && NUMERIC.test(value.trim())
          ? Number(value)
          : Number.NaN
  return number >= 0 && number <= MAX_COUNT ? Math.floor(number) : undefined
}

/** Reads a boolean: `true`, `false`, or one of the words `true`, `false`, `1`, `0` in any case. */
export function booleanOf(value: unknown): boolean | undefined {
  if (typeof value === 'boolean') return value
  if (typeof value !== 'string' || value.length > 10) return undefined
  const word = value.trim().toLowerCase()
  if (word === 'true' || word === '1') return true
  if (word === 'false' || word === '0') return false
  return undefined
}
