/**
 * Spans adrift: the span above them has not arrived, so nobody knows under what they belong. Until it comes they are
 * taken to belong to what was at work when they began, so that a sum found there does not bill them a second time.
 *
 * @module
 */
import { NO_USAGE } from '../genai/fact.ts'
import { type Below, type Counted, grow } from './below.ts'
import type { Claim } from './claim.ts'
import { isWork } from './kinds.ts'
import type { Node } from './tree.ts'

/** Whether a span began while another one was at work, by their clocks. */
function beganDuring(node: Node, host: Node): boolean {
  return node.fact.startNs >= host.fact.startNs && node.fact.startNs <= host.fact.endNs
}

/**
 * Whether a span adrift may lie below another one, although no link says so. Not if both miss the same span above
 * them. While the local root is missing too, an agent adrift is taken for a run of its own, unless the other span is
 * in its place for sure: processes that cannot tell a remote parent look the same.
 */
export function mayLieBelow(adrift: Node, host: Node, hasRoot: boolean): boolean {
  if (adrift.missing === undefined || !beganDuring(adrift, host)) return false
  if (host.missing === undefined) return true
  return adrift.missing !== host.missing && (hasRoot || !isWork(adrift.fact.kind))
}

interface Top {
  readonly node: Node
  readonly below: Below
}

/** The topmost spans of a session that are adrift, with what was counted at and below them. */
export class Adrift {
  /** The latest first, which is the order they come in. */
  readonly #tops: Top[] = []
  readonly #hasRoot: boolean

  constructor(hasRoot: boolean) {
    this.#hasRoot = hasRoot
  }

  /** Takes a topmost span in, once it has been counted; one whose way up is complete is not adrift. */
  add(node: Node, below: Below): void {
    if (node.parent || node.missing === undefined) return
    this.#tops.splice(this.#firstNotAfter(node.fact.startNs), 0, { node, below })
  }

  /** Tokens that may lie below a span although no link says so. */
  countedWithin(host: Node): Counted {
    const counted: Counted = { claims: 0, usage: NO_USAGE }
    for (const { below } of this.#within(host)) grow(counted, below.all.usage, below.all.claims)
    return counted
  }

  /** Whether a call adrift is the same as this one: the same reply, or nothing that tells them apart. */
  repeats(call: Node, source: Claim['source']): boolean {
    for (const { below } of this.#within(call)) {
      const claims = source === 'llm' ? below.near : below.embeddings
      if (claims.some((claim) => isSameReply(claim, call))) return true
    }
    return false
  }

  *#within(host: Node): Generator<Top> {
    const { startNs, endNs } = host.fact
    for (let i = this.#firstNotAfter(endNs); i < this.#tops.length; i++) {
      const top = this.#tops[i]
      if (!top || top.node.fact.startNs < startNs) return
      if (mayLieBelow(top.node, host, this.#hasRoot)) yield top
    }
  }

  /** Where those begin that did not start after a moment: found by halving, because a trace can hold thousands. */
  #firstNotAfter(momentNs: bigint): number {
    let low = 0
    let high = this.#tops.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const top = this.#tops[middle]
      if (top && top.node.fact.startNs > momentNs) low = middle + 1
      else high = middle
    }
    return low
  }
}

function isSameReply(claim: Claim, call: Node): boolean {
  const { responseId, usage } = call.fact
  if (claim.responseId !== undefined && responseId !== undefined) return claim.responseId === responseId
  return usage !== undefined && claim.usage.input === usage.input && claim.usage.output === usage.output
}
