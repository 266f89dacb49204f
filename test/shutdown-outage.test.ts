/**
 * Rule: a shutdown during an outage ends within its deadline, and what Keito does not have then is in the outbox
 * directory for the next process, or counted in a report where there is none.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import {
  fileOutbox,
  type KeitoError,
  type KeitoExporterOptions,
  KeitoRestClient,
  KeitoSpanExporter,
  memoryOutbox,
  type Outbox,
} from '../src/index.ts'
import { startKeitoSandbox } from '../src/testing/index.ts'
import { json, type Responder, startServer } from './helpers/http.ts'
import { aTrace } from './helpers/spans.ts'

const SHUTDOWN_MS = 150
/** Without its own deadline, a shutdown would take at least that of a request, 10 seconds. */
const FAR_LONGER_MS = 5_000
const RUNS = 10

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0)) await close()
})

const takesNoAnswer: Responder = () => undefined
const asksToWait = json(429, { error: 'rate_limited' }, { 'Retry-After': '10800' })

/** Each outage, as the URL of a Keito that has it. */
const outages: Readonly<Record<string, () => Promise<string>>> = {
  'Keito hangs': () => serverOf(takesNoAnswer),
  'the connection is refused': async () => {
    const { url, close } = await startServer(takesNoAnswer)
    await close()
    return url
  },
  'Keito asks to wait for three hours': () => serverOf(asksToWait),
}

async function serverOf(responder: Responder): Promise<string> {
  const { url, close } = await startServer(responder)
  closers.push(close)
  return url
}

function aDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'outage-'))
  closers.push(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

const options: KeitoExporterOptions = {
  apiKey: 'kto_sandbox',
  accountId: 'cmsandbox',
  projectId: 'cmproject1',
  taskId: 'cmtask1',
  expenseCategoryId: 'cmcategory1',
  // Open until the shutdown.
  settle: { graceMs: 600_000 },
}

/** Shuts an exporter down in an outage, with runs that nobody has booked. */
async function shutDown(baseUrl: string, outbox: Outbox) {
  const errors: KeitoError[] = []
  const exporter = new KeitoSpanExporter({
    ...options,
    baseUrl,
    outbox,
    delivery: { shutdownTimeoutMs: SHUTDOWN_MS },
    onError: (error) => errors.push(error),
  })
  for (let i = 0; i < RUNS; i++) {
    const run = aTrace().agent('reviewer')
    run.chat({ input: 1000, output: 500 })
    exporter.export(run.spans, () => undefined)
  }
  const startMs = performance.now()
  await exporter.shutdown()
  expect(performance.now() - startMs).toBeLessThan(FAR_LONGER_MS)
  const { recordsPending, recordsHeld, recordsDelivered } = exporter.stats()
  expect([recordsPending + recordsHeld, recordsDelivered]).toEqual([2 * RUNS, 0])
  return { left: errors.filter(({ code }) => code === 'undelivered'), stats: exporter.stats() }
}

/** The counts that a report names. */
const countsIn = (message = '') =>
  [...message.matchAll(/(\d+) (not sent|whose fate)/g)].map(([, count]) => Number(count))
const sumOf = (counts: readonly number[]) => counts.reduce((sum, count) => sum + count, 0)

describe.each(Object.entries(outages))('a shutdown while %s', (_name, outage) => {
  it('with a memory outbox says how many records are lost', async () => {
    const { left } = await shutDown(await outage(), memoryOutbox())
    expect(left).toHaveLength(1)
    expect(sumOf(countsIn(left[0]?.message))).toBe(2 * RUNS)
    expect(left[0]?.message).toMatch(/lost when the process ends/)
  })

  it('with a file outbox leaves them to the next process, which books each once', async () => {
    const directory = aDirectory()
    const url = await outage()
    const { left } = await shutDown(url, fileOutbox({ directory }))
    expect(sumOf(countsIn(left[0]?.message))).toBe(2 * RUNS)
    expect(left[0]?.message).toMatch(/next process/)

    const sandbox = await startKeitoSandbox()
    closers.push(sandbox.close)
    const { hostname, port } = new URL(sandbox.url)
    const send: typeof fetch = (input, init) => fetch(String(input).replace(url, `http://${hostname}:${port}`), init)
    const next = await nextProcess(url, directory, send)
    expect(next.stats()).toMatchObject({ recordsDelivered: 2 * RUNS, recordsPending: 0, recordsHeld: 0 })
    const records = [...sandbox.timeEntries(), ...sandbox.expenses()]
    expect(new Set(records.map(({ metadata }) => metadata?.idempotency_key)).size).toBe(2 * RUNS)
    expect(records).toHaveLength(2 * RUNS)
  })
})

/** A process to which the same Keito is up again. */
async function nextProcess(baseUrl: string, directory: string, send: typeof fetch): Promise<KeitoSpanExporter> {
  const client = new KeitoRestClient({ apiKey: 'kto_sandbox', accountId: 'cmsandbox', baseUrl, fetch: send })
  const delivery = { reconcileAfterMs: 20, requestsPerMinute: 1e6 }
  const next = new KeitoSpanExporter({ ...options, baseUrl, client, outbox: fileOutbox({ directory }), delivery })
  await next.forceFlush()
  await next.shutdown()
  return next
}
