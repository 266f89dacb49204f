/**
 * Which spans are agent runs (counting rule R1 to R3): an outermost agent, or the outermost container without agents.
 *
 * @module
 */
import { mayLieBelow } from './adrift.ts'
import { isContainer } from './kinds.ts'
import { byStart, type Node, type SessionTree } from './tree.ts'

/** Every node with the run it lies in; nodes in no run are not in the map. */
export type RunMembership = ReadonlyMap<Node, Node>

/**
 * Finds the runs of a session and what lies in them. A run is an agent span without an agent above it at any depth;
 * a workflow or chain is one only if it holds model calls and no agents, and then the outermost such.
 *
 * What is above an agent that is adrift is not known. If it began while a run was at work whose place is known, it is
 * taken to be in that run: its minutes are billed once, and if it turns out to be a run, as an addition.
 */
export function runsOf(tree: SessionTree): RunMembership {
  const hasAgent = new Set<Node>()
  const hasCall = new Set<Node>()
  for (const node of tree.postOrder) {
    if (node.fact.kind === 'agent' || node.children.some((child) => hasAgent.has(child))) hasAgent.add(node)
    if (node.fact.kind === 'llm' || node.children.some((child) => hasCall.has(child))) hasCall.add(node)
  }
  const agentsAdrift = tree.roots.filter((root) => root.missing !== undefined && hasAgent.has(root))
  const isRun = (node: Node): boolean => {
    if (node.fact.kind === 'agent') return true
    if (!isContainer(node.fact.kind) || !hasCall.has(node) || hasAgent.has(node)) return false
    return !agentsAdrift.some((root) => mayLieBelow(root, node, tree.hasRoot))
  }
  const membership = new Map<Node, Node>()
  for (const node of tree.postOrder.toReversed()) {
    const outer = node.parent && membership.get(node.parent)
    if (outer) membership.set(node, outer)
    else if (isRun(node)) membership.set(node, node)
  }
  return takenIn(membership, tree.hasRoot)
}

/** Puts runs adrift into the run that was at work when they began; of several, the one that had begun last. */
function takenIn(membership: ReadonlyMap<Node, Node>, hasRoot: boolean): RunMembership {
  const runs = [...new Set(membership.values())].sort((a, b) => byStart(a.fact, b.fact))
  if (runs.every((run) => run.missing === undefined)) return membership
  const hosts = new Map<Node, Node>()
  for (const [i, run] of runs.entries()) {
    let host = run
    for (let j = i - 1; j >= 0 && host === run && run.missing !== undefined; j--) {
      const other = runs[j]
      if (other && mayLieBelow(run, other, hasRoot)) host = hosts.get(other) ?? other
    }
    hosts.set(run, host)
  }
  return new Map([...membership].map(([node, run]) => [node, hosts.get(run) ?? run]))
}
