/**
 * LangSmith in OpenTelemetry mode: names of the conventions beside its own span kinds, and details of usage as JSON
 * text. Its span kinds are to be believed before the operation name: retrievers are `embeddings` there. Failed spans
 * have an `exception` event and no error status.
 *
 * @module
 */
import { type Dialect, ROLES, type RoleTable, roleIn } from '../dialect.ts'

const KINDS: RoleTable = {
  llm: ROLES.llm,
  embedding: ROLES.embedding,
  chain: ROLES.chain,
  tool: ROLES.tool,
  retriever: ROLES.uncounted,
}

/** LangSmith. */
export const langsmith: Dialect = {
  emitter: 'langsmith',
  scopes: ['langsmith'],
  roleOf: (attributes) => roleIn(KINDS, attributes['langsmith.span.kind'], ROLES.other),
  usage: [
    {
      json: { attribute: 'langsmith.usage_metadata' },
      input: ['input_tokens'],
      output: ['output_tokens'],
      cacheRead: ['input_token_details.cache_read'],
      cacheWrite: ['input_token_details.cache_creation'],
      reasoning: ['output_token_details.reasoning'],
      total: ['total_tokens'],
      kinds: ['llm', 'embedding'],
    },
    {
      // Versions before 0.4 have only these, with Anthropic's own names.
      json: { attribute: 'gen_ai.usage.input_token_details' },
      input: [],
      cacheRead: ['cache_read'],
      cacheWrite: ['cache_creation', 'ephemeral_5m_input_tokens', 'ephemeral_1h_input_tokens'],
    },
    { json: { attribute: 'gen_ai.usage.output_token_details' }, input: [], reasoning: ['reasoning'] },
  ],
  failed: (attributes, span) =>
    attributes['langsmith.span.kind'] !== undefined && span.events.some((event) => event.name === 'exception'),
}
