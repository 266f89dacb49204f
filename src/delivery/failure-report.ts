/**
 * What the user is told when a record cannot be delivered: what happened, what became of the record, what to do.
 *
 * @module
 */
import type { KeitoRecord } from '../billing/record.ts'
import type { KeitoErrorCode } from '../errors.ts'
import type { Pause } from './backoff.ts'
import type { Failure } from './outcome.ts'

/** A problem, ready for the log. */
export interface FailureReport {
  readonly code: KeitoErrorCode
  /** Groups repeats of the same problem. */
  readonly cause: string
  readonly message: string
}

const NAMES = { time_entry: 'time entry', expense: 'expense' } as const

/**
 * The report of a failed request.
 *
 * @param record What was to be created.
 * @param failure What came of it.
 * @param canLookUp Whether the client can list what Keito has.
 * @returns Names, reasons and keys only: nothing of the record's notes or metadata.
 */
export function failureReport(record: KeitoRecord, failure: Failure, canLookUp: boolean): FailureReport {
  const { reason } = failure
  const name = nameOf(record)
  switch (failure.type) {
    case 'retryable':
      return {
        code: 'unavailable',
        cause: 'unavailable',
        message: waitMessage(reason),
      }
    case 'unauthorized':
      return {
        code: 'unauthorized',
        cause: String(failure.status),
        message:
          `Keito refused the ${name} (${reason}). ${adviceOn(failure.status, record)}. ` +
          'Delivery pauses and everything is kept; one request tries again from time to time.',
      }
    case 'rejected':
      return {
        code: 'rejected',
        cause: `${record.kind}:${reason}`,
        message: `Keito refused the ${name} for good (${reason}). It is kept as a dead letter and not sent again.`,
      }
    case 'ambiguous':
      return {
        code: 'ambiguous',
        cause: `${record.kind}:${reason}`,
        message:
          `Nobody knows whether Keito stored the ${name} (${reason}). ` +
          (canLookUp
            ? 'It is held, and looked up in Keito before anything is sent again, so that it is not billed twice.'
            : 'It is held and not sent again, so that it is not billed twice: this client has no list to look it up with. ' +
              'Look for its key in metadata.idempotency_key.'),
      }
  }
}

/**
 * The report that the requests of a day are used up.
 *
 * @param limit Requests within 24 hours.
 * @param waiting Records that wait.
 */
export function spentReport(limit: number, waiting: number): FailureReport {
  return {
    code: 'unavailable',
    cause: 'requestsPerDay',
    message:
      `All requests of 24 hours (delivery.requestsPerDay: ${limit}) are used up, and ${waiting} records wait. They are ` +
      'sent as soon as requests are free again. If this is so every day, book several runs in one record: option rollup.',
  }
}

/**
 * The report of a list that failed for a reason that holds for all requests.
 *
 * @param kind What was listed.
 */
export function listReport(kind: KeitoRecord['kind'], failure: Pause): FailureReport {
  const { reason } = failure
  if (failure.type !== 'unauthorized')
    return { code: 'unavailable', cause: 'unavailable', message: waitMessage(reason) }
  return {
    code: 'unauthorized',
    cause: String(failure.status),
    message:
      `Keito refused to list ${kind === 'expense' ? 'expenses' : 'time entries'} (${reason}). ${CHECK_CREDENTIALS}. ` +
      'Delivery pauses and everything is kept; one request tries again from time to time.',
  }
}

/** The report of a record that Keito does not let us look for. */
export function unknownReport(record: KeitoRecord): FailureReport {
  return {
    code: 'ambiguous',
    cause: `${record.kind}:list`,
    message:
      `Keito refuses to list what it has, so nobody knows whether it stored the ${nameOf(record)}. It stays held. ` +
      'Check that the user of the API key may see the records of its project; look for the key in metadata.idempotency_key.',
  }
}

/**
 * The report of a record that Keito has more than once.
 *
 * @param keptId Id of the one that stays.
 * @param copies How many there were beside it.
 * @param left Ids of the copies that could not be deleted.
 */
export function duplicateReport(
  record: KeitoRecord,
  keptId: string,
  copies: number,
  left: readonly string[],
): FailureReport {
  const deleted = copies - left.length
  const done = deleted > 0 ? ` ${deleted} of the copies ${deleted === 1 ? 'was' : 'were'} deleted.` : ''
  const why = record.kind === 'expense' ? 'Keito has no way to delete an expense through its API' : 'deleting failed'
  const todo = left.length > 0 ? ` Delete ${left.join(', ')} by hand, and keep ${keptId}: ${why}.` : ''
  return {
    code: 'booked-twice',
    cause: record.key,
    message: `Keito stored the ${nameOf(record)} more than once, because a request went through late.${done}${todo}`,
  }
}

const CHECK_CREDENTIALS = 'Check the option apiKey (KEITO_API_KEY) and accountId (KEITO_ACCOUNT_ID)'

function waitMessage(reason: string): string {
  return `Keito takes no records for now (${reason}). They are kept and sent later.`
}

function nameOf({ kind, key }: KeitoRecord): string {
  return `${NAMES[kind]} ${key}`
}

function adviceOn(status: 401 | 403, { kind, body }: KeitoRecord): string {
  if (status === 401) return CHECK_CREDENTIALS
  const place =
    kind === 'time_entry'
      ? `task ${body.task_id} (taskId, KEITO_TASK_ID)`
      : `expense category ${body.expense_category_id} (expenseCategoryId, KEITO_EXPENSE_CATEGORY_ID)`
  const project = `project ${body.project_id} (projectId, KEITO_PROJECT_ID)`
  return `Check the rights of the user that the API key belongs to on ${project} and ${place}`
}
