/**
 * Sharing time out: each moment goes to one claimant, so that the shares add up to what was shared, to the nanosecond.
 *
 * @module
 */
import { type Interval, unionOf } from '../otel/time.ts'

/**
 * Shares time out among claimants. A moment goes to the first of them whose interval holds it, or to nobody.
 *
 * @param time What is shared out.
 * @param claimants One interval for each, those that come first before those that get what is left.
 * @returns The share of each claimant, in their order; sorted and without overlaps, empty when nothing was left.
 */
export function sharesOf(time: readonly Interval[], claimants: readonly Interval[]): readonly (readonly Interval[])[] {
  const pieces = cut([...time, ...claimants])
  const startingAt = new Map(pieces.map(({ startNs }, i) => [startNs, i]))
  const firstFrom = (moment: bigint) => startingAt.get(moment) ?? pieces.length

  const left = new Left(pieces.length)
  for (const { startNs, endNs } of unionOf(time)) {
    for (let i = firstFrom(startNs); i < firstFrom(endNs); i++) left.put(i)
  }
  return claimants.map(({ startNs, endNs }) => {
    const share = left.take(firstFrom(startNs), firstFrom(endNs))
    return unionOf(share.flatMap((i) => pieces[i] ?? []))
  })
}

/** The pieces between all moments at which an interval starts or ends, in order and without gaps. */
function cut(intervals: readonly Interval[]): readonly Interval[] {
  const moments = new Set(intervals.flatMap(({ startNs, endNs }) => [startNs, endNs]))
  const sorted = [...moments].sort((a, b) => (a < b ? -1 : 1))
  return sorted.slice(1).map((endNs, i) => ({ startNs: sorted[i] ?? endNs, endNs }))
}

/**
 * The numbers of the pieces that nobody has. From each piece it knows one to go on looking at, and remembers shorter
 * ways, so that a piece that was taken is not walked over again and again: a trace can hold thousands of agents.
 */
class Left {
  /** A piece that is left points to itself; the last entry stands for the end. */
  readonly #next: number[]

  constructor(count: number) {
    this.#next = Array.from({ length: count + 1 }, (_, i) => Math.min(i + 1, count))
  }

  put(piece: number): void {
    this.#next[piece] = piece
  }

  /** Takes what is left between two pieces, the second not included. */
  take(from: number, to: number): readonly number[] {
    const taken: number[] = []
    for (let at = this.#firstFrom(from); at < to; at = this.#firstFrom(at)) {
      taken.push(at)
      this.#next[at] = at + 1
    }
    return taken
  }

  #firstFrom(piece: number): number {
    let at = piece
    for (let next = this.#nextOf(at); next !== at; next = this.#nextOf(at)) {
      this.#next[at] = this.#nextOf(next)
      at = next
    }
    return at
  }

  #nextOf(piece: number): number {
    return this.#next[piece] ?? piece
  }
}
