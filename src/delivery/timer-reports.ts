/**
 * What the user is told about live timers: what happened, what became of the run's time, what to do.
 *
 * @module
 */
import type { Pause } from './backoff.ts'
import type { FailureReport } from './failure-report.ts'
import type { Failure } from './outcome.ts'
import type { Refusal, Timer, TimerMark } from './timer.ts'

/** The report of a timer that Keito does not let us start. */
export function startRefusedReport({ run }: Timer, { status, reason }: Refusal): FailureReport {
  const where = run ? ` on project ${run.body.project_id} and task ${run.body.task_id}` : ''
  const advice =
    status === 403
      ? `Check the rights of the user that the API key belongs to${where}.`
      : `Check what is booked${where} (projectId, KEITO_PROJECT_ID; taskId, KEITO_TASK_ID), or do without live timers.`
  return {
    code: 'rejected',
    cause: `timer:start:${status}`,
    message: `Keito refused to start a timer (${reason}). The run is booked when it has ended. ${advice}`,
  }
}

/** The report of a request for a timer that failed for a reason that holds for all requests. */
export function timerPauseReport(failure: Pause): FailureReport {
  const { reason } = failure
  if (failure.type !== 'unauthorized') {
    const message = `Keito takes no requests for timers for now (${reason}). They are made later, and runs are kept.`
    return { code: 'unavailable', cause: 'unavailable', message }
  }
  return {
    code: 'unauthorized',
    cause: String(failure.status),
    message:
      `Keito refused a timer (${reason}). Check the option apiKey (KEITO_API_KEY) and accountId (KEITO_ACCOUNT_ID). ` +
      'Delivery pauses and everything is kept; one request tries again from time to time.',
  }
}

/** The report of a timer that could not be deleted, and was made worth nothing. */
export function blankedReport({ mark, id, undeletable, isUnstoppable }: Timer): FailureReport {
  const running = isUnstoppable ? ' Keito does not let us stop it either.' : ''
  return {
    code: 'rejected',
    cause: `timer:delete:${undeletable?.status}`,
    message:
      `The timer ${mark.key} has no time to book, but Keito does not let us delete it (${reasonOf(undeletable)}). Its ` +
      `entry ${id} now has 0 hours and is not billable.${running} Delete it by hand.`,
  }
}

/** The report of a timer that can be neither deleted nor changed. */
export function leftReport({ mark, id, undeletable }: Timer, { reason, status }: Refusal): FailureReport {
  return {
    code: 'rejected',
    cause: `timer:left:${status}`,
    message:
      `The timer ${mark.key} has no time to book, but Keito lets us neither delete it (${reasonOf(undeletable)}) nor ` +
      `change it (${reason}). Look at its entry ${id}, and stop, correct or delete it by hand.`,
  }
}

/** The report of a record whose timer Keito lets nobody change, so that the record has no place. */
export function closedReport({ mark, id, unfit }: Timer, refusal: Refusal): FailureReport {
  return {
    code: 'rejected',
    cause: `timer:closed:${refusal.status}`,
    message:
      `The entry ${id} of timer ${mark.key} takes no hours (${reasonOf(unfit)}) and cannot be deleted ` +
      `(${refusal.reason}): it may be locked or approved. Its record is kept as a dead letter. Correct the entry by ` +
      'hand, or withdraw its approval, delete it and book the dead letter.',
  }
}

/** The report that Keito does not let us look for a timer that perhaps runs. */
export function hiddenReport({ mark }: Timer, { status, reason }: Refusal): FailureReport {
  return {
    code: 'ambiguous',
    cause: `timer:list:${status}`,
    message:
      `Keito refuses to list what it has (${reason}), so nobody knows whether the timer ${mark.key} runs. Check that the ` +
      `user of the API key may see the entries of project ${mark.projectId}; look for the key in ` +
      'metadata.idempotency_key, and delete the entry by hand.',
  }
}

/**
 * The report of timers that were left when the exporter shut down, where no journal remembers them.
 *
 * @param marks At least one.
 */
export function abandonedReport(marks: readonly TimerMark[]): FailureReport {
  const days = [...new Set(marks.map(({ day }) => day))].join(', ')
  return {
    code: 'undelivered',
    cause: 'timer',
    message:
      `${marks.length} timers were left in Keito when the exporter shut down, and may still run there. Stop or delete ` +
      `the entries of ${days} whose metadata.idempotency_key ends with ":timer". With an outbox directory ` +
      '(KEITO_OUTBOX_DIR) the next process does so.',
  }
}

function reasonOf(failure: Failure | undefined): string {
  return failure?.reason ?? 'for no reason given'
}
