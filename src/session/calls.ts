/**
 * How many calls a session made: model calls and tool calls, each once.
 *
 * @module
 */
import { isElsewhere, type TwinView } from './duplicates.ts'
import { isBoundary } from './kinds.ts'
import type { Node, SessionTree } from './tree.ts'

/**
 * The spans that stand for one model call each: the innermost of each stack of layers, without calls that failed
 * before they used anything and without records of a call that another span owns.
 */
export function modelCallsOf(tree: SessionTree, twins: TwinView): ReadonlySet<Node> {
  const calls = new Set<Node>()
  const holdsCall = new Set<Node>()
  for (const node of tree.postOrder) {
    const { fact } = node
    if (fact.kind === 'llm' && !isElsewhere(fact, twins)) {
      const isInnermost = !node.children.some((child) => holdsCall.has(child))
      if (isInnermost && (!fact.failed || twins.usageOf(fact))) calls.add(node)
      holdsCall.add(node)
    } else if (!isBoundary(fact.kind) && node.children.some((child) => holdsCall.has(child))) {
      holdsCall.add(node)
    }
  }
  return calls
}

/** The spans that stand for one tool call each; a tool span right below a tool span is the same call. */
export function toolCallsOf(tree: SessionTree): ReadonlySet<Node> {
  return new Set(tree.postOrder.filter((node) => node.fact.kind === 'tool' && node.parent?.fact.kind !== 'tool'))
}
