/**
 * Emitters that write input without the tokens read from and written to the cache, against the conventions. Asked only
 * where the numbers of a span prove nothing.
 *
 * @module
 */

/** An instrumentation scope that leaves cache out of input. */
interface CacheConvention {
  readonly scope: string
  /** The only provider, by a part of its name, for whose models it does so. @default all */
  readonly provider?: string
}

/** What {@link leavesCacheOut} knows; AI SDK 4 and 5 are told by what their spans carry, see `dialects/ai-sdk.ts`. */
export const CACHE_LEFT_OUT: readonly CacheConvention[] = [
  // Pass Anthropic's `input_tokens` on as it is.
  { scope: '@traceloop/instrumentation-anthropic' },
  { scope: '@traceloop/instrumentation-bedrock' },
  { scope: '@openlit/instrumentation-anthropic' },
]

/**
 * Whether the spans of a scope write input without cache.
 *
 * @param scope The name of the instrumentation scope.
 * @param provider The provider that the span names.
 */
export function leavesCacheOut(scope: string, provider: string | undefined): boolean {
  return CACHE_LEFT_OUT.some(
    (known) =>
      known.scope === scope &&
      (known.provider === undefined || (provider?.toLowerCase().includes(known.provider) ?? false)),
  )
}
