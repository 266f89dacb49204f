/** Rule: options are defaults, then environment, then code; a wrong one is named, with its variable, by the constructor. */
import { afterEach, describe, expect, it, vi } from 'vitest'
import { ConfigError, type KeitoProcessorOptions, KeitoSpanExporter, KeitoSpanProcessor } from '../src/index.ts'
import { resolveOptions } from '../src/resolve-options.ts'

afterEach(() => vi.unstubAllEnvs())

describe('values', () => {
  it('come from the defaults when nobody says anything', () => {
    expect(resolveOptions({}, {})).toMatchObject({
      attribution: {},
      hours: 'wall',
      rounding: { step: 0.01, mode: 'carry' },
      unitTokens: 1000,
      failedRuns: { time: 'skip', expense: 'unbilled' },
      timeZone: 'UTC',
      settle: { graceMs: 2000, idleMs: 600_000, maxOpenSpans: 100_000 },
      delivery: { concurrency: 4, requestsPerMinute: 300, timeoutMs: 10_000 },
      bareCalls: 'run',
      agents: 'outermost',
      detectDuplicates: true,
    })
  })

  it('come from the environment over the defaults, blank variables not counting', () => {
    const env = { KEITO_PROJECT_ID: ' p1 ', KEITO_TASK_ID: '  ', KEITO_BILLABLE: '0', KEITO_TIME_ZONE: 'Asia/Tokyo' }
    expect(resolveOptions({}, env)).toMatchObject({
      attribution: { projectId: 'p1', taskId: undefined, billable: false },
      timeZone: 'Asia/Tokyo',
    })
  })

  it('come from code over the environment', () => {
    const env = { KEITO_PROJECT_ID: 'p1', KEITO_BILLABLE: 'true', KEITO_AGENT_TYPE: 'x' }
    const settings = resolveOptions({ projectId: 'p2', billable: false, agentType: 'y' }, env)
    expect(settings).toMatchObject({ attribution: { projectId: 'p2', billable: false }, agentType: 'y' })
  })

  it('are frozen, all the way down', () => {
    const settings = resolveOptions({}, {})
    for (const value of [settings, settings.attribution, settings.rounding, settings.settle, settings.delivery]) {
      expect(Object.isFrozen(value)).toBe(true)
    }
  })
})

describe('a wrong value', () => {
  const wrong: readonly [string, object, RegExp][] = [
    ['projectId', { projectId: 'two words' }, /projectId \(KEITO_PROJECT_ID\) must be a Keito id.*"two words"/],
    ['taskId', { taskId: 7 }, /taskId \(KEITO_TASK_ID\).*is 7/],
    ['agentId', { agentId: ' ' }, /agentId \(KEITO_AGENT_ID\)/],
    ['billable', { billable: 'maybe' }, /billable \(KEITO_BILLABLE\) must be true or false/],
    ['timeZone', { timeZone: 'Mars/Olympus' }, /timeZone \(KEITO_TIME_ZONE\).*Europe\/London.*Mars/],
    ['hours', { hours: 'billable' }, /hours must be 'wall' or 'active'/],
    ['rounding', { rounding: 'up' }, /rounding must be an object such as \{ step, mode \}, but is "up"/],
    ['expenses', { expenses: 500 }, /expenses must be an object such as \{ basis, unitTokens \}, but is 500/],
    ['failedRuns', { failedRuns: 'billed' }, /failedRuns must be an object such as \{ time, expense \}/],
    ['settle', { settle: [1000] }, /settle must be an object.*but is an array/],
    ['delivery', { delivery: null }, /delivery must be an object.*but is null/],
    ['rollup', { rollup: false }, /rollup must be an object such as \{ windowMs \}, but is false/],
    ['rounding.step', { rounding: { step: 0 } }, /rounding\.step must be a number from 0\.001 to 24, but is 0/],
    ['rounding.mode', { rounding: { mode: 'down' } }, /rounding\.mode/],
    ['expenses.basis', { expenses: { basis: 'cost' } }, /expenses\.basis must be 'units'/],
    ['expenses.unitTokens', { expenses: { unitTokens: 0.5 } }, /expenses\.unitTokens must be a whole number/],
    ['failedRuns.time', { failedRuns: { time: true } }, /failedRuns\.time must be 'skip' or 'unbilled' or 'billed'/],
    ['settle.graceMs', { settle: { graceMs: -1 } }, /settle\.graceMs/],
    ['delivery.concurrency', { delivery: { concurrency: 0 } }, /delivery\.concurrency must be a whole number from 1,/],
    ['bareCalls', { bareCalls: 'none' }, /bareCalls/],
    ['agents', { agents: 'all' }, /agents must be 'outermost' or 'each', but is "all"/],
    ['ignoreScopes', { ignoreScopes: 'ai' }, /ignoreScopes must be an array of strings/],
    ['duplicateInstrumentation', { duplicateInstrumentation: 'on' }, /duplicateInstrumentation/],
    ['attribution', { attribution: {} }, /attribution must be a function/],
    ['onError', { onError: 'log' }, /onError must be a function/],
    ['onRecord', { onRecord: 1 }, /onRecord must be a function/],
    ['client', { client: {} }, /client must be.*timeEntries\.create/],
    ['outbox', { outbox: {} }, /outbox must be.*memoryOutbox/],
  ]

  it.each(wrong)(
    'of %s is thrown by the constructor, with what was expected and what was found',
    (_name, options, message) => {
      const make = () => new KeitoSpanExporter({ dryRun: true, ...options })
      expect(make).toThrow(ConfigError)
      expect(make).toThrow(message)
    },
  )

  it('in the environment is thrown as well', () => {
    vi.stubEnv('KEITO_BILLABLE', 'sometimes')
    expect(() => new KeitoSpanExporter({ dryRun: true })).toThrow(/KEITO_BILLABLE/)
  })
})

describe('an option that does not exist', () => {
  it('is reported, because work would be booked as if nothing had been said', () => {
    const errors: string[] = []
    const options = { dryRun: true, projectID: 'p1', onError: (error: Error) => errors.push(error.message) }
    new KeitoSpanExporter(options)
    expect(errors).toEqual(['There is no option projectID; it is ignored. Check its spelling.'])
  })

  it.each([
    ['rounding', { rounding: { modus: 'up' } }, 'rounding.modus'],
    ['delivery', { delivery: { requestPerMinute: 60 } }, 'delivery.requestPerMinute'],
    ['live', { live: { minms: 1 } }, 'live.minms'],
  ])('in %s is reported with the name of both', (_, group, name) => {
    const errors: string[] = []
    const options = { dryRun: true, ...group, onError: (error: Error) => errors.push(error.message) }
    new KeitoSpanProcessor(options as KeitoProcessorOptions)
    expect(errors).toEqual([`There is no option ${name}; it is ignored. Check its spelling.`])
  })

  it('is one of a processor on an exporter, and the report says where it belongs', () => {
    const errors: string[] = []
    const options = { dryRun: true, baggage: false, onError: (error: Error) => errors.push(error.message) }
    new KeitoSpanExporter(options)
    expect(errors).toEqual([expect.stringMatching(/KeitoSpanExporter has no option baggage.*Use KeitoSpanProcessor/)])
  })
})

describe('credentials', () => {
  it('are asked for by name when there is neither a client nor a dry run', () => {
    vi.stubEnv('KEITO_API_KEY', '')
    expect(() => new KeitoSpanExporter()).toThrow(/apiKey \(KEITO_API_KEY\)/)
    expect(() => new KeitoSpanExporter({ apiKey: 'kto_x' })).toThrow(/accountId \(KEITO_ACCOUNT_ID\)/)
  })

  it('come from the environment', () => {
    vi.stubEnv('KEITO_API_KEY', 'kto_x')
    vi.stubEnv('KEITO_ACCOUNT_ID', 'cm1')
    vi.stubEnv('KEITO_API_URL', 'http://keito.example')
    expect(() => new KeitoSpanExporter()).toThrow(/KEITO_API_URL.*https/)
    vi.stubEnv('KEITO_API_URL', 'https://keito.example')
    expect(() => new KeitoSpanExporter()).not.toThrow()
  })

  it('are not needed for a dry run', () => {
    vi.stubEnv('KEITO_DRY_RUN', '1')
    expect(() => new KeitoSpanExporter()).not.toThrow()
  })
})
