/**
 * Comparing and merging what several spans say of the same model call.
 *
 * @module
 */
import type { ReportedUsage, SpanFact, Usage } from '../genai/fact.ts'

/** The name a call is billed under: the model that answered, else the one that was asked for. */
export function modelOf(fact: SpanFact): string | undefined {
  return fact.responseModel ?? fact.requestModel
}

/**
 * The family of a model name: lower case, without a path prefix (`openai/`), a date (`-2024-08-06`, `@20250929`) or
 * `-latest`. Two layers often name one call differently: one by the request, one by the reply.
 */
export function modelFamily(name: string): string {
  return name
    .toLowerCase()
    .replace(/^.*\//, '')
    .replace(/[-@](\d{4}-\d{2}-\d{2}|\d{8}|latest)$/, '')
}

/** Whether two facts can speak of the same model, by either of their names. */
export function sameFamily(a: SpanFact, b: SpanFact): boolean {
  const names = familiesOf(a)
  return familiesOf(b).some((name) => names.includes(name))
}

/** The families of both names of a fact. */
export function familiesOf(fact: SpanFact): readonly string[] {
  const request = fact.requestModel === undefined ? undefined : modelFamily(fact.requestModel)
  const response = fact.responseModel === undefined ? undefined : modelFamily(fact.responseModel)
  if (request === undefined) return response === undefined ? [] : [response]
  return response === undefined || response === request ? [request] : [request, response]
}

/**
 * What an inner and an outer span of one call say together. The inner numbers stand; the outer ones fill what is
 * missing: a zero, a cache breakdown, or the input with cache when the inner span does not know of cache.
 */
export function fillUsage(inner: ReportedUsage, outer: ReportedUsage): ReportedUsage {
  const sameRaw = inner.rawInput === outer.rawInput || inner.rawInput === uncachedInputOf(outer)
  const input = sameRaw ? Math.max(inner.input, outer.input) : inner.input || outer.input
  const output = inner.output || outer.output
  const cache = inner.cacheRead + inner.cacheWrite === 0 && outer.cacheRead + outer.cacheWrite <= input ? outer : inner
  const reasoning = inner.reasoning || outer.reasoning
  return {
    input,
    output,
    cacheRead: cache.cacheRead,
    cacheWrite: cache.cacheWrite,
    reasoning: reasoning <= output ? reasoning : 0,
    rawInput: inner.rawInput || outer.rawInput,
    scope: inner.scope,
  }
}

/** The input that neither came from the cache nor went there: all that a layer may know which is blind to it. */
export function uncachedInputOf(usage: Usage): number {
  return usage.input - usage.cacheRead - usage.cacheWrite
}

/** Puts two usages together, part by part. */
export function eachPart(a: Usage, b: Usage, combine: (x: number, y: number) => number): Usage {
  return {
    input: combine(a.input, b.input),
    output: combine(a.output, b.output),
    cacheRead: combine(a.cacheRead, b.cacheRead),
    cacheWrite: combine(a.cacheWrite, b.cacheWrite),
    reasoning: combine(a.reasoning, b.reasoning),
  }
}

/** Adds usage up. */
export function addUsage(a: Usage, b: Usage): Usage {
  return eachPart(a, b, (x, y) => x + y)
}

/** What of `a` is not in `b`, part by part, never below 0; the parts of input and output stay parts of them. */
export function excessUsage(a: Usage, b: Usage): Usage {
  const input = Math.max(0, a.input - b.input)
  const output = Math.max(0, a.output - b.output)
  const cacheRead = Math.min(input, Math.max(0, a.cacheRead - b.cacheRead))
  return {
    input,
    output,
    cacheRead,
    cacheWrite: Math.min(input - cacheRead, Math.max(0, a.cacheWrite - b.cacheWrite)),
    reasoning: Math.min(output, Math.max(0, a.reasoning - b.reasoning)),
  }
}

/** Input plus output: the only total there is. */
export function totalOf(usage: Usage): number {
  return usage.input + usage.output
}
