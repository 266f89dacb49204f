/**
 * Rounding of exact amounts to whole steps, and the book of remainders that makes sums come out right.
 *
 * Most runs last seconds and most calls use a few hundred tokens: rounding each alone would book nothing or far too
 * much. With `carry`, what one record leaves over goes to the next of the same kind.
 *
 * @module
 */
import type { RoundingMode } from '../options.ts'

/** An amount in whole steps, and what it leaves over. */
export interface Rounded {
  /** Whole steps, from 0. */
  readonly steps: bigint
  /** What was not booked (or, when negative, booked too much), at most half a step. 0 unless the mode is `carry`. */
  readonly remainder: bigint
}

/**
 * Rounds an exact amount to whole steps.
 *
 * @param exact The amount, from 0.
 * @param step Size of one step in the unit of `exact`, from 1.
 * @param mode `carry` and `nearest` round halves up; `up` rounds every beginning step up, and 0 to 0.
 * @param carry What the record before left over, in the unit of `exact`; only `carry` looks at it.
 */
export function roundQuantity(exact: bigint, step: bigint, mode: RoundingMode, carry: bigint): Rounded {
  if (mode === 'up') return { steps: wholeSteps(exact + step - 1n, step), remainder: 0n }
  if (mode === 'nearest') return { steps: nearestSteps(exact, step), remainder: 0n }
  const total = exact + carry
  const steps = nearestSteps(total, step)
  return { steps, remainder: total - steps * step }
}

function nearestSteps(amount: bigint, step: bigint): bigint {
  return wholeSteps(2n * amount + step, 2n * step)
}

/** Steps that fit into an amount; none into a negative one, because nothing is ever booked back. */
function wholeSteps(amount: bigint, step: bigint): bigint {
  return amount < 0n ? 0n : amount / step
}

/** A remainder and whose it is. */
export type Remainder = readonly [key: string, remainder: bigint]

/**
 * The remainders of `carry` rounding, one per key; the only state of billing. Bounded: beyond its size the remainder
 * that was used longest ago is forgotten, which costs at most half a step.
 */
export class CarryBook {
  readonly #remainders = new Map<string, bigint>()
  readonly #maxKeys: number
  readonly #onChange: (key: string, remainder: bigint) => void

  /**
   * @param maxKeys Remainders kept at most.
   * @param onChange Told of each remainder that changes.
   */
  constructor(maxKeys = 10_000, onChange: (key: string, remainder: bigint) => void = () => undefined) {
    this.#onChange = onChange
    this.#maxKeys = maxKeys
  }

  /** All remainders, the one that was used longest ago first. */
  get remainders(): readonly Remainder[] {
    return [...this.#remainders]
  }

  /** Adds remainders that another process left to those of this one. */
  restore(remainders: readonly Remainder[]): void {
    for (const [key, remainder] of remainders) this.keep(key, this.remainderOf(key) + remainder)
  }

  /** Forgets all remainders. */
  clear(): void {
    this.#remainders.clear()
  }

  /** What the last record with this key left over; 0 when there was none. */
  remainderOf(key: string): bigint {
    return this.#remainders.get(key) ?? 0n
  }

  /** Keeps what a record left over for the next one with the same key. */
  keep(key: string, remainder: bigint): void {
    // Deleted first, so that the key becomes the youngest: a Map lists its keys in the order they were added.
    const had = this.#remainders.delete(key)
    if (had || remainder !== 0n) this.#onChange(key, remainder)
    if (remainder === 0n) return
    this.#remainders.set(key, remainder)
    if (this.#remainders.size <= this.#maxKeys) return
    const oldest = this.#remainders.keys().next().value
    if (oldest !== undefined) this.#remainders.delete(oldest)
  }
}
