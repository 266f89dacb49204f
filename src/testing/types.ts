/**
 * What users of the sandbox see: its options, the records it stores and its handle.
 *
 * @module
 */

/** A project of the sandbox's company. */
export interface SandboxProject {
  readonly id: string
  readonly name: string
  /** Whether the agent user is assigned to it; booking on a project that is not is refused with 403. @default true */
  readonly assigned?: boolean
}

/** A task of the sandbox's company. Tasks belong to all projects. */
export interface SandboxTask {
  readonly id: string
  readonly name: string
}

/** An expense category of the sandbox's company. */
export interface SandboxExpenseCategory {
  readonly id: string
  readonly name: string
  /** Price of one unit. Without it, an expense in this category needs a `total_cost`. */
  readonly unitPrice?: number
}

/** The user that the API key belongs to. */
export interface SandboxUser {
  readonly id: string
  readonly name: string
  /** @default 'agent' */
  readonly type?: 'human' | 'agent'
}

/**
 * Options of `startKeitoSandbox`; each has a default that makes a complete, small company.
 *
 * @example
 * ```ts
 * await startKeitoSandbox({ projects: [{ id: 'cmshop', name: 'Shop' }, { id: 'cmlab', name: 'Lab', assigned: false }] })
 * ```
 */
export interface KeitoSandboxOptions {
  /** The only API key that is let in. @default 'kto_sandbox' */
  readonly apiKey?: string
  /** The account (company) that the key belongs to. @default 'cmsandbox' */
  readonly accountId?: string
  /** At least one. @default one project, `cmproject1` "Website relaunch" */
  readonly projects?: readonly SandboxProject[]
  /** At least one. @default one task, `cmtask1` "Agent work" */
  readonly tasks?: readonly SandboxTask[]
  /** At least one. @default one category, `cmcategory1` "LLM Usage", at 0.003 a unit */
  readonly expenseCategories?: readonly SandboxExpenseCategory[]
  /** Who books. @default an agent user, `cmagent1` "Sandbox agent" */
  readonly user?: SandboxUser
  /** Requests let through within any 60 seconds, a whole number from 1; `false` for no limit. @default false */
  readonly rateLimit?: number | false
  /** How the sandbox fails, for tests of what becomes of the records then. @default it never fails */
  readonly faults?: SandboxFaults
}

/**
 * What the caller meets instead of the reply:
 *
 * - `refuse`: the connections are cut, and from then on nothing listens on the port for `refuseMs`. The request that
 *   drew it is cut as well, unanswered;
 * - `stall`: no answer, and after `stallMs` the end of the connection;
 * - `rate-limit`: 429 with `Retry-After`;
 * - `unavailable`: 503 with `Retry-After`;
 * - `error`: 500;
 * - `bad-gateway`: 502 with a proxy's page;
 * - `timeout`: 504 with a proxy's page;
 * - `reset`: the connection is reset before any byte of an answer;
 * - `truncate`: 200 with half of the body that its `Content-Length` announces;
 * - `lie`: 200 with the sign-in page of a proxy for a body.
 *
 * `refuse`, `rate-limit` and `unavailable` never write; with the others, `SandboxFaultMoment` says.
 */
export type SandboxFaultKind =
  | 'refuse'
  | 'stall'
  | 'rate-limit'
  | 'unavailable'
  | 'error'
  | 'bad-gateway'
  | 'timeout'
  | 'reset'
  | 'truncate'
  | 'lie'

/** What becomes of the write: `before`, never made; `after`, made first; `late`, made `lateMs` after the fault. */
export type SandboxFaultMoment = 'before' | 'after' | 'late'

/**
 * How the sandbox fails. Requests draw in the order in which they arrive, before their credentials are looked at; one
 * to a path that Keito does not have draws nothing. So a caller that sends one request after another meets the same
 * faults each time. What is drawn for a request depends on the seed and on how many drew before it, on nothing else.
 *
 * @example
 * ```ts
 * const sandbox = await startKeitoSandbox({ faults: { seed: 7, kinds: ['reset', 'error'], on: 'writes', most: 20 } })
 * // ... run agents, flush, and when some time has passed:
 * console.info(sandbox.faults().filter(({ committed }) => committed), sandbox.timeEntries().length)
 * ```
 */
export interface SandboxFaults {
  /** Whole number, of which the lower 32 bits count; the same seed gives the same draws. @default 1 */
  readonly seed?: number
  /** Share of requests that meet a fault, 0 to 1. @default 0.3 */
  readonly rate?: number
  /** At least one, all as likely; one that is named twice is drawn twice as often. @default all */
  readonly kinds?: readonly SandboxFaultKind[]
  /** At least one, all as likely. Of no matter for a request that writes nothing. @default all */
  readonly moments?: readonly SandboxFaultMoment[]
  /**
   * Which requests may meet a fault; the others do not draw either. `'writes'` spares lists. A function is asked for
   * each request, and must not throw: `({ path }) => path.endsWith('/stop')`.
   * @default 'all'
   */
  readonly on?: 'all' | 'writes' | ((request: SandboxFaultTarget) => boolean)
  /** Faults at most; then the sandbox is well. @default Infinity */
  readonly most?: number
  /** Milliseconds from the fault to a late write. The call is checked then, and may be refused. @default 50 */
  readonly lateMs?: number
  /** Milliseconds from 1 that a stalled request stays unanswered; longer than clients wait. @default 60000 */
  readonly stallMs?: number
  /** `Retry-After` of 429 and 503, in whole seconds from 0. @default 1 */
  readonly retryAfterS?: number
  /** Milliseconds that nothing listens on the port. @default 50 */
  readonly refuseMs?: number
}

/** A request that may meet a fault. */
export interface SandboxFaultTarget {
  readonly method: string
  /** Path without its query. */
  readonly path: string
}

/** A fault that a request has met. */
export interface SandboxFault {
  readonly method: string
  /** Path and query. */
  readonly path: string
  readonly kind: SandboxFaultKind
  /** As drawn, also where it is of no matter. */
  readonly moment: SandboxFaultMoment
  /** Whether the request has written all the same; of a late write, false until it is made. */
  readonly committed: boolean
}

/** An id with its name, as replies show related records. */
export interface IdName {
  readonly id: string
  readonly name: string
}

/** Where a time entry may come from. */
export type TimeEntrySource = 'web' | 'cli' | 'api' | 'agent' | 'calendar' | 'desktop'

/** Where an expense may come from. */
export type ExpenseSource = 'web' | 'cli' | 'api' | 'agent'

/** What stored time entries and expenses have in common. */
export interface StoredBase {
  readonly id: string
  readonly user_id: string
  readonly user: IdName
  readonly project_id: string
  readonly project: IdName
  /** Calendar day, `YYYY-MM-DD`. */
  readonly spent_date: string
  readonly notes: string | null
  readonly billable: boolean
  readonly is_locked: boolean
  readonly is_billed: boolean
  readonly metadata: Readonly<Record<string, unknown>> | null
  /** ISO 8601, UTC. */
  readonly created_at: string
  /** ISO 8601, UTC. */
  readonly updated_at: string
}

/** A time entry as the sandbox stores it and replies with it. */
export interface StoredTimeEntry extends StoredBase {
  readonly task_id: string
  readonly task: IdName
  /** 0 to 24, kept to 2 decimals. */
  readonly hours: number
  readonly is_running: boolean
  readonly timer_started_at: string | null
  /** `HH:mm`, UTC. */
  readonly started_time: string | null
  /** `HH:mm`, UTC. */
  readonly ended_time: string | null
  readonly is_closed: boolean
  readonly budgeted: boolean
  readonly billable_rate: number | null
  readonly cost_rate: number | null
  readonly source: TimeEntrySource
}

/** An expense as the sandbox stores it and replies with it. */
export interface StoredExpense extends StoredBase {
  readonly expense_category_id: string
  readonly expense_category: IdName
  readonly total_cost: number
  readonly units: number | null
  readonly receipt_file_name: null
  readonly receipt_content_type: null
  readonly receipt_url: null
  readonly approval_status: 'unsubmitted'
  readonly source: ExpenseSource
}

/** A request that the sandbox has received in full. Its headers are not kept, so no credential is. */
export interface SandboxRequest {
  readonly method: string
  /** Path and query. */
  readonly path: string
  /** Status of the reply; 0 when a fault left the request without one. */
  readonly status: number
  /** The body as received: parsed JSON, else the text; absent when there was none or more than 1 MB. */
  readonly body?: unknown
}

/** The exporter options that point at a sandbox. */
export interface SandboxExporterOptions {
  readonly apiKey: string
  readonly accountId: string
  readonly baseUrl: string
  readonly projectId: string
  readonly taskId: string
  readonly expenseCategoryId: string
}

/** A running sandbox. */
export interface KeitoSandbox {
  /** Base URL, e.g. `http://127.0.0.1:49321`, without `/api/v2`. */
  readonly url: string
  readonly apiKey: string
  readonly accountId: string
  /** The first project. */
  readonly projectId: string
  /** The first task. */
  readonly taskId: string
  /** The first expense category. */
  readonly expenseCategoryId: string
  /** What `KeitoSpanExporter` needs to book here. */
  readonly exporterOptions: SandboxExporterOptions
  /** A copy of the stored time entries, the oldest first. */
  timeEntries(): readonly StoredTimeEntry[]
  /** A copy of the stored expenses, the oldest first. */
  expenses(): readonly StoredExpense[]
  /** A copy of the received requests, refused ones included, the oldest first. */
  requests(): readonly SandboxRequest[]
  /** A copy of the faults that were met, the oldest first. */
  faults(): readonly SandboxFault[]
  /**
   * Makes a time entry unchangeable, as an admin or an approval does: changes and stops are refused with 403, deletes
   * with 403 when it is locked and 409 when it is approved.
   *
   * @param id Id of a stored time entry; another one changes nothing.
   * @param by Why it cannot be changed. @default 'lock'
   */
  lockTimeEntry(id: string, by?: 'lock' | 'approval'): void
  /** Ends the faults: no request meets one from now on. A late write under way is still made. */
  heal(): void
  /**
   * Forgets all records, requests and faults and what the rate limit has counted, and late writes are not made. Ids
   * are not given out again; the draws of faults go on, and count towards `most`, as if nothing had happened.
   */
  reset(): void
  /** Stops the server and cuts its open connections. May be called again. */
  close(): Promise<void>
}
