/**
 * The OpenTelemetry GenAI semantic conventions, 1.26 to main, and MCP spans.
 *
 * Names are written out, because the published constants are deprecated since the conventions moved to their own
 * repository, and older versions of them lack the newer names.
 *
 * @module
 */
import { type Attributes, type Dialect, ROLES, type Role, type RoleTable, roleIn } from '../dialect.ts'

const OPERATIONS: RoleTable = {
  chat: ROLES.llm,
  text_completion: ROLES.llm,
  generate_content: ROLES.llm,
  generatecontent: ROLES.llm,
  realtime_inference: ROLES.llm,
  embeddings: ROLES.embedding,
  embedding: ROLES.embedding,
  invoke_agent: ROLES.agent,
  invoke_workflow: ROLES.workflow,
  handle_conversation_turn: ROLES.workflow,
  execute_tool: ROLES.tool,
  agent_step: ROLES.other,
  plan: ROLES.other,
  fetch_response: ROLES.poll,
  // 1.31 and 1.32 listed usage on create_agent by mistake; count_tokens carries tokens that nobody is billed for.
  create_agent: ROLES.uncounted,
  count_tokens: ROLES.uncounted,
  retrieval: ROLES.uncounted,
  rerank: ROLES.uncounted,
}

/** Most emitters write the plain lower-case word, so the table is asked before any string is made. */
function roleOfOperation(operation: unknown): Role | undefined {
  if (typeof operation !== 'string' || operation.length > 40) return undefined
  const role = roleIn(OPERATIONS, operation)
  if (role) return role
  const word = operation.trim().toLowerCase()
  return roleIn(OPERATIONS, word) ?? (word.includes('_memory') ? ROLES.uncounted : undefined)
}

function saysError(reasons: unknown): boolean {
  if (Array.isArray(reasons)) return reasons.includes('error')
  // Some emitters write the list as JSON text.
  return typeof reasons === 'string' && reasons.length <= 1000 && (reasons === 'error' || reasons.includes('"error"'))
}

/** Spans with an operation name of the conventions, and MCP spans. */
export const semconv: Dialect = {
  roleOf(attributes) {
    const operation = attributes['gen_ai.operation.name']
    const role = operation === undefined ? undefined : roleOfOperation(operation)
    if (role) return role
    const method = attributes['mcp.method.name']
    if (method === undefined) return undefined
    return method === 'tools/call' ? ROLES.tool : ROLES.uncounted
  },
  usage: [
    {
      // prompt_tokens and completion_tokens until 1.26.
      input: ['gen_ai.usage.input_tokens', 'gen_ai.usage.prompt_tokens'],
      output: ['gen_ai.usage.output_tokens', 'gen_ai.usage.completion_tokens'],
      cacheRead: [
        'gen_ai.usage.cache_read.input_tokens',
        'gen_ai.usage.cache_read_input_tokens',
        'gen_ai.usage.input_tokens.cached',
        'gen_ai.usage.cache_read_tokens',
        'gen_ai.usage.input_cached_tokens',
        'gen_ai.usage.cached_input_tokens',
      ],
      cacheWrite: [
        // cache_write in main; cache_creation in 1.40 to 1.41.
        'gen_ai.usage.cache_write.input_tokens',
        'gen_ai.usage.cache_creation.input_tokens',
        'gen_ai.usage.cache_creation_input_tokens',
        'gen_ai.usage.cache_write_input_tokens',
        'gen_ai.usage.input_tokens.cache_write',
        'gen_ai.usage.cache_write_tokens',
        'gen_ai.usage.input_cache_creation',
      ],
      reasoning: [
        'gen_ai.usage.reasoning.output_tokens',
        'gen_ai.usage.reasoning_tokens',
        'gen_ai.usage.output_tokens.reasoning',
      ],
      total: ['gen_ai.usage.total_tokens'],
    },
  ],
  identity: {
    requestModel: ['gen_ai.request.model'],
    responseModel: ['gen_ai.response.model'],
    provider: ['gen_ai.provider.name', 'gen_ai.system'],
    responseId: ['gen_ai.response.id'],
    agentName: ['gen_ai.agent.name', 'gen_ai.workflow.name'],
  },
  failed: (attributes) => saysError(attributes['gen_ai.response.finish_reasons']),
}

/**
 * Spans with names of the conventions but no operation that we know: the last resort of the table. A name of an agent
 * never makes an agent span, and a requested model alone never makes a model call: frameworks copy both around.
 */
export const semconvWithoutOperation: Dialect = {
  roleOf(attributes) {
    if (attributes['gen_ai.operation.name'] !== undefined) return ROLES.other
    if (hasUsage(attributes)) {
      const isCall =
        attributes['gen_ai.request.model'] !== undefined ||
        attributes['gen_ai.response.model'] !== undefined ||
        attributes['gen_ai.response.id'] !== undefined
      return isCall ? ROLES.llm : ROLES.other
    }
    return attributes['gen_ai.tool.name'] === undefined && attributes['gen_ai.tool.call.id'] === undefined
      ? undefined
      : ROLES.tool
  },
  usage: [
    {
      input: ['gen_ai.aggregated_usage.input_tokens'],
      output: ['gen_ai.aggregated_usage.output_tokens'],
      kinds: ['agent', 'workflow'],
    },
  ],
}

function hasUsage(attributes: Attributes): boolean {
  return (
    attributes['gen_ai.usage.input_tokens'] !== undefined ||
    attributes['gen_ai.usage.output_tokens'] !== undefined ||
    attributes['gen_ai.usage.prompt_tokens'] !== undefined ||
    attributes['gen_ai.usage.completion_tokens'] !== undefined
  )
}
