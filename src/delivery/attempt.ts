/**
 * One call of the client: ends within its deadline with an outcome, whatever the client does.
 *
 * @module
 */
import type { CallOptions } from '../keito/client.ts'
import { withTracingSuppressed } from '../otel/suppress.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { oneLine } from '../telemetry/one-line.ts'
import { isFields } from './fields.ts'
import { ambiguous, type Outcome, retryable } from './outcome.ts'
import { outcomeOfError } from './outcome-of-error.ts'

/** What came of a call. */
export interface Attempt<T> {
  readonly outcome: Outcome<T>
  /** False when the client has not answered within the deadline. It may still do so: see {@link AttemptOptions}. */
  readonly isAnswered: boolean
}

/** How a call is made. */
export interface AttemptOptions<T> {
  /** Deadline in milliseconds, kept even when the client ignores its signal. */
  readonly timeoutMs: number
  /** Aborts the call, at the deadline or earlier. */
  readonly controller: AbortController
  /** Finds what is needed in the value that the client accepted with; undefined when it is not there. */
  readonly read: (value: unknown) => T | undefined
  /** Told when the call has ended. */
  readonly metrics?: Metrics | undefined
  /** Called with the client's answer when it comes after the deadline. */
  readonly onLate?: (outcome: Outcome<T>) => void
  /** Passed on to the client; each wait for it begins a new deadline. */
  readonly nextPage?: () => Promise<void>
}

/**
 * Calls the client once. Never rejects: a client that throws, hangs or answers nonsense leaves it unknown what was done,
 * so the outcome is ambiguous. Its reason is a single bounded line.
 *
 * @param call Calls the client.
 */
export async function attempt<T>(
  call: (options: CallOptions) => unknown,
  { timeoutMs, controller, read, metrics, onLate, nextPage }: AttemptOptions<T>,
): Promise<Attempt<T>> {
  const { signal } = controller
  const startedAt = performance.now()
  let isGivenUp = false
  const givenUp = new Promise<Attempt<T>>((resolve) => {
    const giveUp = () => {
      isGivenUp = true
      resolve({ outcome: ambiguous(`no answer within ${timeoutMs} ms`), isAnswered: false })
    }
    signal.addEventListener('abort', giveUp, { once: true })
  })
  const startTimer = () => {
    const timer = setTimeout(() => controller.abort(), timeoutMs)
    timer.unref?.()
    return timer
  }
  let timer = startTimer()
  const waitForPage = async () => {
    clearTimeout(timer)
    await nextPage?.()
    // A client that does not look at its signal would go on for nobody.
    if (signal.aborted) throw new Error('the call was given up')
    timer = startTimer()
  }
  const options = nextPage ? { signal, nextPage: waitForPage } : { signal }
  const answered = answerOf(call, options, read).then((outcome) => {
    if (isGivenUp) onLate?.(outcome)
    return { outcome, isAnswered: true }
  })
  const result = await Promise.race([answered, givenUp])
  clearTimeout(timer)
  const { type } = result.outcome
  metrics?.requestEnded(performance.now() - startedAt, type === 'accepted' ? undefined : type)
  return result
}

async function answerOf<T>(
  call: (options: CallOptions) => unknown,
  options: CallOptions,
  read: (value: unknown) => T | undefined,
): Promise<Outcome<T>> {
  try {
    const answer: unknown = await withTracingSuppressed(() => call(options))
    return outcomeFrom(answer, read)
  } catch (error) {
    return ambiguous(oneLine(`the client threw: ${outcomeOfError(error).reason}`))
  }
}

/** Reads a client's answer as an outcome, trusting none of its fields. */
function outcomeFrom<T>(answer: unknown, read: (value: unknown) => T | undefined): Outcome<T> {
  if (!isFields(answer)) return ambiguous('the client gave no outcome')
  const reason = typeof answer.reason === 'string' ? oneLine(answer.reason) : 'no reason given'
  const status = typeof answer.status === 'number' ? answer.status : 0
  switch (answer.type) {
    case 'accepted': {
      const value = read(answer.value)
      return value === undefined ? ambiguous('an answer that cannot be read') : { type: 'accepted', value }
    }
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

function isWait(value: unknown): value is number {
  return typeof value === 'number' && value >= 0
}
