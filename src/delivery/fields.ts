/**
 * The one check that precedes any look into a value from outside.
 *
 * @module
 */

/** Tells whether fields of a value may be looked at. They are `unknown`, and reading one may still throw. */
export function isFields(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}
