/** Processes that work until they are killed, what they have said, and whether Keito has booked just that. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { KeitoExporterOptions } from '../../src/index.ts'
import type { KeitoSandbox, StoredExpense, StoredTimeEntry } from '../../src/testing/index.ts'

const CHILD = fileURLToPath(new URL('./process/works-until-killed.mjs', import.meta.url))
/** A child that is still there by then hangs, and is killed. */
const HANGING_MS = 30_000

/** A span as a worker hands it to its exporter. */
export interface HandedSpan {
  readonly traceId: string
  readonly spanId: string
  readonly isRun: boolean
  readonly input: number
  readonly output: number
  readonly durationMs: number
}

/** What all workers of a test have said, the oldest first. */
export class Story {
  readonly handed = new Map<string, HandedSpan>()
  readonly acked = new Set<string>()
  readonly reported: { readonly pid: number | undefined; readonly code: string; readonly message: string }[] = []
  /** Workers that have shut down in order. */
  ended = 0

  /** Takes in one line of a worker. A line that a kill has cut is none. */
  hear(line: string, pid: number | undefined): void {
    const [what, about, message] = jsonIn(line) ?? []
    if (what === 'hands') this.handed.set(about.spanId, about)
    if (what === 'acked') this.acked.add(about)
    if (what === 'reports') this.reported.push({ pid, code: about, message })
    if (what === 'ends') this.ended++
  }

  /** Spans that were handed over by session. */
  get sessions(): ReadonlyMap<string, readonly HandedSpan[]> {
    const sessions = new Map<string, HandedSpan[]>()
    for (const span of this.handed.values()) sessions.set(span.traceId, [...(sessions.get(span.traceId) ?? []), span])
    return sessions
  }

  /** Spans whose acknowledgement a kill came before: they may count, or not. */
  get inTheBalance(): readonly HandedSpan[] {
    return [...this.handed.values()].filter(({ spanId }) => !this.acked.has(spanId))
  }
}

/** One running worker. */
export interface Worker {
  readonly pid: number | undefined
  /** Resolves once it has said so many lines. */
  said(lines: number): Promise<void>
  /** Sends the signal and waits for its end. */
  end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void>
}

/** Starts a worker on an outbox directory. */
export function startWorker(story: Story, seed: number, directory: string, options: KeitoExporterOptions): Worker {
  const env = { ...process.env, KEITO_OUTBOX_DIR: directory }
  const child = spawn(process.execPath, [CHILD, String(seed), JSON.stringify(options)], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env,
    timeout: HANGING_MS,
    killSignal: 'SIGKILL',
  })
  const lines = linesOf(child, (line) => story.hear(line, child.pid))
  const closed = once(child, 'close')
  return {
    pid: child.pid,
    said: (count) => lines.reach(count),
    async end(signal) {
      child.kill(signal)
      await closed
    },
  }
}

function linesOf(child: ChildProcess, hear: (line: string) => void) {
  let count = 0
  const waiting = new Set<() => void>()
  const wake = () => {
    for (const check of waiting) check()
  }
  if (!child.stdout) throw new Error('a worker speaks on its stdout')
  createInterface({ input: child.stdout }).on('line', (line) => {
    count++
    hear(line)
    wake()
  })
  child.on('close', wake)
  return {
    reach: (wanted: number) =>
      new Promise<void>((resolve, reject) => {
        const check = () => {
          const isGone = child.exitCode !== null || child.signalCode !== null
          if (count < wanted && !isGone) return
          waiting.delete(check)
          if (count >= wanted) resolve()
          else reject(new Error(`a worker ended after ${count} of ${wanted} lines`))
        }
        waiting.add(check)
        check()
      }),
  }
}

/** What is wrong with what Keito has, as sentences; nothing when each session is booked once and as it was. */
export function wrongsOf(story: Story, sandbox: KeitoSandbox): readonly string[] {
  const entries = bySession(sandbox.timeEntries())
  const expenses = bySession(sandbox.expenses())
  const keys = [...sandbox.timeEntries(), ...sandbox.expenses()].map(({ metadata }) => metadata?.idempotency_key)
  const strangers = [...entries.keys(), ...expenses.keys()].filter((id) => !story.sessions.has(id))
  return [
    ...keys.filter((key, i) => keys.indexOf(key) !== i).map((key) => `${key} is booked twice`),
    ...strangers.map((id) => `session ${id} is booked and nobody has worked on it`),
    ...[...story.sessions].flatMap(([id, spans]) =>
      wrongsOfSession(spans, story.acked, entries.get(id) ?? [], expenses.get(id) ?? []).map((it) => `${id}: ${it}`),
    ),
  ]
}

function wrongsOfSession(
  spans: readonly HandedSpan[],
  acked: ReadonlySet<string>,
  entries: readonly StoredTimeEntry[],
  expenses: readonly StoredExpense[],
): readonly string[] {
  const wrongs: string[] = []
  const calls = spans.filter(({ isRun }) => !isRun)
  const booked = tokensIn(expenses.map(({ metadata }) => [metadata?.input_tokens, metadata?.output_tokens]))
  const certain = calls.filter(({ spanId }) => acked.has(spanId))
  const possible = [certain, calls].map((some) => tokensIn(some.map(({ input, output }) => [input, output])))
  if (!possible.includes(booked)) wrongs.push(`${booked} tokens are booked, not ${possible.join(' or ')}`)

  const run = spans.find(({ isRun }) => isRun)
  const isAcked = run !== undefined && acked.has(run.spanId)
  const times = entries.map(({ metadata }) => metadata?.duration_ms)
  const isRight = times.length === 1 && times[0] === run?.durationMs
  // A run whose acknowledgement was lost may be booked; one that never ended may not.
  if (!isRight && (isAcked || times.length > 0)) wrongs.push(`[${times}] ms are booked, not ${run?.durationMs}`)
  for (const { notes, billable } of expenses) {
    const saysSo = notes?.endsWith('(interrupted run)') ?? false
    if (saysSo === isRight || billable !== isRight) {
      wrongs.push(`an expense of a run that ${isRight ? 'ended' : 'never ended'} says: ${notes}, billable: ${billable}`)
    }
  }
  return wrongs
}

/** How far off the sums of booked hours and units are, in steps of rounding. */
export function roundingErrorsOf(sandbox: KeitoSandbox): Readonly<Record<'hours' | 'billable' | 'unbilled', number>> {
  const numbers = (values: readonly unknown[]) => values.reduce<number>((sum, value) => sum + Number(value ?? 0), 0)
  const entries = sandbox.timeEntries()
  const exactHours = numbers(entries.map(({ metadata }) => metadata?.duration_ms)) / 3_600_000
  const unitError = (billable: boolean) => {
    const some = sandbox.expenses().filter((expense) => expense.billable === billable)
    const tokens = numbers(some.flatMap(({ metadata }) => [metadata?.input_tokens, metadata?.output_tokens]))
    return numbers(some.map(({ units }) => units)) - tokens / 1000
  }
  return {
    hours: (numbers(entries.map(({ hours }) => hours)) - exactHours) / 0.01,
    billable: unitError(true),
    unbilled: unitError(false),
  }
}

function tokensIn(pairs: readonly (readonly unknown[])[]): string {
  const sum = (at: number) => pairs.reduce((total, pair) => total + Number(pair[at]), 0)
  return `${sum(0)}+${sum(1)}`
}

function bySession<R extends StoredTimeEntry | StoredExpense>(
  records: readonly R[],
): ReadonlyMap<string, readonly R[]> {
  const sessions = new Map<string, R[]>()
  for (const record of records) {
    const id = String(record.metadata?.session_id)
    sessions.set(id, [...(sessions.get(id) ?? []), record])
  }
  return sessions
}

function jsonIn(line: string) {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}
