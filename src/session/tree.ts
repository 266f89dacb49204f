/**
 * The tree of facts of one trace: spans that hold nothing for us are see-through.
 *
 * @module
 */
import type { SpanFact } from '../genai/fact.ts'
import { isWork } from './kinds.ts'
import type { TraceView } from './trace.ts'

/** A fact in its place. */
export interface Node {
  readonly fact: SpanFact
  /** The nearest span of interest above, or undefined. */
  readonly parent: Node | undefined
  readonly children: readonly Node[]
  /** The span id at which the way up to the local root breaks off; undefined when all of it has arrived. */
  readonly missing: string | undefined
}

/** The facts of a trace, in an order that does not depend on how they arrived. */
export interface SessionTree {
  /** Every node, each after all nodes below it. */
  readonly postOrder: readonly Node[]
  /** Nodes with no span of interest above them. */
  readonly roots: readonly Node[]
  /** Whether a local root has arrived. */
  readonly hasRoot: boolean
}

interface MutableNode {
  readonly fact: SpanFact
  parent: MutableNode | undefined
  readonly children: MutableNode[]
  missing: string | undefined
}

/** Builds the tree of a trace. Parents that point in a circle are cut at the earliest span of the circle. */
export function treeOf(trace: TraceView): SessionTree {
  const facts = [...trace.facts.values()].sort(byStart)
  const nodes = new Map<string, MutableNode>()
  for (const fact of facts) nodes.set(fact.spanId, { fact, parent: undefined, children: [], missing: undefined })

  const findAbove = createFinder(trace)
  for (const node of nodes.values()) {
    const above = findAbove(node.fact.spanId)
    node.missing = above.missing
    const parent = above.factId === undefined ? undefined : nodes.get(above.factId)
    if (parent) {
      node.parent = parent
      parent.children.push(node)
    }
  }

  const roots = [...nodes.values()].filter((node) => !node.parent)
  const postOrder: MutableNode[] = []
  const visited = new Set<MutableNode>()
  for (const root of roots) visit(root, postOrder, visited)
  for (const node of nodes.values()) {
    if (visited.has(node)) continue
    cut(node)
    roots.push(node)
    visit(node, postOrder, visited)
  }
  for (const node of postOrder.toReversed()) {
    if (node.parent) node.missing = node.parent.missing
  }
  return { postOrder, roots, hasRoot: trace.rootHasArrived }
}

/** Orders facts by start, then by id: the same for every order of arrival. */
export function byStart(a: SpanFact, b: SpanFact): number {
  if (a.startNs !== b.startNs) return a.startNs < b.startNs ? -1 : 1
  return a.spanId < b.spanId ? -1 : a.spanId > b.spanId ? 1 : 0
}

/** Whether a node is above another one, at any depth. */
export function isAbove(upper: Node, lower: Node): boolean {
  for (let at = lower.parent; at; at = at.parent) if (at === upper) return true
  return false
}

/** Whether an agent or a container is above a node, at any depth. */
export function isInsideWork(node: Node): boolean {
  for (let at = node.parent; at; at = at.parent) if (isWork(at.fact.kind)) return true
  return false
}

/** Where the way up from a span ends: at the nearest fact, at the local root, or where a span is missing. */
interface Above {
  readonly factId?: string
  /** The span that is missing. */
  readonly missing?: string
}

const ROOT: Above = {}

/** Walks up through spans that hold no fact; remembers what it found, so that each of them is walked over once. */
function createFinder(trace: TraceView): (spanId: string) => Above {
  const known = new Map<string, Above>()

  return (spanId) => {
    const path = new Set<string>()
    let at = spanId
    let above: Above | undefined
    while (!above) {
      path.add(at)
      const parent = trace.parents.get(at)
      if (parent === undefined) above = ROOT
      else if (trace.facts.has(parent)) above = { factId: parent }
      else if (path.has(parent) || !trace.parents.has(parent)) above = { missing: parent }
      else above = known.get(parent)
      at = parent ?? at
    }
    for (const id of path) known.set(id, above)
    return above
  }
}

function cut(node: MutableNode): void {
  const siblings = node.parent?.children
  siblings?.splice(siblings.indexOf(node), 1)
  node.parent = undefined
  node.missing = node.fact.spanId
}

/** Appends a node after all nodes below it; a loop instead of recursion, because traces can be deeper than a stack. */
function visit(root: MutableNode, postOrder: MutableNode[], visited: Set<MutableNode>): void {
  const stack: { node: MutableNode; next: number }[] = [{ node: root, next: 0 }]
  visited.add(root)
  for (let top = stack.at(-1); top; top = stack.at(-1)) {
    const child = top.node.children[top.next++]
    if (child) {
      visited.add(child)
      stack.push({ node: child, next: 0 })
    } else {
      postOrder.push(top.node)
      stack.pop()
    }
  }
}
