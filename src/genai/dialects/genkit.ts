/**
 * Genkit: actions of the library as spans. The only usage is in the JSON text of an action's output, and every
 * `generate` around a model repeats that of its last turn, so only models are believed.
 *
 * @module
 */
import { anthropicUsage } from '../anthropic-usage.ts'
import { type Attributes, type Dialect, type ProviderUsage, ROLES, type RoleTable, roleIn } from '../dialect.ts'
import { at, parseJson } from '../json.ts'

const SUBTYPES: RoleTable = {
  agent: ROLES.agent,
  model: ROLES.llm,
  'background-model': ROLES.llm,
  embedder: ROLES.embedding,
  tool: ROLES.tool,
  retriever: ROLES.uncounted,
  reranker: ROLES.uncounted,
  indexer: ROLES.uncounted,
}

/** Genkit. */
export const genkit: Dialect = {
  emitter: 'genkit',
  roleOf(attributes) {
    if (attributes['genkit:type'] === undefined) return undefined
    // What is in no table: flows, prompts and `generate`, which calls itself once more for each turn.
    return roleIn(SUBTYPES, attributes['genkit:metadata:subtype']) ?? ROLES.chain
  },
  usage: [
    {
      json: { attribute: 'genkit:output', path: ['usage'] },
      input: ['inputTokens'],
      output: ['outputTokens'],
      cacheRead: ['cachedContentTokens'],
      reasoning: ['thoughtsTokens'],
      total: ['totalTokens'],
      kinds: ['llm', 'embedding'],
    },
  ],
  identity: { callModel: ['genkit:name'] },
  failed: (attributes) => attributes['genkit:state'] === 'error',
  providerUsage: replyUsage,
}

/** Plugins of Anthropic write its input count, which leaves cache out, and keep its reply beside it. */
function replyUsage(attributes: Attributes, input: number): ProviderUsage | undefined {
  const text = attributes['genkit:output']
  if (typeof text !== 'string' || !text.includes('"cache_')) return undefined
  const output = parseJson(text)
  return anthropicUsage(at(output, 'custom', 'usage'), input) ?? anthropicUsage(at(output, 'raw', 'usage'), input)
}
