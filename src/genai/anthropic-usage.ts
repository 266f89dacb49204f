/**
 * Anthropic's own account of a call, where an emitter carries it along as JSON. Its `input_tokens` leave cache out.
 *
 * @module
 */
import type { ProviderUsage } from './dialect.ts'
import { countAt } from './json.ts'

/**
 * Reads the `usage` object of a reply of Anthropic; undefined when it is none.
 *
 * @param usage The object.
 * @param input The input that the emitter wrote: the same number, if it left cache out as well.
 */
export function anthropicUsage(usage: unknown, input: number): ProviderUsage | undefined {
  const cacheRead = countAt(usage, 'cache_read_input_tokens')
  const cacheWrite = countAt(usage, 'cache_creation_input_tokens')
  if (cacheRead === undefined && cacheWrite === undefined) return undefined
  return {
    cacheRead: cacheRead ?? 0,
    cacheWrite: cacheWrite ?? 0,
    inputLeavesCacheOut: countAt(usage, 'input_tokens') === input,
    reasoningLeftOut: 0,
  }
}
