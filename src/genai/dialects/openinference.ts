/**
 * OpenInference, by Arize: instrumentations of clients (OpenAI, Anthropic) and of frameworks (LangChain and LangGraph,
 * the OpenAI Agents SDK, the Claude Agent SDK), and what its span processors add to spans of others.
 *
 * LangChain's agents are spans of kind CHAIN. The OpenAI Agents SDK has an agent span around its agents that it names
 * `Agent workflow` unless `withTrace` names it; when a run fails, that span never ends.
 *
 * @module
 */
import { type Dialect, ROLES, type RoleTable, roleIn } from '../dialect.ts'

const KINDS: RoleTable = {
  AGENT: ROLES.agent,
  CHAIN: ROLES.chain,
  LLM: ROLES.llm,
  EMBEDDING: ROLES.embedding,
  TOOL: ROLES.tool,
  RETRIEVER: ROLES.uncounted,
  RERANKER: ROLES.uncounted,
}

/** OpenInference. */
export const openInference: Dialect = {
  emitter: 'openinference',
  madeUpAgents: ['Agent workflow'],
  roleOf(attributes) {
    const kind = attributes['openinference.span.kind']
    if (typeof kind !== 'string') return undefined
    return roleIn(KINDS, kind) ?? roleIn(KINDS, kind.slice(0, 20).toUpperCase(), ROLES.other)
  },
  usage: [
    {
      input: ['llm.token_count.prompt'],
      output: ['llm.token_count.completion'],
      cacheRead: ['llm.token_count.prompt_details.cache_read', 'llm.token_count.prompt_details.cache_input'],
      cacheWrite: ['llm.token_count.prompt_details.cache_write'],
      reasoning: ['llm.token_count.completion_details.reasoning'],
      total: ['llm.token_count.total'],
    },
  ],
  identity: {
    // The requested or the answering model, as the instrumentation got hold of it.
    requestModel: ['llm.request.model_name', 'llm.model_name', 'embedding.model_name'],
    responseModel: ['llm.response.model_name'],
    provider: ['llm.provider', 'llm.system'],
    agentName: ['agent.name', 'graph.node.id'],
  },
}
