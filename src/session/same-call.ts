/**
 * Whether a record of a call and the claims right below it speak of the same call (counting rule L2).
 *
 * @module
 */
import { NO_USAGE, type ReportedUsage, type Usage } from '../genai/fact.ts'
import type { Claim } from './claim.ts'
import { addUsage, modelOf, sameFamily } from './merge.ts'
import type { Node } from './tree.ts'

/** The evidence: the same response, the same numbers, or the same model within the same time. */
export function isSameCall(outer: Node, usage: ReportedUsage, inner: readonly Claim[]): boolean {
  const { fact } = outer
  if (fact.responseId !== undefined && inner.some((claim) => claim.responseId === fact.responseId)) return true
  const sum = sumOf(inner)
  const rawInput = inner.reduce((total, claim) => total + claim.rawInput, 0)
  const inputs = [usage.input, usage.rawInput]
  if (inputs.includes(sum.input) || inputs.includes(rawInput)) return true
  if (usage.output > 0 && usage.output === sum.output) return true
  const inside = inner.filter(({ node }) => node.fact.startNs >= fact.startNs && node.fact.startNs <= fact.endNs)
  return inside.length > 0 && inside.every((claim) => isUnnamedSum(claim) || sameFamily(claim.node.fact, fact))
}

/** A sum on a span that names no model is no call of its own: it speaks of whatever call is around it. */
function isUnnamedSum({ source, node }: Claim): boolean {
  return source === 'aggregate' && modelOf(node.fact) === undefined
}

/** What claims come to together. */
export function sumOf(claims: readonly Claim[]): Usage {
  return claims.reduce<Usage>((sum, claim) => addUsage(sum, claim.usage), NO_USAGE)
}
