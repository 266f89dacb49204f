/**
 * A claim: tokens that belong on the bill, with the span that owns them.
 *
 * @module
 */
import type { Usage } from '../genai/fact.ts'
import type { Node } from './tree.ts'

/** Tokens that one span owns. While counting, an outer span of the same call may fill in what is missing. */
export interface Claim {
  readonly node: Node
  model: string
  readonly provider: string | undefined
  readonly responseId: string | undefined
  /** `aggregate`: a sum found on an agent, workflow or other outer span, where its calls are not visible. */
  readonly source: 'llm' | 'embedding' | 'aggregate'
  usage: Usage
  /** The input as its span wrote it, for comparing it to an outer span. */
  readonly rawInput: number
}

/** The name of a model that no span tells. */
export const UNKNOWN_MODEL = 'unknown'

/** Makes the claim of a span. */
export function makeClaim(
  node: Node,
  model: string | undefined,
  source: Claim['source'],
  usage: Usage,
  rawInput: number,
): Claim {
  const { provider, responseId } = node.fact
  return { node, model: model ?? UNKNOWN_MODEL, provider, responseId, source, usage, rawInput }
}
