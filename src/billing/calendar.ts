/**
 * Instants and calendar days: on which day of a time zone something happened.
 *
 * @module
 */

const NS_PER_MS = 1_000_000n
/** The latest instant that a `Date` can hold, in milliseconds before or after 1970. */
const MAX_DATE_MS = 8_640_000_000_000_000n

/** Making a formatter takes far longer than using it; an exporter uses one zone. */
const formatters = new Map<string, Intl.DateTimeFormat>()

/**
 * The instant as a `Date`, cut to whole milliseconds. Instants that no `Date` can hold become the nearest one that it
 * can, because a broken clock must not throw.
 *
 * @param ns Unix time in nanoseconds.
 */
export function dateOf(ns: bigint): Date {
  const ms = ns / NS_PER_MS
  if (ms > MAX_DATE_MS) return new Date(Number(MAX_DATE_MS))
  if (ms < -MAX_DATE_MS) return new Date(Number(-MAX_DATE_MS))
  return new Date(Number(ms))
}

/**
 * The calendar day of an instant, `YYYY-MM-DD`.
 *
 * @param ns Unix time in nanoseconds.
 * @param timeZone IANA name of a zone, as accepted by {@link isTimeZone}.
 * @throws RangeError when the zone is unknown.
 */
export function dayOf(ns: bigint, timeZone: string): string {
  const parts = formatterOf(timeZone).formatToParts(dateOf(ns))
  const digitsOf = (type: 'year' | 'month' | 'day') => parts.find((part) => part.type === type)?.value ?? ''
  return `${digitsOf('year').padStart(4, '0')}-${digitsOf('month')}-${digitsOf('day')}`
}

/** Tells whether this runtime knows a time zone of that name. */
export function isTimeZone(name: string): boolean {
  try {
    formatterOf(name)
    return true
  } catch {
    return false
  }
}

function formatterOf(timeZone: string): Intl.DateTimeFormat {
  const known = formatters.get(timeZone)
  if (known) return known
  const formatter = new Intl.DateTimeFormat('en-US-u-ca-gregory-nu-latn', {
    timeZone,
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
  })
  formatters.set(timeZone, formatter)
  return formatter
}
