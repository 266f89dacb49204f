/** Rule: every example runs from a build alone, ends by itself, warns of nothing, and what it books is the truth. */
import { execFile } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it, vi } from 'vitest'
import type { BookedLedger } from '../examples/support/ledger.ts'
import { printVerdict } from '../examples/support/verdict.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const EXAMPLES = readdirSync(`${ROOT}/examples`).filter((name) => name.endsWith('.ts'))
/** Long enough never to matter; an example that is still running then does not end by itself. */
const TIMEOUT_MS = 90_000

/** The environment without what would configure the exporter, OpenTelemetry or Node. */
const ENV = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^(KEITO_|OTEL_|NODE_|VITEST|FORCE_COLOR)/.test(name)),
)

interface Ended {
  readonly code: number | string | null
  readonly output: string
  readonly complaints: string
}

function run(example: string): Promise<Ended> {
  const args = ['--import', 'tsx', `examples/${example}`]
  return new Promise((resolve) => {
    execFile(process.execPath, args, { cwd: ROOT, env: ENV, timeout: TIMEOUT_MS }, (error, stdout, stderr) => {
      resolve({ code: error ? (error.code ?? error.signal ?? 1) : 0, output: stdout, complaints: stderr })
    })
  })
}

/** What each example has to say. */
const SAYS: Readonly<Record<string, readonly RegExp[]>> = {
  'ai-sdk-agent.ts': [
    /page-migrator: 3 model calls, 2 tool calls/,
    /site-auditor: 4 model calls, 2 tool calls/,
    /headline-writer: 1 model call/,
    /link-fixer .* failed as scripted/,
    /ok +tokens booked ([\d,]+) of \1 returned +1,261 not billable/,
    /ok +model calls 10 of 10 answered/,
    /ok +time entries 4 of 4 finished runs/,
  ],
  'semconv-spans.ts': [
    /time entry: .* review-bot: 2 model calls, 1 tool call \| billable \| project cm-website/,
    /expense: .* 10 units \| claude-opus-4-6: 8\.2k input \+ 1\.3k output/,
    /2 records printed, nothing sent/,
  ],
  'track-agent-run.ts': [
    /review-bot answered: two remarks by claude-haiku-4-5; two remarks by claude-opus-4-6/,
    /the second run failed with its own error: RangeError: the diff is too long/,
    /review-bot: 2 model calls/,
    /18,400 +950 +19 +0\.057 +yes/,
    /25,000 +15,000 +40 +0\.120 +yes/,
    /6,200 +300 +\d+ +[\d.]+ +no/,
  ],
  'keito-sdk-client.ts': [/review-bot: 1 model call/, /25,000 +15,000 +40 +0\.120 +yes/],
  'node-sdk.ts': [/ticket-bot: 1 model call/, /3,120 +441/],
  'short-lived-cli.ts': [/delivered before the end: 2 of 2 records, 0 left/, /4,310 +287/],
  'survives-a-kill.ts': [
    /the first process ended by SIGKILL; Keito has 0 time entries/,
    /3 of 3 records delivered/,
    /release-bot: 1 model call/,
    /12,000 +3,000 +15 +0\.045 +yes/,
    /8,000 +500 +9 +0\.027 +no/,
  ],
  'http-tenants.ts': [
    /Harbour Hotels +concierge: 1 model call .* yes/,
    /Olive & Oak +concierge: 1 model call .* no/,
    /Olive & Oak +menu-writer: 1 model call .* yes/,
    /Harbour Hotels +menu-writer: 1 model call .* yes/,
  ],
  'serverless.ts': [/answered; in Keito: 1 time entries, 1 expenses/, /answered; in Keito: 2 time entries, 2 expenses/],
  'live-timer.ts': [
    /running in Keito: review-bot: at work/,
    /while two are at work: review-bot: at work\n/,
    /running in Keito: deploy-bot: at work/,
    /after the end: nothing/,
    /review-bot: 1 model call/,
    /docs-bot: 1 model call/,
    /12,000 +800 +13 +0\.039 +no/,
  ],
  'attribution.ts': [
    /Harbour Hotels +booking-assistant.*yes/,
    /Harbour Hotels +quality-checker.*no/,
    /Olive & Oak +Autumn menu, first draft/,
    /reported \(unassigned\)/,
    /kept, not booked: time of scratchpad \(no projectId\)/,
    /kept, not booked: tokens of scratchpad \(no projectId\)/,
    /kept, not booked: time of table-planner[\s\S]*released: 1 run\n(?![\s\S]*kept, not booked: \w+ of table-planner)/,
    /Olive & Oak +table-planner.*yes/,
  ],
}

describe('an example', () => {
  it.concurrent.for(EXAMPLES)(
    '%s ends well, says what it promises, and complains of nothing',
    { timeout: TIMEOUT_MS + 10_000 },
    async (example, { expect }) => {
      const { code, output, complaints } = await run(example)
      expect({ code, complaints }, output).toEqual({ code: 0, complaints: '' })
      expect(SAYS[example]).toBeDefined()
      for (const line of SAYS[example] ?? []) expect(output).toMatch(line)
      expect(output).not.toMatch(/WRONG|NaN|undefined/)
    },
  )

  it('is listed in the README with the command that runs it', () => {
    const readme = readFileSync(`${ROOT}/examples/README.md`, 'utf8')
    for (const example of EXAMPLES) {
      expect(readme).toContain(`[${example}](${example})`)
      if (example !== 'ai-sdk-agent.ts') expect(readme).toContain(`npx tsx examples/${example}`)
    }
  })
})

describe('the verdict', () => {
  afterEach(() => vi.restoreAllMocks())

  const record = {
    id: '1',
    user_id: 'u',
    user: { id: 'u', name: 'u' },
    project_id: 'p',
    project: { id: 'p', name: 'p' },
    spent_date: '2026-03-10',
    notes: '',
    billable: true,
    is_locked: false,
    is_billed: false,
    created_at: '',
    updated_at: '',
    source: 'agent',
  } as const
  const timeEntry = {
    ...record,
    task_id: 't',
    task: { id: 't', name: 't' },
    hours: 0.01,
    is_running: false,
    timer_started_at: null,
    started_time: null,
    ended_time: null,
    is_closed: false,
    budgeted: false,
    billable_rate: null,
    cost_rate: null,
    metadata: { duration_ms: 36_000 },
  }
  const expense = {
    ...record,
    expense_category_id: 'c',
    expense_category: { id: 'c', name: 'c' },
    total_cost: 0.006,
    units: 2,
    receipt_file_name: null,
    receipt_content_type: null,
    receipt_url: null,
    approval_status: 'unsubmitted',
    metadata: { model: 'm', input_tokens: 1_700, output_tokens: 300, llm_calls: 2 },
  } as const
  const ledger: BookedLedger = { timeEntries: [timeEntry], expenses: [expense] }
  const runs = [
    { name: 'a', ms: 36_010, failed: false },
    { name: 'b', ms: 500, failed: true },
  ]
  const truth = { calls: 2, input: 1_700, output: 300, tokens: 2_000 }
  const judge = (changes: Partial<BookedLedger> = {}) => {
    vi.spyOn(console, 'info').mockImplementation(() => {})
    return printVerdict({ ...ledger, ...changes }, runs, truth)
  }

  it('is good when the books are right', () => {
    expect(judge()).toBe(true)
  })

  it.each<[string, Partial<BookedLedger>]>([
    ['a token is missing', { expenses: [{ ...expense, metadata: { ...expense.metadata, input_tokens: 1_699 } }] }],
    ['a token is booked twice', { expenses: [{ ...expense, metadata: { ...expense.metadata, output_tokens: 301 } }] }],
    ['a model call is missing', { expenses: [{ ...expense, metadata: { ...expense.metadata, llm_calls: 1 } }] }],
    ['the units are not those of the tokens', { expenses: [{ ...expense, units: 3 }] }],
    ['a time entry is missing', { timeEntries: [] }],
    ['more time is booked than was worked', { timeEntries: [{ ...timeEntry, metadata: { duration_ms: 36_011 } }] }],
    ['the hours are not those of the time', { timeEntries: [{ ...timeEntry, hours: 0.02 }] }],
  ])('is bad when %s', (_, changes) => {
    expect(judge(changes)).toBe(false)
  })
})
