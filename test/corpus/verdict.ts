/**
 * Holds what was booked against what a perfect reader of the spans would have booked.
 *
 * @module
 */
import type { Booked } from './booking.ts'
import type { Expected, Run, Tokens } from './scenario.ts'

/** What was booked above and below what the spans say; both are empty when it is exact. */
export interface Verdict {
  readonly over: readonly string[]
  readonly under: readonly string[]
}

/** The emitters round their times; a duration that is this near is the same. */
const TOLERANCE_MS = 2

/** Compares tokens by trace and model, and time entries to the agent runs. */
export function verdictOf(expected: Expected, booked: Booked): Verdict {
  const tokens = compareTokens(expected, booked)
  const runs = compareRuns(expected, expected.runs, booked)
  const other = isExact(runs) || !expected.runsAlt ? runs : compareRuns(expected, expected.runsAlt, booked)
  const { over, under } = isExact(other) ? other : runs
  return { over: [...tokens.over, ...over, ...billedFailures(expected, booked)], under: [...tokens.under, ...under] }
}

function isExact({ over, under }: Verdict): boolean {
  return over.length === 0 && under.length === 0
}

function compareTokens(expected: Expected, { expenses }: Booked): Verdict {
  const rows = Object.entries(expected.perTrace).flatMap(([session, models]) =>
    Object.entries(models).map(([model, { input, output }]) => ({ session, model, input, output })),
  )
  const [wanted, found] = [sumsOf(expected, rows), sumsOf(expected, expenses)]
  const over: string[] = []
  const under: string[] = []
  for (const where of new Set([...wanted.keys(), ...found.keys()])) {
    const [want, got] = [wanted.get(where) ?? 0, found.get(where) ?? 0]
    if (got > want) over.push(`${where}: ${got} instead of ${want}`)
    if (got < want) under.push(`${where}: ${got} instead of ${want}`)
  }
  return { over, under }
}

/** Tokens by place: `<trace or group> <model> <part>`. */
function sumsOf(
  expected: Expected,
  rows: readonly (Tokens & { readonly session: string; readonly model: string })[],
): ReadonlyMap<string, number> {
  const sums = new Map<string, number>()
  for (const { session, model, input, output } of rows) {
    const group = expected.traceGroups.findIndex((traces) => traces.includes(session))
    const where = `${group < 0 ? session : `group ${group}`} ${canonical(expected, model)}`
    for (const [part, tokens] of [['input', input] as const, ['output', output] as const]) {
      if (tokens > 0) sums.set(`${where} ${part}`, (sums.get(`${where} ${part}`) ?? 0) + tokens)
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
 * A run without a time entry, and an entry without a run. Failed runs leave none; an optional run may. A trace with bare
 * calls and no run may have one entry, no longer than its calls together.
 */
function compareRuns({ optionalRuns }: Expected, runs: readonly Run[], { entries }: Booked): Verdict {
  const needed = runs.filter((run) => !run.failed && !run.optional)
  const allowed = [...runs.filter((run) => run.optional), ...optionalRuns].filter((run) => !run.failed)
  const bare = new Map<string, number>()
  for (const { traceId, wallMs } of optionalRuns) {
    if (!runs.some((run) => run.traceId === traceId)) bare.set(traceId, (bare.get(traceId) ?? 0) + wallMs)
  }
  const over: string[] = []
  const under: string[] = []
  for (const { session, durationMs } of entries) {
    const fits = (run: Run) => run.traceId === session && Math.abs(run.wallMs - durationMs) <= TOLERANCE_MS
    if (takeFirst(needed, fits) || takeFirst(allowed, fits)) continue
    const isBare = durationMs <= (bare.get(session) ?? Number.NEGATIVE_INFINITY) + TOLERANCE_MS
    bare.delete(session)
    if (isBare) continue
    const longer = takeFirst(needed, (run) => run.traceId === session && run.wallMs > durationMs)
    if (longer) under.push(`${session}: ${durationMs} ms instead of ${longer.wallMs} ms`)
    else over.push(`${session}: ${durationMs} ms belong to no run`)
  }
  return { over, under: [...under, ...needed.map((run) => `${run.traceId}: no time entry for ${run.wallMs} ms`)] }
}

/** Expenses that would be on the invoice although every run of their trace failed. */
function billedFailures({ runs }: Expected, { expenses }: Booked): readonly string[] {
  const succeeded = new Set(runs.filter((run) => !run.failed).map((run) => run.traceId))
  const failed = new Set(runs.filter((run) => !succeeded.has(run.traceId)).map((run) => run.traceId))
  return expenses
    .filter(({ session, billable }) => billable && failed.has(session))
    .map(({ session, model }) => `${session} ${model}: billable, although the run failed`)
}

function takeFirst<T>(items: T[], fits: (item: T) => boolean): T | undefined {
  const index = items.findIndex(fits)
  return index < 0 ? undefined : items.splice(index, 1)[0]
}
