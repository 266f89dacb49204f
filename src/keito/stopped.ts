/**
 * What the stop of a timer comes to.
 *
 * @module
 */
import { isFields } from '../delivery/fields.ts'
import type { Outcome } from '../delivery/outcome.ts'

/** What Keito says of an entry that is not running, where it answers 400 instead of 409. */
const NOT_RUNNING = /\bnot (?:currently )?running\b|\balready (?:been )?stopped\b/i

/** The outcome of a stop, where what does not run counts as stopped: perhaps by the request before, whose answer was lost. */
export function outcomeOfStop(outcome: Outcome<unknown>): Outcome<unknown> {
  if (outcome.type !== 'rejected') return outcome
  const isStopped = outcome.status === 409 || (outcome.status === 400 && NOT_RUNNING.test(outcome.reason))
  return isStopped ? { type: 'accepted', value: undefined } : outcome
}

/**
 * The outcome of an update that was to stop a timer. Keito's specification has no `is_running` there, and a server that
 * does not know the field ignores it: an entry that still runs in the answer was not stopped, and never will be that way.
 */
export function outcomeOfStopByUpdate(outcome: Outcome<unknown>): Outcome<unknown> {
  if (outcome.type !== 'accepted') return outcomeOfStop(outcome)
  if (isFields(outcome.value) && outcome.value.is_running === false) return outcome
  return { type: 'rejected', status: 400, reason: 'the entry still runs after an update with is_running: false' }
}
