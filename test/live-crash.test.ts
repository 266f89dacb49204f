/**
 * Rule: live timers keep no process alive, and a process that is killed leaves none to run for ever, and books each run
 * once. Each process uses the built package by its name.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import type { KeitoProcessorOptions } from '../src/index.ts'
import { type KeitoSandbox, startKeitoSandbox } from '../src/testing/index.ts'
import { startServer } from './helpers/http.ts'
import { runningIn } from './helpers/ledgers.ts'
import { QUICK } from './helpers/live-rig.ts'
import { aDirectory } from './helpers/outbox-world.ts'

const CHILD = fileURLToPath(new URL('./helpers/process/works-live.mjs', import.meta.url))
/** A child that is still there by then hangs, and is killed. */
const HANGING_MS = 15_000
const KILLS = 5

const children = new Set<ChildProcess>()
const closers: (() => Promise<void>)[] = []
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL')
  await Promise.all(closers.map((close) => close()))
})

/** Starts a child, with what it says and how it ends. */
function startChild(what: 'leaves' | 'works' | 'ends', url: string, directory?: string) {
  const options: KeitoProcessorOptions = {
    apiKey: 'kto_sandbox',
    accountId: 'cmsandbox',
    baseUrl: url,
    projectId: 'cmproject1',
    taskId: 'cmtask1',
    expenseCategoryId: 'cmcategory1',
    delivery: { ...QUICK, reconcileAfterMs: 300 },
  }
  const env = { ...process.env, ...(directory === undefined ? {} : { KEITO_OUTBOX_DIR: directory }) }
  const child = spawn(process.execPath, [CHILD, what, JSON.stringify(options)], { timeout: HANGING_MS, env })
  children.add(child)
  const said = { out: '', err: '' }
  child.stdout.on('data', (chunk) => {
    said.out += chunk
  })
  child.stderr.on('data', (chunk) => {
    said.err += chunk
  })
  const closed = once(child, 'close')
  return { child, said, ended: async () => ({ code: (await closed)[0], err: said.err }) }
}

const aSandbox = async (): Promise<KeitoSandbox> => {
  const sandbox = await startKeitoSandbox()
  closers.push(sandbox.close)
  return sandbox
}

describe.concurrent('live timers', { timeout: 60_000 }, () => {
  it('a process exits by itself in the middle of a run that is shown', async () => {
    const sandbox = await aSandbox()
    expect(await startChild('leaves', sandbox.url).ended()).toEqual({ code: 0, err: '' })
    expect(runningIn(sandbox)).toHaveLength(1)
  })

  it('a process exits by itself while Keito does not answer to the start of a timer', async () => {
    const keito = await startServer(() => undefined)
    closers.push(keito.close)
    expect(await startChild('leaves', keito.url).ended()).toEqual({ code: 0, err: '' })
    expect(keito.received).toHaveLength(1)
  })

  it('a process that ends in the middle of a run leaves its timer to the next, which removes it', async () => {
    const [sandbox, directory] = [await aSandbox(), aDirectory()]
    await startChild('leaves', sandbox.url, directory).ended()
    expect(runningIn(sandbox)).toHaveLength(1)
    expect(await startChild('ends', sandbox.url, directory).ended()).toEqual({ code: 0, err: '' })
    expect(sandbox.timeEntries()).toEqual([])
  })

  it(`processes that are killed ${KILLS} times in a row book each run once, and no timer is left`, async () => {
    const [sandbox, directory] = [await aSandbox(), aDirectory()]
    const told = new Map<string, number>()
    let shown = 0
    for (let n = 0; n < KILLS; n++) {
      const { child, said, ended } = startChild('works', sandbox.url, directory)
      while (said.out.split('\n').length < 3) await sleep(5)
      // Half of them while a timer runs, and half at any moment.
      if (n % 2 === 0) while (runningIn(sandbox).length === 0) await sleep(1)
      else await sleep(((n * 7919) % 97) * 3)
      child.kill('SIGKILL')
      await ended()
      shown += runningIn(sandbox).length
      for (const line of said.out.split('\n').slice(0, -1)) {
        const [key, ms] = JSON.parse(line)
        told.set(key, ms)
      }
    }
    await startChild('ends', sandbox.url, directory).ended()
    const entries = sandbox.timeEntries().map(({ metadata, is_running }) => ({
      key: String(metadata?.idempotency_key),
      ms: metadata?.duration_ms,
      is_running,
    }))
    // A kill may come between the end of a run and the word of it: at most one for each process.
    const unsaid = entries.filter(({ key }) => !told.has(key))
    expect(unsaid.length).toBeLessThanOrEqual(KILLS)
    expect(entries.filter(({ key, is_running }) => is_running || !key.endsWith(':time:0'))).toEqual([])
    expect(new Set(entries.map(({ key }) => key)).size).toBe(entries.length)
    expect(
      Object.fromEntries(entries.filter((entry) => !unsaid.includes(entry)).map(({ key, ms }) => [key, ms])),
    ).toEqual(Object.fromEntries(told))
    // Without these, nothing was tried.
    expect(shown).toBeGreaterThan(0)
    expect(told.size).toBeGreaterThan(KILLS)
  })
})
