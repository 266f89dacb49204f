/**
 * Every name that an option can have, so that a misspelt one is noticed: work would be booked as if nothing had been said.
 *
 * @module
 */
import type {
  DeliveryOptions,
  ExpenseOptions,
  FailedRunOptions,
  KeitoProcessorOptions,
  LiveOptions,
  RollupOptions,
  RoundingOptions,
  SettleOptions,
} from './options.ts'

type Names<T> = Readonly<Record<keyof T, true>>

/** Options that are groups of others. */
interface Groups {
  readonly rounding: Names<RoundingOptions>
  readonly expenses: Names<ExpenseOptions>
  readonly failedRuns: Names<FailedRunOptions>
  readonly settle: Names<SettleOptions>
  readonly delivery: Names<DeliveryOptions>
  readonly rollup: Names<RollupOptions>
}

/** The name of an option that is always a group. */
export type GroupName = keyof Groups

/** The names in each group. */
export const KNOWN_IN: Groups & { readonly live: Names<LiveOptions> } = {
  rounding: { step: true, mode: true },
  expenses: { basis: true, unitTokens: true },
  failedRuns: { time: true, expense: true },
  settle: { graceMs: true, idleMs: true, maxOpenSpans: true },
  delivery: {
    concurrency: true,
    requestsPerMinute: true,
    requestsPerDay: true,
    reconcileAfterMs: true,
    recheckAfterMs: true,
    timeoutMs: true,
    maxBackoffMs: true,
    flushTimeoutMs: true,
    shutdownTimeoutMs: true,
  },
  rollup: { windowMs: true },
  live: { minMs: true },
}

/** The options that are always groups; `live` may also be true or false. */
export const GROUPS: readonly GroupName[] = ['rounding', 'expenses', 'failedRuns', 'settle', 'delivery', 'rollup']

/** Every option, and who has it. */
const KNOWN: Readonly<Record<keyof KeitoProcessorOptions, true | 'processor'>> = {
  client: true,
  apiKey: true,
  accountId: true,
  baseUrl: true,
  projectId: true,
  taskId: true,
  expenseCategoryId: true,
  agentId: true,
  agentType: true,
  billable: true,
  attribution: true,
  hours: true,
  rounding: true,
  expenses: true,
  failedRuns: true,
  timeZone: true,
  settle: true,
  outbox: true,
  delivery: true,
  rollup: true,
  baggage: 'processor',
  live: 'processor',
  bareCalls: true,
  agents: true,
  ignoreScopes: true,
  duplicateInstrumentation: true,
  meterProvider: true,
  onRecord: true,
  onError: true,
  dryRun: true,
}

/** An option that was given and is not looked at, and what to say about it. */
export interface IgnoredOption {
  readonly name: string
  readonly message: string
}

/** The options that are ignored: those that do not exist, such as `projectID`, and those of a processor on an exporter. */
export function ignoredOptions(
  options: KeitoProcessorOptions,
  kind: 'exporter' | 'processor',
): readonly IgnoredOption[] {
  const known: Readonly<Record<string, true | 'processor'>> = KNOWN
  const given = Object.keys(options)
  const unknown = given.filter((name) => !Object.hasOwn(known, name))
  const elsewhere = given.filter((name) => kind === 'exporter' && known[name] === 'processor')
  const nested = Object.entries(KNOWN_IN).flatMap(([group, names]) =>
    namesIn(options[group as keyof typeof KNOWN_IN]).flatMap((name) =>
      Object.hasOwn(names, name) ? [] : [`${group}.${name}`],
    ),
  )
  return [
    ...[...unknown, ...nested].map((name) => ({ name, message: misspelt(name) })),
    ...elsewhere.map((name) => ({ name, message: notHere(name) })),
  ]
}

function namesIn(group: unknown): readonly string[] {
  return typeof group === 'object' && group !== null ? Object.keys(group) : []
}

function misspelt(name: string): string {
  return `There is no option ${name.slice(0, 60)}; it is ignored. Check its spelling.`
}

function notHere(name: string): string {
  return `KeitoSpanExporter has no option ${name}, which needs to see spans start; it is ignored. Use KeitoSpanProcessor.`
}
