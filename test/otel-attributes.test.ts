/** Attribute values are foreign: readers take what makes sense, refuse everything else, and never throw. */
import { describe, expect, test } from 'vitest'
import { booleanOf, countOf, textOf } from '../src/otel/attributes.ts'

const NEVER = [undefined, null, {}, [], { toString: () => '7' }, Symbol('7'), () => 7, new Date(7), Number.NaN]

describe('a token count', () => {
  test.each([
    [0, 0],
    [7, 7],
    [7.9, 7],
    [1e12, 1e12],
    [7n, 7],
    ['7', 7],
    [' 7 ', 7],
    ['7.9', 7],
    ['007', 7],
  ])('%o is %d', (value, count) => {
    expect(countOf(value)).toBe(count)
  })

  test.each([
    ...NEVER,
    -1,
    -0.5,
    Number.POSITIVE_INFINITY,
    1e12 + 1,
    -7n,
    10n ** 400n,
    '',
    ' ',
    '-7',
    '1e3',
    '0x10',
    'NaN',
    '7 tokens',
    '0[object Object]',
    '9'.repeat(1_000_000),
    true,
    [7],
    [[7]],
  ])('case %#: anything else is none', (value) => {
    expect(countOf(value)).toBeUndefined()
  })
})

describe('a text', () => {
  test('is trimmed', () => {
    expect(textOf('  review-bot\n')).toBe('review-bot')
  })

  test('is cut to its longest length, also one of a megabyte', () => {
    expect(textOf('x'.repeat(1_000_000))).toBe('x'.repeat(256))
    expect(textOf('abcdef', 3)).toBe('abc')
  })

  test.each([...NEVER, '', ' \t\n', ' '.repeat(1_000_000), 7, 7n, true])('case %#: anything else is none', (value) => {
    expect(textOf(value)).toBeUndefined()
  })
})

describe('a boolean', () => {
  test.each([
    [true, true],
    ['true', true],
    ['TRUE ', true],
    ['1', true],
    [false, false],
    ['False', false],
    ['0', false],
  ])('%o is %o', (value, expected) => {
    expect(booleanOf(value)).toBe(expected)
  })

  test.each([...NEVER, 1, 0, '', 'yes', 'no', `true${' '.repeat(1_000_000)}`])('case %#: else none', (value) => {
    expect(booleanOf(value)).toBeUndefined()
  })
})
