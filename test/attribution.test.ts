/** A run is booked where the `attribution` function says, else its spans, else the configuration; never on a guess. */
import { describe, expect, it, vi } from 'vitest'
import { resolveAttribution } from '../src/billing/attribution.ts'
import { checkedAttribution } from '../src/billing/attribution-values.ts'
import { ConfigError } from '../src/errors.ts'
import type { RunSummary, Settings } from '../src/options.ts'
import type { Settlement } from '../src/session/settlement.ts'
import { aSettlement, at, RUN_ID, someSettings, TRACE_ID } from './helpers/billing.ts'

/** What a function may return in JavaScript, where nobody checks types. */
const answering = (answer: unknown): Partial<Settings> => ({ attribute: () => answer as never })

function bookingOf(settlement: Partial<Settlement>, settings: Partial<Settings> = {}) {
  const resolution = resolveAttribution(aSettlement(settlement), someSettings(settings))
  if (resolution.type === 'failed') throw new Error(resolution.reason)
  return resolution.booking
}

function failureOf(settings: Partial<Settings>) {
  const resolution = resolveAttribution(aSettlement(), someSettings(settings))
  return resolution.type === 'failed' ? resolution.reason : undefined
}

describe('precedence', () => {
  it('takes each value from the configuration when nobody says more', () => {
    expect(bookingOf({})).toEqual({
      projectId: 'cmproject',
      taskId: 'cmtask',
      expenseCategoryId: 'cmcategory',
      agentId: 'review-bot',
      billable: true,
      notes: undefined,
    })
  })

  it('takes what a span says over the configuration, key by key', () => {
    const booking = bookingOf({ attribution: { projectId: 'cmspan', billable: false, taskId: undefined } })
    expect(booking).toMatchObject({ projectId: 'cmspan', billable: false, taskId: 'cmtask' })
  })

  it('takes what the function answers over spans, key by key', () => {
    const booking = bookingOf(
      { attribution: { projectId: 'cmspan', taskId: 'cmspantask' } },
      answering({ projectId: 'cmanswer', taskId: undefined, notes: 'Reviewed\nthe code' }),
    )
    expect(booking).toMatchObject({ projectId: 'cmanswer', taskId: 'cmspantask', notes: 'Reviewed the code' })
  })

  it('changes nothing when the function answers undefined or an empty object', () => {
    expect(bookingOf({}, answering(undefined))).toEqual(bookingOf({}))
    expect(bookingOf({}, answering({}))).toEqual(bookingOf({}))
  })
})

describe('the agent id', () => {
  const option = { attribution: { agentId: 'configured' } }

  it.each([
    ['the span attribute', { attribution: { agentId: 'from-span' } }, option, 'from-span'],
    ['the option', {}, option, 'configured'],
    ['the name of the agent', {}, {}, 'review-bot'],
    ['the name of the service', { agentName: '\u0000 ' }, {}, 'reviews'],
    ['"unknown"', { agentName: '', serviceName: '' }, {}, 'unknown'],
  ])('is %s when nothing stronger is known', (_, settlement, settings, agentId) => {
    expect(bookingOf(settlement, settings).agentId).toBe(agentId)
  })

  it('is clean', () => {
    expect(bookingOf({ attribution: { agentId: ' bot\u0000\n01 ' } }).agentId).toBe('bot 01')
  })
})

describe('ids', () => {
  it('are trimmed', () => {
    expect(bookingOf({ attribution: { projectId: ' cmspan\n' } }).projectId).toBe('cmspan')
  })

  it.each(['', '  ', 'two words', 'çm', 'x'.repeat(129)])('like "%s" on a span are missing and not replaced', (id) => {
    expect(bookingOf({ attribution: { projectId: id } }).projectId).toBeUndefined()
  })
})

describe('the attribution function', () => {
  it('is shown the run and what is known so far, and no content', () => {
    const attribute = vi.fn<(run: RunSummary) => undefined>()
    const settlement = aSettlement({
      startNs: at('2026-03-10T09:00:00Z') + 123_456_789n,
      endNs: at('2026-03-10T09:01:00Z'),
      llmCalls: 3,
      toolCalls: 2,
      outcome: 'failed',
      allModels: ['a', 'b'],
      attribution: { projectId: 'cmspan' },
    })
    resolveAttribution(settlement, someSettings({ attribute }))
    expect(attribute.mock.calls).toEqual([
      [
        {
          sessionId: TRACE_ID,
          runId: RUN_ID,
          agentName: 'review-bot',
          serviceName: 'reviews',
          outcome: 'failed',
          startTime: new Date('2026-03-10T09:00:00.123Z'),
          endTime: new Date('2026-03-10T09:01:00Z'),
          llmCalls: 3,
          toolCalls: 2,
          models: ['a', 'b'],
          attribution: { projectId: 'cmspan', taskId: 'cmtask', expenseCategoryId: 'cmcategory', billable: true },
        },
      ],
    ])
  })

  it('cannot change the run it is shown', () => {
    const settlement = aSettlement({ allModels: ['a', 'b'], attribution: { projectId: 'cmspan' } })
    const before = structuredClone(settlement)
    const attribute = (run: RunSummary) => {
      Reflect.set(run.models, 0, 'changed')
      Reflect.set(run.attribution, 'projectId', 'changed')
      return undefined
    }
    expect(resolveAttribution(settlement, someSettings({ attribute }))).toMatchObject({
      booking: { projectId: 'cmspan' },
    })
    expect(settlement).toEqual(before)
  })

  it.each([
    ['null', null, /must return an object or undefined, but returned null/],
    ['a string', 'cmproject', /but returned a string of 9 characters/],
    ['a list', ['cmproject'], /but returned an array/],
    ['false', false, /but returned a value of type boolean/],
    ['a promise', Promise.resolve({ projectId: 'cmlate' }), /cannot be async/],
    ['an empty id', { projectId: '' }, /Keito id .* as projectId, but returned a string of 0 characters/],
    ['an id with a blank', { taskId: 'two words' }, /as taskId/],
    ['null as an id', { expenseCategoryId: null }, /as expenseCategoryId, but returned null/],
    ['a number as agent', { agentId: 7 }, /a non-empty string as agentId, but returned a value of type number/],
    ['an invisible agent', { agentId: '\u200b' }, /as agentId/],
    ['a word for billable', { billable: 'yes' }, /true or false as billable/],
    ['an object as notes', { notes: {} }, /a string as notes/],
  ])('fails when it answers %s', (_, answer, reason) => {
    expect(failureOf(answering(answer))).toMatch(reason)
  })

  it('fails when it throws, and what it threw is not repeated', () => {
    const throwing = (thrown: unknown) => ({
      attribute: () => {
        throw thrown
      },
    })
    expect(failureOf(throwing(new TypeError('secret\nprompt')))).toBe('the attribution function threw TypeError')
    expect(failureOf(throwing('secret'))).toBe('the attribution function threw an error')
    const disguised = Object.assign(new Error('x'), { name: 'secret prompt' })
    expect(failureOf(throwing(disguised))).toBe('the attribution function threw an error')
  })

  it('fails when its answer throws on being read', () => {
    const trap = {
      get projectId() {
        throw new RangeError('secret')
      },
    }
    expect(failureOf(answering(trap))).toBe('the attribution function threw RangeError')
  })

  it('leaves no unhandled rejection behind when it is async and fails', async () => {
    const unhandled = vi.fn()
    process.on('unhandledRejection', unhandled)
    try {
      failureOf(answering(Promise.reject(new Error('lost'))))
      await new Promise((resolve) => setTimeout(resolve, 20))
      expect(unhandled).not.toHaveBeenCalled()
    } finally {
      process.off('unhandledRejection', unhandled)
    }
  })
})

describe('spare values', () => {
  const SPARE = {
    projectId: 'cmspare',
    taskId: 'cmspare',
    expenseCategoryId: 'cmspare',
    agentId: 'spare',
    billable: false,
    notes: 'spare',
  }
  const spared = (settlement: Partial<Settlement>, settings: Partial<Settings> = {}) => {
    const resolution = resolveAttribution(
      aSettlement(settlement),
      someSettings({ attribution: {}, ...settings }),
      SPARE,
    )
    if (resolution.type === 'failed') throw new Error(resolution.reason)
    return resolution
  }

  it('are taken where nobody says anything', () => {
    expect(spared({})).toEqual({
      type: 'resolved',
      booking: SPARE,
      missing: ['projectId', 'taskId', 'expenseCategoryId'],
    })
  })

  const said = {
    projectId: 'cmsaid',
    taskId: 'cmsaid',
    expenseCategoryId: 'cmsaid',
    agentId: 'said',
    billable: true,
    notes: 'said',
  }
  it.each([
    ['the configuration', {}, { attribution: said }],
    ['a span', { attribution: said }, {}],
    ['the function', {}, answering(said)],
  ])('never replace what %s says', (_, settlement, settings) => {
    expect(spared(settlement, settings)).toEqual({ type: 'resolved', booking: said, missing: [] })
  })

  it('are taken for an id that is said and unusable, and not for a note that is said to be empty', () => {
    const { booking, missing } = spared({ attribution: { projectId: 'no id', taskId: 'cmsaid', notes: '' } })
    expect(booking).toMatchObject({ projectId: 'cmspare', taskId: 'cmsaid', expenseCategoryId: 'cmspare' })
    expect(booking.notes).toBeUndefined()
    expect(missing).toEqual(['projectId', 'expenseCategoryId'])
  })

  it('are of no use where the function fails', () => {
    const resolution = resolveAttribution(aSettlement(), someSettings(answering(null)), SPARE)
    expect(resolution.type).toBe('failed')
  })

  it('are not shown to the function', () => {
    const attribute = vi.fn<(run: RunSummary) => undefined>()
    spared({ attribution: { taskId: 'cmspan' } }, { attribute })
    expect(attribute.mock.calls[0]?.[0].attribution).toEqual({ taskId: 'cmspan' })
  })
})

describe('values given by hand', () => {
  it.each([
    ['nothing', undefined, {}],
    ['no values', {}, {}],
    ['a value that is not there', { projectId: undefined }, {}],
    ['ids with blanks around them', { projectId: ' cmone ' }, { projectId: 'cmone' }],
    ['everything', { billable: false, agentId: 'a', notes: 'b' }, { billable: false, agentId: 'a', notes: 'b' }],
  ])('may be %s', (_, values, clean) => {
    expect(checkedAttribution(values, 'release')).toEqual(clean)
  })

  it.each([
    ['null', null, 'release: the values must be an object such as { projectId }, but are null'],
    ['an id alone', 'cmone', /but are a string of 5 characters$/],
    ['a list', [], /but are an array$/],
    ['a function', () => true, /but are a value of type function$/],
    [
      'an id that is none',
      { projectId: 'no id' },
      /^release: projectId must be a Keito id .*, but is a string of 5 cha/,
    ],
    ['an id that is a number', { taskId: 7 }, /^release: taskId must be .*, but is a value of type number$/],
    ['an empty category', { expenseCategoryId: '' }, /^release: expenseCategoryId must be/],
    ['a blank agent', { agentId: ' ' }, /^release: agentId must be a non-empty string/],
    ['a word for billable', { billable: 'no' }, /^release: billable must be true or false/],
    ['a note that is none', { notes: 1 }, /^release: notes must be a string/],
    ['a name that is none', { projectID: 'cm1' }, /^release: there is no value projectID; the values are projectId, /],
  ])('that are %s are a ConfigError that says what was expected and repeats no value', (_, values, message) => {
    const check = () => checkedAttribution(values, 'release')
    expect(check).toThrow(ConfigError)
    expect(check).toThrow(message)
  })
})
