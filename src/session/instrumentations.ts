/**
 * What the spans tell of the host's instrumentations: which of them make runs, which record the same calls, and whether
 * their spans nest at all.
 *
 * @module
 */
import type { SpanFact } from '../genai/fact.ts'
import { isWork } from './kinds.ts'
import type { ScopePair } from './scope-pairs.ts'

/** Told when something is amiss. */
export interface Findings {
  /** Two instrumentations recorded a call. Called whenever it is counted. */
  onDuplicate(pair: ScopePair): void
  /** Spans of a scope do not nest. Called once for each scope. */
  onStray(scope: string): void
}

/** Remembers scopes; there are as many as the host has instrumentations. */
export class Instrumentations {
  readonly #findings: Findings
  /** Scopes that make agents or containers: without them there would be no hours. */
  readonly #making = new Set<string>()
  readonly #stray = new Set<string>()

  constructor(findings: Findings) {
    this.#findings = findings
  }

  /** Scopes whose spans do not nest, so that calls are not below the spans that sum them up. */
  get strayScopes(): ReadonlySet<string> {
    return this.#stray
  }

  note(fact: SpanFact): void {
    if (isWork(fact.kind)) this.#making.add(fact.scope)
    if (!fact.isStray || this.#stray.has(fact.scope)) return
    this.#stray.add(fact.scope)
    this.#findings.onStray(fact.scope)
  }

  /** Of two, the one that makes runs is not the one to spare, whatever its times say. */
  noteDuplicate(pair: ScopePair): void {
    const isTurned = this.#making.has(pair.inner) && !this.#making.has(pair.outer)
    this.#findings.onDuplicate(isTurned ? { outer: pair.inner, inner: pair.outer } : pair)
  }
}
