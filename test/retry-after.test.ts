/** Rule: `Retry-After` is either whole seconds or an HTTP date, or it is not there. */
import { expect, it } from 'vitest'
import { retryAfterMs } from '../src/delivery/retry-after.ts'

const now = Date.UTC(2026, 2, 1, 12, 0, 0)

it.each([
  ['0', 0],
  ['7', 7000],
  [' 120 ', 120_000],
  ['86400', 86_400_000],
  ['Sun, 01 Mar 2026 12:00:30 GMT', 30_000],
  ['Sun, 01 Mar 2026 11:00:00 GMT', 0],
])('%o asks for %s ms', (value, expected) => {
  expect(retryAfterMs(value, now)).toBe(expected)
})

it.each([
  [undefined],
  [null],
  [''],
  ['12abc'],
  ['-1'],
  ['1.5'],
  ['1e3'],
  ['0x10'],
  ['Infinity'],
  ['9'.repeat(400)],
  ['soon'],
  ['2026-03-01T12:00:30Z'],
  ['Sun, 99 Mar 2026 12:00:30 GMT'],
  ['01 Mar 2026'],
])('%o asks for nothing', (value) => {
  expect(retryAfterMs(value, now)).toBeUndefined()
})
