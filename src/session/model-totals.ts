/**
 * Tokens by model.
 *
 * @module
 */
import { NO_USAGE, type Usage } from '../genai/fact.ts'
import type { Claim } from './claim.ts'
import { addUsage, totalOf } from './merge.ts'

/** All tokens of one model within a run. */
export interface ModelTotal {
  readonly provider: string | undefined
  readonly usage: Usage
  readonly llmCalls: number
}

/** Orders models by their tokens, most first, then by name. */
export function mostTokensFirst(
  a: { readonly model: string; readonly usage: Usage },
  b: { readonly model: string; readonly usage: Usage },
): number {
  return totalOf(b.usage) - totalOf(a.usage) || (a.model < b.model ? -1 : a.model > b.model ? 1 : 0)
}

/** The tokens of claims by the name of their model; most tokens first. */
export function modelTotals(claims: readonly Claim[]): ReadonlyMap<string, ModelTotal> {
  const totals = new Map<string, ModelTotal>()
  for (const { model, provider, usage, source } of claims) {
    const known = totals.get(model)
    totals.set(model, {
      provider: known?.provider ?? provider,
      usage: addUsage(known?.usage ?? NO_USAGE, usage),
      llmCalls: (known?.llmCalls ?? 0) + (source === 'aggregate' ? 0 : 1),
    })
  }
  return new Map([...totals].sort(([a, x], [b, y]) => mostTokensFirst({ model: a, ...x }, { model: b, ...y })))
}
