/**
 * Traces without links between their spans: a sum and the calls it sums up stand side by side. Then time tells
 * that they belong together, as long as one instrumentation made both.
 *
 * @module
 */
import type { Usage } from '../genai/fact.ts'
import { ROUNDING_NS } from '../otel/time.ts'
import type { Claim } from './claim.ts'
import { addUsage, excessUsage, totalOf } from './merge.ts'
import type { Node } from './tree.ts'

/**
 * Takes out of sums what calls beside them have counted. A sum is looked at if its span has nothing below it; a call
 * belongs to it if both have the same parent, or none, and the call ran within the span's time. Of several such sums,
 * the call belongs to the shortest. Calls whose parent is missing have been taken out before.
 */
export function withoutFlatSums(claims: readonly Claim[]): readonly Claim[] {
  const sums = claims.filter(({ source, node }) => source === 'aggregate' && node.children.length === 0)
  if (sums.length === 0) return claims
  const shortestFirst = sums.toSorted((a, b) => Number(durationOf(a) - durationOf(b)))
  const counted = new Map<Claim, Usage>()
  for (const call of claims) {
    if (call.source !== 'llm' || call.node.missing !== undefined) continue
    const sum = shortestFirst.find(({ node }) => belongsTo(call.node, node))
    const before = sum && counted.get(sum)
    if (sum) counted.set(sum, before ? addUsage(before, call.usage) : call.usage)
  }
  if (counted.size === 0) return claims
  return claims.flatMap((claim) => {
    const known = counted.get(claim)
    if (!known) return claim
    const usage = excessUsage(claim.usage, known)
    return totalOf(usage) > 0 ? { ...claim, usage } : []
  })
}

function belongsTo({ fact: call }: Node, { fact: host }: Node): boolean {
  return (
    call.scope === host.scope &&
    call.parentSpanId === host.parentSpanId &&
    call.startNs >= host.startNs - ROUNDING_NS &&
    call.endNs <= host.endNs + ROUNDING_NS
  )
}

function durationOf({ node }: Claim): bigint {
  return node.fact.endNs - node.fact.startNs
}
