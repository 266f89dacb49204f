/**
 * `npm run corpus -- DIR...`: runs folders of recorded scenarios through the exporter and prints a row per emitter.
 *
 * @module
 */
import { existsSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { book } from './booking.ts'
import { BATCHES, type Batches, emitterOf, readScenario, scenariosIn } from './scenario.ts'
import { verdictOf } from './verdict.ts'

const USAGE = `usage: npm run corpus -- DIR [DIR...] [--batches recorded|single|each] [--only TEXT]

Runs recorded scenarios (<name>.otlp.json, <name>.expected.json and, for the batches, <name>.truth.json, in folders
named for their emitters) through the exporter. Ends with 1 when anything was billed above what the spans say, with 2 when it could not run.

  exact       billed what a perfect reader of the spans would bill, by trace, model and run
  under, over billed less, billed more
  impossible  of all of these: the spans hold less than what was really used`

/** Findings of one scenario that are printed. */
const SHOWN = 3

interface Row {
  scenarios: number
  exact: number
  under: number
  over: number
  impossible: number
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    batches: { type: 'string', default: 'recorded' },
    only: { type: 'string', default: '' },
  },
})
const batches = BATCHES.find((each) => each === values.batches)
if (positionals.length === 0 || !batches) fail(USAGE)
for (const folder of positionals) if (!existsSync(folder)) fail(`there is no folder ${folder}\n\n${USAGE}`)
const scenarios = positionals.flatMap(scenariosIn).filter((scenario) => scenario.includes(values.only))
if (scenarios.length === 0) fail(`no <name>.otlp.json found in ${positionals.join(', ')}\n\n${USAGE}`)

const rows = new Map<string, Row>()
const findings: string[] = []
const total = newRow()
for (const scenario of scenarios) await judge(scenario, batches)

const width = Math.max(20, ...[...rows.keys()].map((emitter) => emitter.length))
const columns = ['scenarios', 'exact', 'under', 'over', 'impossible'] as const
print('emitter', columns)
for (const [emitter, row] of rows)
  print(
    emitter,
    columns.map((column) => row[column]),
  )
print(
  'all',
  columns.map((column) => total[column]),
)
for (const finding of findings) console.info(finding)
if (total.over > 0) process.exitCode = 1

async function judge(scenario: string, how: Batches): Promise<void> {
  const recording = readScenario(scenario, how)
  const { over, under } = verdictOf(recording.expected, await book(recording))
  const emitter = emitterOf(scenario)
  const row = rows.get(emitter) ?? newRow()
  rows.set(emitter, row)
  for (const sum of [row, total]) {
    sum.scenarios++
    sum[over.length > 0 ? 'over' : under.length > 0 ? 'under' : 'exact']++
    if (!recording.expected.achievable) sum.impossible++
  }
  if (over.length > 0) findings.push(`over   ${scenario}: ${over.slice(0, SHOWN).join('; ')}`)
  if (under.length > 0) findings.push(`under  ${scenario}: ${under.slice(0, SHOWN).join('; ')}`)
}

function newRow(): Row {
  return { scenarios: 0, exact: 0, under: 0, over: 0, impossible: 0 }
}

function print(name: string, cells: readonly (string | number)[]): void {
  console.info(name.padEnd(width) + cells.map((cell) => String(cell).padStart(12)).join(''))
}

function fail(message: string): never {
  console.error(message)
  process.exit(2)
}
