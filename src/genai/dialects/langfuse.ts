/**
 * Langfuse, SDK 4 and later: observations as OpenTelemetry spans. Usage is JSON text with keys of the caller's choice;
 * those of the Langfuse and of the OpenAI API are read.
 *
 * @module
 */
import { type Dialect, ROLES, type RoleTable, roleIn } from '../dialect.ts'

const TYPES: RoleTable = {
  agent: ROLES.agent,
  chain: ROLES.chain,
  generation: ROLES.llm,
  embedding: ROLES.embedding,
  tool: ROLES.tool,
  retriever: ROLES.uncounted,
}

/** Langfuse. */
export const langfuse: Dialect = {
  emitter: 'langfuse',
  roleOf: (attributes) => roleIn(TYPES, attributes['langfuse.observation.type'], ROLES.other),
  usage: [
    {
      json: { attribute: 'langfuse.observation.usage_details' },
      input: ['input', 'input_tokens', 'prompt_tokens', 'promptTokens'],
      output: ['output', 'output_tokens', 'completion_tokens', 'completionTokens'],
      cacheRead: [
        'cache_read_input_tokens',
        'input_cached_tokens',
        'input_cache_read',
        'prompt_tokens_details.cached_tokens',
        'input_tokens_details.cached_tokens',
      ],
      cacheWrite: ['cache_creation_input_tokens', 'input_cache_creation'],
      reasoning: [
        'output_reasoning_tokens',
        'output_reasoning',
        'completion_tokens_details.reasoning_tokens',
        'output_tokens_details.reasoning_tokens',
      ],
      total: ['total', 'total_tokens', 'totalTokens'],
    },
  ],
  identity: { requestModel: ['langfuse.observation.model.name'] },
  failed: (attributes) => attributes['langfuse.observation.level'] === 'ERROR',
}
