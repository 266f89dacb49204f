/**
 * A timer in Keito as this process knows it: what its run wants of it, where it stands, and what follows from both.
 *
 * @module
 */
import type { TimeEntryCreate } from '../keito/types.ts'
import type { Failure, Outcome } from './outcome.ts'

/** A timer to run in Keito while an agent run is under way. */
export interface RunTimer {
  /**
   * `<traceId>:<runSpanId>:timer`: `metadata.idempotency_key` of the running entry, until the record that ends it
   * overwrites it.
   */
  readonly key: string
  /** The key of the time entry record that ends it: `<traceId>:<runSpanId>:time:0`. */
  readonly recordKey: string
  /** What is started: `is_running: true`, `hours: 0`. */
  readonly body: TimeEntryCreate
}

/** What must outlive the process: enough to find a timer again by its metadata. */
export interface TimerMark {
  /** The key of the timer. */
  readonly key: string
  /** Its `spent_date`, `YYYY-MM-DD`. */
  readonly day: string
  readonly projectId: string
}

/** A request that was refused, and would be refused again. */
export type Refusal = Extract<Failure, { type: 'rejected' | 'unauthorized' }>

/** A timer: see the module. */
export interface Timer {
  readonly mark: TimerMark
  /** The run that it was started for; absent for a timer of a process that is gone. */
  readonly run: RunTimer | undefined
  /** `run`: to run on. `end`: to be stopped, because the record of its run follows. `remove`: to be gone. */
  wish: 'run' | 'end' | 'remove'
  /**
   * `queued`: not started. `lost`: perhaps started, and its id is not known. `missed`: a list that should have shown it
   * did not, so that only a start that is stored very late can still bring it.
   */
  state: 'queued' | 'running' | 'stopped' | 'lost' | 'missed'
  /** Keito's id, when it runs or is stopped. */
  id: string
  /** Further entries with the same key. */
  copies: readonly string[]
  /** Next request not before this time, in milliseconds of the sender's clock. */
  readyAt: number
  /** When a late start of it must have happened, as far as it is lost. */
  startedBy: number
  /** Requests in a row that came to nothing. */
  failures: number
  /** The requests under way, until they have ended. */
  work: Promise<void> | undefined
  /** Whether its mark was written. */
  isMarked: boolean
  /** Whether the client still works on its start, in spite of the deadline. */
  isUnanswered: boolean
  /** Whether its record was made and is on its way, which cannot be taken back. */
  isBooked: boolean
  /** Whether a call that delivers the record is under way: it makes the requests that are needed. */
  isBooking: boolean
  /** Why its entry cannot become the record's: it is deleted then, and the record created. */
  unfit: Failure | undefined
  /** Why its entry cannot be deleted. */
  undeletable: Refusal | undefined
  /** Whether a stop was refused. */
  isUnstoppable: boolean
  /** Whether it is looked for from time to time only, because Keito shows nothing of it or does not let us look. */
  isRare: boolean
}

/** A request that a timer needs. `blank`: its hours are set to 0, because it cannot be deleted. */
export type Step = 'start' | 'find' | 'stop' | 'delete' | 'blank'

const FRESH = {
  id: '',
  copies: [],
  startedBy: 0,
  failures: 0,
  work: undefined,
  isUnanswered: false,
  isBooked: false,
  isBooking: false,
  unfit: undefined,
  undeletable: undefined,
  isUnstoppable: false,
  isRare: false,
} as const

/** A timer that is to be started. */
export function queuedTimer(run: RunTimer, now: number): Timer {
  const mark = { key: run.key, day: run.body.spent_date, projectId: run.body.project_id }
  return { ...FRESH, mark, run, wish: 'run', state: 'queued', readyAt: now, isMarked: false }
}

/**
 * A timer that perhaps was started by a process that is gone.
 *
 * @param now When to look for it first, in milliseconds of the sender's clock.
 * @param startedBy When a late start of it must have happened: not there then, it is nowhere.
 */
export function lostTimer(mark: TimerMark, now: number, startedBy: number): Timer {
  return { ...FRESH, mark, run: undefined, wish: 'remove', state: 'lost', readyAt: now, startedBy, isMarked: true }
}

/** The request that a timer needs next; undefined when it has all that its run wants. */
export function stepOf(timer: Timer): Step | undefined {
  if (isSought(timer)) return 'find'
  if (timer.state === 'queued') return timer.wish === 'run' ? 'start' : undefined
  if (timer.wish === 'run' || timer.isBooking) return undefined
  const stop = timer.state === 'running' && !timer.isUnstoppable ? 'stop' : undefined
  if (timer.wish === 'end') return stop
  return timer.undeletable ? (stop ?? 'blank') : 'delete'
}

/** Whether a list is to tell if there is such a timer in Keito. */
export function isSought({ state }: Timer): boolean {
  return state === 'lost' || state === 'missed'
}

/** Whether there is an entry of it in Keito, as far as we know or must fear. */
export function mayBeInKeito({ state, work }: Timer): boolean {
  return state === 'queued' ? work !== undefined : state !== 'missed'
}

/** Whether Keito has looked at a request and refused it, so that the same request would be refused again. */
export function isRefused<T>(outcome: Outcome<T>): outcome is Refusal {
  return outcome.type === 'rejected' || (outcome.type === 'unauthorized' && outcome.status === 403)
}
