/**
 * The Vercel AI SDK, versions 4 to 7.
 *
 * 4, 5, 6 and the legacy integration of 7 write `ai.*` names; 7 writes the OpenTelemetry conventions under the scope
 * `gen_ai`. In all of them each `generateText`, `streamText`, `generateObject` or `streamObject` is one agent loop.
 *
 * @module
 */
import { countOf } from '../../otel/attributes.ts'
import { type Attributes, type Dialect, type RawUsage, ROLES, type Role } from '../dialect.ts'

const OPERATIONS: Readonly<Record<string, Role>> = {
  'ai.generateText': ROLES.agent,
  'ai.streamText': ROLES.agent,
  'ai.generateObject': ROLES.agent,
  'ai.streamObject': ROLES.agent,
  'ai.generateText.doGenerate': ROLES.llm,
  'ai.streamText.doStream': ROLES.llm,
  'ai.generateObject.doGenerate': ROLES.llm,
  'ai.streamObject.doStream': ROLES.llm,
  'ai.embed': ROLES.embedding,
  'ai.embed.doEmbed': ROLES.embedding,
  'ai.embedMany': ROLES.embedding,
  'ai.embedMany.doEmbed': ROLES.embedding,
  'ai.toolCall': ROLES.tool,
}

/** Longest JSON text that is parsed to find the provider's own numbers. */
const MAX_JSON = 65_536

/** The Vercel AI SDK. */
export const aiSdk: Dialect = {
  emitter: 'vercel-ai-sdk',
  scopes: ['ai', 'gen_ai'],
  namesFunctions: true,
  ownUsageOnly: true,
  roleOf(attributes) {
    const operation = attributes['ai.operationId']
    if (typeof operation !== 'string') return undefined
    return Object.hasOwn(OPERATIONS, operation) ? OPERATIONS[operation] : ROLES.other
  },
  usage: [
    {
      // promptTokens and completionTokens in 4, and on some roots of 5 and 6.
      input: ['ai.usage.inputTokens', 'ai.usage.promptTokens'],
      output: ['ai.usage.outputTokens', 'ai.usage.completionTokens'],
      cacheRead: ['ai.usage.inputTokenDetails.cacheReadTokens', 'ai.usage.cachedInputTokens'],
      cacheWrite: ['ai.usage.inputTokenDetails.cacheWriteTokens'],
      reasoning: ['ai.usage.outputTokenDetails.reasoningTokens', 'ai.usage.reasoningTokens'],
      total: ['ai.usage.totalTokens'],
      uncachedInput: ['ai.usage.inputTokenDetails.noCacheTokens'],
    },
    { input: ['ai.usage.tokens'], kinds: ['embedding'] },
  ],
  identity: {
    requestModel: ['ai.model.id'],
    responseModel: ['ai.response.model'],
    provider: ['ai.model.provider'],
    responseId: ['ai.response.id'],
    agentName: ['ai.telemetry.functionId'],
  },
  failed: (attributes) => attributes['ai.response.finishReason'] === 'error',
  rawUsage: anthropicUsage,
}

/**
 * Anthropic's own numbers in `ai.response.providerMetadata`. Versions 4 and 5 wrote Anthropic's input count, which
 * leaves cache out, under the same name that includes cache elsewhere; version 4 keeps only the cache counts here.
 */
function anthropicUsage(attributes: Attributes): RawUsage | undefined {
  const json = attributes['ai.response.providerMetadata']
  if (typeof json !== 'string' || json.length > MAX_JSON || !json.includes('"anthropic"')) return undefined
  const anthropic = field(parse(json), 'anthropic')
  if (anthropic === undefined) return undefined
  const raw = field(anthropic, 'usage')
  return {
    input: countOf(field(raw, 'input_tokens')),
    cacheRead: countOf(field(raw, 'cache_read_input_tokens') ?? field(anthropic, 'cacheReadInputTokens')) ?? 0,
    cacheWrite: countOf(field(raw, 'cache_creation_input_tokens') ?? field(anthropic, 'cacheCreationInputTokens')) ?? 0,
  }
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json)
  } catch {
    return undefined
  }
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    ? Reflect.get(value, name)
    : undefined
}
