/** Times are exact to the nanosecond, and a broken clock makes no hours. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { HrTimeLike } from '../src/otel/span.ts'
import { clip, hrTimeToNs, type Interval, intervalOf, lengthOf, unionOf } from '../src/otel/time.ts'
import { aSpan } from './helpers/spans.ts'

const interval = (startNs: number, endNs: number): Interval => ({ startNs: BigInt(startNs), endNs: BigInt(endNs) })

function spanAt(startTime: unknown, endTime: unknown) {
  // Emitters in the wild break the type; so does this.
  return { ...aSpan({}), startTime: startTime as HrTimeLike, endTime: endTime as HrTimeLike }
}

describe('an HrTime', () => {
  test('keeps every nanosecond, which a double cannot', () => {
    expect(hrTimeToNs([1_773_133_200, 123_456_789])).toBe(1_773_133_200_123_456_789n)
    expect(hrTimeToNs([1_773_133_200, 123_456_788])).toBe(1_773_133_200_123_456_788n)
  })

  test('may carry a second in its nanoseconds, and a fraction below one', () => {
    expect(hrTimeToNs([1_773_133_200, 1_000_000_001.9])).toBe(1_773_133_201_000_000_001n)
  })

  test.each([
    [[1_773_133_200]],
    [[1_773_133_200, -1]],
    [[1_773_133_200, 2e9]],
    [[1_773_133_200, Number.NaN]],
    [[1_773_133_200.5, 0]],
    [[Number.NaN, 0]],
    [['1773133200', 0]],
    [[1_773_133_200n, 0]],
    [[0, 0]],
    [[946_684_799, 0]],
    [[1_773_133_200_000, 0]],
    [1_773_133_200],
    [{ 0: 1_773_133_200, 1: 0 }],
    [undefined],
    [null],
  ])('case %#: is no time', (time) => {
    expect(hrTimeToNs(time)).toBeUndefined()
  })
})

describe('when a span ran', () => {
  const start = 1_773_133_200

  test('is its start and end', () => {
    expect(intervalOf(spanAt([start, 5], [start + 1, 7]))).toEqual({
      startNs: BigInt(start) * 1_000_000_000n + 5n,
      endNs: BigInt(start + 1) * 1_000_000_000n + 7n,
      sound: true,
    })
  })

  test('may be up to 31 days', () => {
    const end = start + 31 * 86_400
    expect(intervalOf(spanAt([start, 0], [end, 0]))?.sound).toBe(true)
    expect(intervalOf(spanAt([start, 0], [end, 1]))).toMatchObject({ sound: false })
  })

  test.each([
    ['ends before it starts', [start, 5], [start, 4]],
    ['has no end', [start, 5], undefined],
    ['has a start of NaN', [Number.NaN, 0], [start, 5]],
  ])('has no duration when it %s', (_, from, to) => {
    const ran = intervalOf(spanAt(from, to))
    expect(ran?.sound).toBe(false)
    expect(ran?.endNs).toBe(ran?.startNs)
  })

  test('is not known when both times are broken', () => {
    expect(intervalOf(spanAt([0, 0], 'now'))).toBeUndefined()
  })
})

describe('a union of intervals', () => {
  test('joins what overlaps or touches, in any order', () => {
    expect(unionOf([interval(20, 30), interval(0, 10), interval(5, 12), interval(12, 15)])).toEqual([
      interval(0, 15),
      interval(20, 30),
    ])
  })

  test('keeps the longer of two that lie inside each other', () => {
    expect(unionOf([interval(0, 100), interval(10, 20)])).toEqual([interval(0, 100)])
  })

  test('counts each shared moment once, whatever the order', () => {
    const pairs = fc.array(fc.tuple(fc.nat({ max: 60 }), fc.nat({ max: 60 })), { maxLength: 12 })
    fc.assert(
      fc.property(pairs, (list) => {
        const intervals = list.map(([a, b]) => interval(Math.min(a, b), Math.max(a, b)))
        const moments = new Set(intervals.flatMap(({ startNs, endNs }) => range(Number(startNs), Number(endNs))))
        expect(lengthOf(intervals)).toBe(BigInt(moments.size))
      }),
    )
  })
})

test('clipping leaves what lies inside, and nothing empty', () => {
  expect(clip([interval(0, 5), interval(3, 20), interval(12, 15), interval(10, 10)], interval(4, 12))).toEqual([
    interval(4, 5),
    interval(4, 12),
  ])
})

function range(from: number, to: number): readonly number[] {
  return Array.from({ length: to - from }, (_, i) => from + i)
}
