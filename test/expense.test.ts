/** The tokens of a run become one expense per model, in whole units whose sum is the sum of the tokens. */
import { describe, expect, it } from 'vitest'
import { bill } from '../src/billing/bill.ts'
import type { ExpenseRecord } from '../src/billing/record.ts'
import { CarryBook } from '../src/billing/rounding.ts'
import type { Settings } from '../src/options.ts'
import type { Settlement } from '../src/session/settlement.ts'
import { SESSION_RUN_ID } from '../src/session/settlement.ts'
import { aRunWith, at, RUN_ID, someSettings, TRACE_ID, tokensOf } from './helpers/billing.ts'

function expensesOf(settlement: Settlement, settings: Partial<Settings> = {}, carry = new CarryBook()) {
  const { records } = bill(settlement, someSettings(settings), carry)
  return records.filter((record): record is ExpenseRecord => record.kind === 'expense')
}

const bodiesOf = (...args: Parameters<typeof expensesOf>) => expensesOf(...args).map((expense) => expense.body)
const unitsOf = (...args: Parameters<typeof expensesOf>) => bodiesOf(...args).map((body) => body.units ?? 0)

const opus = tokensOf('claude-opus-4-6', { input: 25_000, output: 15_000 }, { provider: 'anthropic', llmCalls: 12 })

describe('an expense', () => {
  it('says all that is known of the tokens', () => {
    expect(expensesOf(aRunWith(opus))).toEqual([
      {
        kind: 'expense',
        key: `${TRACE_ID}:${RUN_ID}:llm:claude-opus-4-6:0`,
        sessionId: TRACE_ID,
        body: {
          project_id: 'cmproject',
          expense_category_id: 'cmcategory',
          spent_date: '2026-03-10',
          units: 40,
          notes: 'claude-opus-4-6: 25k input + 15k output',
          billable: true,
          source: 'agent',
          metadata: {
            agent_id: 'review-bot',
            session_id: TRACE_ID,
            model: 'claude-opus-4-6',
            provider: 'anthropic',
            input_tokens: 25_000,
            output_tokens: 15_000,
            llm_calls: 12,
            run_id: RUN_ID,
            idempotency_key: `${TRACE_ID}:${RUN_ID}:llm:claude-opus-4-6:0`,
          },
        },
      },
    ])
  })

  it('tells cache and reasoning tokens where there are any', () => {
    const usage = { input: 900, output: 100, cacheRead: 500, cacheWrite: 200, reasoning: 50 }
    expect(bodiesOf(aRunWith(tokensOf('m', usage)))[0]?.metadata).toMatchObject({
      input_tokens: 900,
      output_tokens: 100,
      cache_read_tokens: 500,
      cache_write_tokens: 200,
      reasoning_tokens: 50,
    })
  })

  it('keeps a direction without tokens as 0', () => {
    const [body] = bodiesOf(aRunWith(tokensOf('text-embedding-3-small', { input: 12_000 })))
    expect(body?.metadata).toMatchObject({ input_tokens: 12_000, output_tokens: 0 })
  })

  it('has no run id when the tokens belong to no agent span', () => {
    const [expense] = expensesOf({ ...aRunWith(opus), runId: SESSION_RUN_ID })
    expect(expense?.key).toBe(`${TRACE_ID}:session:llm:claude-opus-4-6:0`)
    expect(expense?.body.metadata).not.toHaveProperty('run_id')
  })

  it('is made for each model', () => {
    const second = tokensOf('gpt-5', { input: 2000 }, { index: 4 })
    expect(expensesOf(aRunWith(opus, second)).map((expense) => [expense.key, expense.body.units])).toEqual([
      [`${TRACE_ID}:${RUN_ID}:llm:claude-opus-4-6:0`, 40],
      [`${TRACE_ID}:${RUN_ID}:llm:gpt-5:4`, 2],
    ])
  })

  it("is dated by the run's start in the configured zone", () => {
    const run = { ...aRunWith(opus), startNs: at('2026-03-11T03:30:00Z') }
    expect(bodiesOf(run, { timeZone: 'America/New_York' })[0]?.spent_date).toBe('2026-03-10')
  })

  it("never has the user's note, which is about the work", () => {
    const run = { ...aRunWith(opus), attribution: { notes: 'Reviewed the auth module' } }
    expect(bodiesOf(run)[0]?.notes).toBe('claude-opus-4-6: 25k input + 15k output')
  })
})

describe('units', () => {
  const call = aRunWith(tokensOf('m', { input: 200, output: 100 }))

  it('of nothing yet are a cost of 0, so that the tokens are on record', () => {
    const [body] = bodiesOf(call)
    expect(body).toMatchObject({ total_cost: 0, metadata: { input_tokens: 200, output_tokens: 100 } })
    expect(body).not.toHaveProperty('units')
  })

  it('come without a cost, because Keito prices them', () => {
    expect(bodiesOf(aRunWith(opus))[0]).not.toHaveProperty('total_cost')
  })

  it('of 1,000 settlements of 300 tokens are 300', () => {
    const carry = new CarryBook()
    const booked = Array.from({ length: 1000 }, () => unitsOf(call, {}, carry)[0] ?? 0)
    const sum = booked.reduce((total, part) => total + part, 0)
    expect(Math.abs(sum - 300)).toBeLessThanOrEqual(1)
  })

  it('are as many tokens as configured', () => {
    expect(unitsOf(aRunWith(opus), { unitTokens: 1 })).toEqual([40_000])
    expect(unitsOf(aRunWith(opus), { unitTokens: 1_000_000 })).toEqual([0])
  })

  it('are carried whatever the rounding of hours is', () => {
    const carry = new CarryBook()
    const up = { rounding: { step: 1, mode: 'up' } } as const
    expect([unitsOf(call, up, carry), unitsOf(call, up, carry)]).toEqual([[0], [1]])
  })

  it.each([
    ['project', { ...call, attribution: { projectId: 'cmother' } }],
    ['category', { ...call, attribution: { expenseCategoryId: 'cmother' } }],
    ['billable flag', { ...call, attribution: { billable: false } }],
    ['model', aRunWith(tokensOf('other', { input: 300 }))],
  ])('are not carried to another %s', (_, other) => {
    const carry = new CarryBook()
    expect(unitsOf(call, {}, carry)).toEqual([0])
    expect(unitsOf(other, {}, carry)).toEqual([0])
    expect(unitsOf(call, {}, carry)).toEqual([1])
  })
})

describe('a failed run', () => {
  const failed: Settlement = { ...aRunWith(opus), outcome: 'failed' }
  const under = (expense: 'skip' | 'unbilled' | 'billed') => ({ failedRuns: { time: 'skip', expense } as const })

  it('has no expense under "skip"', () => {
    expect(bodiesOf(failed, under('skip'))).toEqual([])
  })

  it('has an expense that nobody pays for under "unbilled"', () => {
    expect(bodiesOf(failed, under('unbilled'))[0]).toMatchObject({ units: 40, billable: false })
  })

  it('is billed like any other under "billed"', () => {
    expect(bodiesOf(failed, under('billed'))[0]).toMatchObject({ units: 40, billable: true })
  })
})
