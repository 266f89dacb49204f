/** Live timers at work on a sandbox, with the least of a sender around them: a loop, deliveries and a budget. */
import { vi } from 'vitest'
import type { TimeEntryRecord } from '../../src/billing/record.ts'
import { attempt } from '../../src/delivery/attempt.ts'
import { Budget } from '../../src/delivery/budget.ts'
import { Callbacks } from '../../src/delivery/callbacks.ts'
import { LiveTimers } from '../../src/delivery/live-timers.ts'
import { create, receiptFrom } from '../../src/delivery/requests.ts'
import type { RunTimer, TimerMark } from '../../src/delivery/timer.ts'
import { Turns } from '../../src/delivery/turns.ts'
import type { OutcomeClient } from '../../src/keito/client.ts'
import { KeitoRestClient } from '../../src/keito/rest-client.ts'
import { createCounters } from '../../src/telemetry/stats.ts'
import { type KeitoSandbox, type KeitoSandboxOptions, startKeitoSandbox } from '../../src/testing/index.ts'
import { settings as defaults, type Reported } from './delivery.ts'
import type { simulateKeito } from './simulated-keito.ts'

/** Short times for a real clock, in milliseconds. */
export const TIMES = { timeoutMs: 5000, maxBackoffMs: 16, reconcileAfterMs: 120, recheckAfterMs: 240 }
export const DAY = '2026-03-02'

const place = { project_id: 'cmproject1', task_id: 'cmtask1', spent_date: DAY, source: 'agent' } as const

/** The timer of a run. */
export function runTimer(run: string): RunTimer {
  const metadata = { idempotency_key: `trace:${run}:timer`, agent_id: 'review-bot', live: true }
  const body = { ...place, hours: 0, notes: `${run} is at work`, billable: true, is_running: true, metadata }
  return { key: `trace:${run}:timer`, recordKey: recordKey(run), body }
}

export const recordKey = (run: string) => `trace:${run}:time:0`

/** The record that a run comes to. */
export function runRecord(run: string, hours = 1.25): TimeEntryRecord {
  const metadata = { idempotency_key: recordKey(run), agent_id: 'review-bot', duration_ms: hours * 3_600_000 }
  const body = { ...place, hours, notes: `${run}: 2 model calls`, billable: false, is_running: false, metadata }
  return { kind: 'time_entry', key: recordKey(run), sessionId: 'trace', body }
}

export const markOf = (run: string): TimerMark => ({
  key: `trace:${run}:timer`,
  day: DAY,
  projectId: place.project_id,
})

/** A client of which some methods for time entries are others. */
export const withMethods =
  (change: (methods: KeitoRestClient['timeEntries']) => Partial<OutcomeClient['timeEntries']>) =>
  (client: KeitoRestClient): OutcomeClient => ({
    answers: 'outcomes',
    timeEntries: { ...client.timeEntries, ...change(client.timeEntries) },
    expenses: client.expenses,
  })

export const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))

interface WorldOptions {
  readonly sandbox?: KeitoSandboxOptions
  /** Takes the place of the sandbox. */
  readonly simulated?: ReturnType<typeof simulateKeito>
  /** Wraps or replaces the client. */
  readonly client?: (client: KeitoRestClient) => OutcomeClient
  readonly commit?: () => boolean
  readonly hasLog?: boolean
  readonly settings?: Partial<typeof defaults>
}

/** What tests need of a sandbox. */
type Sandbox = Pick<KeitoSandbox, 'exporterOptions' | 'timeEntries' | 'requests' | 'lockTimeEntry' | 'close'>

/** Lets the clock run as fast as it can until the work is done. Timers have to be faked. */
export async function fastForward<T>(work: Promise<T>): Promise<T> {
  let isDone = false
  const end = () => {
    isDone = true
  }
  work.then(end, end)
  while (!isDone) await vi.advanceTimersToNextTimerAsync()
  return work
}

export type TimerWorld = Awaited<ReturnType<typeof aTimerWorld>>

export async function aTimerWorld(options: WorldOptions = {}) {
  const sandbox: Sandbox = options.simulated ?? (await startKeitoSandbox(options.sandbox))
  const settings = { ...defaults, ...TIMES, requestsPerMinute: Number.POSITIVE_INFINITY, ...options.settings }
  const now = () => performance.now()
  const rest = new KeitoRestClient({
    ...sandbox.exporterOptions,
    fetch: options.simulated?.fetch,
    timeoutMs: settings.timeoutMs,
  })
  const client = options.client?.(rest) ?? rest
  const reports: Reported[] = []
  const callbacks = new Callbacks({ log: { report: (code, cause, message) => reports.push({ code, cause, message }) } })
  const budget = new Budget(settings, () => 1)
  const turns = new Turns(budget, now)
  /** What a journal would hold, and what was written into it. */
  const marks = new Map<string, TimerMark>()
  const written: string[] = []
  let counted = 0
  const start = budget.start.bind(budget)
  budget.start = (at) => {
    counted++
    start(at)
  }
  const log = {
    timer: (mark: TimerMark) => {
      written.push(`+${mark.key}`)
      marks.set(mark.key, mark)
    },
    timerGone: (key: string) => {
      written.push(`-${key}`)
      marks.delete(key)
    },
  }
  let timer: ReturnType<typeof setTimeout> | undefined
  const wake = () => {
    while (timers.underWay < budget.slots && budget.waitMs(now()) === 0 && timers.startDue());
    clearTimeout(timer)
    const at = Math.max(timers.nextAt(now()), now() + budget.waitMs(now()))
    if (timers.underWay < budget.slots && at < now() + 10_000) timer = setTimeout(wake, Math.max(1, at - now()))
  }
  const counters = createCounters()
  const timers = new LiveTimers({
    client,
    counters,
    budget,
    turns,
    settings,
    callbacks,
    now,
    random: () => 1,
    ...(options.hasLog === false ? {} : { log }),
    commit: options.commit ?? (() => true),
    onEnd: wake,
  })

  /** Sends a record as the sender does. */
  const deliver = async (record: TimeEntryRecord) => {
    for (let tries = 0; tries < 200; tries++) {
      await turns.next()
      const controller = new AbortController()
      const { outcome } = await attempt((call) => timers.book(record, call) ?? create(client, record, call), {
        timeoutMs: settings.timeoutMs,
        controller,
        read: receiptFrom,
        nextPage: () => turns.next(),
      })
      wake()
      if (outcome.type === 'accepted') budget.resume(now())
      if (outcome.type === 'accepted') timers.delivered(record.key)
      if (outcome.type === 'accepted' || outcome.type === 'rejected') return outcome
      budget.pause(outcome, now())
      if (outcome.type !== 'ambiguous' || !(await isStored(record))) continue
      timers.delivered(record.key)
      return outcome
    }
    throw new Error(`${record.key} was never delivered`)
  }
  const isStored = async ({ key }: TimeEntryRecord) => {
    await sleep(settings.reconcileAfterMs)
    return sandbox.timeEntries().some(({ metadata }) => metadata?.idempotency_key === key)
  }

  const isIdle = () => timers.underWay === 0 && timers.nextAt(now()) - now() >= 600_000
  return {
    sandbox,
    client,
    timers,
    /** Whether nothing is to be done soon; what may come to nothing again is tried rarely. */
    isIdle,
    /** What became of the timers so far. */
    counts: () => ({
      started: counters.timersStarted,
      refused: counters.timersRefused,
      lost: counters.timersLost,
      booked: counters.timersBooked,
    }),
    budget,
    reports,
    marks,
    written,
    wake,
    deliver,
    counted: () => counted,
    start(run: string) {
      timers.start(runTimer(run))
      wake()
    },
    end(run: string) {
      timers.end(recordKey(run))
      wake()
    },
    discard(run: string) {
      timers.discard(recordKey(run))
      wake()
    },
    book: (run: string, hours?: number) => deliver(runRecord(run, hours)),
    /** Waits until nothing is left to do for timers. */
    async settled() {
      for (const until = now() + 600_000; !isIdle(); await sleep(options.simulated ? 200 : 3)) {
        if (now() > until) throw new Error('the timers do not come to rest')
      }
    },
    /** Entries as a bookkeeper sees them. */
    entries: () =>
      sandbox
        .timeEntries()
        .map(({ hours, is_running, metadata }) => ({ key: metadata?.idempotency_key, hours, is_running })),
    paths: () => sandbox.requests().map(({ method, path }) => `${method} ${path.replace(/^\/api\/v2\/|\?.*$/g, '')}`),
    async close() {
      clearTimeout(timer)
      timers.close()
      turns.close()
      await sandbox.close()
    },
  }
}
