/**
 * The layers of a call on its own branch: instrumentations above and below it, without an agent, workflow or tool in
 * between, that recorded the same call (counting rule L2, seen from any of them).
 *
 * @module
 */
import { isBoundary } from './kinds.ts'
import { sameFamily } from './merge.ts'
import type { Node } from './tree.ts'

/** The records of a call on its branch, its own included. */
export type Layers = ReadonlySet<Node>

/** Remembers the layers of the calls that it is asked about. */
export function createLayersFinder(): (call: Node) => Layers {
  const known = new Map<Node, Layers>()
  return (call) => {
    const found = known.get(call) ?? layersOf(call)
    known.set(call, found)
    return found
  }
}

/**
 * Whether one instrumentation recorded both calls. It records a call once, so then they are two. A layer around both
 * says nothing of the kind.
 */
export function shareScope(one: Layers, two: Layers): boolean {
  for (const a of one) {
    if (two.has(a)) continue
    for (const b of two) if (!one.has(b) && a.fact.scope === b.fact.scope) return true
  }
  return false
}

function layersOf(call: Node): Layers {
  const layers = new Set([call])
  const note = (node: Node) => {
    if (node.fact.kind === call.fact.kind && sameFamily(node.fact, call.fact)) layers.add(node)
  }
  for (let at = call.parent; at && !isBoundary(at.fact.kind); at = at.parent) note(at)
  const below = [...call.children]
  // The list grows while it is walked over.
  for (const node of below) {
    if (isBoundary(node.fact.kind)) continue
    note(node)
    for (const child of node.children) below.push(child)
  }
  return layers
}
