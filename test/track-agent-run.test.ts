/** Rule: work wrapped by hand is traced, billed once and passed on as it is, and nothing of it can harm the host. */
import { setTimeout as sleep } from 'node:timers/promises'
import {
  context,
  type DiagLogger,
  diag,
  INVALID_TRACEID,
  type Span,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base'
import { generateText, stepCountIs, tool } from 'ai'
import { MockLanguageModelV3 } from 'ai/test'
import {
  BasicTracerProvider as BasicTracerProvider1,
  InMemorySpanExporter as InMemorySpanExporter1,
  SimpleSpanProcessor as SimpleSpanProcessor1,
} from 'otel-sdk-v1'
import { afterEach, beforeEach, describe, expect, expectTypeOf, it, onTestFinished, vi } from 'vitest'
import { z } from 'zod'
import { type AgentRun, type AgentRunConfig, isKeitoError, type RunUsage, trackAgentRun } from '../src/index.ts'
import { type Rig, startRig } from './helpers/otel.ts'

const REVIEW: AgentRunConfig = { agentId: 'review-bot', model: 'claude-opus-4-6', provider: 'anthropic' }
const USED: RunUsage = { input: 1200, output: 340 }

let warnings: string[] = []
beforeEach(() => {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  warnings = []
  const ignore = () => {}
  const keep = (...words: unknown[]) => warnings.push(words.join(' '))
  const logger: DiagLogger = { error: keep, warn: keep, info: ignore, debug: ignore, verbose: ignore }
  diag.setLogger(logger, { suppressOverrideMessage: true })
})
afterEach(() => {
  vi.useRealTimers()
  context.disable()
  diag.disable()
})

/** What both SDK lines keep of an ended span. */
type EndedSpan = Pick<ReadableSpan, 'name' | 'kind' | 'attributes' | 'status' | 'events' | 'startTime' | 'endTime'> & {
  readonly spanContext: () => { traceId: string; spanId: string }
  readonly parentSpanContext?: { spanId: string }
  readonly parentSpanId?: string
}

interface Traced {
  readonly tracer: Tracer
  readonly ended: () => readonly EndedSpan[]
}

function traced2(): Traced {
  const exporter = new InMemorySpanExporter()
  const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] })
  return { tracer: provider.getTracer('my-app'), ended: () => exporter.getFinishedSpans() as readonly EndedSpan[] }
}

function traced1(): Traced {
  const exporter = new InMemorySpanExporter1()
  const provider = new BasicTracerProvider1({ spanProcessors: [new SimpleSpanProcessor1(exporter)] })
  return { tracer: provider.getTracer('my-app'), ended: () => exporter.getFinishedSpans() as readonly EndedSpan[] }
}

const parentOf = (span: EndedSpan | undefined) => span?.parentSpanContext?.spanId ?? span?.parentSpanId

/** The span of the run, and those of the calls that were reported. */
function readTrace({ ended }: Traced) {
  const isRun = ({ name }: EndedSpan) => name.startsWith('invoke_agent')
  return { runs: ended().filter(isRun), calls: ended().filter(({ name }) => name.startsWith('chat')) }
}

describe.each([
  ['1.30', traced1],
  ['2.x', traced2],
])('a run, traced with OTel JS %s', (_, start) => {
  it('is an agent span that says who works and where it is booked', async () => {
    const traced = start()
    await trackAgentRun(
      traced.tracer,
      {
        ...REVIEW,
        agentName: 'Review bot',
        projectId: 'cm-website',
        taskId: 'cm-review',
        expenseCategoryId: 'cm-llm',
        billable: false,
        notes: 'Reviewed the login',
      },
      () => undefined,
    )
    const [run, ...others] = traced.ended()
    expect(others).toEqual([])
    expect(run).toMatchObject({ name: 'invoke_agent Review bot', kind: SpanKind.INTERNAL })
    expect(run?.status.code).toBe(SpanStatusCode.UNSET)
    expect(run?.attributes).toEqual({
      'gen_ai.operation.name': 'invoke_agent',
      'gen_ai.agent.name': 'Review bot',
      'gen_ai.request.model': 'claude-opus-4-6',
      'gen_ai.provider.name': 'anthropic',
      'keito.agent_id': 'review-bot',
      'keito.project_id': 'cm-website',
      'keito.task_id': 'cm-review',
      'keito.expense_category_id': 'cm-llm',
      'keito.billable': false,
      'keito.notes': 'Reviewed the login',
    })
  })

  it('is named after the id, and says nothing that was not given', async () => {
    const traced = start()
    await trackAgentRun(
      traced.tracer,
      { agentId: ' review-bot ', agentName: ' ', projectId: undefined },
      () => undefined,
    )
    const [run] = traced.ended()
    expect(run?.name).toBe('invoke_agent review-bot')
    expect(run?.attributes).toEqual({
      'gen_ai.operation.name': 'invoke_agent',
      'gen_ai.agent.name': 'review-bot',
      'keito.agent_id': 'review-bot',
    })
  })

  it('is active while the work goes on and no longer, so that traced calls within it belong to it', async () => {
    const traced = start()
    const answer = await trackAgentRun(traced.tracer, REVIEW, async (run) => {
      traced.tracer.startSpan('before an await').end()
      await sleep(1)
      traced.tracer.startSpan('after an await').end()
      expect(trace.getActiveSpan()).toBe(run.span)
      return run.sessionId
    })
    traced.tracer.startSpan('outside').end()
    const [before, after, run, outside] = traced.ended()
    expect([parentOf(before), parentOf(after)]).toEqual([run?.spanContext().spanId, run?.spanContext().spanId])
    expect(parentOf(outside)).toBeUndefined()
    expect(answer).toBe(run?.spanContext().traceId)
  })

  it('lies below the span it is called in', async () => {
    const traced = start()
    await traced.tracer.startActiveSpan('POST /review', async (request) => {
      await trackAgentRun(traced.tracer, REVIEW, (run) => run.usage(USED))
      request.end()
    })
    const [call, run, request] = traced.ended()
    expect(parentOf(run)).toBe(request?.spanContext().spanId)
    expect(parentOf(call)).toBe(run?.spanContext().spanId)
  })

  it('takes further attributes, and is ended once, even when the host has ended it', async () => {
    const traced = start()
    await trackAgentRun(traced.tracer, REVIEW, ({ span }) => span.setAttribute('my.ticket', 7))
    await trackAgentRun(traced.tracer, REVIEW, ({ span }) => span.end())
    await expect(
      trackAgentRun(traced.tracer, REVIEW, ({ span }) => {
        span.end()
        throw new Error('late')
      }),
    ).rejects.toThrow('late')
    expect(traced.ended()).toHaveLength(3)
    expect(traced.ended()[0]?.attributes).toMatchObject({ 'my.ticket': 7 })
    expect(warnings).toEqual([])
  })

  it('a usage is a call below it, with the names of the conventions', async () => {
    const traced = start()
    await trackAgentRun(traced.tracer, REVIEW, (run) => {
      run.usage({ input: 1200, output: 340, cacheRead: 1000, cacheWrite: 150, reasoning: 90 })
    })
    const [call, run] = traced.ended()
    expect(call).toMatchObject({ name: 'chat claude-opus-4-6', kind: SpanKind.CLIENT })
    expect(parentOf(call)).toBe(run?.spanContext().spanId)
    expect(call?.attributes).toEqual({
      'gen_ai.operation.name': 'chat',
      'gen_ai.request.model': 'claude-opus-4-6',
      'gen_ai.provider.name': 'anthropic',
      'gen_ai.usage.input_tokens': 1200,
      'gen_ai.usage.output_tokens': 340,
      'gen_ai.usage.cache_read.input_tokens': 1000,
      'gen_ai.usage.cache_write.input_tokens': 150,
      'gen_ai.usage.reasoning.output_tokens': 90,
      'keito.usage.reported': true,
    })
  })
})

describe('what the work does', () => {
  it('comes back, synchronous or not, with its type and that of the span', async () => {
    const { tracer } = traced2()
    const text = await trackAgentRun(tracer, REVIEW, () => 'sync')
    const count = await trackAgentRun(tracer, REVIEW, async (run) => {
      expectTypeOf(run).toEqualTypeOf<AgentRun<Span>>()
      return 7
    })
    expectTypeOf(text).toEqualTypeOf<string>()
    expectTypeOf(count).toEqualTypeOf<number>()
    expect([text, count]).toEqual(['sync', 7])
  })

  it('begins at once, in the same turn', () => {
    const work = vi.fn()
    void trackAgentRun(traced2().tracer, REVIEW, work)
    expect(work).toHaveBeenCalledOnce()
  })

  const hostile = Object.defineProperty({}, 'name', {
    get() {
      throw new Error('no')
    },
  })
  it.each<[string, unknown, string]>([
    ['an error', new TypeError('the prompt was: secret'), 'TypeError'],
    [
      'an error with a name of its own',
      Object.assign(new Error('secret'), { name: 'RateLimitError' }),
      'RateLimitError',
    ],
    ['an error named with content', Object.assign(new Error(), { name: 'secret words' }), '_OTHER'],
    ['an error with an endless name', Object.assign(new Error(), { name: 'x'.repeat(101) }), '_OTHER'],
    ['a text', 'secret', '_OTHER'],
    ['nothing', undefined, '_OTHER'],
    ['null', null, '_OTHER'],
    ['an object whose name is no text', { name: 7 }, '_OTHER'],
    ['an object that cannot be read', hostile, '_OTHER'],
  ])(
    '%s that is thrown or rejected with is passed on itself, and only its kind is recorded',
    async (_, thrown, type) => {
      const traced = traced2()
      const caught: unknown[] = []
      const keep = (error: unknown) => caught.push(error)
      await trackAgentRun(traced.tracer, REVIEW, () => {
        throw thrown
      }).catch(keep)
      await trackAgentRun(traced.tracer, REVIEW, () => Promise.reject(thrown)).catch(keep)
      expect(caught).toHaveLength(2)
      for (const error of caught) expect(error).toBe(thrown)
      expect(traced.ended()).toHaveLength(2)
      for (const { status, attributes, events } of traced.ended()) {
        expect(status).toEqual({ code: SpanStatusCode.ERROR })
        expect(attributes['error.type']).toBe(type)
        expect(events).toEqual([])
        expect(JSON.stringify(attributes)).not.toContain('secret')
      }
    },
  )

  it('is not touched by a no-op tracer', async () => {
    const tracer = trace.getTracer('nobody listens')
    const result = await trackAgentRun(tracer, REVIEW, async (run) => {
      run.usage(USED)
      return run.sessionId
    })
    expect(result).toBe(INVALID_TRACEID)
    const thrown = new Error('as it is')
    await expect(trackAgentRun(tracer, REVIEW, () => Promise.reject(thrown))).rejects.toBe(thrown)
    expect(warnings).toEqual([])
  })

  describe('comes back when a span processor of the host fails', () => {
    /** A tracer whose span processor throws where the name of the span is one of these. */
    const tracerThatFails = (moment: 'onStart' | 'onEnd', names: RegExp) => {
      const failFor = (span: { readonly name: string }) => {
        if (names.test(span.name)) throw new Error('secret')
      }
      const rest = { forceFlush: async () => undefined, shutdown: async () => undefined }
      const failing = { onStart: () => undefined, onEnd: () => undefined, ...rest, [moment]: failFor }
      return new BasicTracerProvider({ spanProcessors: [failing] }).getTracer('my-app')
    }
    const work = async (run: AgentRun) => {
      run.usage(USED)
      return run.sessionId
    }

    it('when a span ends', async () => {
      const tracer = tracerThatFails('onEnd', /./)
      expect(await trackAgentRun(tracer, REVIEW, work)).toMatch(/^[0-9a-f]{32}$/)
      const thrown = new Error('work')
      await expect(trackAgentRun(tracer, REVIEW, () => Promise.reject(thrown))).rejects.toBe(thrown)
      expect(warnings).toEqual([expect.stringMatching(/usage of a model call may be missing/)])
    })

    it('when the span of the run begins: it is not traced, with one warning, and what is around it stays so', async () => {
      const tracer = tracerThatFails('onStart', /^invoke_agent/)
      const outside = traced2().tracer.startSpan('outside')
      await context.with(trace.setSpan(context.active(), outside), async () => {
        const result = await trackAgentRun(tracer, REVIEW, (run) => {
          expect(run.span.isRecording()).toBe(false)
          run.span.setAttribute('my.ticket', 7).end()
          expect(trace.getActiveSpan()).toBe(outside)
          return work(run)
        })
        expect(result).toBe(INVALID_TRACEID)
      })
      expect(warnings).toEqual([expect.stringMatching(/the run is not traced.*span processor/)])
      expect(warnings[0]).not.toContain('secret')
      const thrown = new Error('work')
      await expect(trackAgentRun(tracer, REVIEW, () => Promise.reject(thrown))).rejects.toBe(thrown)
      const atOnce = trackAgentRun(tracer, REVIEW, () => {
        throw thrown
      })
      await expect(atOnce).rejects.toBe(thrown)
    })

    it('when the span of a call begins: that usage is missing, with one warning', async () => {
      const tracer = tracerThatFails('onStart', /^chat/)
      expect(await trackAgentRun(tracer, REVIEW, work)).toMatch(/^[0-9a-f]{32}$/)
      expect(warnings).toEqual([expect.stringMatching(/usage of a model call may be missing.*span processor/)])
      expect(warnings[0]).not.toContain('secret')
    })
  })

  it.each<[string, unknown]>([
    ['undefined', {}],
    ['a blank text', { agentId: '  ' }],
    ['number', { agentId: 7 }],
    ['undefined', undefined],
  ])('does not begin when the agent id is %s', async (found, config) => {
    const traced = traced2()
    const work = vi.fn()
    const error = await trackAgentRun(traced.tracer, config as AgentRunConfig, work).catch((reason) => reason)
    expect(isKeitoError(error) && error.code).toBe('config')
    expect(error.message).toContain('agentId')
    expect(error.message).toContain(`found ${found}`)
    expect(work).not.toHaveBeenCalled()
    expect(traced.ended()).toEqual([])
  })
})

describe('a reported call', () => {
  const callsOf = async (config: AgentRunConfig, ...used: RunUsage[]) => {
    const traced = traced2()
    await trackAgentRun(traced.tracer, config, (run) => {
      for (const each of used) run.usage(each)
    })
    return readTrace(traced).calls
  }

  it('has the model and provider of its own, else those of the run, else none', async () => {
    const own = { ...USED, model: 'gpt-5', provider: 'openai' }
    const [one, two] = await callsOf(REVIEW, own, USED)
    expect(one?.name).toBe('chat gpt-5')
    expect(one?.attributes).toMatchObject({ 'gen_ai.request.model': 'gpt-5', 'gen_ai.provider.name': 'openai' })
    expect(two?.name).toBe('chat claude-opus-4-6')
    const [bare] = await callsOf({ agentId: 'a' }, { ...USED, model: ' ' })
    expect(bare?.name).toBe('chat')
    expect(Object.keys(bare?.attributes ?? {})).toEqual([
      'gen_ai.operation.name',
      'keito.usage.reported',
      'gen_ai.usage.input_tokens',
      'gen_ai.usage.output_tokens',
    ])
  })

  it('may have zeros, and parts that are unknown', async () => {
    const [call] = await callsOf(REVIEW, {
      input: 0,
      output: 0,
      cacheRead: undefined,
      reasoning: null as unknown as undefined,
    })
    expect(call?.attributes).toMatchObject({ 'gen_ai.usage.input_tokens': 0, 'gen_ai.usage.output_tokens': 0 })
    expect(Object.keys(call?.attributes ?? {}).filter((key) => /cache|reasoning/.test(key))).toEqual([])
    expect(warnings).toEqual([])
  })

  it.each<[string, unknown, RegExp]>([
    ['negative', { input: -5, output: 1 }, /input is negative/],
    ['NaN', { input: 1, output: Number.NaN }, /output is NaN/],
    ['infinite', { input: Number.POSITIVE_INFINITY, output: 1 }, /input is too large/],
    ['a text', { input: '31337', output: 1 }, /input is no number but a string/],
    ['missing', { output: 1 }, /input is missing/],
    ['null', { input: 1, output: null }, /output is missing/],
    ['twice wrong', { input: -1, output: Number.NaN }, /input is negative and output is NaN/],
  ])('with a count that is %s is ignored, with one warning that names the field only', async (_, used, message) => {
    expect(await callsOf(REVIEW, used as RunUsage)).toEqual([])
    expect(warnings).toHaveLength(1)
    expect(warnings[0]).toMatch(message)
    expect(warnings[0]).not.toContain('31337')
  })

  it('with a part that is no count is recorded without that part, with one warning', async () => {
    const [call] = await callsOf(REVIEW, { ...USED, cacheRead: -1, cacheWrite: 3, reasoning: Number.NaN })
    expect(call?.attributes).toMatchObject({ 'gen_ai.usage.input_tokens': 1200, 'gen_ai.usage.output_tokens': 340 })
    expect(call?.attributes).toMatchObject({ 'gen_ai.usage.cache_write.input_tokens': 3 })
    expect(Object.keys(call?.attributes ?? {}).filter((key) => /cache_read|reasoning/.test(key))).toEqual([])
    expect(warnings).toEqual([expect.stringMatching(/cacheRead is negative and reasoning is NaN; .*recorded without/)])
  })

  it.each<[string, unknown]>([
    ['undefined', undefined],
    ['null', null],
    [
      'an object that cannot be read',
      Object.defineProperty({}, 'input', {
        get() {
          throw new Error('secret')
        },
      }),
    ],
  ])('that is %s is ignored with a warning', async (_, used) => {
    expect(await callsOf(REVIEW, used as RunUsage)).toEqual([])
    expect(warnings).toEqual([expect.stringMatching(/could not be read/)])
    expect(warnings[0]).not.toContain('secret')
  })

  it('after the end of the run is ignored with a warning', async () => {
    const traced = traced2()
    const kept: AgentRun[] = []
    await trackAgentRun(traced.tracer, REVIEW, (run) => kept.push(run))
    await trackAgentRun(traced.tracer, REVIEW, (run) => {
      kept.push(run)
      throw new Error('failed')
    }).catch(() => undefined)
    for (const run of kept) run.usage(USED)
    expect(readTrace(traced).calls).toEqual([])
    expect(warnings).toEqual([expect.stringMatching(/has ended/), expect.stringMatching(/has ended/)])
  })

  it('does no harm when the logger of the host fails', async () => {
    const fail = () => {
      throw new Error('logger')
    }
    diag.setLogger(
      { error: fail, warn: fail, info: fail, debug: fail, verbose: fail },
      { suppressOverrideMessage: true },
    )
    expect(await callsOf(REVIEW, { input: -1, output: 1 }, USED)).toHaveLength(1)
  })
})

describe('the time of a reported call', () => {
  const START = Date.parse('2026-11-20T10:00:00Z')
  const atMs = (ms: number) => vi.setSystemTime(START + ms)

  /** Reports one call at each of these milliseconds of the run; answers when they begin and end. */
  async function intervalsOf(...reported: (number | { at: number; input: number })[]) {
    vi.useFakeTimers({ toFake: ['Date'] })
    atMs(0)
    const traced = traced2()
    await trackAgentRun(traced.tracer, REVIEW, (run) => {
      for (const each of reported) {
        const { at, input } = typeof each === 'number' ? { at: each, input: 10 } : each
        atMs(at)
        run.usage({ input, output: 1 })
      }
    })
    const msOf = ([seconds, nanos]: readonly [number, number]) => seconds * 1000 + nanos / 1e6 - START
    return readTrace(traced).calls.map(({ startTime, endTime }) => [msOf(startTime), msOf(endTime)])
  }

  it('runs from the start of the run to now, whatever was reported before', async () => {
    expect(await intervalsOf(1000, { at: 2000, input: -1 }, 3000, 3049, 10_000)).toEqual([
      [0, 1000],
      [0, 3000],
      [0, 3049],
      [0, 10_000],
    ])
  })

  it('never begins after its end, when the clock is set back', async () => {
    expect(await intervalsOf(1000, 400, 2000)).toEqual([
      [0, 1000],
      [0, 400],
      [0, 2000],
    ])
    vi.useRealTimers()
    expect(await intervalsOf(-100)).toEqual([[-100, -100]])
  })
})

describe('through the pipeline', () => {
  const open: Rig[] = []
  afterEach(async () => {
    for (const rig of open.splice(0)) await rig.close()
  })
  const start = async (): Promise<Rig> => {
    const rig = await startRig()
    open.push(rig)
    return rig
  }

  /** What is booked, after all has been delivered. */
  async function booked({ flush, sandbox }: Rig) {
    await flush()
    return {
      time: sandbox.timeEntries().map(({ metadata }) => metadata?.agent_id),
      tokens: sandbox
        .expenses()
        .map(({ metadata, billable }) => [
          metadata?.model,
          metadata?.input_tokens,
          metadata?.output_tokens,
          metadata?.llm_calls,
          billable,
        ])
        .sort(),
    }
  }

  /** A model call as an instrumentation of the provider's client records it. */
  async function instrumented({ provider }: Rig, used: RunUsage, ms = 20, scope = 'openai-instrumentation') {
    const model = used.model ?? 'claude-opus-4-6'
    const span = provider.getTracer(scope).startSpan(`chat ${model}`, {
      attributes: {
        'gen_ai.operation.name': 'chat',
        'gen_ai.request.model': model,
        'gen_ai.usage.input_tokens': used.input,
        'gen_ai.usage.output_tokens': used.output,
      },
    })
    await sleep(ms)
    span.end()
    return used
  }

  it('a run becomes one time entry, and an expense for each model', async () => {
    const rig = await start()
    const session = await trackAgentRun(rig.tracer, { ...REVIEW, notes: 'Reviewed the login' }, async (run) => {
      await sleep(10)
      run.usage({ input: 1000, output: 200, cacheRead: 900 })
      run.usage({ input: 500, output: 50 })
      run.usage({ input: 80, output: 20, model: 'gpt-5', provider: 'openai' })
      return run.sessionId
    })
    expect(await booked(rig)).toEqual({
      time: ['review-bot'],
      tokens: [
        ['claude-opus-4-6', 1500, 250, 2, true],
        ['gpt-5', 80, 20, 1, true],
      ],
    })
    const records = [...rig.sandbox.timeEntries(), ...rig.sandbox.expenses()]
    for (const { metadata } of records) expect(metadata).toMatchObject({ session_id: session, agent_id: 'review-bot' })
    expect(rig.sandbox.timeEntries()[0]?.notes).toBe('Reviewed the login')
  })

  it('a run that fails has tokens that are not billable, and no hours', async () => {
    const rig = await start()
    await trackAgentRun(rig.tracer, REVIEW, async (run) => {
      run.usage(USED)
      throw new Error('no access')
    }).catch(() => undefined)
    expect(await booked(rig)).toEqual({ time: [], tokens: [['claude-opus-4-6', 1200, 340, 1, false]] })
  })

  it('a run within a run adds its tokens and no minutes', async () => {
    const rig = await start()
    await trackAgentRun(rig.tracer, REVIEW, async (run) => {
      run.usage(USED)
      await trackAgentRun(rig.tracer, { agentId: 'helper', model: 'claude-opus-4-6' }, async (inner) => {
        await sleep(5)
        inner.usage(USED)
      })
    })
    expect(await booked(rig)).toEqual({ time: ['review-bot'], tokens: [['claude-opus-4-6', 2400, 680, 2, true]] })
  })

  describe('calls that an instrumentation records too are billed once', () => {
    const FIRST: RunUsage = { input: 1000, output: 100 }
    const SECOND: RunUsage = { input: 2000, output: 50 }
    const both = { time: ['review-bot'], tokens: [['claude-opus-4-6', 3000, 150, 2, true]] }

    it('one', async () => {
      const rig = await start()
      await trackAgentRun(rig.tracer, REVIEW, async (run) => run.usage(await instrumented(rig, FIRST)))
      expect(await booked(rig)).toEqual({ time: ['review-bot'], tokens: [['claude-opus-4-6', 1000, 100, 1, true]] })
    })

    it('two, one after the other', async () => {
      const rig = await start()
      await trackAgentRun(rig.tracer, REVIEW, async (run) => {
        run.usage(await instrumented(rig, FIRST, 60))
        await sleep(60)
        run.usage(await instrumented(rig, SECOND, 60))
      })
      expect(await booked(rig)).toEqual(both)
    })

    it('two that use the same tokens', async () => {
      const rig = await start()
      await trackAgentRun(rig.tracer, REVIEW, async (run) => {
        run.usage(await instrumented(rig, FIRST, 60))
        run.usage(await instrumented(rig, FIRST, 60))
      })
      expect(await booked(rig)).toEqual({ time: ['review-bot'], tokens: [['claude-opus-4-6', 2000, 200, 2, true]] })
    })

    it('two that are reported together at the end', async () => {
      const rig = await start()
      await trackAgentRun(rig.tracer, REVIEW, async (run) => {
        const used = [await instrumented(rig, FIRST, 30), await instrumented(rig, SECOND, 30)]
        for (const each of used) run.usage(each)
      })
      expect(await booked(rig)).toEqual(both)
    })

    it('two at the same time, reported as each ends, or when both have ended', async () => {
      const rig = await start()
      await trackAgentRun(rig.tracer, REVIEW, async (run) => {
        const report = async (used: RunUsage, ms: number) => run.usage(await instrumented(rig, used, ms))
        await Promise.all([report(FIRST, 90), report(SECOND, 20)])
      })
      expect(await booked(rig)).toEqual(both)
      const later = await start()
      await trackAgentRun(later.tracer, REVIEW, async (run) => {
        const used = await Promise.all([instrumented(later, FIRST, 90), instrumented(later, SECOND, 10)])
        for (const each of used) run.usage(each)
      })
      expect(await booked(later)).toEqual(both)
    })

    it('three at the same time, each reported when the one before has been stored', async () => {
      const rig = await start()
      await trackAgentRun(rig.tracer, REVIEW, async (run) => {
        const used = await Promise.all([30, 20, 10].map((ms) => instrumented(rig, { input: ms * 100, output: 10 }, ms)))
        for (const each of used) {
          run.usage(each)
          await sleep(60)
        }
      })
      expect(await booked(rig)).toEqual({ time: ['review-bot'], tokens: [['claude-opus-4-6', 6000, 30, 3, true]] })
    })

    it('those of a framework whose totals are reported', async () => {
      const rig = await start()
      trace.setGlobalTracerProvider(rig.provider)
      onTestFinished(() => trace.disable())
      const total = (all: number) => ({ total: all, noCache: all, cacheRead: 0, cacheWrite: 0 })
      const generate = async (input: number) => {
        let step = 0
        const model = new MockLanguageModelV3({
          modelId: 'claude-opus-4-6',
          doGenerate: async () => {
            step++
            await sleep(5)
            const usage = { inputTokens: total(input * step), outputTokens: { total: 10, text: 10, reasoning: 0 } }
            const call = { type: 'tool-call', toolCallId: `c${step}`, toolName: 'look', input: '{}' } as const
            return step < 3
              ? { content: [call], finishReason: { unified: 'tool-calls', raw: '' }, usage, warnings: [] }
              : {
                  content: [{ type: 'text', text: 'done' }],
                  finishReason: { unified: 'stop', raw: '' },
                  usage,
                  warnings: [],
                }
          },
        })
        const look = tool({ inputSchema: z.object({}), execute: async () => 'seen' })
        const options = { stopWhen: stepCountIs(3), experimental_telemetry: { isEnabled: true } }
        const { totalUsage } = await generateText({ model, prompt: 'x', tools: { look }, ...options })
        return { input: totalUsage.inputTokens ?? 0, output: totalUsage.outputTokens ?? 0 }
      }
      await trackAgentRun(rig.tracer, REVIEW, async (run) => {
        run.usage(await generate(100))
        const both = [generate(1000), generate(10_000)].map(async (used) => run.usage(await used))
        await Promise.all(both)
      })
      expect(await booked(rig)).toEqual({ time: ['review-bot'], tokens: [['claude-opus-4-6', 66_600, 90, 9, true]] })
    })

    it('one inside the agent span of a framework, whose sum is no third record', async () => {
      const rig = await start()
      const framework = rig.provider.getTracer('some-framework')
      await trackAgentRun(rig.tracer, REVIEW, async (run) => {
        const attributes = {
          'gen_ai.operation.name': 'invoke_agent',
          'gen_ai.agent.name': 'inner',
          'gen_ai.usage.input_tokens': FIRST.input,
          'gen_ai.usage.output_tokens': FIRST.output,
        }
        await framework.startActiveSpan('invoke_agent inner', { attributes }, async (span) => {
          await instrumented(rig, FIRST, 30, 'some-framework')
          span.end()
        })
        run.usage(FIRST)
      })
      expect(await booked(rig)).toEqual({ time: ['review-bot'], tokens: [['claude-opus-4-6', 1000, 100, 1, true]] })
    })

    it('one in a trace of its own, because there is no context manager', async () => {
      context.disable()
      const rig = await start()
      await trackAgentRun(rig.tracer, REVIEW, async (run) => run.usage(await instrumented(rig, FIRST)))
      expect(await booked(rig)).toEqual({ time: ['review-bot'], tokens: [['claude-opus-4-6', 1000, 100, 1, true]] })
    })

    it('one that is reported without a model', async () => {
      const rig = await start()
      await trackAgentRun(rig.tracer, { agentId: 'review-bot' }, async (run) => {
        run.usage(await instrumented(rig, FIRST))
      })
      expect(await booked(rig)).toEqual({ time: ['review-bot'], tokens: [['claude-opus-4-6', 1000, 100, 1, true]] })
    })

    it('but not one that only the host reports', async () => {
      const rig = await start()
      await trackAgentRun(rig.tracer, REVIEW, async (run) => {
        await instrumented(rig, FIRST)
        run.usage(SECOND)
      })
      expect(await booked(rig)).toEqual(both)
    })
  })
})
