/**
 * The ways from delivery into code of others: the log, `onRecord` and the outbox. None of it can harm delivery.
 *
 * @module
 */
import type { RecordEvent } from '../options.ts'
import type { Log } from '../telemetry/log.ts'
import { oneLine } from '../telemetry/one-line.ts'
import type { FailureReport } from './failure-report.ts'
import { outcomeOfError } from './outcome-of-error.ts'

/** Who is told of what delivery does. */
export interface Listeners {
  readonly log: Log
  /** Called with each record when its fate is known; what it throws is reported and ignored. */
  readonly onRecord?: ((event: RecordEvent) => void) | undefined
}

/** Calls code of others. */
export class Callbacks {
  readonly #listeners: Listeners

  constructor(listeners: Listeners) {
    this.#listeners = listeners
  }

  /** Tells the user of a problem. */
  report({ code, cause, message }: FailureReport): void {
    this.#listeners.log.report(code, cause, message)
  }

  /** Tells the user what became of a record. */
  tell(event: RecordEvent): void {
    this.guard('onRecord', () => {
      const returned: unknown = this.#listeners.onRecord?.(event)
      // An async function fits the type; its rejection would otherwise be nobody's.
      if (returned instanceof Promise) returned.catch((error: unknown) => this.#reportThrown('onRecord', error))
    })
  }

  /** Runs what belongs to somebody else; when it throws, that is reported and delivery goes on. Returns if it did not. */
  guard(name: 'outbox' | 'onRecord', act: () => void): boolean {
    try {
      act()
      return true
    } catch (error) {
      this.#reportThrown(name, error)
      return false
    }
  }

  #reportThrown(name: 'outbox' | 'onRecord', error: unknown): void {
    const message = oneLine(`The option ${name} threw: ${outcomeOfError(error).reason}`)
    this.#listeners.log.report('callback', name, message)
  }
}
