/**
 * Reads the usage of one span and brings it to one meaning: input includes cache, output includes reasoning.
 *
 * @module
 */
import { countOf } from '../otel/attributes.ts'
import type { Attributes, Dialect, ProviderUsage, UsageNames } from './dialect.ts'
import { DIALECTS } from './dialects/index.ts'
import type { FactKind, ReportedUsage } from './fact.ts'

const FAMILIES: readonly UsageNames[] = DIALECTS.flatMap((dialect) => dialect.usage ?? [])

/** The names of a part in all families: AI SDK 6 writes gen_ai totals and ai.* details on one span. */
const everyName = (part: 'cacheRead' | 'cacheWrite' | 'reasoning' | 'uncachedInput'): readonly string[] =>
  FAMILIES.flatMap((family) => family[part] ?? [])
const CACHE_READ = everyName('cacheRead')
const CACHE_WRITE = everyName('cacheWrite')
const REASONING = everyName('reasoning')
const UNCACHED_INPUT = everyName('uncachedInput')

/** Usage as it was found, and how many of its values made no sense. */
export interface UsageReading {
  readonly usage?: ReportedUsage
  readonly refused: number
}

/** The numbers of one span as the emitter wrote them. */
interface Written {
  readonly input: number
  readonly output: number
  readonly cacheRead: number
  readonly cacheWrite: number
  readonly reasoning: number
  readonly total: number
  readonly uncachedInput: number | undefined
}

/**
 * The usage a span shows. The first family of names with a positive number counts; families are never added up.
 *
 * @param attributes The span's attributes.
 * @param kind The role of the span; some families mean tokens only on some kinds.
 * @param scope Whether the emitter's agent spans sum up their own calls or their whole subtree.
 * @param providerUsage Finds what the provider itself said, where the emitter carries it along.
 */
export function readUsage(
  attributes: Attributes,
  kind: FactKind,
  scope: ReportedUsage['scope'],
  providerUsage: Dialect['providerUsage'],
): UsageReading {
  const refused = new Set<string>()
  const numberOf = (names: readonly string[] | undefined): number | undefined => {
    let zero: number | undefined
    for (const name of names ?? []) {
      const value = attributes[name]
      if (value === undefined || value === null) continue
      const count = countOf(value)
      if (count === undefined) refused.add(name)
      else if (count > 0) return count
      else zero = 0
    }
    return zero
  }

  for (const family of FAMILIES) {
    if (family.kinds && !family.kinds.includes(kind)) continue
    const input = numberOf(family.input) ?? 0
    const output = numberOf(family.output) ?? 0
    if (input === 0 && output === 0) continue
    const provider = providerUsage?.(attributes, input, output)
    const written: Written = {
      input,
      output,
      cacheRead: numberOf(family.cacheRead) || numberOf(CACHE_READ) || (provider?.cacheRead ?? 0),
      cacheWrite: numberOf(family.cacheWrite) || numberOf(CACHE_WRITE) || (provider?.cacheWrite ?? 0),
      reasoning: numberOf(family.reasoning) || (numberOf(REASONING) ?? 0),
      total: numberOf(family.total) ?? 0,
      uncachedInput: numberOf(UNCACHED_INPUT),
    }
    return { usage: inclusive(written, scope, provider), refused: refused.size }
  }
  return { refused: refused.size }
}

function inclusive(
  written: Written,
  scope: ReportedUsage['scope'],
  provider: ProviderUsage | undefined,
): ReportedUsage {
  const { input, output, cacheRead, cacheWrite, reasoning, total } = written
  const cache = cacheRead + cacheWrite
  const leftOut = provider?.reasoningLeftOut ?? 0
  const reasoningIsExtra = reasoning > output || (reasoning > 0 && total === input + output + reasoning)
  return {
    input: cache > 0 && leavesCacheOut(written, provider) ? input + cache : input,
    output: output + (leftOut || (reasoningIsExtra ? reasoning : 0)),
    cacheRead,
    cacheWrite,
    reasoning: leftOut || reasoning,
    rawInput: input,
    scope,
  }
}

/** Whether the numbers prove that input was written without cache; without proof the conventions are believed. */
function leavesCacheOut(written: Written, provider: ProviderUsage | undefined): boolean {
  const { input, output, cacheRead, cacheWrite, total, uncachedInput } = written
  const cache = cacheRead + cacheWrite
  if (provider) return provider.inputLeavesCacheOut
  if (uncachedInput !== undefined) return uncachedInput === input
  return cache > input || total === input + cache + output
}
