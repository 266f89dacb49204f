/**
 * Which spans are agent runs (counting rule R1 to R3): an outermost agent, or the outermost container without agents.
 *
 * @module
 */
import type { FactKind } from '../genai/fact.ts'
import type { Node, SessionTree } from './tree.ts'

/** Every node with the run it lies in; nodes in no run are not in the map. */
export type RunMembership = ReadonlyMap<Node, Node>

const CONTAINERS: ReadonlySet<FactKind> = new Set(['workflow', 'chain'])

/** Whether a kind of span stands for somebody's or something's work: an agent or a container. */
export function isWork(kind: FactKind): boolean {
  return kind === 'agent' || CONTAINERS.has(kind)
}

/** Whether model calls on both sides of such a span are different calls. */
export function isBoundary(kind: FactKind): boolean {
  return kind === 'agent' || kind === 'workflow' || kind === 'tool'
}

/**
 * Finds the runs of a session and what lies in them. A run is an agent span without an agent above it at any depth;
 * a workflow or chain is one only if it holds model calls and no agents, and then the outermost such.
 */
export function runsOf(tree: SessionTree): RunMembership {
  const hasAgent = new Set<Node>()
  const hasCall = new Set<Node>()
  for (const node of tree.postOrder) {
    if (node.fact.kind === 'agent' || node.children.some((child) => hasAgent.has(child))) hasAgent.add(node)
    if (node.fact.kind === 'llm' || node.children.some((child) => hasCall.has(child))) hasCall.add(node)
  }
  const membership = new Map<Node, Node>()
  for (const node of tree.postOrder.toReversed()) {
    const outer = node.parent && membership.get(node.parent)
    if (outer) membership.set(node, outer)
    else if (node.fact.kind === 'agent') membership.set(node, node)
    else if (CONTAINERS.has(node.fact.kind) && hasCall.has(node) && !hasAgent.has(node)) membership.set(node, node)
  }
  return membership
}
