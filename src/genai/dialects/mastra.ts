/**
 * Mastra's observability, 1.x: its span types, for spans whose operation name says nothing.
 *
 * @module
 */
import { type Dialect, ROLES, type Role } from '../dialect.ts'

const TYPES: Readonly<Record<string, Role>> = {
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
  roleOf(attributes) {
    const type = attributes['mastra.span.type']
    if (typeof type !== 'string') return undefined
    return Object.hasOwn(TYPES, type) ? TYPES[type] : ROLES.other
  },
}
