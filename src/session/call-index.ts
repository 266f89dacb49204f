/**
 * Finds calls that another instrumentation may have recorded too, without comparing each call to all others.
 *
 * @module
 */
import type { SpanFact } from '../genai/fact.ts'
import { familiesOf } from './merge.ts'

/**
 * Calls by what twins must share: the response id, or model family and input tokens. Within a key they are grouped by
 * scope, and only other scopes are looked at, so an application with one instrumentation never compares anything.
 */
export class CallIndex {
  readonly #byKey = new Map<string, Map<string, Set<SpanFact>>>()

  add(fact: SpanFact): void {
    for (const key of keysOf(fact)) {
      const scopes = this.#byKey.get(key) ?? new Map<string, Set<SpanFact>>()
      const facts = scopes.get(fact.scope) ?? new Set<SpanFact>()
      this.#byKey.set(key, scopes.set(fact.scope, facts.add(fact)))
    }
  }

  remove(fact: SpanFact): void {
    for (const key of keysOf(fact)) {
      const scopes = this.#byKey.get(key)
      const facts = scopes?.get(fact.scope)
      facts?.delete(fact)
      if (facts?.size === 0) scopes?.delete(fact.scope)
      if (scopes?.size === 0) this.#byKey.delete(key)
    }
  }

  /** All calls that are linked to the given ones by a shared key, over any number of scopes; without single calls. */
  related(facts: Iterable<SpanFact>): ReadonlySet<SpanFact> {
    const found = new Set<SpanFact>()
    const queue = [...facts]
    for (let fact = queue.pop(); fact; fact = queue.pop()) {
      for (const key of keysOf(fact)) {
        for (const [scope, others] of this.#byKey.get(key) ?? []) {
          if (scope === fact.scope) continue
          found.add(fact)
          for (const other of others) {
            if (found.has(other) || !overlap(fact, other)) continue
            found.add(other)
            queue.push(other)
          }
        }
      }
    }
    return found
  }
}

/** Twins lie inside each other, so they overlap; a few milliseconds are left for rounded times. */
function overlap(a: SpanFact, b: SpanFact): boolean {
  const slack = 5_000_000n
  return a.startNs <= b.endNs + slack && b.startNs <= a.endNs + slack
}

function keysOf(fact: SpanFact): readonly string[] {
  const keys: string[] = fact.responseId === undefined ? [] : [`id ${fact.responseId}`]
  if (!fact.usage) return keys
  const { input, rawInput } = fact.usage
  for (const family of familiesOf(fact)) {
    keys.push(`${fact.kind} ${family} ${input}`)
    if (rawInput !== input) keys.push(`${fact.kind} ${family} ${rawInput}`)
  }
  return keys
}
