/**
 * Recorded spans of real frameworks, sent through the public exporter, and compared to what a perfect reader knows.
 *
 * @module
 */
import { readdirSync, readFileSync } from 'node:fs'
import { type KeitoClient, KeitoSpanExporter, type SpanLike } from '../../src/index.ts'

const FIXTURES = new URL('../fixtures/corpus/', import.meta.url)

/** How the spans are handed to the exporter: as the recording did it, all at once, or one by one. */
export type Batches = 'recorded' | 'single' | 'each'

interface Tokens {
  readonly input: number
  readonly output: number
}

interface Run {
  readonly traceId: string
  readonly wallMs: number
  readonly failed: boolean
  readonly optional?: boolean
}

/** What a perfect reader of the spans can know. */
interface Expected {
  readonly expectedModels: Readonly<Record<string, { readonly aliases?: readonly string[] }>>
  readonly perTrace: Readonly<Record<string, Readonly<Record<string, Tokens>>>>
  /** Traces between which tokens may move, because a call is recorded in both. */
  readonly traceGroups: readonly (readonly string[])[]
  readonly runs: readonly Run[]
  readonly optionalRuns: readonly Run[]
}

interface Scenario {
  readonly batches: readonly (readonly SpanLike[])[]
  readonly expected: Expected
}

/** What reached Keito, as far as it is compared. */
export interface Booked {
  readonly expenses: readonly (Tokens & { readonly session: string; readonly model: string })[]
  readonly entries: readonly { readonly session: string; readonly durationMs: number }[]
}

/** All recorded scenarios, `<emitter>/<name>`. */
export function scenarioNames(): readonly string[] {
  const names = readdirSync(FIXTURES).flatMap((emitter) =>
    readdirSync(new URL(`${encodeURIComponent(emitter)}/`, FIXTURES))
      .filter((file) => file.endsWith('.otlp.json'))
      .map((file) => `${emitter}/${file.slice(0, -'.otlp.json'.length)}`),
  )
  return names.sort()
}

/** Reads a recorded scenario. */
export function scenario(name: string, batches: Batches): Scenario {
  const spans = spansOf(read(name, 'otlp'))
  return { batches: inBatches(spans, read(name, 'truth'), batches), expected: read(name, 'expected') }
}

/** Sends a scenario through the public exporter into an in-memory Keito. */
export async function book({ batches }: Scenario): Promise<Booked> {
  const expenses: Booked['expenses'][number][] = []
  const entries: Booked['entries'][number][] = []
  let count = 0
  const client: KeitoClient = {
    timeEntries: {
      create: async ({ metadata }) => {
        entries.push({ session: String(metadata.session_id), durationMs: Number(metadata.duration_ms) })
        return { id: `entry-${++count}` }
      },
    },
    expenses: {
      create: async ({ metadata }) => {
        const [input, output] = [Number(metadata.input_tokens), Number(metadata.output_tokens)]
        expenses.push({ session: String(metadata.session_id), model: String(metadata.model), input, output })
        return { id: `expense-${++count}` }
      },
    },
  }
  const exporter = new KeitoSpanExporter({ client, projectId: 'prj', taskId: 'tsk', expenseCategoryId: 'cat' })
  for (const batch of batches) exporter.export(batch, () => undefined)
  await exporter.forceFlush()
  await exporter.shutdown()
  return { expenses, entries }
}

/** What a perfect reader would have booked of tokens: `<trace or group> <model> <part>` to a number. */
export function expectedTokens(expected: Expected): Record<string, number> {
  const rows = Object.entries(expected.perTrace).flatMap(([session, models]) =>
    Object.entries(models).map(([model, { input, output }]) => ({ session, model, input, output })),
  )
  return sumsOf(expected, rows)
}

/** What was booked of tokens, in the same terms. */
export function bookedTokens(expected: Expected, { expenses }: Booked): Record<string, number> {
  return sumsOf(expected, expenses)
}

function sumsOf(expected: Expected, rows: Booked['expenses']): Record<string, number> {
  const sums: Record<string, number> = {}
  for (const { session, model, input, output } of rows) {
    const group = expected.traceGroups.findIndex((traces) => traces.includes(session))
    const where = `${group < 0 ? session : `group ${group}`} ${canonical(expected, model)}`
    for (const [part, tokens] of [['input', input] as const, ['output', output] as const]) {
      if (tokens > 0) sums[`${where} ${part}`] = (sums[`${where} ${part}`] ?? 0) + tokens
    }
  }
  return sums
}

/** The expected name of a model that may be booked under the name it was asked for or the one that answered. */
function canonical(expected: Expected, model: string): string {
  const names = Object.entries(expected.expectedModels)
  const known = names.find(([name, { aliases }]) => name === model || aliases?.includes(model))
  return (known ?? names.find(([name]) => family(name) === family(model)))?.[0] ?? model
}

function family(model: string): string {
  return model
    .toLowerCase()
    .replace(/^.*\//, '')
    .replace(/[-@](\d{4}-\d{2}-\d{2}|\d{8}|\d{4})$/, '')
    .replace(/-(latest|\d{3})$/, '')
}

/**
 * What is wrong with the booked time entries: a run without one, or one without a run. Failed runs leave none; an
 * optional run may. A trace with bare calls and no run may have one entry, no longer than its calls together.
 */
export function wrongEntries({ runs, optionalRuns }: Expected, { entries }: Booked): readonly string[] {
  const needed = runs.filter((run) => !run.failed && !run.optional)
  const allowed = [...runs.filter((run) => run.optional), ...optionalRuns].filter((run) => !run.failed)
  const bare = new Map<string, number>()
  for (const { traceId, wallMs } of optionalRuns) {
    if (!runs.some((run) => run.traceId === traceId)) bare.set(traceId, (bare.get(traceId) ?? 0) + wallMs)
  }
  const wrong: string[] = []
  for (const entry of entries) {
    const fits = (run: Run) => run.traceId === entry.session && Math.abs(run.wallMs - entry.durationMs) <= 2
    if (takeFirst(needed, fits) || takeFirst(allowed, fits)) continue
    if (entry.durationMs > (bare.get(entry.session) ?? -3) + 2) {
      wrong.push(`${entry.durationMs} ms in ${entry.session} belong to no run`)
    }
    bare.delete(entry.session)
  }
  return [...wrong, ...needed.map((run) => `no time entry for ${run.wallMs} ms in ${run.traceId}`)]
}

function takeFirst<T>(items: T[], fits: (item: T) => boolean): boolean {
  const index = items.findIndex(fits)
  if (index >= 0) items.splice(index, 1)
  return index >= 0
}

// Recorded OTLP/JSON, as the specification of OTLP defines it.

interface OtlpValue {
  readonly stringValue?: string
  readonly boolValue?: boolean
  readonly intValue?: string | number
  readonly doubleValue?: number | null
  readonly arrayValue?: { readonly values?: readonly OtlpValue[] }
  readonly kvlistValue?: { readonly values?: readonly OtlpAttribute[] }
}

interface OtlpAttribute {
  readonly key: string
  readonly value: OtlpValue
}

interface OtlpSpan {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly name: string
  readonly flags?: number
  readonly startTimeUnixNano: string
  readonly endTimeUnixNano: string
  readonly attributes?: readonly OtlpAttribute[]
  readonly events?: readonly { readonly name: string }[]
  readonly status?: { readonly code?: number }
}

interface OtlpDocument {
  readonly resourceSpans?: readonly {
    readonly resource?: { readonly attributes?: readonly OtlpAttribute[] }
    readonly scopeSpans?: readonly {
      readonly scope?: { readonly name?: string }
      readonly spans?: readonly OtlpSpan[]
    }[]
  }[]
}

interface Truth {
  readonly endOrder?: readonly { readonly spanId: string }[]
  readonly exportBatches?: readonly { readonly spanIds?: readonly string[] }[]
}

function read<T>(name: string, part: 'otlp' | 'truth' | 'expected'): T {
  const [emitter = '', scenario = ''] = name.split('/')
  const file = new URL(`${encodeURIComponent(emitter)}/${scenario}.${part}.json`, FIXTURES)
  // Fixtures are ours, so they are taken for what they are.
  return JSON.parse(readFileSync(file, 'utf8')) as T
}

function spansOf(document: OtlpDocument): readonly SpanLike[] {
  return (document.resourceSpans ?? []).flatMap(({ resource, scopeSpans = [] }) =>
    scopeSpans.flatMap(({ scope, spans = [] }) =>
      spans.map((span) => spanOf(span, scope?.name ?? '', attributesOf(resource?.attributes))),
    ),
  )
}

const KNOWS_REMOTE = 0x100
const IS_REMOTE = 0x200

function spanOf(span: OtlpSpan, scope: string, resource: Readonly<Record<string, unknown>>): SpanLike {
  const { traceId, spanId, parentSpanId, flags = 0 } = span
  const remote = flags & KNOWS_REMOTE ? { isRemote: (flags & IS_REMOTE) !== 0 } : {}
  return {
    name: span.name,
    spanContext: () => ({ traceId, spanId }),
    parentSpanContext: parentSpanId ? { traceId, spanId: parentSpanId, ...remote } : undefined,
    startTime: hrTimeOf(span.startTimeUnixNano),
    endTime: hrTimeOf(span.endTimeUnixNano),
    status: { code: span.status?.code ?? 0 },
    attributes: attributesOf(span.attributes),
    events: span.events ?? [],
    resource: { attributes: resource },
    instrumentationScope: { name: scope },
  }
}

function hrTimeOf(unixNano: string): [number, number] {
  const ns = BigInt(unixNano)
  return [Number(ns / 1_000_000_000n), Number(ns % 1_000_000_000n)]
}

function attributesOf(list: readonly OtlpAttribute[] = []): Readonly<Record<string, unknown>> {
  return Object.fromEntries(list.map(({ key, value }) => [key, plainOf(value)]))
}

function plainOf(value: OtlpValue): unknown {
  if (value.intValue !== undefined) return Number(value.intValue)
  // JSON has no NaN; the recordings write null for it.
  if (value.doubleValue !== undefined) return value.doubleValue ?? Number.NaN
  if (value.arrayValue) return (value.arrayValue.values ?? []).map(plainOf)
  if (value.kvlistValue) return attributesOf(value.kvlistValue.values)
  return value.stringValue ?? value.boolValue
}

function inBatches(spans: readonly SpanLike[], truth: Truth, batches: Batches): Scenario['batches'] {
  if (batches === 'each') return spans.map((span) => [span])
  if (batches === 'single') return [spans]
  const recorded = truth.exportBatches?.map(({ spanIds = [] }) => spanIds) ?? [
    truth.endOrder?.map(({ spanId }) => spanId) ?? [],
  ]
  const rest = new Map(spans.map((span) => [span.spanContext().spanId, span]))
  const found = recorded.map((ids) =>
    ids.flatMap((id) => {
      const span = rest.get(id)
      rest.delete(id)
      return span ?? []
    }),
  )
  return [...found, [...rest.values()]].filter((batch) => batch.length > 0)
}
