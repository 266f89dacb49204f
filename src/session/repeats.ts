/**
 * Repeats that the tree does not show (counting rule L6 and L7): the same reply on two branches, and polls.
 *
 * @module
 */
import { NO_USAGE, type Usage } from '../genai/fact.ts'
import { type Claim, makeClaim } from './claim.ts'
import { eachPart, modelOf } from './merge.ts'
import type { Node, SessionTree } from './tree.ts'

/**
 * L7: of calls in one trace with the same response id, the same usage and overlapping time, one is left. The id alone
 * is no proof, because some servers use ids again.
 */
export function withoutRepeats(claims: readonly Claim[]): readonly Claim[] {
  const byId = new Map<string, Claim[]>()
  return claims.filter((claim) => {
    if (claim.responseId === undefined || claim.source !== 'llm') return true
    const seen = byId.get(claim.responseId)
    if (!seen) {
      byId.set(claim.responseId, [claim])
      return true
    }
    if (seen.some((other) => isRepeat(claim, other))) return false
    seen.push(claim)
    return true
  })
}

function isRepeat(a: Claim, b: Claim): boolean {
  return (
    a.usage.input === b.usage.input &&
    a.usage.output === b.usage.output &&
    a.node.fact.startNs < b.node.fact.endNs &&
    b.node.fact.startNs < a.node.fact.endNs
  )
}

/**
 * L6: a background response is looked at again and again, and each look repeats its usage. The largest figures count,
 * once per response, and only if no call of that response was counted.
 */
export function pollClaims(tree: SessionTree, claims: readonly Claim[]): readonly Claim[] {
  const counted = new Set(claims.map((claim) => claim.responseId))
  const polls = new Map<string, { node: Node; usage: Usage }>()
  for (const node of tree.postOrder) {
    const { kind, responseId, usage } = node.fact
    if (kind !== 'poll' || !usage || responseId === undefined || counted.has(responseId)) continue
    polls.set(responseId, { node, usage: eachPart(polls.get(responseId)?.usage ?? NO_USAGE, usage, Math.max) })
  }
  return [...polls.values()].map(({ node, usage }) => makeClaim(node, modelOf(node.fact), 'llm', usage, usage.input))
}
