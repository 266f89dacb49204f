/**
 * Finds calls that another instrumentation may have recorded too, without comparing each call to all others.
 *
 * @module
 */
import type { SpanFact } from '../genai/fact.ts'
import { uncachedInputOf } from './merge.ts'

/** Some emitters round their times to milliseconds; the comparison itself is stricter. */
const SLACK_NS = 5_000_000n

/**
 * Calls by what twins must share: the response id, or the input tokens. As long as one instrumentation is all there is,
 * nothing is indexed at all.
 */
export class CallIndex {
  readonly #facts = new Set<SpanFact>()
  readonly #byKey = new Map<string, Set<SpanFact>>()
  readonly #scopes = new Set<string>()

  add(fact: SpanFact): void {
    this.#facts.add(fact)
    const scopesBefore = this.#scopes.size
    this.#scopes.add(fact.scope)
    if (this.#scopes.size < 2) return
    for (const one of scopesBefore === 1 ? this.#facts : [fact]) this.#index(one)
  }

  remove(fact: SpanFact): void {
    this.#facts.delete(fact)
    for (const key of keysOf(fact)) {
      const facts = this.#byKey.get(key)
      facts?.delete(fact)
      if (facts?.size === 0) this.#byKey.delete(key)
    }
  }

  /** The calls that are linked to the given ones by shared keys, over any number of scopes, in groups of such calls. */
  relatedTo(facts: Iterable<SpanFact>): readonly (readonly SpanFact[])[] {
    if (this.#scopes.size < 2) return []
    const seen = new Set<SpanFact>()
    const groups: (readonly SpanFact[])[] = []
    for (const fact of facts) {
      if (seen.has(fact)) continue
      const group = this.#groupOf(fact, seen)
      if (group.length > 1) groups.push(group)
    }
    return groups
  }

  #groupOf(first: SpanFact, seen: Set<SpanFact>): readonly SpanFact[] {
    const group = [first]
    seen.add(first)
    // The list grows while it is walked over.
    for (const fact of group) {
      for (const key of keysOf(fact)) {
        for (const other of this.#byKey.get(key) ?? []) {
          if (seen.has(other) || other.scope === fact.scope || !overlap(fact, other)) continue
          seen.add(other)
          group.push(other)
        }
      }
    }
    return group
  }

  #index(fact: SpanFact): void {
    for (const key of keysOf(fact)) {
      const facts = this.#byKey.get(key)
      if (facts) facts.add(fact)
      else this.#byKey.set(key, new Set([fact]))
    }
  }
}

function overlap(a: SpanFact, b: SpanFact): boolean {
  return a.startNs <= b.endNs + SLACK_NS && b.startNs <= a.endNs + SLACK_NS
}

function keysOf(fact: SpanFact): readonly string[] {
  const keys: string[] = fact.responseId === undefined ? [] : [`id ${fact.responseId}`]
  if (!fact.usage) return keys
  const inputs = new Set([fact.usage.input, fact.usage.rawInput, uncachedInputOf(fact.usage)])
  for (const input of inputs) keys.push(`${fact.kind} ${input}`)
  return keys
}
