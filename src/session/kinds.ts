/**
 * What the kinds of spans mean to counting: which stand for work, and which keep model calls apart.
 *
 * @module
 */
import type { FactKind } from '../genai/fact.ts'

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
