/**
 * What a delete comes to.
 *
 * @module
 */
import type { Outcome } from '../delivery/outcome.ts'

/** The outcome of a delete, where what is not there counts as deleted: perhaps by the request before, whose answer was lost. */
export function outcomeOfDelete(outcome: Outcome<unknown>): Outcome<unknown> {
  const isGone = outcome.type === 'rejected' && outcome.status === 404
  return isGone ? { type: 'accepted', value: undefined } : outcome
}
