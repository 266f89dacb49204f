/**
 * Mastra: the span types of its observability (1.x), for spans whose operation name says nothing, and the telemetry
 * built into 0.x, where every method is a span.
 *
 * @module
 */
import { type Attributes, type Dialect, ROLES, type Role } from '../dialect.ts'

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
  scopes: ['@mastra/otel-bridge', '@mastra/otel-exporter'],
  roleOf(attributes) {
    const type = attributes['mastra.span.type']
    if (typeof type !== 'string') return undefined
    return Object.hasOwn(TYPES, type) ? TYPES[type] : ROLES.other
  },
}

/**
 * Mastra's built-in telemetry, 0.x. An agent's work is `agent.stream`; `agent.generate` around it ends at once. The
 * whole usage is in the JSON text of its result; `mastra.stream` below it shows that of the last step only.
 */
export const mastraTelemetry: Dialect = {
  emitter: 'mastra',
  ownUsageOnly: true,
  roleOf(attributes, span) {
    if (attributes.componentName === undefined) return undefined
    if (span.name === 'agent.stream') return ROLES.agent
    return isCall(attributes) ? ROLES.llm : isStream(attributes) ? ROLES.other : undefined
  },
  usage: [
    {
      input: ['stream.usage.inputTokens', 'stream.usage.promptTokens'],
      output: ['stream.usage.outputTokens', 'stream.usage.completionTokens'],
      cacheRead: ['stream.usage.cachedInputTokens'],
      reasoning: ['stream.usage.reasoningTokens'],
      total: ['stream.usage.totalTokens'],
    },
    {
      json: { attribute: 'agent.stream.result', path: ['usage'] },
      input: ['inputTokens', 'promptTokens'],
      output: ['outputTokens', 'completionTokens'],
      cacheRead: ['cachedInputTokens'],
      reasoning: ['reasoningTokens'],
      total: ['totalTokens'],
      kinds: ['agent'],
    },
  ],
  identity: { requestModel: ['aisdk.model.id'], provider: ['aisdk.model.provider'], agentName: ['componentName'] },
}

function isCall(attributes: Attributes): boolean {
  return attributes['mastra.operationId'] === 'mastra.stream.aisdk.doStream'
}

function isStream(attributes: Attributes): boolean {
  return attributes['mastra.operationId'] === 'mastra.stream'
}
