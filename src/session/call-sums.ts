/**
 * Calls in the order of their start, with what they come to from any moment to any other.
 *
 * @module
 */
import { NO_USAGE, type ReportedUsage } from '../genai/fact.ts'
import type { Claim } from './claim.ts'
import { addUsage, eachPart } from './merge.ts'
import { byStart } from './tree.ts'

/** Calls, and the tokens of all of them. */
export interface CallSum {
  readonly calls: readonly Claim[]
  readonly usage: ReportedUsage
}

/** What no calls come to. */
const NOTHING: ReportedUsage = { ...NO_USAGE, rawInput: 0, scope: 'own' }

/** What calls come to together. */
export function callSumOf(calls: readonly Claim[]): CallSum {
  return { calls, usage: calls.reduce(withCall, NOTHING) }
}

function withCall(sum: ReportedUsage, { usage, rawInput }: Claim): ReportedUsage {
  return { ...addUsage(sum, usage), rawInput: sum.rawInput + rawInput, scope: 'own' }
}

/** Adds up once, so that asking for many stretches of time costs little. */
export class CallSums {
  readonly #calls: readonly Claim[]
  /** What all calls before each one come to, and last what all come to. */
  readonly #before: readonly ReportedUsage[]

  /** @param calls In any order. */
  constructor(calls: readonly Claim[]) {
    this.#calls = calls.toSorted((a, b) => byStart(a.node.fact, b.node.fact))
    let sum = NOTHING
    const before = [NOTHING]
    for (const call of this.#calls) {
      sum = withCall(sum, call)
      before.push(sum)
    }
    this.#before = before
  }

  /** The calls that begin from one moment to before another, in nanoseconds of Unix time. */
  between(fromNs: bigint, untilNs: bigint): CallSum {
    const [first, end] = [this.#firstFrom(fromNs), this.#firstFrom(untilNs)]
    const [low, high] = [this.#before[first], this.#before[end]]
    if (!low || !high || end <= first) return { calls: [], usage: NOTHING }
    const rawInput = high.rawInput - low.rawInput
    const usage = { ...eachPart(high, low, (x, y) => x - y), rawInput, scope: 'own' } as const
    return { calls: this.#calls.slice(first, end), usage }
  }

  /** How many calls begin before a moment. */
  #firstFrom(momentNs: bigint): number {
    let low = 0
    let high = this.#calls.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const call = this.#calls[middle]
      if (call && call.node.fact.startNs < momentNs) low = middle + 1
      else high = middle
    }
    return low
  }
}
