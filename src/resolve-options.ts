/**
 * Settles the options: defaults, then environment variables, then code; each checked, the result frozen.
 *
 * @module
 */
import { isTimeZone } from './billing/calendar.ts'
import { ConfigError } from './errors.ts'
import { isKeitoId } from './genai/hints.ts'
import { GROUPS, type GroupName, KNOWN_IN } from './known-options.ts'
import type { KeitoExporterOptions, KeitoProcessorOptions, Settings } from './options.ts'
import { booleanOf } from './otel/attributes.ts'
import type { MeterProviderLike } from './otel/meter.ts'

/** Environment variables by name. */
export type Env = Readonly<Record<string, string | undefined>>

/** The variables of this process; none where there is no process. */
export function processEnv(): Env {
  return typeof process === 'object' && process !== null ? process.env : {}
}

/**
 * Reads an environment variable or the option over it. Blank variables count as unset.
 *
 * @returns The option's value if given, else the variable's text, else undefined.
 */
export function fromEnv<T>(option: T | undefined, env: Env, name: string): T | string | undefined {
  return option ?? (env[name]?.trim() || undefined)
}

/**
 * Settles all options that are data. Clients, callbacks and the outbox are wired by the pipeline.
 *
 * @param options What the user gave.
 * @param env Environment variables.
 * @throws {ConfigError} When a value is wrong; the message names the option, its variable, and what was found.
 */
export function resolveOptions(options: KeitoProcessorOptions, env: Env): Settings {
  const { rounding, expenses, failedRuns, settle, delivery, rollup } = options
  for (const name of GROUPS) group(options[name], name)
  oneOf(expenses?.basis ?? 'units', 'expenses.basis', ['units'])
  return freeze({
    attribution: freeze({
      projectId: id(fromEnv(options.projectId, env, 'KEITO_PROJECT_ID'), 'projectId (KEITO_PROJECT_ID)'),
      taskId: id(fromEnv(options.taskId, env, 'KEITO_TASK_ID'), 'taskId (KEITO_TASK_ID)'),
      expenseCategoryId: id(
        fromEnv(options.expenseCategoryId, env, 'KEITO_EXPENSE_CATEGORY_ID'),
        'expenseCategoryId (KEITO_EXPENSE_CATEGORY_ID)',
      ),
      agentId: text(fromEnv(options.agentId, env, 'KEITO_AGENT_ID'), 'agentId (KEITO_AGENT_ID)'),
      billable: flag(fromEnv(options.billable, env, 'KEITO_BILLABLE'), 'billable (KEITO_BILLABLE)'),
    }),
    attribute: callable(options.attribution, 'attribution'),
    agentType: text(fromEnv(options.agentType, env, 'KEITO_AGENT_TYPE'), 'agentType (KEITO_AGENT_TYPE)'),
    hours: oneOf(options.hours ?? 'wall', 'hours', ['wall', 'active']),
    rounding: freeze({
      step: number(rounding?.step ?? 0.01, 'rounding.step', 0.001, 24),
      mode: oneOf(rounding?.mode ?? 'carry', 'rounding.mode', ['carry', 'nearest', 'up']),
    }),
    unitTokens: integer(expenses?.unitTokens ?? 1000, 'expenses.unitTokens', 1),
    failedRuns: freeze({
      time: oneOf(failedRuns?.time ?? 'skip', 'failedRuns.time', ['skip', 'unbilled', 'billed']),
      expense: oneOf(failedRuns?.expense ?? 'unbilled', 'failedRuns.expense', ['skip', 'unbilled', 'billed']),
    }),
    timeZone: zone(fromEnv(options.timeZone, env, 'KEITO_TIME_ZONE') ?? 'UTC'),
    settle: freeze({
      graceMs: number(settle?.graceMs ?? 2000, 'settle.graceMs', 0, MAX_TIMER_MS),
      idleMs: number(settle?.idleMs ?? 600_000, 'settle.idleMs', 1, MAX_TIMER_MS),
      maxOpenSpans: integer(settle?.maxOpenSpans ?? 100_000, 'settle.maxOpenSpans', 1),
    }),
    delivery: freeze({
      concurrency: integer(delivery?.concurrency ?? 4, 'delivery.concurrency', 1),
      requestsPerMinute: number(
        delivery?.requestsPerMinute ?? 300,
        'delivery.requestsPerMinute',
        1,
        Number.POSITIVE_INFINITY,
      ),
      requestsPerDay: number(
        delivery?.requestsPerDay ?? 50_000,
        'delivery.requestsPerDay',
        1,
        Number.POSITIVE_INFINITY,
      ),
      reconcileAfterMs: number(delivery?.reconcileAfterMs ?? 30_000, 'delivery.reconcileAfterMs', 0, MAX_TIMER_MS),
      recheckAfterMs: number(delivery?.recheckAfterMs ?? 300_000, 'delivery.recheckAfterMs', 0, MAX_TIMER_MS),
      timeoutMs: number(delivery?.timeoutMs ?? 10_000, 'delivery.timeoutMs', 1, MAX_TIMER_MS),
      maxBackoffMs: number(delivery?.maxBackoffMs ?? 60_000, 'delivery.maxBackoffMs', 1, MAX_TIMER_MS),
      flushTimeoutMs: number(delivery?.flushTimeoutMs ?? 25_000, 'delivery.flushTimeoutMs', 0, MAX_TIMER_MS),
      shutdownTimeoutMs: number(delivery?.shutdownTimeoutMs ?? 5000, 'delivery.shutdownTimeoutMs', 0, MAX_TIMER_MS),
    }),
    rollup: rollup && freeze({ windowMs: number(rollup.windowMs, 'rollup.windowMs', 1, MAX_TIMER_MS) }),
    bareCalls: oneOf(options.bareCalls ?? 'run', 'bareCalls', ['run', 'tokens']),
    agents: oneOf(options.agents ?? 'outermost', 'agents', ['outermost', 'each']),
    ignoreScopes: new Set(texts(options.ignoreScopes ?? [], 'ignoreScopes')),
    live: liveOf(options),
    readsBaggage: flag(options.baggage, 'baggage') ?? true,
    detectDuplicates:
      oneOf(options.duplicateInstrumentation ?? 'detect', 'duplicateInstrumentation', ['detect', 'off']) === 'detect',
  })
}

/** Whether to print instead of send. */
export function isDryRun(options: KeitoExporterOptions, env: Env): boolean {
  return flag(fromEnv(options.dryRun, env, 'KEITO_DRY_RUN'), 'dryRun (KEITO_DRY_RUN)') ?? false
}

/** Checks an option that is a function. */
export function callable<F>(value: F | undefined, name: string): F | undefined {
  if (value !== undefined && typeof value !== 'function') throw wrong(name, 'a function', value)
  return value
}

/** Checks where metrics are to go. */
export function meterProviderOf({ meterProvider }: KeitoExporterOptions): MeterProviderLike | undefined {
  if (meterProvider !== undefined && typeof meterProvider?.getMeter !== 'function') {
    throw wrong('meterProvider', 'a MeterProvider of OpenTelemetry', meterProvider)
  }
  return meterProvider
}

function liveOf({ live, rollup }: KeitoProcessorOptions): Settings['live'] {
  if (live === undefined || live === false) return undefined
  if (live !== true && (typeof live !== 'object' || live === null))
    throw wrong('live', 'true, false or { minMs }', live)
  if (rollup)
    throw new ConfigError('live and rollup exclude each other: a run that is shown cannot be merged with others')
  const minMs = live === true ? undefined : live.minMs
  return freeze({ minMs: number(minMs ?? 5000, 'live.minMs', 0, MAX_TIMER_MS) })
}

/** Longest wait that timers take, in milliseconds. */
const MAX_TIMER_MS = 2 ** 31 - 1

function freeze<T extends object>(value: T): Readonly<T> {
  return Object.freeze(value)
}

function wrong(name: string, expected: string, found: unknown): ConfigError {
  return new ConfigError(`${name} must be ${expected}, but is ${describe(found)}`)
}

/** Options are no secrets, except those that the REST client checks itself; still nothing long is repeated. */
function describe(value: unknown): string {
  if (typeof value === 'string')
    return value.length <= 60 ? JSON.stringify(value) : `a string of ${value.length} characters`
  if (typeof value === 'number' || typeof value === 'boolean' || value === null) return String(value)
  return Array.isArray(value) ? 'an array' : `of type ${typeof value}`
}

/** Anything else in place of a group, such as `rounding: 'up'`, would leave all of it at its defaults. */
function group(value: unknown, name: GroupName): void {
  if (value === undefined || (typeof value === 'object' && value !== null && !Array.isArray(value))) return
  throw wrong(name, `an object such as { ${Object.keys(KNOWN_IN[name]).slice(0, 2).join(', ')} }`, value)
}

function id(value: unknown, name: string): string | undefined {
  if (value === undefined) return undefined
  if (typeof value === 'string' && isKeitoId(value)) return value
  throw wrong(name, 'a Keito id: 1 to 128 printable ASCII characters without blanks', value)
}

function text(value: unknown, name: string): string | undefined {
  if (value === undefined || (typeof value === 'string' && value.trim() !== '')) return value
  throw wrong(name, 'a text that is not blank', value)
}

function texts(value: unknown, name: string): readonly string[] {
  if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value
  throw wrong(name, 'an array of strings', value)
}

function flag(value: unknown, name: string): boolean | undefined {
  if (value === undefined) return undefined
  const found = booleanOf(value)
  if (found !== undefined) return found
  throw wrong(name, 'true or false (1 or 0)', value)
}

function number(value: unknown, name: string, min: number, max: number): number {
  if (typeof value === 'number' && value >= min && value <= max) return value
  throw wrong(name, `a number from ${min} to ${max}`, value)
}

function integer(value: unknown, name: string, min: number, max = Number.MAX_SAFE_INTEGER): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= min && value <= max) return value
  throw wrong(name, `a whole number from ${min}${max === Number.MAX_SAFE_INTEGER ? '' : ` to ${max}`}`, value)
}

function oneOf<T extends string>(value: T, name: string, allowed: readonly T[]): T {
  if (allowed.includes(value)) return value
  throw wrong(name, allowed.map((word) => `'${word}'`).join(' or '), value)
}

function zone(value: unknown): string {
  if (typeof value === 'string' && isTimeZone(value)) return value
  throw wrong('timeZone (KEITO_TIME_ZONE)', "an IANA time zone such as 'Europe/London'", value)
}
