/**
 * Emitters that write input without the tokens read from and written to the cache, against the conventions. Asked only
 * where the numbers of a span prove nothing.
 *
 * @module
 */

/** What decides whether a span's input leaves cache out. */
export interface InputSource {
  /** The name of the instrumentation scope. */
  readonly scope: string
  readonly provider: string | undefined
  readonly model: string | undefined
}

/** An emitter that leaves cache out of input. */
export interface CacheConvention {
  readonly scope: string
  /** A part of the provider's name: the only one for which it does so. @default all */
  readonly provider?: string
  /** The same of the model's name. @default all */
  readonly model?: string
  /** The major version that mended it. @default none has */
  readonly before?: number
}

/** The emitters that do. Most pass on `input_tokens` of Anthropic, or `inputTokens` of Bedrock, as they are. */
export const CACHE_LEFT_OUT: readonly CacheConvention[] = [
  { scope: 'ai', provider: 'anthropic', before: 6 },
  { scope: 'ai', provider: 'bedrock', before: 6 },
  { scope: '@traceloop/instrumentation-anthropic' },
  { scope: '@traceloop/instrumentation-bedrock' },
  { scope: '@openlit/instrumentation-anthropic' },
  { scope: 'openlit/instrumentation-anthropic' },
  { scope: 'strands-agents', model: 'claude' },
]

/**
 * Whether a span comes from an emitter that is known to leave cache out of input.
 *
 * @param major The major version of the emitter, where its spans tell.
 */
export function leavesCacheOut({ scope, provider = '', model = '' }: InputSource, major: number | undefined): boolean {
  return CACHE_LEFT_OUT.some(
    (known) =>
      known.scope === scope &&
      provider.toLowerCase().includes(known.provider ?? '') &&
      model.toLowerCase().includes(known.model ?? '') &&
      (known.before === undefined || (major !== undefined && major < known.before)),
  )
}
