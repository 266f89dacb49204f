/**
 * Holds the books against what really happened.
 *
 * @module
 */
import type { StoredExpense } from 'opentelemetry-exporter-keito/testing'
import { type BookedLedger, count, numberIn, seconds, sumOf } from './ledger.ts'
import type { UsageMeter } from './mock-model.ts'
import type { TimedRun } from './stopwatch.ts'

/** Hours are booked in steps of 0.01 h = 36 s, and their sum is right to half a step. */
const HALF_STEP_MS = 18_000
/** The same for units of 1,000 tokens, for each model and billable flag. */
const HALF_UNIT_TOKENS = 500
/** The stopwatch is around the run and its span, so it sees a little more. */
const STOPWATCH_SLACK_MS = 2000

/**
 * Prints whether the ledger says what the models returned and the stopwatch measured.
 *
 * @returns Whether everything agrees.
 */
export function printVerdict({ timeEntries, expenses }: BookedLedger, runs: readonly TimedRun[], meter: UsageMeter) {
  const tokensOf = (records: typeof expenses) =>
    sumOf(records, (expense) => numberIn(expense, 'input_tokens') + numberIn(expense, 'output_tokens'))
  const tokens = tokensOf(expenses)
  const unbilled = tokensOf(expenses.filter((expense) => !expense.billable))
  const calls = sumOf(expenses, (expense) => numberIn(expense, 'llm_calls'))

  const kindOf = ({ metadata, billable }: StoredExpense) => `${metadata?.model} ${billable}`
  const kinds = [...new Set(expenses.map(kindOf))].map((kind) => {
    const alike = expenses.filter((expense) => kindOf(expense) === kind)
    return { units: sumOf(alike, (expense) => expense.units ?? 0), tokens: tokensOf(alike) }
  })

  const finished = runs.filter((run) => !run.failed)
  const measuredMs = sumOf(finished, (run) => run.ms)
  const workedMs = sumOf(timeEntries, (entry) => numberIn(entry, 'duration_ms'))
  const hours = sumOf(timeEntries, (entry) => entry.hours)

  const checks = [
    {
      agrees: tokens === meter.tokens,
      text: `tokens booked ${count(tokens)} of ${count(meter.tokens)} returned`,
      note: `${count(unbilled)} not billable: the run that failed`,
    },
    {
      agrees: kinds.every(({ units, tokens }) => Math.abs(units * 1000 - tokens) <= HALF_UNIT_TOKENS),
      text: `units booked ${sumOf(kinds, (kind) => kind.units)} for ${(tokens / 1000).toFixed(1)} thousand tokens`,
      note: 'whole units; remainders go to the next expense of the same model',
    },
    {
      agrees: calls === meter.calls,
      text: `model calls ${calls} of ${meter.calls} answered`,
      note: 'those of the nested agent with its outer run',
    },
    {
      agrees: timeEntries.length === finished.length,
      text: `time entries ${timeEntries.length} of ${finished.length} finished runs`,
      note: 'none for the run that failed',
    },
    {
      agrees: workedMs <= measuredMs && measuredMs - workedMs <= STOPWATCH_SLACK_MS,
      text: `worked ${seconds(workedMs)} of ${seconds(measuredMs)} on the stopwatch`,
      note: 'the nested agent counts once',
    },
    {
      agrees: Math.abs(hours * 3_600_000 - workedMs) <= HALF_STEP_MS,
      text: `hours booked ${hours.toFixed(2)} of ${(workedMs / 3_600_000).toFixed(4)} worked`,
      note: 'steps of 0.01 h = 36 s; remainders go to the next run',
    },
  ]
  const width = Math.max(...checks.map((check) => check.text.length))
  console.info('\nVERDICT')
  for (const { agrees, text, note } of checks) {
    console.info(`  ${agrees ? 'ok   ' : 'WRONG'}  ${text.padEnd(width)}   ${note}`)
  }
  return checks.every((check) => check.agrees)
}
