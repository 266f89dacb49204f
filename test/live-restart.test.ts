/**
 * Rule: a process with live timers may be killed at any moment, or shut down: afterwards no timer runs, and what is
 * booked is what would have been booked without timers, once.
 */
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, describe, expect, it, vi } from 'vitest'
import { fileOutbox, type KeitoProcessorOptions, KeitoRestClient, KeitoSpanExporter } from '../src/index.ts'
import { type KeitoSandbox, startKeitoSandbox } from '../src/testing/index.ts'
import { ledgerOf, runningIn } from './helpers/ledgers.ts'
import { countedIds, type Desk, LOOK_MS, QUICK, type Run, startDesk } from './helpers/live-rig.ts'
import { aDirectory, corpseOf, journalsIn } from './helpers/outbox-world.ts'
import { at, below, HTTP } from './helpers/told.ts'
import { type Grief, Wire, type WireRequest } from './helpers/wire.ts'

const closers: (() => Promise<void>)[] = []
afterAll(async () => {
  await Promise.all(closers.map((close) => close()))
})

/** A process of {@link Company}, which may be killed. */
interface Process extends Desk {
  readonly wire: Wire
  kill(): void
}

/** Long enough for what arrives late to do so before it is looked for, also on a machine that is busy. */
const RECONCILE_MS = 400

/** A sandbox and an outbox directory, where processes follow each other. */
async function aCompany(options: KeitoProcessorOptions = {}) {
  const sandbox = await startKeitoSandbox()
  closers.push(sandbox.close)
  const ids = countedIds()
  let directory = aDirectory()
  const start = (more: KeitoProcessorOptions = {}): Process => {
    const wire = new Wire()
    const delivery = { ...QUICK, reconcileAfterMs: RECONCILE_MS, ...options.delivery, ...more.delivery }
    const { timeoutMs } = delivery
    const client = new KeitoRestClient({ ...sandbox.exporterOptions, fetch: wire.fetch, timeoutMs })
    const outbox = fileOutbox({ directory, sync: false })
    const desk = startDesk({ ...sandbox.exporterOptions, client, outbox, ...options, ...more, delivery }, ids)
    const kill = () => {
      wire.isCut = true
      directory = corpseOf(directory)
    }
    return { ...desk, wire, kill }
  }
  return { sandbox, start, journals: () => journalsIn(directory) }
}

const isTimer = ({ body }: WireRequest) => body.includes('"is_running":true')
const isStop = ({ path }: WireRequest) => path.endsWith('/stop')
const isUpdate = (request: WireRequest) => request.method === 'PATCH' && !isStop(request)
const isDelete = ({ method }: WireRequest) => method === 'DELETE'

const untilShown = (sandbox: KeitoSandbox, run: Run) =>
  vi.waitFor(() => expect(runningIn(sandbox)).toEqual([run.timerKey]))
const untilSeen = ({ processor }: Desk, spans: number) =>
  vi.waitFor(() => expect(processor.stats().spansSeen).toBe(spans))

/** A run with a model call, in a request that is served. */
interface Work extends Run {
  /** Ends the run, and then the request. */
  finish(): void
}

/** Begins work. Answers when its model call is on disk. */
async function beginWork(process: Process): Promise<Work> {
  const request = process.tracer.startSpan('POST /work', { startTime: at(0), attributes: HTTP })
  const run = process.begin('review-bot', 1, {}, below(request)).call(2, 1800)
  await untilSeen(process, 1)
  const finish = () => {
    run.end(3601)
    request.end(at(3602))
  }
  return { ...run, finish }
}

/** What the same comes to without timers, killed while the run is under way, or when it has ended. */
async function plainBill(hasEnded: boolean, options: KeitoProcessorOptions = {}) {
  const { sandbox, start } = await aCompany({ ...options, live: false })
  const process = start()
  process.wire.isCut = true
  const run = await beginWork(process)
  if (hasEnded) run.finish()
  await untilSeen(process, hasEnded ? 3 : 1)
  process.kill()
  await start().processor.shutdown()
  return ledgerOf(sandbox)
}

/** A moment of a run, and how it comes about; what is late arrives after the restart. */
type Moment = readonly [
  name: string,
  hasEnded: boolean,
  come: (process: Process, sandbox: KeitoSandbox) => Promise<{ release(): Promise<void> } | undefined>,
]

const atStart =
  (grief: Grief): Moment[2] =>
  async (process) => {
    const trap = process.wire.trap(isTimer, grief)
    await beginWork(process)
    await trap.met
    return trap
  }
/** The run has ended, and this request of what follows comes to grief. */
const atEnd =
  (isMeant: (request: WireRequest) => boolean, grief: Grief, end = (run: Work) => run.finish()): Moment[2] =>
  async (process, sandbox) => {
    const trap = process.wire.trap(isMeant, grief)
    const run = await beginWork(process)
    await untilShown(sandbox, run)
    end(run)
    void process.processor.forceFlush()
    await trap.met
    return trap
  }

const MOMENTS: readonly Moment[] = [
  ['when its start had been sent in vain', false, atStart('lost')],
  ['when its start was not answered', false, atStart('deaf')],
  ['when its start came late', false, atStart('late')],
  [
    'when it was shown',
    false,
    async (process, sandbox) => {
      await untilShown(sandbox, await beginWork(process))
      return undefined
    },
  ],
  [
    'when it had ended and nothing could be sent',
    true,
    async (process, sandbox) => {
      const run = await beginWork(process)
      await untilShown(sandbox, run)
      process.wire.isCut = true
      run.finish()
      void process.processor.forceFlush()
      await untilSeen(process, 3)
      return undefined
    },
  ],
  ['when its stop had been sent in vain', true, atEnd(isStop, 'lost')],
  ['when its stop was not answered', true, atEnd(isStop, 'deaf')],
  ['when its stop came late', true, atEnd(isStop, 'late')],
  ['when it had ended in a session that goes on', true, atEnd(isStop, 'deaf', (run) => run.end(3601))],
  ['when its stop was done and its update sent in vain', true, atEnd(isUpdate, 'lost')],
  ['when its update was not answered', true, atEnd(isUpdate, 'deaf')],
  ['when its update came late', true, atEnd(isUpdate, 'late')],
]

describe.concurrent('a run whose process was killed', () => {
  it.for(MOMENTS)('%s is booked once, and has no timer', async ([_, hasEnded, come]) => {
    const { sandbox, start } = await aCompany()
    const first = start()
    const late = await come(first, sandbox)
    first.kill()
    const next = start()
    await late?.release()
    await next.processor.shutdown()
    expect(runningIn(sandbox)).toEqual([])
    expect(ledgerOf(sandbox)).toEqual(await plainBill(hasEnded))
    expect(next.processor.stats()).toMatchObject({ recordsPending: 0, recordsHeld: 0, recordsDead: 0 })
    // Whatever the next process left, the one after it finds nothing to do.
    const requests = sandbox.requests().length
    next.kill()
    await start().processor.shutdown()
    expect(sandbox.requests()).toHaveLength(requests)
  })

  it.for(['skip', 'unbilled', 'billed'] as const)('in the middle is booked as interrupted: %s', async (time) => {
    const options: KeitoProcessorOptions = { failedRuns: { time } }
    const { sandbox, start } = await aCompany(options)
    const first = start()
    await untilShown(sandbox, await beginWork(first))
    first.kill()
    await start().processor.shutdown()
    const ledger = ledgerOf(sandbox)
    expect(ledger).toEqual(await plainBill(false, options))
    expect(ledger.timeEntries.map(({ billable }) => billable)).toEqual(
      { skip: [], unbilled: [false], billed: [true] }[time],
    )
  })

  it('again and again, each time with a timer, leaves none', async () => {
    const { sandbox, start } = await aCompany()
    for (let n = 0; n < 4; n++) {
      const process = start()
      await vi.waitFor(() => expect(runningIn(sandbox)).toEqual([]))
      await untilShown(sandbox, await beginWork(process))
      process.kill()
    }
    await start().processor.shutdown()
    expect(sandbox.timeEntries()).toEqual([])
    expect(sandbox.expenses()).toHaveLength(4)
  })

  it('has its timer removed also by a process that has none, or is an exporter', async () => {
    for (const kind of ['no live', 'exporter'] as const) {
      const { sandbox, start, journals } = await aCompany()
      const first = start()
      await untilShown(sandbox, await beginWork(first))
      first.kill()
      if (kind === 'no live') await start({ live: false }).processor.shutdown()
      else {
        const [journal = ''] = journals()
        const outbox = fileOutbox({ directory: dirname(journal), sync: false })
        const client = new KeitoRestClient(sandbox.exporterOptions)
        const exporter = new KeitoSpanExporter({ ...sandbox.exporterOptions, client, outbox, delivery: QUICK })
        await exporter.shutdown()
      }
      expect(sandbox.timeEntries()).toEqual([])
    }
  })

  it('while others wait for a timer leaves none of them', async () => {
    const { sandbox, start } = await aCompany()
    const first = start()
    const runs = ['a', 'b', 'c'].map((agent) => first.begin(agent))
    await vi.waitFor(() => expect(runningIn(sandbox)).toHaveLength(1))
    for (const run of runs) run.call(1)
    await untilSeen(first, 3)
    first.kill()
    await start().processor.shutdown()
    expect(sandbox.timeEntries()).toEqual([])
    expect(sandbox.expenses()).toHaveLength(3)
  })

  it('while its record waits again, after an update without an answer, is booked once although that comes late', async () => {
    const { sandbox, start } = await aCompany({ delivery: { timeoutMs: 200, maxBackoffMs: 60_000 } })
    const first = start()
    const trap = first.wire.trap(isUpdate, 'late')
    const run = await beginWork(first)
    await untilShown(sandbox, run)
    run.finish()
    await trap.met
    await vi.waitFor(() => expect(sandbox.expenses()).toHaveLength(1))
    // It has been given up, and waits for its turn, or to be looked up.
    await sleep(300)
    first.kill()
    const next = start()
    await sleep(RECONCILE_MS / 2)
    await trap.release()
    await next.processor.shutdown()
    expect(ledgerOf(sandbox)).toEqual(await plainBill(true))
  })
})

describe.concurrent('a shutdown', () => {
  it('in the middle of a run removes its timer before it resolves', async () => {
    const { sandbox, start, journals } = await aCompany()
    const process = start()
    const run = await beginWork(process)
    await untilShown(sandbox, run)
    await process.processor.shutdown()
    expect(sandbox.timeEntries()).toEqual([])
    expect(process.problems).toEqual([])
    run.end(3601)
    await sleep(LOOK_MS)
    expect(sandbox.timeEntries()).toEqual([])
    expect(journals().length).toBeLessThanOrEqual(1)
  })

  it('whose delete comes to grief leaves the timer to the next process', async () => {
    for (const grief of ['lost', 'deaf', 'late'] as const) {
      const { sandbox, start } = await aCompany({ delivery: { shutdownTimeoutMs: 300 } })
      const first = start()
      await untilShown(sandbox, await beginWork(first))
      const trap = first.wire.trap(isDelete, grief)
      await first.processor.shutdown()
      const next = start({ delivery: { shutdownTimeoutMs: 5000 } })
      await trap.release()
      await next.processor.shutdown()
      expect(sandbox.timeEntries()).toEqual([])
      expect(sandbox.expenses()).toHaveLength(1)
    }
  })

  it('starts no timer for what begins, or has begun, before it is over', async () => {
    const { sandbox, start } = await aCompany({ live: { minMs: 300 }, delivery: { shutdownTimeoutMs: 1000 } })
    const process = start()
    await beginWork(process)
    const trap = process.wire.trap(({ path }) => path.endsWith('/expenses'), 'late')
    const over = process.processor.shutdown()
    await trap.met
    process.begin('late')
    await over
    expect(sandbox.requests()).toEqual([])
  })

  it('books a run that ends during it, once', async () => {
    const { sandbox, start } = await aCompany()
    const process = start()
    const run = await beginWork(process)
    await untilShown(sandbox, run)
    const over = process.processor.shutdown()
    run.finish()
    await over
    await start().processor.shutdown()
    expect(ledgerOf(sandbox).timeEntries).toMatchObject([{ key: run.recordKey, hours: 1, isRunning: false }])
  })
})
