/**
 * Looks for the twins of calls that are about to be settled, over all sessions that are remembered.
 *
 * @module
 */
import type { SpanFact } from '../genai/fact.ts'
import type { CallIndex } from './call-index.ts'
import type { TwinBook } from './duplicates.ts'
import { isCall } from './kinds.ts'
import { runsOf } from './runs.ts'
import type { Session } from './session.ts'
import type { SessionTree } from './tree.ts'
import type { PlacedCall } from './twin-pairs.ts'

/** What is remembered. */
export interface Remembered {
  readonly calls: CallIndex
  readonly sessionOf: (traceId: string) => Session | undefined
  readonly treeOf: (session: Session) => SessionTree
}

/** Decides, for all calls of the sessions that are due, under which record of it each is billed. */
export function matchTwins(sessions: readonly Session[], twins: TwinBook, remembered: Remembered): void {
  const due = new Set(sessions.flatMap((session) => [...session.facts.values()].filter(isCall)))
  const places = new Map<SpanFact, PlacedCall>()
  const placesOf = (fact: SpanFact): readonly PlacedCall[] => {
    const session = remembered.sessionOf(fact.traceId)
    if (session && !places.has(fact)) {
      const tree = remembered.treeOf(session)
      const runOf = runsOf(tree)
      for (const node of tree.postOrder) places.set(node.fact, { node, run: runOf.get(node) })
    }
    const place = places.get(fact)
    return place ? [place] : []
  }
  for (const group of remembered.calls.relatedTo(due)) twins.match(group.flatMap(placesOf), due)
  twins.decide(due)
}
