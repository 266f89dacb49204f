/**
 * The built-in client of Keito's v2 REST API, made of `fetch` and nothing else.
 *
 * @module
 */

import { ambiguous, type Outcome, retryable } from '../delivery/outcome.ts'
import { outcomeOfError } from '../delivery/outcome-of-error.ts'
import { ConfigError } from '../errors.ts'
import { withTracingSuppressed } from '../otel/suppress.ts'
import { oneLine } from '../telemetry/one-line.ts'
import { VERSION } from '../version.ts'
import { apiRoot, DEFAULT_BASE_URL } from './base-url.ts'
import type { CallOptions, OutcomeClient, OutcomeResource } from './client.ts'
import { startDeadline } from './deadline.ts'
import { outcomeOfDelete } from './deleted.ts'
import { allPages, PAGE_SIZE } from './pages.ts'
import { outcomeOfReply } from './reply.ts'
import { outcomeOfStop } from './stopped.ts'
import { storedRecord } from './stored.ts'
import type {
  Expense,
  ExpenseCreate,
  ListQuery,
  StoredRecord,
  TimeEntry,
  TimeEntryCreate,
  TimeEntryUpdate,
} from './types.ts'

/** Settings of {@link KeitoRestClient}. */
export interface KeitoRestClientOptions {
  /** Keito API key; the exporter reads it from `KEITO_API_KEY`. */
  readonly apiKey: string
  /** Keito account (company) id; the exporter reads it from `KEITO_ACCOUNT_ID`. */
  readonly accountId: string
  /**
   * Base URL of Keito; a path in front of the API's, such as a gateway's, is kept. Must be https, except on loopback.
   * @default 'https://app.keito.ai'
   */
  readonly baseUrl?: string | undefined
  /** Sends the requests. @default the global `fetch`, as it is when a request starts */
  readonly fetch?: typeof globalThis.fetch | undefined
  /** Deadline of one request, its body included, in milliseconds. @default 10000 */
  readonly timeoutMs?: number | undefined
}

/** A resource of the REST API: it can be created and listed. */
export type RestResource<Body, Stored extends StoredRecord> = Required<OutcomeResource<Body, Stored>>

/** Time entries can be changed and deleted as well, and their timers stopped. */
export interface RestTimeEntries extends RestResource<TimeEntryCreate, TimeEntry> {
  /** Deletes a time entry. One that is not there counts as deleted. */
  delete(id: string, options?: CallOptions): Promise<Outcome<unknown>>
  /** Changes a time entry. The same update may be made again: it changes nothing more. */
  update(id: string, body: TimeEntryUpdate, options?: CallOptions): Promise<Outcome<unknown>>
  /** Stops a timer. One that does not run counts as stopped. */
  stop(id: string, options?: CallOptions): Promise<Outcome<unknown>>
}

/**
 * A client of Keito's v2 REST API. Its methods never reject and never repeat a request: they answer with an
 * {@link Outcome}. No redirect is followed, no span is made of its requests, and the API key is in no message, log or
 * dump of it.
 *
 * @throws {ConfigError} When an option is missing or wrong; the message names it and its environment variable.
 *
 * @example
 * ```ts
 * const client = new KeitoRestClient({ apiKey: 'kto_...', accountId: 'cm1...' })
 * new KeitoSpanExporter({ client })
 * ```
 */
export class KeitoRestClient implements OutcomeClient {
  readonly answers = 'outcomes'
  /** Time entries. The methods may be detached from the client. */
  readonly timeEntries: RestTimeEntries
  /** Expenses. The methods may be detached from the client. */
  readonly expenses: RestResource<ExpenseCreate, Expense>

  readonly #apiKey: string
  readonly #accountId: string
  readonly #root: string
  readonly #fetch: typeof globalThis.fetch | undefined
  readonly #timeoutMs: number

  constructor(options: KeitoRestClientOptions) {
    this.#apiKey = headerValue(options.apiKey, 'apiKey (KEITO_API_KEY)')
    this.#accountId = headerValue(options.accountId, 'accountId (KEITO_ACCOUNT_ID)')
    this.#root = apiRoot(options.baseUrl ?? DEFAULT_BASE_URL)
    this.#fetch = options.fetch
    this.#timeoutMs = milliseconds(options.timeoutMs ?? 10_000)
    this.timeEntries = {
      ...this.#resource<TimeEntryCreate, TimeEntry>('time_entries'),
      delete: async (id, options) => outcomeOfDelete(await this.#request('DELETE', entryPath(id), options?.signal)),
      update: (id, body, options) => this.#request('PATCH', entryPath(id), options?.signal, body),
      stop: async (id, options) =>
        outcomeOfStop(await this.#request('PATCH', `${entryPath(id)}/stop`, options?.signal)),
    }
    this.expenses = this.#resource('expenses')
  }

  #resource<Body, Stored extends StoredRecord>(name: string): RestResource<Body, Stored> {
    return {
      create: async (body, options) => {
        const reply = await this.#request('POST', name, options?.signal, body)
        if (reply.type !== 'accepted') return reply
        const value = storedRecord<Stored>(reply.value)
        return value ? { type: 'accepted', value } : ambiguous('a success whose body has no id')
      },
      list: (query, options) =>
        allPages(
          name,
          (page) =>
            this.#request('GET', `${name}?${searchOf({ per_page: PAGE_SIZE, ...query, page })}`, options?.signal),
          options?.nextPage,
        ),
    }
  }

  async #request(
    method: 'GET' | 'POST' | 'PATCH' | 'DELETE',
    path: string,
    signal: AbortSignal | undefined,
    body?: unknown,
  ): Promise<Outcome<unknown>> {
    const deadline = startDeadline(this.#timeoutMs, signal)
    try {
      const init = this.#init(method, deadline.signal, body)
      // Looked up at each call, so that instrumentations and tests that replace it later are seen.
      const send = this.#fetch ?? globalThis.fetch
      const response = await withTracingSuppressed(() => send(`${this.#root}/${path}`, init))
      return this.#presentable(await outcomeOfReply(response))
    } catch (error) {
      return this.#presentable(isRedirect(error) ? retryable(REDIRECTED) : outcomeOfError(error))
    } finally {
      deadline.clear()
    }
  }

  #init(method: string, signal: AbortSignal, body: unknown): RequestInit {
    const headers: Record<string, string> = {
      Authorization: `Bearer ${this.#apiKey}`,
      'Keito-Account-Id': this.#accountId,
      Accept: 'application/json',
      'User-Agent': `opentelemetry-exporter-keito/${VERSION}`,
    }
    // Followed elsewhere, the key and the body would be in the wrong hands.
    const init = { method, headers, redirect: 'error', signal } as const
    if (body === undefined) return init
    return { ...init, headers: { ...headers, 'Content-Type': 'application/json' }, body: JSON.stringify(body) }
  }

  /** The outcome with a reason that may be logged: short, one line, and without the key even when it was sent back. */
  #presentable(outcome: Outcome<unknown>): Outcome<unknown> {
    if (outcome.type === 'accepted') return outcome
    return { ...outcome, reason: oneLine(outcome.reason.replaceAll(this.#apiKey, '[API key]')) }
  }
}

const REDIRECTED = 'a redirect, which is never followed; check baseUrl (KEITO_API_URL)'

/** `fetch` tells a refused redirect by this text only; where it has other words, the outcome is ambiguous, which is safe. */
function isRedirect(error: unknown): boolean {
  const cause = error instanceof TypeError ? error.cause : undefined
  return cause instanceof Error && cause.message === 'unexpected redirect'
}

function entryPath(id: string): string {
  return `time_entries/${encodeURIComponent(id)}`
}

function searchOf(query: ListQuery): string {
  const search = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) if (value !== undefined) search.set(name, String(value))
  return search.toString()
}

/** A value fit for an HTTP header. It may be a secret, so no message repeats it. */
function headerValue(value: unknown, name: string): string {
  if (typeof value !== 'string' || value === '')
    throw new ConfigError(`${name} is missing; pass it or set the variable`)
  if (!/^[\x21-\x7e]+$/.test(value)) {
    throw new ConfigError(`${name} must be visible ASCII; it holds a blank, a line break or another character`)
  }
  return value
}

function milliseconds(value: unknown): number {
  if (typeof value === 'number' && value > 0 && value < 2 ** 31) return value
  throw new ConfigError(`timeoutMs must be a number of milliseconds above 0 and below 2^31, got ${String(value)}`)
}
