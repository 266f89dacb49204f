/** Rule: merged records say together what their parts said, so that fewer requests book the same hours, units and tokens. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bill } from '../src/billing/bill.ts'
import type { ExpenseRecord, KeitoRecord, TimeEntryRecord } from '../src/billing/record.ts'
import { mergeRecords, rollUp, rollupGroupOf } from '../src/billing/rollup.ts'
import { CarryBook } from '../src/billing/rounding.ts'
import type { Settings } from '../src/options.ts'
import { entryCountOf } from '../src/session/hours.ts'
import type { Settlement } from '../src/session/settlement.ts'
import { aRunOf, aSettlement, at, hours, minutes, seconds, someSettings, tokensOf } from './helpers/billing.ts'

const OPUS = 'claude-opus-4-6'
const ALL_BILLED = { failedRuns: { time: 'billed', expense: 'billed' } } as const
const sessionOf = (n: number) => n.toString(16).padStart(32, 'a')

/** The records of settlements that are billed one after the other. */
function recordsOf(settlements: readonly Settlement[], changes: Partial<Settings> = {}): readonly KeitoRecord[] {
  const carry = new CarryBook()
  return settlements.flatMap((settlement) => bill(settlement, someSettings(changes), carry).records)
}

/** A run of 25k + 15k tokens in 90 minutes, in a session of its own. */
const aRun = (session: number, changes: Partial<Settlement> = {}) =>
  aRunOf(minutes(90), {
    sessionId: sessionOf(session),
    llmCalls: 3,
    toolCalls: 1,
    models: [tokensOf(OPUS, { input: 25_000, output: 15_000 }, { llmCalls: 3, provider: 'anthropic' })],
    allModels: [OPUS],
    ...changes,
  })

const merged = (settlements: readonly Settlement[], changes: Partial<Settings> = {}) =>
  rollUp(recordsOf(settlements, changes)).map(({ record }) => record)
const isTime = (record: KeitoRecord): record is TimeEntryRecord => record.kind === 'time_entry'
const isExpense = (record: KeitoRecord): record is ExpenseRecord => record.kind === 'expense'
const notesOf = (records: readonly KeitoRecord[]) => records.map(({ body }) => body.notes)
const bytesOf = (value: unknown) => Buffer.byteLength(JSON.stringify(value), 'utf8')
const total = (numbers: readonly unknown[]) => numbers.reduce<number>((sum, value) => sum + Number(value ?? 0), 0)

describe('runs of one kind of work', () => {
  const later = { startNs: at('2026-03-10T12:00:00Z'), endNs: at('2026-03-10T13:30:00Z') }
  const runs = [{ ...aRun(1), ...later }, aRun(2), aRun(3)]

  it('are one time entry with the sums, the runs and the sessions', () => {
    const [entry] = merged(runs).filter(isTime)
    expect(entry).toEqual({
      kind: 'time_entry',
      key: `${recordsOf(runs)[0]?.key}:rollup:3`,
      sessionId: sessionOf(1),
      body: {
        project_id: 'cmproject',
        task_id: 'cmtask',
        spent_date: '2026-03-10',
        hours: 4.5,
        notes: 'review-bot: 3 runs, 9 model calls, 3 tool calls',
        billable: true,
        is_running: false,
        source: 'agent',
        metadata: {
          agent_id: 'review-bot',
          session_id: sessionOf(1),
          model: OPUS,
          idempotency_key: `${recordsOf(runs)[0]?.key}:rollup:3`,
          duration_ms: 16_200_000,
          runs: 3,
          outcome: 'ok',
          started_at: '2026-03-10T09:00:00.000Z',
          ended_at: '2026-03-10T13:30:00.000Z',
          first_session_id: sessionOf(1),
          last_session_id: sessionOf(3),
          llm_calls: 9,
          tool_calls: 3,
          agent_type: 'semconv',
          agent_name: 'review-bot',
          service_name: 'reviews',
        },
      },
    })
  })

  it('are one expense with the sums, the runs and the sessions', () => {
    const [expense] = merged(runs).filter(isExpense)
    expect(expense).toEqual({
      kind: 'expense',
      key: `${recordsOf(runs)[1]?.key}:rollup:3`,
      sessionId: sessionOf(1),
      body: {
        project_id: 'cmproject',
        expense_category_id: 'cmcategory',
        spent_date: '2026-03-10',
        units: 120,
        notes: 'claude-opus-4-6: 75k input + 45k output (3 runs)',
        billable: true,
        source: 'agent',
        metadata: {
          agent_id: 'review-bot',
          session_id: sessionOf(1),
          model: OPUS,
          idempotency_key: `${recordsOf(runs)[1]?.key}:rollup:3`,
          input_tokens: 75_000,
          output_tokens: 45_000,
          runs: 3,
          first_session_id: sessionOf(1),
          last_session_id: sessionOf(3),
          llm_calls: 9,
          provider: 'anthropic',
        },
      },
    })
  })

  it('come with the keys they were made of, in the order of their first arrival', () => {
    const records = recordsOf(runs)
    const keys = records.map(({ key }) => key)
    expect(rollUp(records).map((rolled) => rolled.keys)).toEqual([
      [keys[0], keys[2], keys[4]],
      [keys[1], keys[3], keys[5]],
    ])
  })

  it('make the same records whenever they are merged', () => {
    expect(merged(runs)).toEqual(merged(runs))
  })

  it('are unchanged when there is only one', () => {
    const records = recordsOf([aRun(1)])
    expect(rollUp(records).map(({ record }) => record)).toEqual(records)
    expect(rollUp([])).toEqual([])
  })
})

describe('what keeps records apart', () => {
  it.each<[string, Settlement, Partial<Settings>?]>([
    ['the project', aRun(2, { attribution: { projectId: 'other' } })],
    ['the task and the category', aRun(2, { attribution: { taskId: 'other', expenseCategoryId: 'other' } })],
    ['the agent', aRun(2, { attribution: { agentId: 'other' } })],
    ['the day', { ...aRun(2), startNs: at('2026-03-11T00:00:00Z'), endNs: at('2026-03-11T01:30:00Z') }],
    ['the billable flag', aRun(2, { attribution: { billable: false } })],
    ['the model', aRun(2, { models: [tokensOf('other', { input: 1000 })], allModels: ['other'] })],
  ])('is %s', (_, other) => {
    expect(merged([aRun(1), other])).toEqual(recordsOf([aRun(1), other]))
  })

  it('is what they are: time and tokens are never mixed', () => {
    expect(merged([aRun(1), aRun(2)]).map(({ kind }) => kind)).toEqual(['time_entry', 'expense'])
  })

  it('is whether there is a model at all', () => {
    const without = aRun(2, { models: [], allModels: [] })
    const named = aRun(3, { models: [], allModels: ['null'] })
    expect(merged([aRun(1, { models: [] }), without, named])).toHaveLength(3)
  })

  it('is nothing else: not the name, the service, the provider or the outcome', () => {
    const other = aRun(2, { agentName: 'b', serviceName: 's', emitter: 'e', outcome: 'failed' })
    const both = [aRun(1, { attribution: { agentId: 'x' } }), { ...other, attribution: { agentId: 'x' } }]
    expect(merged(both, ALL_BILLED)).toHaveLength(2)
  })

  it('is a merge that was made before: its runs would count as one', () => {
    const [one, two, three] = [1, 2, 3].map((n) => aRun(n, { models: [], attribution: { notes: 'Reviewed' } }))
    if (!one || !two || !three) throw new Error('three runs were expected')
    const records = [...merged([one, two]), ...recordsOf([three])]
    expect(rollUp(records).map(({ record }) => record)).toEqual(records)
  })

  it('is a cost of its own: it is neither lost nor counted as units', () => {
    const expenses = recordsOf([aRun(1), aRun(2), aRun(3)]).filter(isExpense)
    const priced = expenses.map((record): ExpenseRecord => {
      const { units: _, ...body } = record.body
      return { ...record, body: { ...body, total_cost: 3 } }
    })
    const mixed = [...expenses.slice(0, 1), ...priced.slice(1)]
    expect(rollUp(mixed).map(({ record }) => record)).toEqual(mixed)
  })
})

describe('sums', () => {
  it('of hours have no binary noise', () => {
    const records = recordsOf(Array.from({ length: 3 }, (_, i) => aRunOf(minutes(6), { sessionId: sessionOf(i) })))
    expect(records.filter(isTime).map(({ body }) => body.hours)).toEqual([0.1, 0.1, 0.1])
    expect(rollUp(records)[0]?.record).toMatchObject({ body: { hours: 0.3 } })
  })

  it('of durations have no binary noise', () => {
    const parts = [100_000n, 200_000n].map((ns, i) => aRunOf(ns, { sessionId: sessionOf(i) }))
    expect(merged(parts)[0]?.body.metadata.duration_ms).toBe(0.3)
  })

  it('of units count an expense without units as 0', () => {
    const small = aRun(2, { models: [tokensOf(OPUS, { input: 20 })] })
    expect(merged([small, aRun(1)]).filter(isExpense)).toMatchObject([{ body: { units: 40 } }])
    expect(merged([small, aRun(1)]).filter(isExpense)[0]?.body).not.toHaveProperty('total_cost')
  })

  it('of 0 units cost 0, with their tokens on record', () => {
    const small = [1, 2].map((n) => aRun(n, { models: [tokensOf(OPUS, { input: 20 })] }))
    const [expense] = merged(small).filter(isExpense)
    expect(expense?.body).toMatchObject({ total_cost: 0, metadata: { input_tokens: 40 } })
    expect(expense?.body).not.toHaveProperty('units')
  })

  it('of cache and reasoning tokens are left out where no record has any', () => {
    const cached = aRun(2, { models: [tokensOf(OPUS, { input: 9, cacheRead: 5, cacheWrite: 3, reasoning: 2 })] })
    expect(merged([aRun(1), cached, cached]).filter(isExpense)[0]?.body.metadata).toMatchObject({
      cache_read_tokens: 10,
      cache_write_tokens: 6,
      reasoning_tokens: 4,
    })
    expect(Object.keys(merged([aRun(1), aRun(3)])[1]?.body.metadata ?? {}).join()).not.toMatch(/cache|reasoning/)
  })
})

describe('a run', () => {
  const first = aRun(1)
  const again = aRun(1, {
    time: { durationNs: minutes(30), index: 1 },
    llmCalls: 5,
    toolCalls: 2,
    models: [tokensOf(OPUS, { input: 1000 }, { llmCalls: 2, index: 1 })],
  })

  it('that was settled twice counts once; its calls are those it had in the end', () => {
    const [entry, expense] = merged([first, again, aRun(2)])
    expect(entry?.body).toMatchObject({ hours: 3.5, metadata: { runs: 2, llm_calls: 8, tool_calls: 3 } })
    expect(expense?.body).toMatchObject({ units: 81, metadata: { runs: 2, llm_calls: 8, input_tokens: 51_000 } })
  })

  it('is told by its session and its span', () => {
    const sibling = { ...first, runId: 'ffffffffffffffff' }
    const bare = { ...first, runId: 'session' }
    const [entry] = merged([first, sibling, bare, { ...bare, time: { durationNs: minutes(1), index: 1 } }])
    expect(entry?.body.metadata.runs).toBe(3)
  })

  it('that spans several entries of a day counts once', () => {
    // On the day the clocks go back, 24 hours after midnight it is still that day.
    const long = { ...aRun(1), startNs: at('2026-11-01T04:00:00Z'), time: { durationNs: hours(25), index: 0 } }
    const settled = { ...long, endNs: long.startNs + hours(25) }
    const short = aRunOf(minutes(1), {
      ...settled,
      sessionId: sessionOf(2),
      time: { durationNs: minutes(1), index: 0 },
    })
    const records = recordsOf([settled, short], { timeZone: 'America/New_York' }).filter(isTime)
    expect(records.map(({ body }) => [body.spent_date, body.hours])).toEqual([
      ['2026-11-01', 24],
      ['2026-11-01', 1],
      ['2026-11-01', 0.02],
    ])
    const rolled = rollUp([...records.slice(1), ...records.slice(1, 2)])
    expect(rolled[0]?.record.body.metadata).toMatchObject({ runs: 2, llm_calls: 6 })
  })
})

describe('an entry of more than 24 hours', () => {
  const longRuns = (...lengths: readonly number[]) =>
    lengths.map((length, n) => aRunOf(hours(length), { sessionId: sessionOf(n) }))

  it.each([
    ['is split before the record that would exceed it', [10, 10, 10, 10], [20, 20]],
    ['may have 24 hours exactly', [12, 12, 1], [24, 1]],
    ['holds a whole day alone', [24, 24], [24, 24]],
  ])('%s', (_, lengths, entries) => {
    expect(
      merged(longRuns(...lengths))
        .filter(isTime)
        .map(({ body }) => body.hours),
    ).toEqual(entries)
  })

  it('is not made of tokens: an expense has no such limit', () => {
    const runs = [1, 2, 3].map((n) => ({ ...aRun(n), time: { durationNs: hours(20), index: 0 } }))
    expect(merged(runs).filter(isExpense)).toMatchObject([{ body: { units: 120 } }])
  })
})

describe('the note', () => {
  it("of a user is kept as it is, and keeps the entry apart from others'", () => {
    const notes = 'Reviewed the login form'
    const said = [1, 2].map((n) => aRun(n, { attribution: { notes } }))
    expect(notesOf(merged([...said, aRun(3), aRun(4)]))).toEqual([
      notes,
      'claude-opus-4-6: 100k input + 60k output (4 runs)',
      'review-bot: 2 runs, 6 model calls, 2 tool calls',
    ])
    expect(merged([aRun(1, { attribution: { notes } }), aRun(2, { attribution: { notes: 'x' } })])).toHaveLength(3)
  })

  it.each([
    ['of failed runs only', ['failed', 'failed'], '2 failed runs'],
    ['of interrupted runs only', ['interrupted', 'interrupted'], '2 interrupted runs'],
    ['of runs that ended in every way', ['ok', 'ok', 'failed', 'interrupted'], '4 runs, 1 failed, 1 interrupted'],
    ['of interrupted and failed runs', ['interrupted', 'failed'], '2 runs, 1 failed, 1 interrupted'],
  ] as const)('%s says so', (_, outcomes, words) => {
    const runs = outcomes.map((outcome, n) => aRun(n, { outcome }))
    const [entry, expense] = notesOf(merged(runs, ALL_BILLED))
    expect(entry).toBe(`review-bot: ${words}, ${3 * runs.length} model calls, ${runs.length} tool calls`)
    expect(expense).toBe(`claude-opus-4-6: ${25 * runs.length}k input + ${15 * runs.length}k output (${words})`)
  })

  it('of one interrupted run says so', () => {
    const alone = recordsOf([aRun(1, { outcome: 'interrupted' })], ALL_BILLED)
    expect(notesOf(alone)).toEqual([
      'review-bot: 3 model calls, 1 tool call (interrupted)',
      'claude-opus-4-6: 25k input + 15k output (interrupted run)',
    ])
  })

  it('counts what a run came to in the end', () => {
    const again = aRun(1, { outcome: 'failed', time: { durationNs: seconds(60), index: 1 } })
    expect(notesOf(merged([aRun(1), again], ALL_BILLED))[0]).toBe(
      'review-bot: 1 failed run, 3 model calls, 1 tool call',
    )
  })

  it('says no number that is 0', () => {
    const idle = [1, 2].map((n) => aRun(n, { llmCalls: 0, toolCalls: 0, models: [tokensOf(OPUS, { output: 2000 })] }))
    expect(notesOf(merged(idle))).toEqual(['review-bot: 2 runs', 'claude-opus-4-6: 4k output (2 runs)'])
  })

  it('names the agent by its id where its records call it by several names', () => {
    const named = ['a', 'b'].map((agentName, n) => aRun(n, { agentName, attribution: { agentId: 'crew' } }))
    expect(notesOf(merged(named))[0]).toBe('crew: 2 runs, 6 model calls, 2 tool calls')
    const { agentName: _, ...nameless } = aRun(1, { attribution: { agentId: 'crew' } })
    expect(notesOf(merged([nameless, { ...nameless, sessionId: sessionOf(2) }]))[0]).toMatch(/^crew: 2 runs/)
  })

  it('is known for ours, whatever the names are and however the run ended', () => {
    const names = fc.string({ unit: 'binary', maxLength: 300 }).map((name) => name.repeat(20))
    const outcome = fc.constantFrom('ok', 'failed', 'interrupted')
    fc.assert(
      fc.property(names, names, names, outcome, fc.nat(3), fc.nat(3), (agent, model, type, outcome, llm, tools) => {
        const run = aRun(1, {
          agentName: agent,
          serviceName: agent,
          outcome,
          llmCalls: llm,
          toolCalls: tools,
          models: [tokensOf(model, { input: llm, output: tools + 1 })],
          allModels: [model, type],
          attribution: { agentId: type },
        })
        const both = [run, { ...run, sessionId: sessionOf(2) }]
        for (const note of notesOf(merged(both, { ...ALL_BILLED, agentType: type }))) expect(note).toMatch(/2 .*runs/)
      }),
    )
  })
})

describe('metadata', () => {
  it('says of names and outcomes only what all records say', () => {
    const runs = [
      aRun(1, { attribution: { agentId: 'x' } }),
      aRun(2, { attribution: { agentId: 'x' }, agentName: 'b', serviceName: 's', emitter: 'e', outcome: 'failed' }),
    ]
    const [entry] = merged(runs, ALL_BILLED)
    for (const key of ['agent_name', 'service_name', 'agent_type', 'outcome', 'run_id']) {
      expect(entry?.body.metadata).not.toHaveProperty(key)
    }
  })

  it('says no provider when a record has none', () => {
    const runs = [aRun(1), aRun(2, { models: [tokensOf(OPUS, { input: 1 })] })]
    expect(merged(runs)[1]?.body.metadata).not.toHaveProperty('provider')
  })

  it('lists the models of all runs, each once, at most 20', () => {
    const many = Array.from({ length: 30 }, (_, n) => `model-${n}`)
    const models = [[OPUS, 'a'], [OPUS], [OPUS, 'b', 'a']].map((allModels, n) => aRun(n, { allModels, models: [] }))
    expect(merged(models)[0]?.body.metadata.models).toEqual([OPUS, 'a', 'b'])
    const wide = [1, 2].map((n) => aRun(n, { models: [], allModels: [OPUS, ...many.slice(n * 10)] }))
    expect(merged(wide)[0]?.body.metadata.models).toHaveLength(20)
    expect(merged([aRun(1), aRun(2)])[0]?.body.metadata).not.toHaveProperty('models')
  })

  it('finds the first and last instant in any year that a clock may show', () => {
    const years = ['2026-03-10T00:00:00Z', '+012026-03-10T00:00:00Z', '0026-03-10T00:00:00Z']
    const records = recordsOf([aRun(1), aRun(2), aRun(3)]).filter(isTime)
    const dated = records.map((record, n): TimeEntryRecord => {
      const started_at = years[n] ?? ''
      return {
        ...record,
        body: { ...record.body, metadata: { ...record.body.metadata, started_at, ended_at: started_at } },
      }
    })
    expect(rollUp(dated)[0]?.record.body.metadata).toMatchObject({ started_at: years[2], ended_at: years[1] })
  })

  it('holds the key unchanged, and keeps to the limit, whatever the names are', () => {
    const evil = ['🦊'.repeat(1000), '"\\'.repeat(1000), 'x'.repeat(10_000)]
    for (const name of evil) {
      const run = aRun(1, {
        agentName: name,
        serviceName: name,
        models: [tokensOf(name, { input: 5000 }, { provider: name, index: Number.MAX_SAFE_INTEGER })],
        allModels: [name, `${name}2`, ...[...'abcdef'].map((letter) => letter + name)],
      })
      const runs = Array.from({ length: 12 }, (_, n) => ({ ...run, sessionId: sessionOf(n) }))
      const records = merged(runs, { agentType: name })
      expect(records).toHaveLength(2)
      for (const { key, body } of records) {
        expect(body.metadata.idempotency_key).toBe(key)
        expect(bytesOf(body.metadata)).toBeLessThanOrEqual(4096)
        expect(body.metadata).toMatchObject({
          runs: 12,
          first_session_id: sessionOf(0),
          last_session_id: sessionOf(11),
        })
      }
    }
  })
})

describe('any bills', () => {
  const name = fc.constantFrom('a', 'b', '🦊'.repeat(250))
  const usage = fc.record({ input: fc.nat(9000), output: fc.nat(9000), cacheRead: fc.nat(9), reasoning: fc.nat(2) })
  const optionally = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined })
  const run = fc.record({
    runId: fc.constantFrom('b7ad6b7169203331', 'session'),
    agentName: name,
    outcome: fc.constantFrom('ok', 'failed', 'interrupted'),
    startHour: fc.nat(60),
    durationNs: optionally(fc.bigInt({ min: 0n, max: hours(50) })),
    models: fc.uniqueArray(fc.tuple(name, usage), { selector: ([model]) => model, maxLength: 3 }),
    llmCalls: fc.nat(9),
    toolCalls: fc.nat(9),
    projectId: fc.constantFrom('p', 'q'),
    agentId: optionally(fc.constant('crew')),
    billable: fc.boolean(),
    notes: optionally(fc.constantFrom('Reviewed', 'Wrote')),
    isSettledTwice: fc.boolean(),
  })

  /** What the session stage would hand over: some runs come back with more calls, and numbers that go on. */
  const settlements = fc.array(run, { maxLength: 25 }).map((runs) =>
    runs.flatMap(
      ({ durationNs, models, startHour, isSettledTwice, projectId, agentId, billable, notes, ...rest }, n) => {
        const startNs = at('2026-03-10T00:00:00Z') + hours(startHour)
        const said = { projectId, billable, ...(agentId ? { agentId } : {}), ...(notes ? { notes } : {}) }
        const used = (index: number) => models.map(([model, tokens]) => tokensOf(model, tokens, { index }))
        const time = (index: number) => (durationNs === undefined ? {} : { time: { durationNs, index } })
        const once = aSettlement({
          ...rest,
          ...time(0),
          sessionId: sessionOf(n),
          startNs,
          endNs: startNs + (durationNs ?? 0n),
          models: used(0),
          allModels: models.map(([model]) => model),
          attribution: said,
        })
        const again = { ...once, ...time(entryCountOf(durationNs ?? 0n)), models: used(1), llmCalls: once.llmCalls + 1 }
        return isSettledTwice ? [once, again] : [once]
      },
    ),
  )

  it('keep their sums, and every key is merged exactly once', () => {
    fc.assert(
      fc.property(settlements, (settlements) => {
        const records = recordsOf(settlements, ALL_BILLED)
        const byKey = new Map(records.map((record) => [record.key, record]))
        const rolled = rollUp(records)
        expect(rolled.flatMap(({ keys }) => keys).sort()).toEqual(records.map(({ key }) => key).sort())
        for (const { record, keys } of rolled) {
          expectToStandFor(
            record,
            keys.flatMap((key) => byKey.get(key) ?? []),
          )
        }
      }),
    )
  })

  it('become no more records than there are groups, but for the limit of 24 hours', () => {
    fc.assert(
      fc.property(settlements, (settlements) => {
        const records = recordsOf(settlements, ALL_BILLED)
        const groups = new Set(records.map(rollupGroupOf))
        const hours = total(records.filter(isTime).map(({ body }) => body.hours))
        // Two neighbours that could not be one are more than 24 hours together.
        expect(rollUp(records).length).toBeLessThanOrEqual(groups.size + hours / 12)
      }),
    )
  })

  /** A record says exactly what these records said, added up. */
  function expectToStandFor(record: KeitoRecord, parts: readonly KeitoRecord[]) {
    const { metadata } = record.body
    const metas = parts.map(({ body }) => body.metadata)
    const [first, ...rest] = parts
    if (!first) throw new Error('a record must be made of something')
    if (rest.length === 0) expect(record).toBe(first)
    else expect(mergeRecords([first, ...rest])).toEqual(record)

    const facts = ({ kind, body }: KeitoRecord) => [
      kind,
      body.project_id,
      body.spent_date,
      body.billable,
      body.metadata.model,
      body.metadata.agent_id,
    ]
    for (const part of parts) expect(facts(part)).toEqual(facts(record))
    for (const key of ['input_tokens', 'output_tokens', 'cache_read_tokens', 'reasoning_tokens']) {
      expect(Number(metadata[key] ?? 0)).toBe(total(metas.map((each) => each[key])))
    }
    expect(Number(metadata.duration_ms ?? 0)).toBeCloseTo(total(metas.map((each) => each.duration_ms)), 5)
    expect(bytesOf(metadata)).toBeLessThanOrEqual(4096)
    expect(metadata.idempotency_key).toBe(record.key)

    const runs = new Map(parts.map((part) => [part.key.split(/:(?:time|llm):/)[0], part.body.metadata]))
    if (rest.length > 0) expect(metadata.runs).toBe(runs.size)
    if (record.kind === 'time_entry') {
      const microhours = parts.filter(isTime).map(({ body }) => Math.round(body.hours * 1e6))
      expect(record.body.hours).toBe(total(microhours) / 1e6)
      expect(record.body.hours).toBeLessThanOrEqual(24)
      const ofRuns = [...runs.values()]
      expect(metadata.llm_calls).toBe(total(ofRuns.map((each) => each.llm_calls)))
      expect(metadata.tool_calls).toBe(total(ofRuns.map((each) => each.tool_calls)))
    } else {
      const units = total(parts.filter(isExpense).map(({ body }) => body.units))
      expect(record.body.units ?? 0).toBe(units)
      expect(record.body.total_cost).toBe(units > 0 ? undefined : 0)
      expect(metadata.llm_calls).toBe(total(metas.map((each) => each.llm_calls)))
    }
  }
})
