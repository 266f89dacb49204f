/**
 * What the kinds of spans mean to counting: which stand for work, and which keep model calls apart.
 *
 * @module
 */
import type { FactKind, SpanFact } from '../genai/fact.ts'

const CONTAINERS: ReadonlySet<FactKind> = new Set(['workflow', 'chain'])

/** Whether a kind of span only groups work. */
export function isContainer(kind: FactKind): boolean {
  return CONTAINERS.has(kind)
}

/** Whether a kind of span stands for somebody's or something's work: an agent or a container. */
export function isWork(kind: FactKind): boolean {
  return kind === 'agent' || isContainer(kind)
}

/** Whether model calls on both sides of such a span are different calls. */
export function isBoundary(kind: FactKind): boolean {
  return kind === 'agent' || kind === 'workflow' || kind === 'tool'
}

/** Whether a fact is one call of a model, which owns tokens. */
export function isCall(fact: SpanFact): boolean {
  return fact.kind === 'llm' || fact.kind === 'embedding'
}
