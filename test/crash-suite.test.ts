/**
 * Rule: a process may be killed at any moment: what it has acknowledged is booked exactly once by those that come after
 * it, and what it was working on is not taken for finished. Each worker is a process that uses the built package.
 */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { describe, expect, it, type TestContext } from 'vitest'
import type { DeliveryOptions } from '../src/index.ts'
import { type KeitoSandboxOptions, startKeitoSandbox } from '../src/testing/index.ts'
import { roundingErrorsOf, Story, startWorker, type Worker, wrongsOf } from './helpers/worker.ts'

const KILLS = 20

/** A busy machine may be slow within these, and what a killed process has sent arrives before it is looked up. */
const delivery: DeliveryOptions = {
  requestsPerMinute: 1_000_000,
  requestsPerDay: 1_000_000,
  concurrency: 8,
  timeoutMs: 400,
  reconcileAfterMs: 500,
  maxBackoffMs: 30,
  shutdownTimeoutMs: 20_000,
}

/** A sandbox, an outbox directory, and what is told of those who work there. */
async function aCompany({ onTestFinished }: TestContext, sandboxOptions: KeitoSandboxOptions = {}) {
  const sandbox = await startKeitoSandbox(sandboxOptions)
  const directory = mkdtempSync(join(tmpdir(), 'crash-'))
  const workers = new Set<Worker>()
  onTestFinished(async () => {
    await Promise.all([...workers].map((worker) => worker.end('SIGKILL')))
    await sandbox.close()
    rmSync(directory, { recursive: true, force: true })
  })
  const story = new Story()
  // A session that a kill has interrupted is settled a few processes later, or by the last.
  const options = { ...sandbox.exporterOptions, delivery, settle: { graceMs: 20, idleMs: 1000 } }
  const start = (seed: number) => {
    const worker = startWorker(story, seed, directory, options)
    workers.add(worker)
    return worker
  }
  return { sandbox, directory, story, start }
}
type Company = Awaited<ReturnType<typeof aCompany>>

/** When to kill, in milliseconds after the start: often while a journal is taken over, sometimes long after. */
const momentOf = (seed: number) => ((seed * 7919) % 997) ** 2 / 2000

async function workAndDie({ start }: Company, seed: number) {
  for (let n = 0; n < KILLS; n++) {
    const worker = start(seed + n)
    await worker.said(1)
    await pause(momentOf(seed + n))
    await worker.end('SIGKILL')
  }
  const last = start(seed + KILLS)
  await last.said(100)
  await last.end('SIGTERM')
}

/** The sums are right to half a step for each chain of processes that a remainder goes down. */
function expectSums(sandbox: Company['sandbox'], chains = 1) {
  for (const [what, steps] of Object.entries(roundingErrorsOf(sandbox))) {
    expect(Math.abs(steps), what).toBeLessThan(0.5 * chains + 1e-6)
  }
}

/** Without these, nothing would have been tried. */
function expectTrials({ story, sandbox }: Company) {
  const cutOff = [...story.sessions.values()].filter((spans) => !spans.some(({ isRun }) => isRun))
  expect(cutOff.length).toBeGreaterThan(KILLS / 2)
  expect(sandbox.timeEntries().length).toBeGreaterThan(2 * KILLS)
  expect(story.reported.filter(({ code }) => code === 'interrupted').length).toBeGreaterThan(KILLS / 4)
  // Each worker hands its spans over one by one, so a kill leaves one open at most.
  expect(story.inTheBalance.length).toBeLessThanOrEqual(KILLS)
  expect(story.ended).toBe(1)
}

describe.concurrent('processes that are killed', { timeout: 60_000 }, () => {
  it('20 times in a row: each acknowledged session is booked once, with all of its tokens and hours', async (context) => {
    const company = await aCompany(context)
    await workAndDie(company, 100)
    expect(wrongsOf(company.story, company.sandbox)).toEqual([])
    expectSums(company.sandbox)
    expectTrials(company)
  })

  it('20 times in a row while three in ten requests fail in every way: nothing else is booked', async (context) => {
    const faults = { seed: 7, rate: 0.3, lateMs: 20, stallMs: 2000, refuseMs: 20, retryAfterS: 0 }
    const company = await aCompany(context, { faults })
    await workAndDie(company, 500)
    expect(wrongsOf(company.story, company.sandbox)).toEqual([])
    expectSums(company.sandbox)
    expectTrials(company)
    expect(company.sandbox.faults().filter(({ committed }) => committed).length).toBeGreaterThan(10)
  })

  it('beside a live one: its journal is left alone, and it takes nothing over that another has', async (context) => {
    const { sandbox, story, directory, start } = await aCompany(context)
    const owners = () => new Set(readdirSync(directory).map((file) => Number(file.split('-')[5])))
    const pidsOf = (...workers: readonly Worker[]) => new Set(workers.map(({ pid }) => pid))

    const [one, other] = [start(1), start(2)]
    await Promise.all([one.said(60), other.said(60)])
    expect(owners()).toEqual(pidsOf(one, other))
    await one.end('SIGKILL')
    const next = start(3)
    await Promise.all([next.said(60), other.said(120)])
    expect(owners()).toEqual(pidsOf(next, other))
    await Promise.all([next.end('SIGTERM'), other.end('SIGTERM')])

    expect(wrongsOf(story, sandbox)).toEqual([])
    expectSums(sandbox, 2)
    const told = story.reported.filter(({ code }) => code === 'interrupted' || code === 'outbox')
    expect(told.map(({ pid, code }) => [pid, code])).toEqual([[next.pid, 'interrupted']])
    expect(story.ended).toBe(2)
  })
})
