/**
 * Mastra's observability, 1.x: its span types, for spans whose operation name says nothing.
 *
 * @module
 */
import { type Dialect, ROLES, type RoleTable, roleIn } from '../dialect.ts'

const TYPES: RoleTable = {
  agent_run: ROLES.agent,
  workflow_run: ROLES.workflow,
  model_generation: ROLES.llm,
  model_inference: ROLES.llm,
  llm_generation: ROLES.llm,
  tool_call: ROLES.tool,
  mcp_tool_call: ROLES.tool,
}

/** Mastra's observability, 1.x. */
export const mastra: Dialect = {
  emitter: 'mastra',
  scopes: ['@mastra/otel-bridge', '@mastra/otel-exporter', '@mastra/otel'],
  roleOf: (attributes) => roleIn(TYPES, attributes['mastra.span.type'], ROLES.other),
}
