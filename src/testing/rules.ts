/**
 * Rules that a single value must meet, and reading a body by a table of them.
 *
 * @module
 */
import { type Body, refusal } from './http.ts'

/** Most bytes of `metadata` as compact JSON in UTF-8: the 4 KB of Keito's OpenAPI document, counted as its CLI does. */
export const MAX_METADATA_BYTES = 4096

/** A rule for one value. */
export interface Rule<T> {
  /** Completes the sentence "the field must be ...". */
  readonly expected: string
  /** Tells whether the value meets the rule. */
  accepts(value: unknown): value is T
}

/** Rules by field name. Fields without a rule are ignored, as Keito is presumed to do. */
export type Fields = Readonly<Record<string, Rule<unknown>>>

/** The values that a table of rules lets through. */
export type Values<F extends Fields> = { readonly [K in keyof F]: F[K] extends Rule<infer T> ? T : never }

/** The free `metadata` object. */
export type MetadataObject = Readonly<Record<string, unknown>>

function rule<T>(expected: string, accepts: (value: unknown) => value is T): Rule<T> {
  return { expected, accepts }
}

/** The same rule, for a field that may be left out. */
export function optional<T>(inner: Rule<T>): Rule<T | undefined> {
  return rule(inner.expected, (value) => value === undefined || inner.accepts(value))
}

/** The same rule, for a field that may be null. */
export function nullable<T>(inner: Rule<T>): Rule<T | null> {
  return rule(`${inner.expected} or null`, (value) => value === null || inner.accepts(value))
}

/** One of a few words. */
export function oneOf<T extends string>(...words: readonly T[]): Rule<T> {
  return rule(`one of ${words.join(', ')}`, (value): value is T => words.some((word) => word === value))
}

/** Any string. */
export const text = rule('a string', (value) => typeof value === 'string')

/** The id of a record. */
export const id = rule('an id, a string that is not empty', (value): value is string => {
  return typeof value === 'string' && value !== ''
})

/** True or false. */
export const flag = rule('true or false', (value) => typeof value === 'boolean')

/** Hours of a time entry. */
export const hours = rule('a number from 0 to 24', (value): value is number => {
  return typeof value === 'number' && value >= 0 && value <= 24
})

/** Units of an expense. */
export const units = rule(
  'a whole number from 1',
  (value): value is number => Number.isSafeInteger(value) && Number(value) >= 1,
)

/** Amount of an expense. */
export const amount = rule('a number from 0', (value): value is number => Number.isFinite(value) && Number(value) >= 0)

/** A day that exists in the calendar. */
export const day = rule('a calendar day, YYYY-MM-DD', (value): value is string => {
  if (typeof value !== 'string' || !/^\d{4}-\d{2}-\d{2}$/.test(value)) return false
  const date = new Date(`${value}T00:00:00Z`)
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(value)
})

/** A time of day. */
export const clock = rule('a time of day, HH:mm', (value): value is string => {
  return typeof value === 'string' && /^([01]\d|2[0-3]):[0-5]\d$/.test(value)
})

/** An instant. */
export const instant = rule('an RFC 3339 date-time', (value): value is string => {
  const form = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$/
  return typeof value === 'string' && form.test(value) && !Number.isNaN(Date.parse(value))
})

/** The free `metadata` object. */
export const metadata = rule(
  `an object of at most ${MAX_METADATA_BYTES} bytes of JSON`,
  (value): value is MetadataObject => {
    return typeof value === 'object' && value !== null && !Array.isArray(value) && fitsMetadata(value)
  },
)

/** Whether an object is small enough for `metadata`. */
export function fitsMetadata(value: object): boolean {
  return Buffer.byteLength(JSON.stringify(value)) <= MAX_METADATA_BYTES
}

/** Reads the fields of a body; the first one that breaks its rule refuses the call with 400. */
export function readFields<F extends Fields>(body: Body, fields: F): Values<F> {
  const object = readObject(body)
  const entries = Object.entries(fields).map(([name, rule]) => [name, checked(name, object[name], rule)])
  return Object.fromEntries(entries) as Values<F> // each value was just accepted by its rule
}

/** The same for a call whose body may be left out. */
export function readOptionalFields<F extends Fields>(body: Body, fields: F): Values<F> {
  return readFields(body.type === 'none' ? { type: 'json', value: {} } : body, fields)
}

/** A value that meets the rule; any other refuses the call with 400. */
export function checked<T>(name: string, value: unknown, rule: Rule<T>): T {
  if (rule.accepts(value)) return value
  if (value === undefined) throw refusal(400, `${name} is required`)
  throw refusal(400, `${name} must be ${rule.expected}, got ${excerpt(value)}`)
}

function readObject(body: Body): Readonly<Record<string, unknown>> {
  switch (body.type) {
    case 'none':
      throw refusal(400, 'The request body must be a JSON object, got none')
    case 'broken':
      throw refusal(400, 'The request body must be a JSON object, got text that is not JSON')
    case 'too_large':
      throw refusal(413, 'The request body must be at most 1 MB')
    case 'json':
      if (typeof body.value !== 'object' || body.value === null || Array.isArray(body.value)) {
        throw refusal(400, `The request body must be a JSON object, got ${excerpt(body.value)}`)
      }
      return { ...body.value }
  }
}

function excerpt(value: unknown): string {
  const json = JSON.stringify(value)
  return json.length > 40 ? `${json.slice(0, 40)}...` : json
}
