/**
 * What the answer to a request means for a timer. It makes no request and has no clock.
 *
 * @module
 */
import type { FailureReport } from './failure-report.ts'
import type { Outcome } from './outcome.ts'
import type { Receipt } from './requests.ts'
import { isRefused, type Step, type Timer } from './timer.ts'
import { blankedReport, leftReport, startRefusedReport } from './timer-reports.ts'

/** A step that is a request for one timer; a list answers for several. */
export type OwnStep = Exclude<Step, 'find'>

/**
 * What comes after a request: `on`, whatever the timer needs next; `again`, the same request later; `lost`, a look for
 * it; `gone`, nothing, because there is no timer in Keito any more, or nothing that we could do about it.
 */
export interface Sequel {
  readonly next: 'on' | 'again' | 'lost' | 'gone'
  readonly report?: FailureReport
}

const ON: Sequel = { next: 'on' }
const AGAIN: Sequel = { next: 'again' }
const LOST: Sequel = { next: 'lost' }
const GONE: Sequel = { next: 'gone' }

/** Keito's answer to a timer that is started beside a running one. It happens all the time, and is no problem. */
const ONE_RUNS_ALREADY = 409
const NOT_FOUND = 404

type Rule = (timer: Timer, outcome: Outcome<Receipt>) => Sequel

/** What comes after each request. The timer is changed to what is known of it now. */
export const AFTER: Readonly<Record<OwnStep, Rule>> = {
  start(timer, outcome) {
    if (outcome.type === 'accepted') {
      if (outcome.value.id === undefined) return LOST
      timer.id = outcome.value.id
      timer.state = 'running'
      return ON
    }
    if (outcome.type === 'ambiguous') return LOST
    if (!isRefused(outcome)) return timer.wish === 'run' ? AGAIN : GONE
    return outcome.status === ONE_RUNS_ALREADY ? GONE : { ...GONE, report: startRefusedReport(timer, outcome) }
  },

  stop(timer, outcome) {
    if (outcome.type === 'accepted') timer.state = 'stopped'
    else if (!isRefused(outcome)) return AGAIN
    else {
      // Perhaps it is gone, or there is no such route: whether it runs on is not known, so its entry is not used.
      timer.isUnstoppable = true
      timer.unfit = outcome
    }
    return ON
  },

  delete(timer, outcome) {
    if (outcome.type === 'accepted') {
      const [next, ...rest] = timer.copies
      if (next === undefined) return GONE
      timer.id = next
      timer.copies = rest
      return ON
    }
    if (!isRefused(outcome)) return AGAIN
    timer.undeletable = outcome
    return ON
  },

  blank(timer, outcome) {
    if (outcome.type === 'accepted') return { ...GONE, report: blankedReport(timer) }
    if (!isRefused(outcome)) return AGAIN
    return outcome.status === NOT_FOUND ? GONE : { ...GONE, report: leftReport(timer, outcome) }
  },
}
