/** Every part of a settlement is either booked or kept as unassigned, never both and never neither. */
import { describe, expect, it, vi } from 'vitest'
import { bill } from '../src/billing/bill.ts'
import { expenseKey, timeEntryKey } from '../src/billing/key.ts'
import { CarryBook } from '../src/billing/rounding.ts'
import { recordKeysOf } from '../src/billing/unassigned.ts'
import { aRunOf, hours, minutes, seconds, someSettings, tokensOf } from './helpers/billing.ts'

const opus = tokensOf('claude-opus-4-6', { input: 25_000, output: 15_000 })
const run = aRunOf(minutes(90), { models: [opus], allModels: [opus.model] })
const { time: _, ...tokensOnly } = run
const timeOnly = { ...run, models: [] }
const ids = { projectId: 'cmproject', taskId: 'cmtask', expenseCategoryId: 'cmcategory' }

describe('a settlement with time and tokens', () => {
  it('becomes a time entry and an expense that share their session', () => {
    const { records, unassigned, failure } = bill(run, someSettings(), new CarryBook())
    expect(records.map((record) => [record.kind, record.body.metadata.session_id])).toEqual([
      ['time_entry', run.sessionId],
      ['expense', run.sessionId],
    ])
    expect([unassigned, failure]).toEqual([[], undefined])
  })

  it('gives the same bill whenever it is billed from the same state', () => {
    const once = bill(run, someSettings(), new CarryBook())
    expect(bill(run, someSettings(), new CarryBook())).toEqual(once)
  })

  it('gives nothing when nothing of it is new', () => {
    expect(bill({ ...tokensOnly, models: [] }, someSettings(), new CarryBook())).toEqual({
      records: [],
      unassigned: [],
    })
  })
})

describe('what has no place', () => {
  it.each([
    ['a project', { ...ids, projectId: undefined }, [], [['projectId'], ['projectId']]],
    ['a task', { ...ids, taskId: undefined }, ['expense'], [['taskId']]],
    ['a category', { ...ids, expenseCategoryId: undefined }, ['time_entry'], [['expenseCategoryId']]],
    [
      'anything',
      {},
      [],
      [
        ['projectId', 'taskId'],
        ['projectId', 'expenseCategoryId'],
      ],
    ],
  ])('for want of %s is kept with what is missing', (_, attribution, booked, missing) => {
    const result = bill(run, someSettings({ attribution }), new CarryBook())
    expect(result.records.map((record) => record.kind)).toEqual(booked)
    expect(result.unassigned.map((item) => item.missing)).toEqual(missing)
    expect(result.failure).toBeUndefined()
  })

  it('is kept part by part, each without the other', () => {
    const { unassigned } = bill(run, someSettings({ attribution: {} }), new CarryBook())
    expect(unassigned.map((item) => item.settlement)).toEqual([timeOnly, tokensOnly])
  })

  it('is booked with the same keys once somebody says where it belongs', () => {
    const { unassigned } = bill(run, someSettings({ attribution: {} }), new CarryBook())
    const later = unassigned.flatMap((item) => bill(item.settlement, someSettings(), new CarryBook()).records)
    expect(later).toEqual(bill(run, someSettings(), new CarryBook()).records)
  })

  it('has the key of the first record that will come of it, however often it is billed in vain', () => {
    const long = { ...run, time: { durationNs: hours(50), index: 3 }, models: [{ ...opus, index: 2 }] }
    const { unassigned } = bill(long, someSettings({ attribution: {} }), new CarryBook())
    const booked = bill(long, someSettings(), new CarryBook()).records.map(({ key }) => key)
    expect(unassigned.flatMap(({ settlement }) => recordKeysOf(settlement))).toEqual(booked)
    expect(unassigned.map(({ key }) => key)).toEqual([booked[0], booked[3]])
    const again = unassigned.flatMap((item) =>
      bill(item.settlement, someSettings({ attribution: {} }), new CarryBook()),
    )
    expect(again.flatMap((one) => one.unassigned)).toEqual(unassigned)
  })

  it('takes spare values for what is missing, and tells what nobody has named all the same', () => {
    const settings = someSettings({ attribution: { taskId: 'cmtask' } })
    const { records, unassigned } = bill(run, settings, new CarryBook(), { projectId: 'cmspare', taskId: 'cmother' })
    expect(records).toMatchObject([{ kind: 'time_entry', body: { project_id: 'cmspare', task_id: 'cmtask' } }])
    expect(unassigned).toMatchObject([{ settlement: tokensOnly, missing: ['projectId', 'expenseCategoryId'] }])
  })

  it('leaves no remainder behind', () => {
    const carry = new CarryBook()
    const short = aRunOf(seconds(17))
    bill(short, someSettings({ attribution: { ...ids, taskId: undefined } }), carry)
    bill({ ...short, attribution: { projectId: 'not an id' } }, someSettings(), carry)
    expect(bill(short, someSettings(), carry).records).toMatchObject([{ body: { hours: 0 } }])
  })
})

describe('a failing attribution function', () => {
  const failing = someSettings({
    attribute: () => {
      throw new TypeError('secret')
    },
  })

  it('leaves the whole run unassigned, books it on no default, and says why in one line', () => {
    expect(bill(run, failing, new CarryBook())).toEqual({
      records: [],
      unassigned: [{ key: timeEntryKey(run.sessionId, run.runId, 0), settlement: run, missing: [] }],
      failure: 'the attribution function threw TypeError',
    })
  })

  it('leaves no remainder behind', () => {
    const carry = new CarryBook()
    bill(aRunOf(seconds(17)), failing, carry)
    expect(bill(aRunOf(seconds(17)), someSettings(), carry).records).toMatchObject([{ body: { hours: 0 } }])
  })
})

describe('a failed run', () => {
  const failed = { ...run, outcome: 'failed' } as const

  it('by default leaves its tokens on record, not billed, and no time', () => {
    const { records, unassigned } = bill(failed, someSettings(), new CarryBook())
    expect(records).toMatchObject([{ kind: 'expense', body: { billable: false, units: 40 } }])
    expect(unassigned).toEqual([])
  })

  it('that is skipped yields nothing, and nobody is asked where it belongs', () => {
    const attribute = vi.fn(() => undefined)
    const settings = someSettings({ attribution: {}, attribute, failedRuns: { time: 'skip', expense: 'skip' } })
    expect(bill(failed, settings, new CarryBook())).toEqual({ records: [], unassigned: [] })
    expect(attribute).not.toHaveBeenCalled()
  })

  it('keeps only what is not skipped as unassigned', () => {
    const { unassigned } = bill(failed, someSettings({ attribution: {} }), new CarryBook())
    expect(unassigned).toEqual([
      {
        key: expenseKey(run.sessionId, run.runId, opus.model, 0),
        settlement: { ...tokensOnly, outcome: 'failed' },
        missing: ['projectId', 'expenseCategoryId'],
      },
    ])
  })
})

describe('one function call', () => {
  it('is made for each settlement, however many records it makes', () => {
    const attribute = vi.fn(() => undefined)
    bill({ ...run, time: { durationNs: hours(50), index: 0 } }, someSettings({ attribute }), new CarryBook())
    expect(attribute).toHaveBeenCalledTimes(1)
  })
})
