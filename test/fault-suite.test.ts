/** Rule: whatever goes wrong on the way, Keito has each record exactly once in the end, and the end comes. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import {
  fileOutbox,
  type KeitoError,
  type KeitoExporterOptions,
  KeitoRestClient,
  KeitoSpanExporter,
  memoryOutbox,
  type RecordEvent,
} from '../src/index.ts'
import {
  type KeitoSandbox,
  type KeitoSandboxOptions,
  type SandboxFault,
  type SandboxFaultKind,
  startKeitoSandbox,
} from '../src/testing/index.ts'
import { speedUp } from './helpers/fast-clock.ts'
import { traceRun } from './helpers/otel.ts'

/** How much faster than the wall's the clock of this file is: a minute of a rate limit takes 3 s. */
const SPEED = 20
/** All times are milliseconds of the fast clock. On the wall's, a request times out after 200 ms. */
const TIMES = { timeoutMs: 4000, maxBackoffMs: 400, reconcileAfterMs: 3000 }
const LATE_MS = 800
const CONCURRENCY = 16

const MODELS = ['claude-opus-4-6', 'gpt-4o', 'gemini-2.5-pro']
/** Kinds of faults that prove that nothing was stored, or cut more requests than the one that drew them. */
const CLEAR: readonly SandboxFaultKind[] = ['rate-limit', 'unavailable', 'refuse']
const QUICK: readonly SandboxFaultKind[] = ['error', 'bad-gateway', 'timeout', 'reset', 'truncate', 'lie']
/** All kinds. The quick ones are twice as likely: a stall costs a whole time-out, during which little else is tried. */
const KINDS = [...CLEAR, ...QUICK, ...QUICK, 'stall'] as const

const directory = mkdtempSync(join(tmpdir(), 'keito-fault-suite-'))
let endSpeedUp = () => {}
beforeAll(() => {
  endSpeedUp = speedUp(SPEED)
})
afterAll(() => {
  endSpeedUp()
  rmSync(directory, { recursive: true, force: true })
})

/** What the agents did, as a bookkeeper who watched them would write it down. */
interface Truth {
  readonly sessionIds: readonly string[]
  readonly hours: number
  readonly input: Readonly<Record<string, number>>
  readonly output: Readonly<Record<string, number>>
}

/** An exporter behind a real tracer provider, sending to a sandbox that fails. */
async function startWork(sandboxOptions: KeitoSandboxOptions, { delivery, ...options }: KeitoExporterOptions) {
  const sandbox = await startKeitoSandbox(sandboxOptions)
  const events: RecordEvent[] = []
  const errors: KeitoError[] = []
  const startedAt: number[] = []
  const fetch: typeof globalThis.fetch = (...args) => {
    startedAt.push(Date.now())
    return globalThis.fetch(...args)
  }
  const exporter = new KeitoSpanExporter({
    ...sandbox.exporterOptions,
    client: new KeitoRestClient({ ...sandbox.exporterOptions, timeoutMs: TIMES.timeoutMs, fetch }),
    onRecord: (event) => events.push(event),
    onError: (error) => errors.push(error),
    ...options,
    delivery: {
      ...TIMES,
      concurrency: CONCURRENCY,
      requestsPerMinute: Number.POSITIVE_INFINITY,
      flushTimeoutMs: FLUSH_MS,
      ...delivery,
    },
  })
  const processor = new BatchSpanProcessor(exporter, { maxQueueSize: 100_000 })
  const provider = new BasicTracerProvider({ spanProcessors: [processor] })
  const work = {
    sandbox,
    exporter,
    events,
    errors,
    /** When each request started, in milliseconds of the fast clock. */
    startedAt,
    /** Lets agents run, and says what they did. */
    trace: (sessions: number) => traceSessions(provider.getTracer('agents'), sessions),
    async flush() {
      await provider.forceFlush()
      await exporter.forceFlush()
    },
    async close() {
      await provider.shutdown()
      await sandbox.close()
    },
  }
  return work
}

/** Far more than a run takes; a run that does not end runs into it, and the records it left are seen. */
const FLUSH_MS = 45_000 * SPEED

function traceSessions(tracer: Parameters<typeof traceRun>[0], sessions: number): Truth {
  const input: Record<string, number> = {}
  const output: Record<string, number> = {}
  const sessionIds: string[] = []
  let durationMs = 0
  for (let i = 0; i < sessions; i++) {
    const model = MODELS[i % MODELS.length] ?? ''
    const call = { model, input: 137 + 61 * i, output: 11 + 7 * i }
    const run = { durationMs: 1000 + 7919 * (i % 97), calls: [call] }
    sessionIds.push(traceRun(tracer, run))
    input[model] = (input[model] ?? 0) + call.input
    output[model] = (output[model] ?? 0) + call.output
    durationMs += run.durationMs
  }
  return { sessionIds, hours: durationMs / 3_600_000, input, output }
}

const sum = (numbers: readonly number[]) => numbers.reduce((total, each) => total + each, 0)
const metadataOf = (field: string) => (record: { readonly metadata: Readonly<Record<string, unknown>> | null }) =>
  String(record.metadata?.[field])
const keyOf = metadataOf('idempotency_key')
const isAmbiguous = ({ method, kind }: SandboxFault) => method === 'POST' && !CLEAR.includes(kind)

/** The sandbox's books against what the agents did. */
function expectTruth({ sandbox, events }: { sandbox: KeitoSandbox; events: readonly RecordEvent[] }, truth: Truth) {
  const [entries, expenses] = [sandbox.timeEntries(), sandbox.expenses()]
  const sessions = truth.sessionIds.toSorted()
  expect(entries.map(metadataOf('session_id')).toSorted()).toEqual(sessions)
  expect(expenses.map(metadataOf('session_id')).toSorted()).toEqual(sessions)

  const keys = [...entries, ...expenses].map(keyOf)
  const told = events.flatMap(({ record, status }) => (status === 'delivered' ? [record.key] : []))
  expect(new Set(keys).size).toBe(keys.length)
  expect(told.toSorted()).toEqual(keys.toSorted())

  // The remainder of rounding that is still carried: half a step of hours, and half a unit of tokens for each model.
  expect(Math.abs(sum(entries.map(({ hours }) => hours)) - truth.hours)).toBeLessThanOrEqual(0.005 + 1e-6)
  for (const model of MODELS) {
    const own = expenses.filter((expense) => metadataOf('model')(expense) === model)
    const tokens = (field: string) => sum(own.map((expense) => Number(expense.metadata?.[field])))
    expect(tokens('input_tokens')).toBe(truth.input[model])
    expect(tokens('output_tokens')).toBe(truth.output[model])
    const units = sum(own.map((expense) => expense.units ?? 0))
    expect(Math.abs(units * 1000 - tokens('input_tokens') - tokens('output_tokens'))).toBeLessThanOrEqual(500)
  }
}

/**
 * Requests a minute. There are some 1,400, and without a limit three times as many as this would be made in a minute: also
 * a machine that has other things to do meets it.
 */
const LIMIT = 180

/** The most requests that were started within any minute. */
function busiestMinute(startedAt: readonly number[]): number {
  const within = (end: number) => startedAt.filter((time) => end - 60_000 < time && time <= end).length
  return Math.max(...startedAt.map(within))
}

interface Weather {
  readonly outbox: 'memory' | 'file'
  /** Which rate limit binds: the exporter's own budget, which spares the server, or the server's, by 429. */
  readonly limit: 'none' | 'its own' | "the server's"
  readonly seed: number
}

describe.concurrent('500 sessions while every third request fails, in every way there is', () => {
  it.for<Weather>([
    { outbox: 'memory', limit: 'none', seed: 1 },
    { outbox: 'file', limit: 'none', seed: 2 },
    { outbox: 'memory', limit: 'its own', seed: 3 },
    { outbox: 'file', limit: "the server's", seed: 4 },
  ])('are booked exactly once: $outbox outbox, rate limit $limit', { timeout: 60_000 }, async (weather) => {
    const { outbox, limit, seed } = weather
    const work = await startWork(
      {
        rateLimit: limit === 'none' ? false : LIMIT,
        faults: { seed, rate: 0.4, kinds: KINDS, lateMs: LATE_MS, refuseMs: 400, retryAfterS: 1 },
      },
      {
        outbox: outbox === 'memory' ? memoryOutbox() : fileOutbox({ directory: join(directory, String(seed)) }),
        delivery: limit === 'its own' ? { requestsPerMinute: LIMIT } : {},
      },
    )
    const { sandbox, exporter } = work
    const truth = work.trace(500)
    await work.flush()

    expect(exporter.stats()).toMatchObject({
      recordsMade: 1000,
      recordsDelivered: 1000,
      recordsPending: 0,
      recordsHeld: 0,
      recordsDead: 0,
      recordsDropped: 0,
      recordsDuplicated: 0,
    })
    expectTruth(work, truth)

    // The weather was as bad as promised; otherwise nothing above is proven.
    const [requests, faults] = [sandbox.requests(), sandbox.faults()]
    const writes = requests.filter(({ method }) => method === 'POST')
    expect(faults.filter(isAmbiguous).length / writes.length).toBeGreaterThanOrEqual(0.2)
    expect(new Set(faults.map(({ kind }) => kind)).size).toBe(10)
    for (const moment of ['before', 'after', 'late']) {
      const some = faults.filter((fault) => isAmbiguous(fault) && fault.moment === moment)
      expect(some.length).toBeGreaterThan(20)
      if (limit !== "the server's")
        expect(some.every(({ committed }) => committed === (moment !== 'before'))).toBe(true)
    }
    const drawn429 = faults.filter(({ kind }) => kind === 'rate-limit').length
    const limit429 = requests.filter(({ status }) => status === 429).length - drawn429
    if (limit === "the server's") expect(limit429).toBeGreaterThan(0)
    else expect(limit429).toBe(0)
    if (limit === 'its own') {
      // A request leaves a moment after it was counted, which on this clock is long: as many as start at once may slip.
      expect(busiestMinute(work.startedAt)).toBeGreaterThanOrEqual(LIMIT)
      expect(busiestMinute(work.startedAt)).toBeLessThanOrEqual(LIMIT + CONCURRENCY)
    }
    await work.close()
  })
})

describe('a write that is made long after its request had failed, when the record was sent again', () => {
  /** Faults met by the first requests, all at once: of eight sessions, both records are written twice. */
  const TWICE = 8

  it('is deleted if it is a time entry, and reported if it is an expense', async () => {
    const work = await startWork(
      {
        faults: {
          rate: 1,
          kinds: ['error', 'reset', 'lie'],
          moments: ['late'],
          on: 'writes',
          most: 2 * TWICE,
          lateMs: 20_000,
        },
      },
      { delivery: { recheckAfterMs: 30_000 } },
    )
    const { sandbox, exporter, errors } = work
    const truth = work.trace(20)
    await work.flush()
    // Nothing has come late yet: the list did not show the records, so they were sent again.
    expectTruth(work, truth)
    expect(exporter.stats()).toMatchObject({ recordsDelivered: 40, recordsReconciled: 0, recordsDuplicated: 0 })

    await vi.waitFor(() => expect(sandbox.timeEntries().length).toBe(20 + TWICE), { timeout: 100_000 })
    await vi.waitFor(() => expect(sandbox.timeEntries().length).toBe(20), { timeout: 100_000 })
    await vi.waitFor(() => expect(errors.filter(isTwice).length).toBe(2 * TWICE), { timeout: 100_000 })
    expect(exporter.stats()).toMatchObject({ recordsDelivered: 40, recordsDuplicated: 2 * TWICE, recordsHeld: 0 })
    expect(new Set(sandbox.timeEntries().map(keyOf)).size).toBe(20)

    const expenses = sandbox.expenses()
    const copies = expenses.flatMap((copy, i) => {
      const first = expenses.slice(0, i).find((earlier) => keyOf(earlier) === keyOf(copy))
      return first ? [{ first, copy }] : []
    })
    expect(copies.length).toBe(TWICE)
    for (const { first, copy } of copies) {
      const messages = errors.flatMap(({ message }) => (message.includes(`expense ${keyOf(copy)} more`) ? message : []))
      expect(messages).toEqual([expect.stringContaining(`Delete ${copy.id} by hand, and keep ${first.id}`)])
    }
    await work.close()
  })
})

const isTwice = ({ code }: KeitoError) => code === 'booked-twice'
