/**
 * The layers of a call on its own branch: instrumentations above and below it, without an agent, workflow or tool in
 * between, that recorded the same call (counting rule L2, seen from any of them).
 *
 * @module
 */
import type { SpanFact } from '../genai/fact.ts'
import { isBoundary } from './kinds.ts'
import { sameFamily } from './merge.ts'
import type { Node } from './tree.ts'

/** The scopes that recorded a call on its branch, its own included. */
export type Layers = ReadonlySet<string>

/** Remembers the layers of the calls that it is asked about. */
export function createLayersFinder(): (call: Node) => Layers {
  const known = new Map<Node, Layers>()
  return (call) => {
    const found = known.get(call) ?? layersOf(call)
    known.set(call, found)
    return found
  }
}

/** Whether two calls have a scope in common. An instrumentation records a call once, so then they are two calls. */
export function shareLayer(one: Layers, two: Layers): boolean {
  for (const scope of one) if (two.has(scope)) return true
  return false
}

function layersOf(call: Node): Layers {
  const scopes = new Set([call.fact.scope])
  const note = ({ fact }: Node) => {
    if (fact.kind === call.fact.kind && mayBeSame(fact, call.fact)) scopes.add(fact.scope)
  }
  for (let at = call.parent; at && !isBoundary(at.fact.kind); at = at.parent) note(at)
  const below = [...call.children]
  // The list grows while it is walked over.
  for (const node of below) {
    if (isBoundary(node.fact.kind)) continue
    note(node)
    for (const child of node.children) below.push(child)
  }
  return scopes
}

function mayBeSame(a: SpanFact, b: SpanFact): boolean {
  if (a.responseId !== undefined && b.responseId !== undefined) return a.responseId === b.responseId
  return sameFamily(a, b)
}
