/** Plain calls of a sandbox with `fetch`, and bodies that it accepts. */
import type { KeitoSandbox } from '../../src/testing/index.ts'

/** A JSON reply of any endpoint, as far as tests read it by name. */
export interface ReplyBody {
  readonly id: string
  readonly hours: number
  readonly error_description: string
  readonly created_at: string
  readonly updated_at: string
  readonly time_entries?: readonly { readonly notes: string }[]
  readonly expenses?: readonly { readonly notes: string }[]
  readonly links: { readonly next: string | null }
  readonly [field: string]: unknown
}

/** What came back. `body` is an empty object when the reply is no JSON. */
export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  readonly body: ReplyBody
}

/** Sends a call with valid credentials. A string is sent as it is, anything else as JSON. */
export async function call(
  sandbox: KeitoSandbox,
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = credentials(sandbox),
): Promise<Answer> {
  const response = await fetch(`${sandbox.url}${path}`, {
    method,
    headers,
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
  const text = await response.text()
  const isJson = response.headers.get('content-type') === 'application/json'
  return { status: response.status, headers: response.headers, text, body: JSON.parse(isJson ? text : '{}') }
}

/** The two headers that every call needs. */
export function credentials(sandbox: KeitoSandbox): Record<string, string> {
  return { Authorization: `Bearer ${sandbox.apiKey}`, 'Keito-Account-Id': sandbox.accountId }
}

/** A time entry that the default sandbox accepts. */
export const TIME_ENTRY = {
  project_id: 'cmproject1',
  task_id: 'cmtask1',
  spent_date: '2026-03-02',
  hours: 1.5,
  notes: 'review-bot: 12 model calls',
  billable: true,
  is_running: false,
  source: 'agent',
  metadata: { session_id: 's1' },
}

/** An expense that the default sandbox accepts. */
export const EXPENSE = {
  project_id: 'cmproject1',
  expense_category_id: 'cmcategory1',
  spent_date: '2026-03-02',
  units: 45,
  notes: 'claude-opus-4-6: 30k input + 15k output',
  billable: true,
  source: 'agent',
  metadata: { session_id: 's1' },
}

/** A metadata object that is so many bytes of compact JSON. */
export function metadataOf(bytes: number): { note: string } {
  return { note: 'x'.repeat(bytes - '{"note":""}'.length) }
}
