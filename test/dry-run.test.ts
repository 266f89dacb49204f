/** Rule: a dry run prints what would be booked, needs no credentials, and sends nothing. */
import { BasicTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { afterEach, expect, it, vi } from 'vitest'
import { KeitoSpanExporter, type RecordEvent } from '../src/index.ts'
import { traceRun } from './helpers/otel.ts'

afterEach(() => vi.restoreAllMocks())

it('prints one line for each record, as a person reads it', async () => {
  const lines: string[] = []
  vi.spyOn(console, 'info').mockImplementation((line: string) => lines.push(line))
  const fetch = vi.spyOn(globalThis, 'fetch')
  const events: RecordEvent[] = []
  const exporter = new KeitoSpanExporter({
    dryRun: true,
    projectId: 'prj',
    taskId: 'tsk',
    expenseCategoryId: 'cat',
    onRecord: (event) => events.push(event),
  })
  const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] })
  const session = traceRun(provider.getTracer('t'), {
    durationMs: 5_400_000,
    calls: [{ input: 25_000, output: 15_000 }],
  })
  await provider.shutdown()

  expect(lines).toEqual([
    `[keito dry run] time entry: 2026-11-20 | 1.5 h (5400 s) | review-bot: 1 model call | billable | project prj | task tsk | session ${session}`,
    `[keito dry run] expense: 2026-11-20 | 40 units | claude-opus-4-6: 25k input + 15k output | billable | project prj | category cat | session ${session}`,
  ])
  expect(events.map(({ status }) => status)).toEqual(['printed', 'printed'])
  expect(exporter.stats().recordsDelivered).toBe(2)
  expect(fetch).not.toHaveBeenCalled()
})

it('is not slowed down by the rate limit of a server that it never asks', async () => {
  vi.spyOn(console, 'info').mockImplementation(() => undefined)
  const exporter = new KeitoSpanExporter({
    dryRun: true,
    projectId: 'prj',
    taskId: 'tsk',
    expenseCategoryId: 'cat',
    delivery: { requestsPerMinute: 1 },
  })
  const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] })
  for (let i = 0; i < 50; i++) traceRun(provider.getTracer('t'), { calls: [{ input: 1, output: 1 }] })
  await provider.shutdown()
  expect(exporter.stats().recordsDelivered).toBe(100)
})
