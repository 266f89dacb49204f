/**
 * What the exporter counts and how long Keito takes to answer, as OpenTelemetry metrics.
 *
 * Where the semantic conventions for SDKs have a name that fits (`otel.sdk.exporter.span.exported`,
 * `otel.sdk.exporter.operation.duration`), it is used: a span is exported when its facts are taken in, and an operation
 * is a request to Keito. What they have no word for, sessions and records, is under `keito.exporter.*`.
 *
 * @module
 */
import type { Attributes, BatchObservableCallback, Meter, MetricOptions } from '@opentelemetry/api'
import type { MeterProviderLike } from '../otel/meter.ts'
import { VERSION } from '../version.ts'
import { createLog, type Log } from './log.ts'
import { oneLine } from './one-line.ts'
import type { KeitoStats } from './stats.ts'

/** The metrics of one exporter. Nothing of it throws. */
export interface Metrics {
  /**
   * One request to Keito ended.
   *
   * @param durationMs From its start to the end of the reply, in milliseconds.
   * @param errorType Why it failed, as one of a few words or a status, never a message; absent when it succeeded.
   */
  requestEnded(durationMs: number, errorType?: string): void
  /** The exporter has shut down: its last counts stay, for the last collection, and the exporter may be forgotten. */
  close(): void
}

/** A metric that is read from the counters when somebody collects. */
interface Observed {
  readonly name: `keito.exporter.${string}` | `otel.sdk.exporter.${string}`
  readonly kind: keyof typeof CREATE
  readonly unit: string
  readonly description: string
  readonly series: readonly Series[]
}
/** A number to publish, and what tells it from others of the same metric. */
type Series = readonly [read: (stats: KeitoStats) => number, attributes?: Attributes]

const COMPONENT_TYPE = 'keito_span_exporter'
/** In seconds: from a reply of the next room to the default deadline of a request. */
const DURATION_BOUNDARIES = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]

const CREATE = {
  counter: (meter: Meter, name: string, options: MetricOptions) => meter.createObservableCounter(name, options),
  upDownCounter: (meter: Meter, name: string, options: MetricOptions) =>
    meter.createObservableUpDownCounter(name, options),
  gauge: (meter: Meter, name: string, options: MetricOptions) => meter.createObservableGauge(name, options),
}

/** What is there now adds up over processes, so it is an up-down counter; an age does not, so it is a gauge. */
const OBSERVED: readonly Observed[] = [
  {
    name: 'keito.exporter.spans',
    kind: 'counter',
    unit: '{span}',
    description: 'Spans handed to the exporter, by what was made of them.',
    series: [
      [(stats) => stats.spansRead, { 'keito.span.reading': 'read' }],
      [(stats) => stats.spansIgnored, { 'keito.span.reading': 'ignored' }],
      [(stats) => stats.spansUnreadable, { 'keito.span.reading': 'unreadable' }],
    ],
  },
  {
    name: 'otel.sdk.exporter.span.exported',
    kind: 'counter',
    unit: '{span}',
    description: 'Spans whose facts were taken in, or why they could not be.',
    series: [
      [(stats) => stats.spansRead + stats.spansIgnored - stats.spansLate],
      [(stats) => stats.spansUnreadable, { 'error.type': 'unreadable' }],
      [(stats) => stats.spansLate, { 'error.type': 'late' }],
      [(stats) => stats.spansElsewhere, { 'error.type': 'elsewhere' }],
    ],
  },
  {
    name: 'keito.exporter.values.refused',
    kind: 'counter',
    unit: '{value}',
    description: 'Usage or time values that made no sense and were left out.',
    series: [[(stats) => stats.valuesRefused]],
  },
  {
    name: 'keito.exporter.repeats.suppressed',
    kind: 'counter',
    unit: '{repeat}',
    description: 'Token usage that was seen again on another span and not billed twice.',
    series: [[(stats) => stats.repeatsSuppressed]],
  },
  {
    name: 'keito.exporter.sessions.open',
    kind: 'upDownCounter',
    unit: '{session}',
    description: 'Sessions that are not complete yet.',
    series: [[(stats) => stats.openSessions]],
  },
  {
    name: 'keito.exporter.sessions.settled',
    kind: 'counter',
    unit: '{settlement}',
    description: 'Settlements that came to something to bill: one for each session and each late addition.',
    series: [[(stats) => stats.sessionsSettled]],
  },
  {
    name: 'keito.exporter.sessions.forced',
    kind: 'counter',
    unit: '{session}',
    description: 'Sessions settled early, because too many spans were open.',
    series: [[(stats) => stats.sessionsForced]],
  },
  {
    name: 'keito.exporter.records',
    kind: 'upDownCounter',
    unit: '{record}',
    description: 'Records that Keito may not have: pending, held as their fate is unknown, or without a place.',
    series: [
      [(stats) => stats.recordsPending, { 'keito.record.state': 'pending' }],
      [(stats) => stats.recordsHeld, { 'keito.record.state': 'held' }],
      [(stats) => stats.recordsUnassigned, { 'keito.record.state': 'unassigned' }],
    ],
  },
  {
    name: 'keito.exporter.records.pending.age',
    kind: 'gauge',
    unit: 's',
    description: 'How long the oldest pending record has waited; 0 when none waits.',
    series: [[(stats) => stats.oldestPendingMs / 1000]],
  },
  {
    name: 'keito.exporter.records.made',
    kind: 'counter',
    unit: '{record}',
    description: 'Time entries and expenses made.',
    series: [[(stats) => stats.recordsMade]],
  },
  {
    name: 'keito.exporter.records.delivered',
    kind: 'counter',
    unit: '{record}',
    description: 'Records that Keito accepted; in a dry run, records printed.',
    series: [[(stats) => stats.recordsDelivered]],
  },
  {
    name: 'keito.exporter.records.reconciled',
    kind: 'counter',
    unit: '{record}',
    description: 'Of the delivered records, those found in Keito after it was not known whether they were stored.',
    series: [[(stats) => stats.recordsReconciled]],
  },
  {
    name: 'keito.exporter.records.duplicated',
    kind: 'counter',
    unit: '{record}',
    description: 'Copies found in Keito of records that it stored more than once.',
    series: [[(stats) => stats.recordsDuplicated]],
  },
  {
    name: 'keito.exporter.records.dead',
    kind: 'counter',
    unit: '{record}',
    description: 'Records that Keito refused for good.',
    series: [[(stats) => stats.recordsDead]],
  },
  {
    name: 'keito.exporter.records.dropped',
    kind: 'counter',
    unit: '{record}',
    description: 'Records lost, because the outbox was full.',
    series: [[(stats) => stats.recordsDropped]],
  },
  {
    name: 'keito.exporter.requests.retried',
    kind: 'counter',
    unit: '{request}',
    description: 'Requests repeated after an answer that proves nothing had been stored.',
    series: [[(stats) => stats.requestsRetried]],
  },
  {
    name: 'keito.exporter.timers',
    kind: 'counter',
    unit: '{timer}',
    description: 'Timers of runs under way, by what became of them.',
    series: [
      [(stats) => stats.timersStarted, { 'keito.timer.fate': 'started' }],
      [(stats) => stats.timersRefused, { 'keito.timer.fate': 'refused' }],
      [(stats) => stats.timersLost, { 'keito.timer.fate': 'lost' }],
      [(stats) => stats.timersBooked, { 'keito.timer.fate': 'booked' }],
    ],
  },
]

const NO_METRICS: Metrics = { requestEnded: () => undefined, close: () => undefined }

let exporters = 0

/**
 * Publishes the counters of an exporter, read once per collection, and the duration of its requests. All series carry
 * `otel.component.type` and `otel.component.name`, which tells the exporters of a process apart.
 *
 * @param meterProvider Where to publish; without one nothing is. What it throws is reported and ends there.
 * @param stats The counters as they stand.
 * @param log Where a failing meter provider is reported.
 */
export function createMetrics(
  meterProvider: MeterProviderLike | undefined,
  stats: () => KeitoStats,
  log: Log = createLog(),
): Metrics {
  if (!meterProvider) return NO_METRICS
  const guard = <T>(work: () => T): T | undefined => {
    try {
      return work()
    } catch (error) {
      log.report('callback', 'meterProvider', messageFor(error))
      return undefined
    }
  }
  const component = { 'otel.component.type': COMPONENT_TYPE, 'otel.component.name': `${COMPONENT_TYPE}/${exporters++}` }
  let read = stats
  const meterRequest = guard(() => {
    // The edge: whatever else it is throws when it is used, and that is caught here.
    const meter = meterProvider.getMeter('opentelemetry-exporter-keito', VERSION) as Meter
    observe(meter, component, () => read(), guard)
    return meterRequests(meter, component)
  })
  if (!meterRequest) return NO_METRICS
  return {
    requestEnded: (durationMs, errorType) => guard(() => meterRequest(durationMs, errorType)),
    close() {
      const last = stats()
      read = () => last
    },
  }
}

function meterRequests(meter: Meter, component: Attributes): Metrics['requestEnded'] {
  const durations = meter.createHistogram('otel.sdk.exporter.operation.duration', {
    unit: 's',
    description: 'How long a request to Keito took, whatever came of it; each attempt is one.',
    advice: { explicitBucketBoundaries: DURATION_BOUNDARIES },
  })
  return (durationMs, errorType) =>
    durations.record(durationMs / 1000, {
      ...component,
      ...(errorType === undefined ? {} : { 'error.type': errorType }),
    })
}

/** Publishes the table above, also after the shutdown: the last collection usually comes later. */
function observe(
  meter: Meter,
  component: Attributes,
  stats: () => KeitoStats,
  guard: (work: () => void) => void,
): void {
  const observed = OBSERVED.map(({ name, kind, unit, description, series }) => {
    const instrument = CREATE[kind](meter, name, { unit, description })
    return { instrument, series: series.map(([read, own]) => ({ read, attributes: { ...component, ...own } })) }
  })
  const instruments = observed.map(({ instrument }) => instrument)
  const callback: BatchObservableCallback = (result) =>
    guard(() => {
      const now = stats()
      for (const { instrument, series } of observed) {
        for (const { read, attributes } of series) result.observe(instrument, read(now), attributes)
      }
    })
  meter.addBatchObservableCallback(callback, instruments)
}

function messageFor(error: unknown): string {
  const name = error instanceof Error ? oneLine(error.name) : typeof error
  return (
    `Metrics need an OpenTelemetry MeterProvider as meterProvider, but the one given threw (${name}). ` +
    'Billing goes on; the metrics may be incomplete. Check which SDK it comes from.'
  )
}
