/**
 * The agents of a run when each of them is billed on its own (option `agents: 'each'`): which spans are whose, and how
 * the hours of the run are shared among them.
 *
 * @module
 */
import type { Interval } from '../otel/time.ts'
import { groupBy } from './group-by.ts'
import type { RunMembership } from './runs.ts'
import { sharesOf } from './shares.ts'
import { byStart, type Node, type SessionTree } from './tree.ts'

/**
 * Every node that lies in a run, with the nearest agent at or above it. What has no agent above it within its run, as
 * in a run that is a container, belongs to the span of the run.
 */
export function nearestAgents(tree: SessionTree, runOf: RunMembership): RunMembership {
  const agentOf = new Map<Node, Node>()
  for (const node of tree.postOrder.toReversed()) {
    const run = runOf.get(node)
    if (!run) continue
    const above = node.parent && agentOf.get(node.parent)
    agentOf.set(node, node.fact.kind === 'agent' ? node : (above ?? run))
  }
  return agentOf
}

/**
 * Shares the hours of a run among its agents, so that they add up to those of the run. Each moment goes to the deepest
 * agent at work, even if the one above it has ended. Of agents side by side, the one that began first has it, or one
 * below that.
 *
 * @param run The span of the run: what no other agent has is its own.
 * @param agents All agents of the run, the run itself among them.
 * @param agentOf What belongs to which agent.
 * @param worked What counts as hours of the run; all of it lies within the run's span.
 */
export function shareHours(
  run: Node,
  agents: readonly Node[],
  agentOf: RunMembership,
  worked: readonly Interval[],
): ReadonlyMap<Node, readonly Interval[]> {
  if (agents.length === 1) return new Map([[run, worked]])
  const order = deepestFirst(run, agents, agentOf)
  const shares = sharesOf(
    worked,
    order.map((agent) => agent.fact),
  )
  return new Map(order.map((agent, i) => [agent, shares[i] ?? []]))
}

/** The agents of a run, each after all agents below it, and those side by side in the order in which they began. */
function deepestFirst(run: Node, agents: readonly Node[], agentOf: RunMembership): readonly Node[] {
  const nested = agents.filter((agent) => agent !== run).sort((a, b) => byStart(a.fact, b.fact))
  const childrenOf = groupBy(nested, ({ parent }) => (parent && agentOf.get(parent)) ?? run)
  const order: Node[] = []
  const stack = [run]
  for (let top = stack.pop(); top; top = stack.pop()) {
    order.push(top)
    for (const child of childrenOf.get(top) ?? []) stack.push(child)
  }
  return order.reverse()
}
