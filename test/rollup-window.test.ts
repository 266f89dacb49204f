/** Rule: with `rollup`, runs are gathered for a window and booked together; what is booked in sum is the same. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { memoryOutbox } from '../src/delivery/memory-outbox.ts'
import { RollupWindow } from '../src/delivery/rollup-window.ts'
import { ConfigError, type KeitoExporterOptions, KeitoSpanExporter } from '../src/index.ts'
import { startKeitoSandbox } from '../src/testing/index.ts'
import { expense, timeEntry } from './helpers/delivery.ts'
import { aTrace } from './helpers/spans.ts'

const keysOf = (outbox: ReturnType<typeof memoryOutbox>) => {
  const keys: string[] = []
  for (let record = outbox.take(); record; record = outbox.take()) keys.push(record.key)
  return keys
}

describe('a window', () => {
  it('begins with the first record of a group and ends for the group alone', () => {
    const outbox = memoryOutbox()
    const window = new RollupWindow(outbox, 1000)
    window.take([timeEntry('a')], 0)
    window.take([timeEntry('b'), expense('c')], 600)
    window.close('due', 999)
    expect(outbox.counts()).toMatchObject({ pending: 0, gathered: 3 })
    window.close('due', 1000)
    expect(keysOf(outbox)).toEqual(['a:rollup:2'])
    expect(outbox.counts()).toMatchObject({ gathered: 1 })
    expect(window.isEmpty).toBe(false)
    window.close('due', 1600)
    expect(keysOf(outbox)).toEqual(['c'])
    expect(window.isEmpty).toBe(true)
  })

  it('begins anew after it has ended', () => {
    const outbox = memoryOutbox()
    const window = new RollupWindow(outbox, 1000)
    window.take([timeEntry('a')], 0)
    window.close('due', 1000)
    window.take([timeEntry('b')], 1500)
    window.close('due', 2499)
    expect(keysOf(outbox)).toEqual(['a'])
    window.close('due', 2500)
    expect(keysOf(outbox)).toEqual(['b'])
  })

  it('of no length sends at the next look', () => {
    const outbox = memoryOutbox()
    const window = new RollupWindow(outbox, undefined)
    window.take([timeEntry('a')], 7)
    window.close('due', 7)
    expect(keysOf(outbox)).toEqual(['a'])
  })

  it('gives back what the outbox cannot keep', () => {
    const window = new RollupWindow(memoryOutbox({ maxRecords: 1 }), 1000)
    expect(window.take([timeEntry('a'), timeEntry('b')], 0)).toEqual([timeEntry('b')])
  })
})

describe('the exporter', () => {
  let sandbox: Awaited<ReturnType<typeof startKeitoSandbox>>
  beforeEach(async () => {
    sandbox = await startKeitoSandbox()
  })
  afterEach(async () => {
    vi.useRealTimers()
    await sandbox.close()
  })

  /** Three runs of one agent, of 36 s each. */
  function work(options: Pick<KeitoExporterOptions, 'rollup'> = { rollup: { windowMs: 3_600_000 } }) {
    const exporter = new KeitoSpanExporter({
      ...sandbox.exporterOptions,
      settle: { graceMs: 0 },
      ...options,
    })
    for (let n = 1; n <= 3; n++) {
      const trace = aTrace()
      trace.agent('review-bot', { at: [0, 36_000] }).chat({ model: 'gpt-5', input: 400 * n, output: 100 })
      exporter.export(trace.spans, () => undefined)
    }
    return exporter
  }

  const booked = () => ({
    time: sandbox.timeEntries().map(({ hours, notes }) => [hours, notes]),
    llm: sandbox.expenses().map(({ units, notes }) => [units, notes]),
  })

  it('books the runs of a window as one time entry and one expense; a flush ends the window', async () => {
    const exporter = work()
    await exporter.forceFlush()
    expect(booked()).toEqual({
      time: [[0.03, 'review-bot: 3 runs, 3 model calls']],
      llm: [[3, 'gpt-5: 2.4k input + 300 output (3 runs)']],
    })
    expect(sandbox.requests()).toHaveLength(2)
    expect(exporter.stats()).toMatchObject({ recordsMade: 6, recordsDelivered: 2, recordsPending: 0 })
    await exporter.shutdown()
  })

  it('shows what is gathered as pending, and sends it when the window ends, without a flush', async () => {
    const exporter = work({ rollup: { windowMs: 400 } })
    await vi.waitFor(() => expect(exporter.stats().recordsPending).toBe(6), { timeout: 3000 })
    expect(sandbox.requests()).toHaveLength(0)
    expect(exporter.stats().oldestPendingMs).toBeGreaterThanOrEqual(0)
    await vi.waitFor(() => expect(sandbox.requests()).toHaveLength(2), { timeout: 5000, interval: 20 })
    await exporter.shutdown()
    expect(booked().time).toHaveLength(1)
  })

  it('ends the window at its shutdown', async () => {
    await work().shutdown()
    expect(booked().time).toEqual([[0.03, 'review-bot: 3 runs, 3 model calls']])
  })

  it('books each run alone without the option', async () => {
    const exporter = work({})
    await exporter.shutdown()
    expect(booked().time).toHaveLength(3)
  })

  it.each([[0], [Number.NaN], ['1h'], [2 ** 31]])('refuses a window of %s', (windowMs) => {
    const options = { ...sandbox.exporterOptions, rollup: { windowMs: windowMs as number } }
    expect(() => new KeitoSpanExporter(options)).toThrow(ConfigError)
    expect(() => new KeitoSpanExporter(options)).toThrow(/rollup\.windowMs must be a number/)
  })
})
