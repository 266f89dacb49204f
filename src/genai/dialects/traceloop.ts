/**
 * OpenLLMetry: the Traceloop SDK and the instrumentations that it brings along.
 *
 * Its workflows, agents and tools carry no operation name; its instrumentations write the OpenTelemetry conventions,
 * older ones the `llm.*` names that came before. Entity names are copied to everything below, so they name an agent
 * span but never make one.
 *
 * @module
 */
import { type Dialect, ROLES, type RoleTable, roleIn } from '../dialect.ts'

const SPAN_KINDS: RoleTable = {
  agent: ROLES.agent,
  workflow: ROLES.workflow,
  tool: ROLES.tool,
  task: ROLES.other,
}

const REQUEST_TYPES: RoleTable = {
  chat: ROLES.llm,
  completion: ROLES.llm,
  embedding: ROLES.embedding,
  rerank: ROLES.uncounted,
}

/** OpenLLMetry / Traceloop. */
export const traceloop: Dialect = {
  emitter: 'openllmetry',
  roleOf: (attributes) =>
    roleIn(SPAN_KINDS, attributes['traceloop.span.kind']) ?? roleIn(REQUEST_TYPES, attributes['llm.request.type']),
  usage: [
    {
      input: ['llm.usage.prompt_tokens'],
      output: ['llm.usage.completion_tokens'],
      total: ['llm.usage.total_tokens'],
    },
  ],
  identity: {
    requestModel: ['llm.request.model'],
    responseModel: ['llm.response.model'],
    agentName: ['traceloop.entity.name'],
  },
}
