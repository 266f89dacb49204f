/**
 * The telemetry built into Mastra 0.x: every method is a span, and an agent's usage is in the JSON text of what its
 * method returned.
 *
 * @module
 */
import type { SpanLike } from '../../otel/span.ts'
import { type Attributes, type Dialect, ROLES, type Role, type RoleTable, roleIn, type UsageNames } from '../dialect.ts'

/** What a method returned, by the name of its span. */
const resultOf = (method: string): string => `${method}.result`

/** Methods that are the work of an agent. A `generate` may have a `stream` in it that sums up the same calls. */
const GENERATE = ['agent.generate', 'agent.generateVNext', 'agent.generateLegacy'] as const
const STREAM = ['agent.stream', 'agent.streamVNext', 'agent.streamLegacy'] as const

/** With models of AI SDK 4, other names are returned: then the AI SDK's own spans below show the calls. */
const returnedUsage = (methods: readonly string[]): readonly UsageNames[] =>
  methods.map((method) => ({
    json: { attribute: resultOf(method), path: ['usage'] },
    input: ['inputTokens'],
    output: ['outputTokens'],
    cacheRead: ['cachedInputTokens'],
    reasoning: ['reasoningTokens'],
    total: ['totalTokens'],
    kinds: ['agent'],
  }))

const roleOfMethod = (methods: readonly string[]) => {
  const results = new Map(methods.map((method) => [method, resultOf(method)]))
  return (attributes: Attributes, span: SpanLike): Role | undefined => {
    const result = attributes.componentName === undefined ? undefined : results.get(span.name)
    const returned = result === undefined ? undefined : attributes[result]
    // Methods that only pass the work on end at once and return no usage.
    return typeof returned === 'string' && returned.includes('"usage":{"') ? ROLES.agent : undefined
  }
}

/** Agents of Mastra's built-in telemetry, 0.x, that wait for the whole answer. */
export const mastraGenerate: Dialect = {
  emitter: 'mastra',
  roleOf: roleOfMethod(GENERATE),
  usage: returnedUsage(GENERATE),
  identity: { agentName: ['componentName'] },
}

/** Agents of Mastra's built-in telemetry, 0.x, that stream. */
export const mastraStream: Dialect = {
  emitter: 'mastra',
  ownUsageOnly: true,
  roleOf: roleOfMethod(STREAM),
  usage: returnedUsage(STREAM),
}

const OPERATIONS: RoleTable = {
  'mastra.stream.aisdk.doStream': ROLES.llm,
  'mastra.stream.toolCall': ROLES.tool,
  // Shows the usage of its last step only: a lower bound.
  'mastra.stream': ROLES.other,
}

/** Calls of Mastra's built-in telemetry, 0.x. */
export const mastraCalls: Dialect = {
  emitter: 'mastra',
  roleOf: (attributes) => roleIn(OPERATIONS, attributes['mastra.operationId']),
  usage: [
    {
      input: ['stream.usage.inputTokens'],
      output: ['stream.usage.outputTokens'],
      cacheRead: ['stream.usage.cachedInputTokens'],
      reasoning: ['stream.usage.reasoningTokens'],
      total: ['stream.usage.totalTokens'],
    },
  ],
  identity: { requestModel: ['aisdk.model.id'], provider: ['aisdk.model.provider'] },
}
