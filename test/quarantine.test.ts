/**
 * Rule: what is kept for want of a project, task or category is booked once somebody names it, as if it had never been
 * kept: once, whole, and never anywhere else than somebody said.
 */
import { setImmediate } from 'node:timers/promises'
import fc from 'fast-check'
import { afterEach, describe, expect, it, vi } from 'vitest'
import {
  type Attribution,
  ConfigError,
  type KeitoError,
  type KeitoExporterOptions,
  KeitoSpanExporter,
  memoryOutbox,
  type RunSummary,
} from '../src/index.ts'
import { type KeitoSandbox, startKeitoSandbox } from '../src/testing/index.ts'
import { aTrace, type SpanOptions, type TraceBuilder } from './helpers/spans.ts'

const PROJECT = { projectId: 'cmproject1' }
const TASK = { taskId: 'cmtask1' }
const CATEGORY = { expenseCategoryId: 'cmcategory1' }
const ALL = { ...PROJECT, ...TASK, ...CATEGORY }
const MINUTE = 60_000

const closing: (() => Promise<void>)[] = []
afterEach(async () => {
  vi.useRealTimers()
  vi.restoreAllMocks()
  for (const close of closing.splice(0).reverse()) await close()
})

/** An exporter that knows what it is told and no more, in front of a sandbox. */
async function aRig(options: KeitoExporterOptions = {}, beside?: KeitoSandbox) {
  const projects = ['cmproject1', 'cmharbour', 'cmolive'].map((id) => ({ id, name: id }))
  const sandbox = beside ?? (await startKeitoSandbox({ projects }))
  const { apiKey, accountId, baseUrl } = sandbox.exporterOptions
  const errors: KeitoError[] = []
  const onError = (error: KeitoError) => errors.push(error)
  const delivery = { requestsPerMinute: 1e6, concurrency: 16, reconcileAfterMs: 5 }
  const outbox = memoryOutbox()
  const exporter = new KeitoSpanExporter({ apiKey, accountId, baseUrl, outbox, onError, delivery, ...options })
  closing.push(async () => {
    await exporter.shutdown()
    if (!beside) await sandbox.close()
  })
  return {
    sandbox,
    exporter,
    outbox,
    errors,
    messages: (code: string) => errors.flatMap((error) => (error.code === code ? [error.message] : [])),
    async take(...traces: readonly TraceBuilder[]) {
      exporter.export(
        traces.flatMap((trace) => trace.spans),
        () => undefined,
      )
      await exporter.forceFlush()
    },
    /** Where everything was booked: agent, project, hours or units. */
    booked: () =>
      [...sandbox.timeEntries(), ...sandbox.expenses()].map((row) => [
        'hours' in row ? 'time' : 'tokens',
        row.metadata?.agent_id,
        row.project_id,
      ]),
  }
}

/** A run of 6 minutes with a call of 1,500 tokens: 0.1 h and 2 units. */
function aRun(agent = 'reviewer', attributes: SpanOptions['attributes'] = {}): TraceBuilder {
  const run = aTrace().agent(agent, { at: [0, 6 * MINUTE], attributes })
  run.chat({ input: 1000, output: 500 })
  return run
}

describe('a run that is kept for want of', () => {
  it('a project is booked on the one that is given', async () => {
    const { take, exporter, booked, sandbox } = await aRig({ ...TASK, ...CATEGORY })
    await take(aRun())
    expect(exporter.stats()).toMatchObject({ recordsUnassigned: 2, recordsMade: 0 })
    expect(exporter.release(PROJECT)).toBe(1)
    expect(exporter.stats()).toMatchObject({ recordsUnassigned: 0, recordsPending: 2, recordsMade: 2 })
    await exporter.forceFlush()
    expect(booked()).toEqual([
      ['time', 'reviewer', 'cmproject1'],
      ['tokens', 'reviewer', 'cmproject1'],
    ])
    expect(sandbox.timeEntries()).toMatchObject([{ hours: 0.1, task: { id: 'cmtask1' }, billable: true }])
    expect(sandbox.expenses()).toMatchObject([{ units: 2, expense_category: { id: 'cmcategory1' } }])
    expect(exporter.stats()).toMatchObject({ recordsUnassigned: 0, recordsPending: 0, recordsDelivered: 2 })
  })

  it('a category has its time booked at once, and its tokens when one is given', async () => {
    const { take, exporter, sandbox, outbox } = await aRig({ ...PROJECT, ...TASK })
    await take(aRun())
    expect([sandbox.timeEntries().length, sandbox.expenses().length]).toEqual([1, 0])
    expect(outbox.unassigned()).toMatchObject([{ missing: ['expenseCategoryId'], settlement: { models: [{}] } }])
    expect(exporter.release(CATEGORY)).toBe(1)
    await exporter.forceFlush()
    expect([sandbox.timeEntries().length, sandbox.expenses().length]).toEqual([1, 1])
  })

  it('a usable id, where a span names one that is none, counts as one that misses it', async () => {
    const { take, exporter, booked } = await aRig(ALL)
    await take(aRun('reviewer', { 'keito.project_id': 'no id' }))
    expect(booked()).toEqual([])
    expect(exporter.release()).toBe(0)
    expect(exporter.release({ projectId: 'cmolive' })).toBe(1)
    await exporter.forceFlush()
    expect(booked().map(([, , project]) => project)).toEqual(['cmolive', 'cmolive'])
  })

  it('several ids stays until the last is given, and is booked in parts', async () => {
    const { take, exporter, booked, outbox } = await aRig()
    await take(aRun())
    expect(exporter.release(PROJECT)).toBe(0)
    expect(exporter.release(TASK)).toBe(0)
    expect(outbox.unassigned().map(({ missing }) => missing)).toEqual([
      ['projectId', 'taskId'],
      ['projectId', 'expenseCategoryId'],
    ])
    expect(exporter.release({ ...PROJECT, ...CATEGORY })).toBe(1)
    expect(exporter.stats().recordsUnassigned).toBe(1)
    expect(exporter.release({ ...PROJECT, ...TASK })).toBe(1)
    expect(exporter.release(ALL)).toBe(0)
    await exporter.forceFlush()
    expect(booked().map(([what]) => what)).toEqual(['time', 'tokens'])
  })
})

describe('a run that is kept because the attribution function failed', () => {
  const mended = async () => {
    let answer: () => Attribution | undefined = () => {
      throw new TypeError('secret')
    }
    const rig = await aRig({ ...ALL, attribution: () => answer() })
    await rig.take(aRun())
    return {
      ...rig,
      answer: (next: () => Attribution | undefined) => {
        answer = next
      },
    }
  }

  it('stays while it fails, whatever is given', async () => {
    const { exporter, outbox } = await mended()
    const left = outbox.unassigned()
    expect(exporter.release(ALL)).toBe(0)
    expect(outbox.unassigned()).toEqual(left)
  })

  it('stays as it was when the function fails only now, and that is said', async () => {
    const attribution = vi.fn().mockReturnValueOnce(undefined).mockReturnValue('nonsense')
    const { take, exporter, outbox, messages } = await aRig({ ...TASK, ...CATEGORY, attribution })
    await take(aRun())
    const left = outbox.unassigned()
    expect(exporter.release(PROJECT)).toBe(0)
    expect(outbox.unassigned()).toEqual(left)
    expect(messages('unassigned').at(-1)).toMatch(/attribution function must return .* Mend it/)
  })

  it('is booked where it says once it is mended', async () => {
    const { exporter, booked, answer } = await mended()
    answer(() => ({ projectId: 'cmharbour' }))
    expect(exporter.release({ projectId: 'cmolive' })).toBe(1)
    await exporter.forceFlush()
    expect(booked().map(([, , project]) => project)).toEqual(['cmharbour', 'cmharbour'])
  })

  it('is booked in part when it then says too little, and the rest is kept', async () => {
    const { take, exporter, booked, outbox } = await aRig({
      ...PROJECT,
      ...CATEGORY,
      attribution: vi.fn().mockReturnValueOnce('nonsense').mockReturnValue(undefined),
    })
    await take(aRun())
    expect(outbox.unassigned()).toMatchObject([{ missing: [] }])
    expect(exporter.release()).toBe(1)
    expect(outbox.unassigned()).toMatchObject([{ missing: ['taskId'], settlement: { models: [] } }])
    await exporter.forceFlush()
    expect(booked()).toEqual([['tokens', 'reviewer', 'cmproject1']])
  })

  it('is told by what it misses when it then says nothing of use', async () => {
    const { take, exporter, outbox } = await aRig({
      attribution: vi.fn().mockReturnValueOnce('nonsense').mockReturnValue(undefined),
    })
    await take(aRun())
    expect(exporter.release()).toBe(0)
    expect(outbox.unassigned().map(({ missing }) => missing)).toEqual([
      ['projectId', 'taskId'],
      ['projectId', 'expenseCategoryId'],
    ])
    expect(exporter.release(ALL)).toBe(1)
  })
})

describe('an id that somebody has named', () => {
  it.each([
    ['by a span', {}, { 'keito.project_id': 'cmharbour' }],
    ['by the configuration', { projectId: 'cmharbour' }, {}],
    ['by the attribution function', { attribution: () => ({ projectId: 'cmharbour' }) }, {}],
  ])('%s is never replaced', async (_, options, attributes) => {
    const { take, exporter, booked } = await aRig(options)
    await take(aRun('reviewer', attributes))
    expect(exporter.release({ ...ALL, projectId: 'cmolive' })).toBe(1)
    await exporter.forceFlush()
    expect(booked().map(([, , project]) => project)).toEqual(['cmharbour', 'cmharbour'])
  })

  it('is not needed for agent, notes and the billable flag: they are taken where nobody gave one', async () => {
    const { take, exporter, sandbox } = await aRig()
    await take(
      aRun('reviewer'),
      aRun('writer', { 'keito.billable': true, 'keito.notes': 'Said', 'keito.agent_id': 'w' }),
    )
    expect(exporter.release({ ...ALL, agentId: 'given', notes: 'Given', billable: false })).toBe(2)
    await exporter.forceFlush()
    const rows = sandbox.timeEntries().map(({ metadata, notes, billable }) => [metadata?.agent_id, notes, billable])
    expect(rows.toSorted()).toEqual([
      ['given', 'Given', false],
      ['w', 'Said', true],
    ])
  })
})

describe('which runs are meant', () => {
  const tenants = async () => {
    const rig = await aRig({ ...TASK, ...CATEGORY })
    await rig.take(aRun('harbour-bot'), aRun('olive-bot'), aRun('nobody'))
    return rig
  }
  const of = (agent: string) => (run: RunSummary) => run.agentName === agent

  it('is said by a function, so that two tenants are booked apart', async () => {
    const { exporter, booked } = await tenants()
    expect(exporter.release({ projectId: 'cmharbour' }, of('harbour-bot'))).toBe(1)
    expect(exporter.release({ projectId: 'cmolive' }, of('olive-bot'))).toBe(1)
    await exporter.forceFlush()
    expect(booked().toSorted()).toEqual([
      ['time', 'harbour-bot', 'cmharbour'],
      ['time', 'olive-bot', 'cmolive'],
      ['tokens', 'harbour-bot', 'cmharbour'],
      ['tokens', 'olive-bot', 'cmolive'],
    ])
    expect(exporter.stats().recordsUnassigned).toBe(2)
  })

  it('is asked with what the attribution function sees', async () => {
    const attribution = vi.fn<(run: RunSummary) => undefined>()
    const { take, exporter } = await aRig({ ...CATEGORY, attribution })
    await take(aRun('reviewer', { 'keito.task_id': 'cmtask1' }))
    const where = vi.fn<(run: RunSummary) => boolean>(() => false)
    exporter.release(PROJECT, where)
    expect(attribution).toHaveBeenCalledTimes(1)
    const seen = attribution.mock.calls[0]
    expect(where.mock.calls).toEqual([seen, seen])
    expect(seen?.[0]).toMatchObject({ agentName: 'reviewer', llmCalls: 1, attribution: { ...TASK, ...CATEGORY } })
  })

  it('is nothing where the function throws, which is reported', async () => {
    const { exporter, messages } = await tenants()
    const where = (run: RunSummary) => {
      if (run.agentName !== 'olive-bot') throw new RangeError('secret')
      return true
    }
    expect(exporter.release(PROJECT, where)).toBe(1)
    expect(exporter.stats().recordsUnassigned).toBe(4)
    expect(messages('callback')).toEqual([
      expect.stringMatching(
        /^release: the function where threw RangeError\. Runs on .* stay kept, .* trace [0-9a-f]{32}\.$/,
      ),
    ])
  })

  it.each([
    ['a promise', () => Promise.resolve(true)],
    ['a promise that fails', () => Promise.reject(new Error('lost'))],
    ['a word', () => 'yes'],
    ['a number', () => 1],
  ])('is nothing where it returns %s, which is reported', async (_, where) => {
    const unhandled = vi.fn()
    process.on('unhandledRejection', unhandled)
    try {
      const { exporter, messages } = await tenants()
      expect(exporter.release(PROJECT, where as never)).toBe(0)
      expect(messages('callback')).toEqual([
        expect.stringMatching(/must return true or false at once, but returned a /),
      ])
      await new Promise((resolve) => setTimeout(resolve, 10))
      expect(unhandled).not.toHaveBeenCalled()
    } finally {
      process.off('unhandledRejection', unhandled)
    }
  })

  it.each([[undefined], [null], [''], [0]])('is nothing where it returns %s, silently', async (answer) => {
    const { exporter, messages } = await tenants()
    expect(exporter.release(PROJECT, () => answer as never)).toBe(0)
    expect(messages('callback')).toEqual([])
  })
})

describe('a wrong argument', () => {
  it.each<readonly [string, readonly unknown[], RegExp]>([
    ['an id that is none', [{ projectId: 'no id' }], /^release: projectId must be a Keito id/],
    ['a name that is none', [{ project: 'cmproject1' }], /^release: there is no value project;/],
    ['a function for values', [() => true], /^release: the values must be an object/],
    ['a word for the function', [{}, 'all'], /^release: where must be a function, but is "all"/],
  ])('like %s is thrown to the caller, and nothing is booked', async (_, args, message) => {
    const { take, exporter } = await aRig({ ...TASK, ...CATEGORY })
    await take(aRun())
    const release = () => Reflect.apply(exporter.release, exporter, args)
    expect(release).toThrow(ConfigError)
    expect(release).toThrow(message)
    expect(exporter.stats()).toMatchObject({ recordsUnassigned: 2, recordsMade: 0 })
  })
})

describe('a report', () => {
  it('is made once for each cause, with the trace id and what to do', async () => {
    const { take, exporter, messages } = await aRig({ ...TASK, ...CATEGORY })
    const [one, other] = [aRun(), aRun()]
    await take(one, other)
    expect(messages('unassigned')).toEqual([
      `A run of trace ${one.traceId} cannot be booked and is kept: no usable project (option projectId, KEITO_PROJECT_ID, ` +
        'span attribute keito.project_id) is known. Name it in the configuration, or call release().',
    ])
    exporter.release()
    exporter.release(PROJECT)
    expect(messages('unassigned')).toHaveLength(1)
  })

  it('of a function that fails says to mend it', async () => {
    const { take, messages } = await aRig({ attribution: () => 7 as never })
    await take(aRun())
    expect(messages('unassigned')).toEqual([
      expect.stringMatching(/returned a value of type number\. Mend it, and call/),
    ])
  })

  it('of what stays after a release names what is still missing, and not what was given', async () => {
    vi.spyOn(Date, 'now').mockReturnValue(1_000_000)
    const { take, exporter, messages } = await aRig(CATEGORY)
    await take(aRun())
    exporter.release(PROJECT)
    const last = messages('unassigned').at(-1)
    expect(last).toMatch(/no usable task \(option taskId/)
    expect(last).not.toContain('KEITO_PROJECT_ID')
  })

  it('is not made of what an outbox has no room for: that is dropped', async () => {
    const { take, exporter, messages } = await aRig({ outbox: memoryOutbox({ maxRecords: 1 }) })
    await take(aRun())
    expect(exporter.stats()).toMatchObject({ recordsUnassigned: 1, recordsDropped: 1 })
    expect(messages('unassigned')).toHaveLength(1)
    expect(messages('dropped')).toHaveLength(1)
  })
})

describe('what was kept', () => {
  /** Short runs of three agents, so that rounding has something to carry. */
  const runs = () =>
    Array.from({ length: 30 }, (_, i) => {
      const run = aTrace().agent(`agent-${i % 3}`, { at: [0, 17_000 + i * 1000] })
      run.chat({ model: i % 2 ? 'opus' : 'sonnet', input: 200 + i, output: 50 })
      return run
    })
  const rowsOf = ({ sandbox }: { sandbox: KeitoSandbox }) =>
    [...sandbox.timeEntries(), ...sandbox.expenses()]
      .map(({ id: _, created_at: __, updated_at: ___, ...row }) => row)
      .toSorted((a, b) => String(a.metadata?.idempotency_key).localeCompare(String(b.metadata?.idempotency_key)))

  it('has the hours, units and everything else that it would have had', async () => {
    const traces = runs()
    const [kept, never] = [await aRig({ ...TASK, ...CATEGORY }), await aRig(ALL)]
    await kept.take(...traces)
    await never.take(...traces)
    expect(kept.exporter.release(PROJECT)).toBe(30)
    await kept.exporter.forceFlush()
    expect(rowsOf(kept)).toEqual(rowsOf(never))
    const hours = kept.sandbox.timeEntries().reduce((sum, { hours }) => sum + hours, 0)
    expect(hours).toBeGreaterThan(0.2)
  })

  it('carries what rounding left over to what comes later', async () => {
    const { take, exporter, sandbox } = await aRig({ ...TASK, ...CATEGORY })
    const short = () => aTrace().agent('a', { at: [0, 12_000] })
    // 12 s are a third of a step: three of them are one.
    await take(short(), short())
    exporter.release(PROJECT)
    await take(short())
    exporter.release(PROJECT)
    await exporter.forceFlush()
    expect(
      sandbox
        .timeEntries()
        .map(({ hours }) => hours)
        .toSorted(),
    ).toEqual([0, 0, 0.01])
  })

  it('is merged with others in a rollup', async () => {
    const { take, exporter, sandbox } = await aRig({ ...TASK, ...CATEGORY, rollup: { windowMs: 1e6 } })
    await take(aRun(), aRun())
    expect(exporter.release(PROJECT)).toBe(2)
    expect(exporter.stats()).toMatchObject({ recordsPending: 4 })
    await exporter.forceFlush()
    expect(sandbox.timeEntries()).toMatchObject([{ hours: 0.2, metadata: { runs: 2 } }])
    expect(sandbox.expenses()).toMatchObject([{ units: 3 }])
  })

  it('in a full outbox is booked all the same', async () => {
    const { take, exporter, sandbox } = await aRig({ outbox: memoryOutbox({ maxRecords: 2 }) })
    const run = aTrace().agent('long', { at: [0, 60 * 60 * MINUTE] })
    for (const model of ['a', 'b', 'c']) run.chat({ model, input: 1000, output: 0 })
    await take(run)
    expect(exporter.release(ALL)).toBe(1)
    await exporter.forceFlush()
    expect([sandbox.timeEntries().length, sandbox.expenses().length]).toEqual([3, 3])
    expect(exporter.stats()).toMatchObject({ recordsDropped: 0 })
  })

  it('of a run that failed is booked as the policy for failed runs says', async () => {
    const { take, exporter, sandbox } = await aRig()
    const run = aTrace().agent('failing', { at: [0, MINUTE], failed: true })
    run.chat({ input: 1000, output: 0 })
    await take(run)
    expect(exporter.release(ALL)).toBe(1)
    await exporter.forceFlush()
    expect(sandbox.timeEntries()).toEqual([])
    expect(sandbox.expenses()).toMatchObject([{ billable: false, units: 1 }])
  })

  it('is sent without a flush', async () => {
    const { take, exporter, sandbox } = await aRig()
    await take(aRun())
    exporter.release(ALL)
    await vi.waitFor(() => expect(sandbox.expenses()).toHaveLength(1))
  })
})

describe('release', () => {
  it('does nothing after the shutdown', async () => {
    const { take, exporter, outbox, booked } = await aRig()
    await take(aRun())
    await exporter.shutdown()
    expect(exporter.release(ALL)).toBe(0)
    expect(outbox.counts()).toMatchObject({ unassigned: 2, pending: 0 })
    expect(booked()).toEqual([])
    expect(() => exporter.release({ projectId: '' })).toThrow(ConfigError)
  })

  it('during the shutdown is in time', async () => {
    const { take, exporter, booked } = await aRig({ rollup: { windowMs: 1e6 } })
    await take(aRun(), aRun())
    // Something is still to be sent, so that the shutdown takes a while.
    const said = { 'keito.project_id': 'cmharbour', 'keito.task_id': 'cmtask1' }
    exporter.export(aTrace().agent('said', { attributes: said }).spans, () => undefined)
    const ended = exporter.shutdown()
    await setImmediate()
    expect(exporter.release(ALL)).toBe(2)
    await ended
    expect(booked().filter(([, agent]) => agent === 'reviewer')).toHaveLength(2)
  })

  it('of what another process has taken over while it was at work counts for nothing', async () => {
    const commit = vi.fn(() => true)
    const { take, exporter } = await aRig({ outbox: Object.assign(memoryOutbox(), { commit }) })
    await take(aRun())
    commit.mockReturnValueOnce(false)
    expect(exporter.release(ALL)).toBe(0)
  })

  it('in vain changes nothing in the outbox', async () => {
    const { take, exporter, outbox } = await aRig({ ...TASK, ...CATEGORY })
    await take(aRun())
    const assign = vi.spyOn(outbox, 'assign')
    expect(exporter.release()).toBe(0)
    expect(assign).not.toHaveBeenCalled()
  })

  it('of nothing is nothing', async () => {
    const { exporter } = await aRig()
    expect([exporter.release(), exporter.release(ALL, () => true)]).toEqual([0, 0])
  })

  it('may be called by the functions that it calls, and does nothing then', async () => {
    const inner: number[] = []
    const { take, exporter, booked } = await aRig({
      attribution: () => {
        inner.push(exporter.release(ALL))
        return undefined
      },
    })
    await take(aRun())
    inner.length = 0
    const where = () => {
      inner.push(exporter.release(ALL))
      return true
    }
    expect(exporter.release(ALL, where)).toBe(1)
    expect(inner).toEqual([0, 0, 0, 0])
    await exporter.forceFlush()
    expect(booked()).toHaveLength(2)
  })

  it('leaves the other runs alone when one cannot be billed', async () => {
    const { take, exporter, outbox, messages } = await aRig({ ...TASK, ...CATEGORY })
    await take(aRun(), aRun())
    const [poor] = outbox.unassigned()
    const { assign } = outbox
    vi.spyOn(outbox, 'assign').mockImplementation((key, ...rest) => {
      if (key === poor?.key) throw new TypeError('secret')
      assign.call(outbox, key, ...rest)
    })
    expect(exporter.release(PROJECT)).toBe(2)
    expect(outbox.unassigned()).toEqual([poor])
    expect(messages('outbox')).toEqual([expect.stringMatching(/stays kept: booking it failed with TypeError\.$/)])
  })

  it('in any order, any number of times and with late spans in between, books each part exactly once', async () => {
    const sandbox = await startKeitoSandbox()
    closing.push(() => sandbox.close())
    const aStep = fc.oneof(
      fc.record({ spare: fc.subarray(['projectId', 'taskId', 'expenseCategoryId'] as const), of: fc.nat({ max: 7 }) }),
      fc.constant('flush' as const),
      fc.constant('late' as const),
    )
    const anOption = fc.subarray(['projectId', 'taskId', 'expenseCategoryId'] as const, { maxLength: 2 })
    await fc.assert(
      fc.asyncProperty(anOption, fc.boolean(), fc.array(aStep, { maxLength: 12 }), async (known, fails, steps) => {
        sandbox.reset()
        const pick = (names: readonly (keyof typeof ALL)[]) =>
          Object.fromEntries(names.map((name) => [name, ALL[name]]))
        let isBroken = fails
        const attribution = () => {
          if (isBroken) throw new Error('broken')
          return undefined
        }
        const { take, exporter } = await aRig({ ...pick(known), attribution }, sandbox)
        const traces = [0, 1, 2].map((i) => {
          const run = aTrace().agent(`agent-${i}`, { at: [0, MINUTE] })
          return { run, late: run.chat({ input: 300, output: 0 }), early: run.chat({ input: 700, output: 0 }) }
        })
        for (const { run, late } of traces) exporter.export(run.without(late), () => undefined)
        await exporter.forceFlush()
        for (const step of steps) {
          if (step === 'flush') await exporter.forceFlush()
          else if (step === 'late') await take(...traces.map(({ run }) => run))
          else exporter.release(pick(step.spare), (run) => ((step.of >> Number(run.agentName?.at(-1))) & 1) === 1)
        }
        isBroken = false
        await take(...traces.map(({ run }) => run))
        exporter.release(ALL)
        await exporter.shutdown()
        const keys = [...sandbox.timeEntries(), ...sandbox.expenses()].map((row) => row.metadata?.idempotency_key)
        expect(new Set(keys).size).toBe(keys.length)
        const total = (rows: readonly { metadata: Readonly<Record<string, unknown>> | null }[], name: string) =>
          rows.reduce((sum, { metadata }) => sum + Number(metadata?.[name]), 0)
        expect(total(sandbox.timeEntries(), 'duration_ms')).toBe(3 * MINUTE)
        expect(total(sandbox.expenses(), 'input_tokens')).toBe(3000)
        expect(exporter.stats()).toMatchObject({ recordsUnassigned: 0, recordsPending: 0, recordsHeld: 0 })
      }),
      { numRuns: 40 },
    )
  })
})

describe('an outbox in memory that is given to a second exporter', () => {
  it('has what it kept booked when the configuration then names it, without any span', async () => {
    const one = await aRig({ ...TASK, ...CATEGORY })
    await one.take(aRun())
    await one.exporter.shutdown()
    const other = await aRig({ ...ALL, outbox: one.outbox, settle: { graceMs: 0 } }, one.sandbox)
    await vi.waitFor(() => expect(one.booked()).toHaveLength(2))
    expect(other.errors).toEqual([])
    expect(other.exporter.stats()).toMatchObject({ recordsUnassigned: 0, recordsMade: 2 })
  })

  describe('with much in it', () => {
    const full = async () => {
      const one = await aRig()
      await one.take(...Array.from({ length: 600 }, () => aTrace().agent('short')))
      await one.exporter.shutdown()
      return one
    }

    it('has it booked in slices, so that the host is not held up', async () => {
      const { outbox, sandbox } = await full()
      vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
      const { exporter } = await aRig({ ...ALL, outbox, settle: { graceMs: 0 } }, sandbox)
      for (const made of [500, 600, 600]) {
        vi.advanceTimersByTime(50)
        expect(exporter.stats().recordsMade).toBe(made)
      }
    })

    it('has all of it booked before a flush ends', async () => {
      const { outbox, sandbox, booked } = await full()
      // No slice comes by the clock.
      vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
      const { exporter } = await aRig({ ...ALL, outbox }, sandbox)
      await exporter.forceFlush()
      expect(booked()).toHaveLength(600)
    })
  })

  it('has it booked before a flush or shutdown ends', async () => {
    const one = await aRig({ ...TASK, ...CATEGORY })
    await one.take(aRun())
    await one.exporter.shutdown()
    const other = await aRig({ ...ALL, outbox: one.outbox }, one.sandbox)
    await other.exporter.shutdown()
    expect(one.booked()).toHaveLength(2)
  })

  it('is looked at no more once it was tried', async () => {
    const one = await aRig()
    await one.take(aRun())
    await one.exporter.shutdown()
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    await aRig({ outbox: one.outbox, settle: { graceMs: 0 } }, one.sandbox)
    expect(vi.getTimerCount()).toBe(1)
    vi.advanceTimersByTime(50)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('keeps it, silently, when nothing new is named, and asks the attribution function once', async () => {
    const one = await aRig({ ...TASK, ...CATEGORY })
    await one.take(aRun())
    await one.exporter.shutdown()
    const attribution = vi.fn()
    const other = await aRig({ ...CATEGORY, outbox: one.outbox, attribution }, one.sandbox)
    for (let i = 0; i < 3; i++) await other.exporter.forceFlush()
    expect(attribution).toHaveBeenCalledTimes(2)
    expect(other.exporter.stats().recordsMade).toBe(0)
    expect(one.outbox.unassigned()).toHaveLength(2)
    expect(other.errors).toEqual([])
    expect(other.exporter.release(ALL)).toBe(1)
  })
})
