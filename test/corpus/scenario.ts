/**
 * Recorded scenarios in a folder. `<name>.otlp.json` has the spans, `<name>.expected.json` what a perfect reader of them
 * can know, and `<name>.truth.json` how they ended and were exported; without it, they ended in the order of the file.
 *
 * @module
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { SpanLike } from '../../src/index.ts'
import { type OtlpDocument, spansOf } from './otlp.ts'

/** How the spans are handed to the exporter: as the recording did it, all at once, or one by one. */
export const BATCHES = ['recorded', 'single', 'each'] as const
export type Batches = (typeof BATCHES)[number]

/** Token counts of one model. */
export interface Tokens {
  readonly input: number
  readonly output: number
}

/** An agent run. */
export interface Run {
  readonly traceId: string
  readonly wallMs: number
  readonly failed: boolean
  readonly optional?: boolean
}

/** What a perfect reader of the spans can know. */
export interface Expected {
  /** False where the spans hold less than what was really used. */
  readonly achievable: boolean
  readonly expectedModels: Readonly<Record<string, { readonly aliases?: readonly string[] }>>
  readonly perTrace: Readonly<Record<string, Readonly<Record<string, Tokens>>>>
  /** Traces between which tokens may move, because a call is recorded in both. */
  readonly traceGroups: readonly (readonly string[])[]
  readonly runs: readonly Run[]
  /** A second fair reading of the runs. */
  readonly runsAlt?: readonly Run[] | null
  readonly optionalRuns: readonly Run[]
}

interface Truth {
  readonly endOrder?: readonly { readonly spanId: string }[]
  readonly exportBatches?: readonly { readonly spanIds?: readonly string[] }[]
}

/** The spans of a scenario in the batches that they are exported in, and what is expected of them. */
export interface Scenario {
  readonly batches: readonly (readonly SpanLike[])[]
  readonly expected: Expected
}

const SPANS = '.otlp.json'

/** The scenarios in a folder and all folders below it, as paths without the ends of the file names; sorted. */
export function scenariosIn(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith(SPANS))
    .map((file) => join(folder, file.slice(0, -SPANS.length)))
    .sort()
}

/** The emitter that a scenario was recorded from: the name of its folder. */
export function emitterOf(scenario: string): string {
  return basename(dirname(scenario))
}

/** Reads a scenario. */
export function readScenario(scenario: string, batches: Batches): Scenario {
  const spans = spansOf(read(scenario, 'otlp'))
  const truth = existsSync(`${scenario}.truth.json`) ? read(scenario, 'truth') : {}
  return { batches: inBatches(spans, truth, batches), expected: read(scenario, 'expected') }
}

type Parts = { otlp: OtlpDocument; truth: Truth; expected: Expected }

function read<Part extends keyof Parts>(scenario: string, part: Part): Parts[Part] {
  // Recordings are ours, so they are taken for what they are.
  return JSON.parse(readFileSync(`${scenario}.${part}.json`, 'utf8')) as Parts[Part]
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
