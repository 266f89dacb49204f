/** The exact time of a run becomes time entries of rounded hours, at most 24 each, on the day of the run's start. */
import { describe, expect, it } from 'vitest'
import { bill } from '../src/billing/bill.ts'
import type { TimeEntryRecord } from '../src/billing/record.ts'
import { CarryBook } from '../src/billing/rounding.ts'
import type { Settings } from '../src/options.ts'
import { entryCountOf } from '../src/session/hours.ts'
import type { Settlement } from '../src/session/settlement.ts'
import { SESSION_RUN_ID } from '../src/session/settlement.ts'
import { aRunOf, at, hours, minutes, RUN_ID, seconds, someSettings, TRACE_ID } from './helpers/billing.ts'

function entriesOf(settlement: Settlement, settings: Partial<Settings> = {}, carry = new CarryBook()) {
  const { records } = bill(settlement, someSettings(settings), carry)
  return records.filter((record): record is TimeEntryRecord => record.kind === 'time_entry')
}

const bodiesOf = (...args: Parameters<typeof entriesOf>) => entriesOf(...args).map((entry) => entry.body)
const hoursOf = (...args: Parameters<typeof entriesOf>) => bodiesOf(...args).map((body) => body.hours)

describe('a time entry', () => {
  it('says all that is known of the run', () => {
    const run = aRunOf(minutes(90), { llmCalls: 12, toolCalls: 5, allModels: ['claude-opus-4-6', 'gpt-5'] })
    expect(entriesOf(run)).toEqual([
      {
        kind: 'time_entry',
        key: `${TRACE_ID}:${RUN_ID}:time:0`,
        sessionId: TRACE_ID,
        body: {
          project_id: 'cmproject',
          task_id: 'cmtask',
          spent_date: '2026-03-10',
          hours: 1.5,
          notes: 'review-bot: 12 model calls, 5 tool calls',
          billable: true,
          is_running: false,
          source: 'agent',
          metadata: {
            agent_id: 'review-bot',
            agent_type: 'semconv',
            session_id: TRACE_ID,
            model: 'claude-opus-4-6',
            models: ['claude-opus-4-6', 'gpt-5'],
            agent_name: 'review-bot',
            run_id: RUN_ID,
            started_at: '2026-03-10T09:00:00.000Z',
            ended_at: '2026-03-10T10:30:00.000Z',
            duration_ms: 5_400_000,
            llm_calls: 12,
            tool_calls: 5,
            service_name: 'reviews',
            outcome: 'ok',
            idempotency_key: `${TRACE_ID}:${RUN_ID}:time:0`,
          },
        },
      },
    ])
  })

  it('names no model when the run used none, and one when it used one', () => {
    const [none] = bodiesOf(aRunOf(minutes(90)))
    expect(none?.metadata).not.toHaveProperty('model')
    expect(none?.metadata).not.toHaveProperty('models')
    const [one] = bodiesOf(aRunOf(minutes(90), { allModels: ['gpt-5'] }))
    expect(one?.metadata).toMatchObject({ model: 'gpt-5' })
    expect(one?.metadata).not.toHaveProperty('models')
  })

  it('has no run id when the time belongs to no agent span', () => {
    const { agentName: _, ...nameless } = aRunOf(minutes(6), { runId: SESSION_RUN_ID, llmCalls: 1 })
    const [entry] = entriesOf(nameless)
    expect(entry?.key).toBe(`${TRACE_ID}:session:time:0`)
    expect(entry?.body.metadata).not.toHaveProperty('run_id')
    expect(entry?.body.notes).toBe('reviews: 1 model call')
  })

  it('has the configured agent type', () => {
    expect(bodiesOf(aRunOf(minutes(6)), { agentType: 'claude-code' })[0]?.metadata.agent_type).toBe('claude-code')
  })

  it("has the user's note in place of the sentence", () => {
    const run = aRunOf(minutes(6), { attribution: { notes: 'Reviewed the auth module\n' } })
    expect(bodiesOf(run)[0]?.notes).toBe('Reviewed the auth module')
  })

  it('keeps the exact duration to the nanosecond', () => {
    expect(bodiesOf(aRunOf(21_876_471n))[0]?.metadata.duration_ms).toBe(21.876471)
  })

  it('is made even when it comes to 0 hours', () => {
    expect(hoursOf(aRunOf(seconds(10)))).toEqual([0])
    expect(hoursOf(aRunOf(0n))).toEqual([0])
  })

  it('counts on from the entries that the run already has', () => {
    const run = aRunOf(hours(30), { time: { durationNs: hours(30), index: 3 } })
    expect(entriesOf(run).map((entry) => entry.key)).toEqual([
      `${TRACE_ID}:${RUN_ID}:time:3`,
      `${TRACE_ID}:${RUN_ID}:time:4`,
    ])
  })
})

describe('hours', () => {
  it('are clean decimals', () => {
    const run = aRunOf(minutes(34) + seconds(12))
    expect(JSON.stringify(hoursOf(run))).toBe('[0.57]')
    const byTheMinute = { rounding: { step: 1 / 60, mode: 'nearest' } } as const
    expect(JSON.stringify(hoursOf(aRunOf(minutes(10)), byTheMinute))).toBe('[0.166667]')
    expect(JSON.stringify(hoursOf(aRunOf(minutes(60)), byTheMinute))).toBe('[1]')
  })

  it('of each run alone are rounded to the nearest step, or up', () => {
    const carry = new CarryBook()
    const quarter = (mode: 'nearest' | 'up') => ({ rounding: { step: 0.25, mode } })
    expect(hoursOf(aRunOf(minutes(7)), quarter('nearest'), carry)).toEqual([0])
    expect(hoursOf(aRunOf(minutes(8)), quarter('nearest'), carry)).toEqual([0.25])
    expect(hoursOf(aRunOf(minutes(7)), quarter('up'), carry)).toEqual([0.25])
    expect(hoursOf(aRunOf(minutes(16)), quarter('up'), carry)).toEqual([0.5])
    expect(hoursOf(aRunOf(0n), quarter('up'), carry)).toEqual([0])
  })

  it('of 360 runs of 10 seconds are one hour', () => {
    const carry = new CarryBook()
    const booked = Array.from({ length: 360 }, () => hoursOf(aRunOf(seconds(10)), {}, carry)[0] ?? 0)
    const sum = booked.reduce((total, part) => total + part, 0)
    expect(Math.abs(sum - 1)).toBeLessThanOrEqual(0.005)
  })

  it.each([
    ['project', { projectId: 'cmother' }],
    ['task', { taskId: 'cmother' }],
    ['agent', { agentId: 'other' }],
    ['billable flag', { billable: false }],
  ])('are not carried to another %s', (_, attribution) => {
    const carry = new CarryBook()
    const almostHalf = seconds(17)
    expect(hoursOf(aRunOf(almostHalf), {}, carry)).toEqual([0])
    expect(hoursOf(aRunOf(almostHalf, { attribution }), {}, carry)).toEqual([0])
    expect(hoursOf(aRunOf(almostHalf), {}, carry)).toEqual([0.01])
  })
})

describe('the day', () => {
  it("is the run's start in the configured zone", () => {
    const run = aRunOf(hours(2), { startNs: at('2026-03-11T03:30:00Z') })
    expect(bodiesOf(run, { timeZone: 'America/New_York' })[0]?.spent_date).toBe('2026-03-10')
    expect(bodiesOf(run)[0]?.spent_date).toBe('2026-03-11')
  })
})

describe('a run of more than 24 hours', () => {
  it('becomes entries of at most 24 hours that add up to it, on the days it went through', () => {
    const run = aRunOf(hours(30), { startNs: at('2026-03-10T09:00:00Z') })
    expect(bodiesOf(run).map((body) => [body.spent_date, body.hours, body.metadata.duration_ms])).toEqual([
      ['2026-03-10', 24, 86_400_000],
      ['2026-03-11', 6, 21_600_000],
    ])
  })

  it('is one entry as long as it is not longer than 24 hours', () => {
    expect(hoursOf(aRunOf(hours(24)))).toEqual([24])
    expect(hoursOf(aRunOf(hours(48)))).toEqual([24, 24])
  })

  it('puts no more than 24 hours into an entry when a remainder comes in, and carries it on', () => {
    const carry = new CarryBook()
    const settings = { rounding: { step: 24, mode: 'carry' } } as const
    expect(hoursOf(aRunOf(hours(11)), settings, carry)).toEqual([0])
    expect(hoursOf(aRunOf(hours(23)), settings, carry)).toEqual([24])
    expect(hoursOf(aRunOf(hours(24)), settings, carry)).toEqual([24])
    expect(hoursOf(aRunOf(hours(2)), settings, carry)).toEqual([24])
  })

  it('stays within 24 hours with a step that does not divide a day', () => {
    expect(hoursOf(aRunOf(hours(24)), { rounding: { step: 7, mode: 'up' } })).toEqual([24])
    expect(hoursOf(aRunOf(hours(48)), { rounding: { step: 7, mode: 'carry' } })).toEqual([21, 24])
  })

  it('is never dated after its end', () => {
    // 30 hours of work in a run that its clock says lasted one hour: the end is all there is to hold on to.
    const run = { ...aRunOf(hours(30)), endNs: at('2026-03-10T10:00:00Z') }
    expect(bodiesOf(run).map((body) => body.spent_date)).toEqual(['2026-03-10', '2026-03-10'])
  })

  it.each([
    [0n, 1],
    [hours(24) - 1n, 1],
    [hours(24), 1],
    [hours(24) + 1n, 2],
    [hours(72), 3],
    [hours(72) + 1n, 4],
  ])('of %d ns makes a number of entries that is known beforehand', (durationNs, count) => {
    expect(entryCountOf(durationNs)).toBe(count)
    expect(entriesOf(aRunOf(durationNs))).toHaveLength(count)
  })
})

describe('a failed run', () => {
  const failed = aRunOf(minutes(90), { outcome: 'failed', llmCalls: 1 })
  const under = (time: 'skip' | 'unbilled' | 'billed') => ({ failedRuns: { time, expense: 'unbilled' } as const })

  it('has no time entry under "skip"', () => {
    expect(bodiesOf(failed, under('skip'))).toEqual([])
  })

  it('has an entry that nobody pays for under "unbilled"', () => {
    const [body] = bodiesOf(failed, under('unbilled'))
    expect(body).toMatchObject({ hours: 1.5, billable: false, notes: 'review-bot: 1 model call (failed)' })
    expect(body?.metadata.outcome).toBe('failed')
  })

  it('is billed like any other under "billed"', () => {
    expect(bodiesOf(failed, under('billed'))[0]?.billable).toBe(true)
    const free = { ...failed, attribution: { billable: false } }
    expect(bodiesOf(free, under('billed'))[0]?.billable).toBe(false)
  })
})
