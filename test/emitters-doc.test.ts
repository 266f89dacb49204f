/** docs/emitters.md speaks of what the code knows and of what is tested, and of nothing else. */
import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { CACHE_LEFT_OUT } from '../src/genai/cache-convention.ts'
import { DIALECTS } from '../src/genai/dialects/index.ts'

const page = readFileSync(new URL('../docs/emitters.md', import.meta.url), 'utf8')
const rows = page
  .split('\n')
  .filter((line) => line.startsWith('| ') && !line.startsWith('| emitter') && !line.startsWith('| ---'))
  .map((line) =>
    line
      .slice(1, -1)
      .split('|')
      .map((cell) => cell.trim()),
  )
const wordsIn = (text: string) => [...text.matchAll(/`([^`]+)`/g)].map((match) => match[1] ?? '')

test('every row has an emitter, what it shows and hides, what is done, what to switch on, and recordings', () => {
  expect(rows.length).toBeGreaterThan(25)
  for (const row of rows) expect(row, row[0]).toHaveLength(6)
})

test('every recording belongs to a row, and every row to recordings', () => {
  const recorded = readdirSync(new URL('fixtures/corpus', import.meta.url))
  const named = rows.flatMap((row) => wordsIn(row.at(-1) ?? ''))
  expect(named.toSorted()).toEqual(recorded.toSorted())
  for (const row of rows) expect(wordsIn(row.at(-1) ?? '').length, row[0]).toBeGreaterThan(0)
})

describe('the first column names', () => {
  const named = new Set(rows.flatMap((row) => wordsIn(row[0] ?? '')))

  test.each(DIALECTS.flatMap(({ emitter }) => emitter ?? []))('the emitter %s', (emitter) => {
    expect(named).toContain(emitter)
  })

  test.each(DIALECTS.flatMap(({ scopes = [] }) => scopes))('the scope %s', (scope) => {
    expect(named).toContain(scope)
  })

  test.each(CACHE_LEFT_OUT.map(({ scope }) => scope))('%s, which leaves cache out', (scope) => {
    expect(named).toContain(scope)
  })
})

test.each(CACHE_LEFT_OUT)('the row of $scope says that cache is left out', ({ scope }) => {
  const [row] = rows.filter((each) => wordsIn(each[0] ?? '').includes(scope) && /leaves? cache out/.test(each.join()))
  expect(row, scope).toBeDefined()
})
