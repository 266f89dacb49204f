/** `npm run corpus`: a row for each emitter, and an end that a script can rely on. */
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { FIXTURES } from './corpus/fixtures.ts'

const SCENARIO = 'openinference-openai-agents@0.2.15/chat-handoff'
const command = fileURLToPath(new URL('corpus/run.ts', import.meta.url))
let folder: string

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'corpus-'))
})

afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** A folder with one recorded scenario, of which something else is expected than was recorded. */
function scenarioIn(name: string, changed: (expected: string) => string): string {
  const target = join(folder, name, SCENARIO)
  mkdirSync(join(target, '..'), { recursive: true })
  for (const part of ['otlp', 'expected']) {
    cpSync(join(FIXTURES, `${SCENARIO}.${part}.json`), `${target}.${part}.json`)
  }
  const expected = readFileSync(`${target}.expected.json`, 'utf8')
  writeFileSync(`${target}.expected.json`, changed(expected))
  return join(folder, name)
}

function run(...args: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--import', 'tsx', command, ...args], {
    encoding: 'utf8',
  })
  return { status, stderr, lines: stdout.split('\n').map((line) => line.trim().split(/\s+/)) }
}

describe('the command', () => {
  test('prints scenarios, exact, under, over and impossible, and ends well', () => {
    const { status, lines } = run(scenarioIn('exact', (expected) => expected))
    expect(lines[0]).toEqual(['emitter', 'scenarios', 'exact', 'under', 'over', 'impossible'])
    expect(lines[1]).toEqual(['openinference-openai-agents@0.2.15', '1', '1', '0', '0', '0'])
    expect(lines[2]).toEqual(['all', '1', '1', '0', '0', '0'])
    expect(status).toBe(0)
  })

  test('ends with 1 when anything was billed above the truth, and says what', () => {
    const { status, lines } = run(scenarioIn('over', (expected) => expected.replace('"input":210', '"input":209')))
    expect(lines[2]).toEqual(['all', '1', '0', '0', '1', '0'])
    expect(lines[3]?.join(' ')).toMatch(/^over .*chat-handoff: \S+ gpt-4o input: 210 instead of 209$/)
    expect(status).toBe(1)
  })

  test('ends well when less was billed, and says what', () => {
    const { status, lines } = run(scenarioIn('under', (expected) => expected.replace('"input":210', '"input":211')))
    expect(lines[2]).toEqual(['all', '1', '0', '1', '0', '0'])
    expect(lines[3]?.[0]).toBe('under')
    expect(status).toBe(0)
  })

  test('counts where the spans hold less than the truth', () => {
    const lost = (expected: string) => expected.replace('"achievable":true', '"achievable":false')
    expect(run(scenarioIn('lost', lost)).lines[2]).toEqual(['all', '1', '1', '0', '0', '1'])
  })

  test.each([
    ['no folder is given', [], /usage: npm run corpus/],
    ['the folder does not exist', ['nowhere'], /there is no folder nowhere/],
    ['nothing is recorded there', [fileURLToPath(new URL('corpus', import.meta.url))], /no <name>.otlp.json found/],
    ['the batches are none', [FIXTURES, '--batches', 'two'], /usage: npm run corpus/],
  ])('ends with 2 when %s', (_, args, message) => {
    const { status, stderr } = run(...args)
    expect(stderr).toMatch(message)
    expect(status).toBe(2)
  })
})
