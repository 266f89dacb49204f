/**
 * One request for one record: ends within its deadline with an outcome, whatever the client does.
 *
 * @module
 */
import type { KeitoRecord } from '../billing/record.ts'
import type { CallOptions, OutcomeClient } from '../keito/client.ts'
import { withTracingSuppressed } from '../otel/suppress.ts'
import { oneLine } from '../telemetry/one-line.ts'
import { isFields } from './fields.ts'
import { ambiguous, type Failure, type Outcome, retryable } from './outcome.ts'
import { outcomeOfError } from './outcome-of-error.ts'

/** What the sender needs to know of a stored record. */
export interface Receipt {
  /** Keito's id, absent when the client gave none. */
  readonly id?: string
}

/**
 * Sends a record once. Never rejects: a client that throws, hangs or answers nonsense leaves it unknown whether the
 * record was stored, so the outcome is ambiguous. Its reason is a single bounded line.
 *
 * @param client Sends the request.
 * @param record What to create.
 * @param timeoutMs Deadline in milliseconds, kept even when the client ignores its signal.
 * @param controller Aborts the request, at the deadline or earlier.
 */
export async function attempt(
  client: OutcomeClient,
  record: KeitoRecord,
  timeoutMs: number,
  controller: AbortController,
): Promise<Outcome<Receipt>> {
  const { signal } = controller
  const givenUp = new Promise<Failure>((resolve) => {
    signal.addEventListener('abort', () => resolve(ambiguous(`no answer within ${timeoutMs} ms`)), { once: true })
  })
  const timer = setTimeout(() => controller.abort(), timeoutMs)
  timer.unref?.()
  try {
    return await Promise.race([answerOf(client, record, { signal }), givenUp])
  } finally {
    clearTimeout(timer)
  }
}

async function answerOf(client: OutcomeClient, record: KeitoRecord, options: CallOptions): Promise<Outcome<Receipt>> {
  try {
    const answer: unknown = await withTracingSuppressed(() =>
      record.kind === 'time_entry'
        ? client.timeEntries.create(record.body, options)
        : client.expenses.create(record.body, options),
    )
    return outcomeFrom(answer)
  } catch (error) {
    return ambiguous(oneLine(`the client threw: ${outcomeOfError(error).reason}`))
  }
}

/** Reads a client's answer as an outcome, trusting none of its fields. */
function outcomeFrom(answer: unknown): Outcome<Receipt> {
  if (!isFields(answer)) return ambiguous('the client gave no outcome')
  const reason = typeof answer.reason === 'string' ? oneLine(answer.reason) : 'no reason given'
  const status = typeof answer.status === 'number' ? answer.status : 0
  switch (answer.type) {
    case 'accepted':
      return { type: 'accepted', value: receiptFrom(answer.value) }
    case 'retryable':
      return retryable(reason, isWait(answer.afterMs) ? answer.afterMs : undefined)
    case 'unauthorized':
      return { type: 'unauthorized', status: status === 403 ? 403 : 401, reason }
    case 'rejected':
      return { type: 'rejected', status, reason }
    case 'ambiguous':
      return ambiguous(reason)
    default:
      return ambiguous('the client gave no outcome')
  }
}

function receiptFrom(value: unknown): Receipt {
  const id = isFields(value) ? value.id : undefined
  return typeof id === 'string' && id !== '' ? { id } : {}
}

function isWait(value: unknown): value is number {
  return typeof value === 'number' && value >= 0
}
