/**
 * The Vercel AI SDK, versions 4 to 7.
 *
 * 4, 5, 6 and the legacy integration of 7 write `ai.*` names; 7 writes the OpenTelemetry conventions under the scope
 * `gen_ai`. In all of them each `generateText`, `streamText`, `generateObject` or `streamObject` is one agent loop.
 *
 * @module
 */
import { anthropicUsage } from '../anthropic-usage.ts'
import { type Attributes, type Dialect, type ProviderUsage, ROLES, type RoleTable, roleIn } from '../dialect.ts'
import { at, countAt, parseJson } from '../json.ts'

const OPERATIONS: RoleTable = {
  'ai.generateText': ROLES.agent,
  'ai.streamText': ROLES.agent,
  'ai.generateObject': ROLES.agent,
  'ai.streamObject': ROLES.agent,
  'ai.generateText.doGenerate': ROLES.innerLlm,
  'ai.streamText.doStream': ROLES.innerLlm,
  'ai.generateObject.doGenerate': ROLES.innerLlm,
  'ai.streamObject.doStream': ROLES.innerLlm,
  'ai.embed': ROLES.embedding,
  'ai.embed.doEmbed': ROLES.innerEmbedding,
  'ai.embedMany': ROLES.embedding,
  'ai.embedMany.doEmbed': ROLES.innerEmbedding,
  'ai.toolCall': ROLES.tool,
}

/** The Vercel AI SDK. */
export const aiSdk: Dialect = {
  emitter: 'vercel-ai-sdk',
  scopes: ['ai', 'gen_ai'],
  namesFunctions: true,
  ownUsageOnly: true,
  roleOf: (attributes) => roleIn(OPERATIONS, attributes['ai.operationId'], ROLES.other),
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
    {
      // All that version 4 tells of the parts.
      json: { attribute: 'ai.response.providerMetadata', path: ['openai'] },
      input: [],
      cacheRead: ['cachedPromptTokens'],
      reasoning: ['reasoningTokens'],
    },
  ],
  identity: {
    requestModel: ['ai.model.id'],
    responseModel: ['ai.response.model'],
    provider: ['ai.model.provider'],
    responseId: ['ai.response.id'],
    agentName: ['ai.telemetry.functionId'],
  },
  failed: (attributes) => attributes['ai.response.finishReason'] === 'error',
  majorVersionOf: majorVersion,
  providerUsage: metadataUsage,
}

/** From 5 on, requests carry it; OpenLLMetry's span processor adds it as well. */
function majorVersion(attributes: Attributes): number | undefined {
  const version = attributes['ai.sdk.version'] ?? attributes['ai.request.headers.user-agent']
  const digits = typeof version === 'string' ? /^(?:ai\/)?(\d{1,3})\./.exec(version)?.[1] : undefined
  return digits === undefined ? undefined : Number(digits)
}

/**
 * Anthropic's own numbers in `ai.response.providerMetadata`. Versions 4 and 5 wrote Anthropic's input count, which
 * leaves cache out, under the same name that includes cache elsewhere; version 4 keeps only the cache counts here.
 */
function metadataUsage(attributes: Attributes, input: number): ProviderUsage | undefined {
  const text = attributes['ai.response.providerMetadata']
  if (typeof text !== 'string' || !text.includes('"anthropic"')) return undefined
  const anthropic = at(parseJson(text), 'anthropic')
  if (anthropic === undefined) return undefined
  return (
    anthropicUsage(at(anthropic, 'usage'), input) ?? {
      cacheRead: countAt(anthropic, 'cacheReadInputTokens') ?? 0,
      cacheWrite: countAt(anthropic, 'cacheCreationInputTokens') ?? 0,
      inputLeavesCacheOut: countAt(anthropic, 'usage', 'input_tokens') === undefined,
      reasoningLeftOut: 0,
    }
  )
}
