/** Rule: every number of `stats()` is a metric, read once per collection, and no meter provider can harm the host. */
import type { MeterProvider as MeterProviderLike } from '@opentelemetry/api'
import { DataPointType, MeterProvider, type MetricData, MetricReader } from '@opentelemetry/sdk-metrics'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { KeitoSpanExporter, memoryOutbox } from '../src/index.ts'
import { createMetrics } from '../src/telemetry/metrics.ts'
import type { KeitoStats } from '../src/telemetry/stats.ts'

class Reader extends MetricReader {
  protected override async onForceFlush() {}
  protected override async onShutdown() {}
}

/** A different number for each counter, so that no two can be mixed up. */
const STATS: KeitoStats = {
  spansSeen: 111,
  spansRead: 1,
  spansIgnored: 10,
  spansUnreadable: 100,
  spansLate: 2,
  spansElsewhere: 20,
  valuesRefused: 3,
  repeatsSuppressed: 4,
  sessionsSettled: 5,
  sessionsForced: 6,
  recordsMade: 7,
  recordsDelivered: 8,
  recordsReconciled: 9,
  recordsDuplicated: 11,
  requestsRetried: 12,
  recordsDead: 13,
  recordsDropped: 14,
  timersStarted: 21,
  timersRefused: 22,
  timersLost: 23,
  timersBooked: 24,
  openSessions: 15,
  recordsPending: 16,
  recordsHeld: 17,
  recordsUnassigned: 18,
  oldestPendingMs: 19_500,
}

/** Spans that were taken in: late ones are among those that were read or ignored. */
const exportedOf = ({ spansRead, spansIgnored, spansLate }: KeitoStats) => spansRead + spansIgnored - spansLate

const reader = () => new Reader()
let open: MeterProvider[] = []
afterEach(async () => {
  for (const provider of open) await provider.shutdown()
  open = []
})

/** Exporters with these counters on one SDK, and what the SDK collects from them. */
function start(...counters: readonly (() => KeitoStats)[]) {
  const into = reader()
  const provider = new MeterProvider({ readers: [into] })
  const metrics = counters.map((stats) => createMetrics(provider, stats))
  open.push(provider)
  const collect = async () => {
    const { resourceMetrics, errors } = await into.collect()
    expect(errors).toEqual([])
    return resourceMetrics.scopeMetrics.flatMap((scope) => scope.metrics)
  }
  return { metrics, collect }
}

const startOne = (stats = () => STATS) => {
  const { metrics, collect } = start(stats)
  const [only] = metrics
  if (!only) throw new Error('no metrics were made')
  return { metrics: only, collect }
}

/** The points of a metric, without what all points have, as `attributes -> value`. */
function pointsOf(metric: MetricData | undefined) {
  return (metric?.dataPoints ?? []).map(({ attributes, value }) => {
    const { 'otel.component.type': _, 'otel.component.name': __, ...own } = attributes
    return [own, value] as const
  })
}

const named = (metrics: readonly MetricData[], name: string) =>
  metrics.find((metric) => metric.descriptor.name === name)

const kindOf = (metric: MetricData) => {
  if (metric.dataPointType === DataPointType.SUM) return metric.isMonotonic ? 'counter' : 'up-down counter'
  return metric.dataPointType === DataPointType.GAUGE ? 'gauge' : 'histogram'
}

describe('the counters of an exporter', () => {
  it('are published under these names, kinds and units', async () => {
    const { metrics, collect } = startOne()
    metrics.requestEnded(100)
    const table = (await collect()).map((metric) => [
      metric.descriptor.name.replace('keito.exporter.', ''),
      kindOf(metric),
      metric.descriptor.unit,
      ...pointsOf(metric).map(([, value]) => (typeof value === 'number' ? value : value && 'a distribution')),
    ])
    expect(table).toEqual([
      ['spans', 'counter', '{span}', 1, 10, 100],
      ['otel.sdk.exporter.span.exported', 'counter', '{span}', 9, 100, 2, 20],
      ['values.refused', 'counter', '{value}', 3],
      ['repeats.suppressed', 'counter', '{repeat}', 4],
      ['sessions.open', 'up-down counter', '{session}', 15],
      ['sessions.settled', 'counter', '{settlement}', 5],
      ['sessions.forced', 'counter', '{session}', 6],
      ['records', 'up-down counter', '{record}', 16, 17, 18],
      ['records.pending.age', 'gauge', 's', 19.5],
      ['records.made', 'counter', '{record}', 7],
      ['records.delivered', 'counter', '{record}', 8],
      ['records.reconciled', 'counter', '{record}', 9],
      ['records.duplicated', 'counter', '{record}', 11],
      ['records.dead', 'counter', '{record}', 13],
      ['records.dropped', 'counter', '{record}', 14],
      ['requests.retried', 'counter', '{request}', 12],
      ['timers', 'counter', '{timer}', 21, 22, 23, 24],
      ['otel.sdk.exporter.operation.duration', 'histogram', 's', 'a distribution'],
    ])
  })

  it('are all there: none of stats() is left out but the sum of the spans', async () => {
    const values = (await startOne().collect()).flatMap((metric) => pointsOf(metric).map(([, value]) => value))
    const { spansSeen, oldestPendingMs, ...rest } = STATS
    expect(new Set(values)).toEqual(new Set([...Object.values(rest), oldestPendingMs / 1000, exportedOf(STATS)]))
  })

  it('tell apart what was made of the spans, and where records wait', async () => {
    const metrics = await startOne().collect()
    expect(pointsOf(named(metrics, 'keito.exporter.spans'))).toEqual([
      [{ 'keito.span.reading': 'read' }, 1],
      [{ 'keito.span.reading': 'ignored' }, 10],
      [{ 'keito.span.reading': 'unreadable' }, 100],
    ])
    expect(pointsOf(named(metrics, 'otel.sdk.exporter.span.exported'))).toEqual([
      [{}, exportedOf(STATS)],
      [{ 'error.type': 'unreadable' }, 100],
      [{ 'error.type': 'late' }, 2],
      [{ 'error.type': 'elsewhere' }, 20],
    ])
    expect(pointsOf(named(metrics, 'keito.exporter.records'))).toEqual([
      [{ 'keito.record.state': 'pending' }, 16],
      [{ 'keito.record.state': 'held' }, 17],
      [{ 'keito.record.state': 'unassigned' }, 18],
    ])
  })

  it('are explained', async () => {
    for (const { descriptor } of await startOne().collect()) expect(descriptor.description).toMatch(/\w{3}.*\.$/)
  })

  it('are read once per collection, as they stand then', async () => {
    const stats = vi.fn(() => ({ ...STATS, recordsPending: stats.mock.calls.length }))
    const { collect } = startOne(stats)
    const pending = async () => pointsOf(named(await collect(), 'keito.exporter.records'))[0]?.[1]
    expect(stats).not.toHaveBeenCalled()
    expect([await pending(), await pending()]).toEqual([1, 2])
    expect(stats).toHaveBeenCalledTimes(2)
  })

  it('say whose they are, so that two exporters of a process do not mix', async () => {
    const { metrics, collect } = start(
      () => ({ ...STATS, recordsMade: 1 }),
      () => ({ ...STATS, recordsMade: 2 }),
    )
    for (const each of metrics) each.requestEnded(1)
    const collected = await collect()
    const [first, second] = named(collected, 'keito.exporter.records.made')?.dataPoints ?? []
    expect([first?.value, second?.value]).toEqual([1, 2])
    const [one, other] = [first, second].map((point) => String(point?.attributes['otel.component.name']).split('/'))
    expect([one?.[0], other?.[0]]).toEqual(['keito_span_exporter', 'keito_span_exporter'])
    expect(Number(other?.[1])).toBe(Number(one?.[1]) + 1)
    const points = collected.flatMap((metric): MetricData['dataPoints'][number][] => metric.dataPoints)
    const owners = new Set(points.map(({ attributes }) => attributes['otel.component.name']))
    expect(owners.size).toBe(2)
    expect(new Set(points.map(({ attributes }) => attributes['otel.component.type']))).toEqual(
      new Set(['keito_span_exporter']),
    )
  })
})

describe('after a shutdown', () => {
  it('the last counts are still shown, and the exporter is not asked again', async () => {
    let seen = 0
    const stats = vi.fn(() => ({ ...STATS, recordsPending: ++seen }))
    const { metrics, collect } = startOne(stats)
    await collect()
    metrics.close()
    const asked = stats.mock.calls.length
    const valuesOf = (collected: readonly MetricData[]) =>
      collected.map((metric) => [metric.descriptor.name, pointsOf(metric)])
    const [first, second] = [valuesOf(await collect()), valuesOf(await collect())]
    expect(stats).toHaveBeenCalledTimes(asked)
    expect(first.length).toBeGreaterThan(5)
    expect(second).toEqual(first)
    expect(JSON.stringify(first)).toContain(`${seen}`)
  })

  it('of an exporter, its pipeline and its outbox are asked no more', async () => {
    const outbox = memoryOutbox()
    const into = reader()
    const provider = new MeterProvider({ readers: [into] })
    open.push(provider)
    const exporter = new KeitoSpanExporter({
      baseUrl: 'http://127.0.0.1:9',
      accountId: 'cmaccount',
      apiKey: 'not-a-key',
      meterProvider: provider,
      outbox,
    })
    await exporter.shutdown()
    const counts = vi.spyOn(outbox, 'counts')
    const { resourceMetrics, errors } = await into.collect()
    expect(errors).toEqual([])
    expect(resourceMetrics.scopeMetrics.flatMap((scope) => scope.metrics).length).toBeGreaterThan(5)
    expect(counts).not.toHaveBeenCalled()
  })
})

describe('the duration of requests', () => {
  it('is in seconds, one observation for each request, with the cause when it failed', async () => {
    const { metrics, collect } = startOne()
    metrics.requestEnded(1500)
    metrics.requestEnded(250)
    metrics.requestEnded(10_000, 'timeout')
    const points = pointsOf(named(await collect(), 'otel.sdk.exporter.operation.duration'))
    expect(points).toMatchObject([
      [{}, { count: 2, sum: 1.75 }],
      [{ 'error.type': 'timeout' }, { count: 1, sum: 10 }],
    ])
    expect(Object.keys(points[0]?.[0] ?? {})).toEqual([])
  })

  it('can be told apart where requests usually lie, between 5 ms and 10 s', async () => {
    const { metrics, collect } = startOne()
    for (const ms of [4, 8, 80, 800, 8000, 80_000]) metrics.requestEnded(ms)
    const [point] = pointsOf(named(await collect(), 'otel.sdk.exporter.operation.duration'))
    const value = point?.[1]
    const counts = typeof value === 'object' && 'buckets' in value ? value.buckets.counts : []
    expect(Math.max(...counts)).toBe(1)
    expect([counts[0], counts.at(-1)]).toEqual([1, 1])
  })
})

describe('without a meter provider', () => {
  it('nothing is read and nothing happens', () => {
    const [stats, report] = [vi.fn(() => STATS), vi.fn()]
    const metrics = createMetrics(undefined, stats, { report })
    metrics.requestEnded(1, 'timeout')
    expect(stats).not.toHaveBeenCalled()
    expect(report).not.toHaveBeenCalled()
  })
})

describe('a meter provider that throws', () => {
  const METHODS = [
    'getMeter',
    'createHistogram',
    'createObservableCounter',
    'createObservableUpDownCounter',
    'createObservableGauge',
    'addBatchObservableCallback',
    'record',
    'observe',
  ]

  /** A provider on which one method throws and all others answer with the same object; it collects when asked to. */
  function providerWithout(broken: string) {
    const callbacks: ((result: unknown) => void)[] = []
    const everything: Record<string, unknown> = Object.fromEntries(
      METHODS.map((name) => [
        name,
        () => {
          if (name === broken) throw new RangeError('secret')
          return everything
        },
      ]),
    )
    const add = everything.addBatchObservableCallback
    everything.addBatchObservableCallback = (callback: (result: unknown) => void) => {
      if (typeof add === 'function') add()
      callbacks.push(callback)
    }
    const collect = () => {
      for (const callback of callbacks) callback(everything)
    }
    return { provider: everything as unknown as MeterProviderLike, collect }
  }

  it.each(METHODS)('in %s is reported, and nobody else is harmed', (broken) => {
    const reports: string[] = []
    const { provider, collect } = providerWithout(broken)
    const log = { report: (code: string, cause: string, text: string) => reports.push(`${code} ${cause} ${text}`) }
    const metrics = createMetrics(provider, () => STATS, log)
    metrics.requestEnded(5)
    collect()
    expect(reports).toHaveLength(1)
    expect(reports[0]).toMatch(/^callback meterProvider .*MeterProvider.*RangeError/)
    expect(reports[0]).not.toContain('secret')
  })

  it.each([
    ['a number', 7],
    ['an object that is none', {}],
    ['one whose meters are nothing', { getMeter: () => undefined }],
  ])('because it is %s is reported too', (_, rubbish) => {
    const report = vi.fn()
    const metrics = createMetrics(rubbish as unknown as MeterProviderLike, () => STATS, { report })
    metrics.requestEnded(5)
    expect(report).toHaveBeenCalledTimes(1)
  })
})

describe('counters that throw', () => {
  it('are left out of the collection, and the SDK does not notice', async () => {
    const { collect } = startOne(() => {
      throw new TypeError('broken')
    })
    expect(await collect()).toEqual([])
  })
})
