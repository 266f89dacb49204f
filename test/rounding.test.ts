/** Rounding books whole steps only, never a negative number of them, and `carry` keeps what is left over. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CarryBook, roundQuantity } from '../src/billing/rounding.ts'

describe('nearest', () => {
  it('rounds below half a step down and from half a step up', () => {
    expect(roundQuantity(149n, 100n, 'nearest', 0n)).toEqual({ steps: 1n, remainder: 0n })
    expect(roundQuantity(150n, 100n, 'nearest', 0n)).toEqual({ steps: 2n, remainder: 0n })
  })

  it('has no exact half in a step of odd size', () => {
    expect(roundQuantity(3n, 7n, 'nearest', 0n).steps).toBe(0n)
    expect(roundQuantity(4n, 7n, 'nearest', 0n).steps).toBe(1n)
  })

  it('leaves the carry alone', () => {
    expect(roundQuantity(149n, 100n, 'nearest', 50n)).toEqual({ steps: 1n, remainder: 0n })
  })
})

describe('up', () => {
  it('rounds every step that has begun up, and nothing to nothing', () => {
    expect(roundQuantity(0n, 100n, 'up', 0n).steps).toBe(0n)
    expect(roundQuantity(1n, 100n, 'up', 0n).steps).toBe(1n)
    expect(roundQuantity(100n, 100n, 'up', 0n).steps).toBe(1n)
    expect(roundQuantity(101n, 100n, 'up', 0n).steps).toBe(2n)
  })

  it('leaves the carry alone', () => {
    expect(roundQuantity(100n, 100n, 'up', 50n)).toEqual({ steps: 1n, remainder: 0n })
  })
})

describe('carry', () => {
  it('returns what it did not book', () => {
    expect(roundQuantity(130n, 100n, 'carry', 0n)).toEqual({ steps: 1n, remainder: 30n })
  })

  it('returns what it booked too much as a negative remainder', () => {
    expect(roundQuantity(130n, 100n, 'carry', 20n)).toEqual({ steps: 2n, remainder: -50n })
  })

  it('books nothing rather than a negative number of steps', () => {
    expect(roundQuantity(10n, 100n, 'carry', -50n)).toEqual({ steps: 0n, remainder: -40n })
    expect(roundQuantity(0n, 100n, 'carry', -700n)).toEqual({ steps: 0n, remainder: -700n })
  })

  it('books a sequence to half a step of its sum, and loses or invents nothing', () => {
    const amounts = fc.array(fc.bigInt({ min: 0n, max: 10n ** 15n }), { maxLength: 50 })
    fc.assert(
      fc.property(amounts, fc.bigInt({ min: 1n, max: 10n ** 14n }), (sequence, step) => {
        let carry = 0n
        let booked = 0n
        for (const exact of sequence) {
          const { steps, remainder } = roundQuantity(exact, step, 'carry', carry)
          expect(steps).toBeGreaterThanOrEqual(0n)
          expect(2n * remainder).toBeGreaterThanOrEqual(-step)
          expect(2n * remainder).toBeLessThan(step)
          booked += steps * step
          carry = remainder
        }
        expect(booked + carry).toBe(sequence.reduce((sum, exact) => sum + exact, 0n))
      }),
    )
  })
})

describe('the carry book', () => {
  it('knows no remainder of a key it has not seen', () => {
    expect(new CarryBook().remainderOf('a')).toBe(0n)
  })

  it('keeps one remainder for each key', () => {
    const book = new CarryBook()
    book.keep('a', 5n)
    book.keep('b', -7n)
    book.keep('a', 6n)
    expect([book.remainderOf('a'), book.remainderOf('b')]).toEqual([6n, -7n])
  })

  it('forgets the key that was used longest ago once it is full', () => {
    const book = new CarryBook(2)
    book.keep('a', 1n)
    book.keep('b', 2n)
    book.keep('a', 3n)
    book.keep('c', 4n)
    expect([book.remainderOf('a'), book.remainderOf('b'), book.remainderOf('c')]).toEqual([3n, 0n, 4n])
  })

  it('gives no room to a remainder of nothing', () => {
    const book = new CarryBook(2)
    book.keep('a', 1n)
    book.keep('b', 2n)
    book.keep('c', 0n)
    expect(book.remainderOf('a')).toBe(1n)
    book.keep('a', 0n)
    expect(book.remainderOf('a')).toBe(0n)
  })

  it('holds 10,000 keys when nothing else is said', () => {
    const book = new CarryBook()
    for (let n = 0; n <= 10_000; n++) book.keep(`key ${n}`, 1n)
    expect([book.remainderOf('key 0'), book.remainderOf('key 1')]).toEqual([0n, 1n])
  })
})
