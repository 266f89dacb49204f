/**
 * Rule: neither exporter nor processor keeps a process alive; both end within their deadlines, print nothing, and trace
 * none of their own requests. Each test is a process of its own that uses the built package by its name.
 */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { afterEach, expect, it } from 'vitest'
import { startKeitoSandbox } from '../src/testing/index.ts'
import { type Responder, startServer } from './helpers/http.ts'

/** A child that is still there by then hangs, and is killed. */
const HANGING_MS = 15_000

const closers: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0)) await close()
})

const neverAnswers: Responder = () => undefined

async function hangingKeito() {
  const server = await startServer(neverAnswers)
  closers.push(server.close)
  return server
}

const idsFor = (url: string) => ({
  KEITO_API_URL: url,
  KEITO_API_KEY: 'kto_sandbox',
  KEITO_ACCOUNT_ID: 'cmsandbox',
  KEITO_PROJECT_ID: 'cmproject1',
  KEITO_TASK_ID: 'cmtask1',
  KEITO_EXPENSE_CATEGORY_ID: 'cmcategory1',
})

/** Runs a child to its end. What it tells is the JSON that it prints. */
function runChild(name: string, url: string, ...args: readonly string[]) {
  const path = fileURLToPath(new URL(`./helpers/process/${name}`, import.meta.url))
  const startMs = performance.now()
  return new Promise<{ code: unknown; stderr: string; tells: unknown; tookMs: number }>((resolve) => {
    const options = { timeout: HANGING_MS, env: { ...process.env, ...idsFor(url) } }
    execFile(process.execPath, [path, ...args], options, (error, stdout, stderr) => {
      const tookMs = performance.now() - startMs
      const code = error ? (error.signal ?? error.code) : 0
      resolve({ code, stderr, tells: stdout === '' ? undefined : JSON.parse(stdout), tookMs })
    })
  })
}

it('a process that never shuts down exits by itself while sessions are open', async () => {
  const keito = await hangingKeito()
  const child = await runChild('leaves-open-sessions.mjs', keito.url)
  expect(child).toMatchObject({ code: 0, stderr: '', tells: { openSessions: 3 } })
  expect(keito.received).toHaveLength(0)
})

it('a process that never shuts down exits by itself while Keito leaves its requests unanswered', async () => {
  const keito = await hangingKeito()
  const child = await runChild('leaves-requests.mjs', keito.url)
  expect(child).toMatchObject({ code: 0, stderr: '', tells: { recordsPending: 40 } })
  expect(keito.received).toHaveLength(4)
})

it('a shutdown ends within its deadline while Keito hangs, and the process after it', async () => {
  const keito = await hangingKeito()
  const child = await runChild('shuts-down.mjs', keito.url)
  // Four of the six records were under way, which Keito may have stored; two had not been sent.
  expect(child).toMatchObject({ code: 0, stderr: '', tells: { recordsHeld: 4, recordsPending: 2 } })
  // Without the deadline of 500 ms it would be that of a request, 10 seconds.
  expect(child.tookMs).toBeLessThan(9_000)
})

it('requests of the exporter make no spans, even where fetch is instrumented on the same provider', async () => {
  const keito = await startKeitoSandbox()
  closers.push(keito.close)
  const child = await runChild('instruments-fetch.mjs', keito.url)
  expect(child).toMatchObject({ code: 0, stderr: '' })
  expect(child.tells).toEqual({ requests: ['/of-the-application'], recordsDelivered: 2 })
  expect(keito.requests()).toHaveLength(3)
})

it('a CommonJS application can require the package and its testing entry', async () => {
  const child = await runChild('requires.cjs', 'http://127.0.0.1:9')
  expect(child).toMatchObject({ code: 0, stderr: '', tells: { spansSeen: 0 } })
})

it('a process that ends right after the shutdown of its provider has delivered all that the processor was given', async () => {
  const keito = await startKeitoSandbox()
  closers.push(keito.close)
  const child = await runChild('processor-shuts-down.mjs', keito.url)
  expect(child).toMatchObject({ code: 0, stderr: '', tells: { recordsDelivered: 100, recordsPending: 0 } })
  expect(keito.timeEntries()).toHaveLength(50)
  expect(keito.expenses()).toHaveLength(50)
})

it.each(['settled', 'pending'])(
  'a process with a processor that never shuts down exits by itself while its resource is %s',
  async (resource) => {
    const keito = await hangingKeito()
    const child = await runChild('processor-leaves.mjs', keito.url, resource)
    expect(child).toMatchObject({ code: 0, stderr: '', tells: { spansSeen: 0 } })
    expect(keito.received).toHaveLength(0)
    // It does not wait for the detector, which would be half a minute.
    expect(child.tookMs).toBeLessThan(9_000)
  },
)

it('a flush of a processor keeps the process alive while a detector is at work, up to its deadline', async () => {
  const keito = await startKeitoSandbox()
  closers.push(keito.close)
  const child = await runChild('processor-flushes.mjs', keito.url)
  expect(child).toMatchObject({ code: 0, stderr: '', tells: { delivered: [4, 4] } })
  const agents = keito.timeEntries().map(({ metadata }) => metadata?.agent_id)
  expect(agents.filter((agent) => agent === 'hung')).toHaveLength(2)
})
