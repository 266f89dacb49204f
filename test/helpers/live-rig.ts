/**
 * A processor with live timers in a real tracer provider, sending to a sandbox; and work of agents at told times, with
 * the same ids each time, so that the books of a story with and without timers can be compared.
 */
import { type Attributes, type Context, ROOT_CONTEXT, type Span, SpanStatusCode, type Tracer } from '@opentelemetry/api'
import { BasicTracerProvider, type IdGenerator } from '@opentelemetry/sdk-trace-base'
import { expect, vi } from 'vitest'
import { type KeitoError, type KeitoProcessorOptions, KeitoSpanProcessor, type RecordEvent } from '../../src/index.ts'
import { type KeitoSandbox, type KeitoSandboxOptions, startKeitoSandbox } from '../../src/testing/index.ts'
import { runningIn } from './ledgers.ts'
import { at, below, CHAT } from './told.ts'

/** Ids in the order in which they are asked for: the same story has the same ids. */
export function countedIds(): IdGenerator {
  let count = 0
  const next = (digits: number) => (++count).toString(16).padStart(digits, '0')
  return { generateTraceId: () => next(32), generateSpanId: () => next(16) }
}

/** A run of an agent that is under way. */
export interface Run {
  readonly span: Span
  readonly sessionId: string
  readonly runId: string
  /** The key of its timer, and that of its time entry. */
  readonly timerKey: string
  readonly recordKey: string
  /** The context of its span. */
  readonly inside: Context
  /** A model call, from and until so many seconds after the start of all stories. */
  call(from: number, until?: number): Run
  /** Ends it, so many seconds after the start of all stories. */
  end(seconds: number): void
  /** Ends it as failed. */
  fail(seconds: number): void
}

/** Begins runs with a tracer. */
export function beginner(tracer: Tracer) {
  /** @param seconds After the start of all stories. */
  return (agent: string, seconds = 0, attributes: Attributes = {}, parent: Context = ROOT_CONTEXT): Run => {
    const all = { 'gen_ai.operation.name': 'invoke_agent', 'gen_ai.agent.name': agent, ...attributes }
    const span = tracer.startSpan(`invoke_agent ${agent}`, { startTime: at(seconds), attributes: all }, parent)
    const { traceId: sessionId, spanId: runId } = span.spanContext()
    const run: Run = {
      span,
      sessionId,
      runId,
      timerKey: `${sessionId}:${runId}:timer`,
      recordKey: `${sessionId}:${runId}:time:0`,
      inside: below(span),
      call(from, until = from + 1) {
        tracer.startSpan('chat', { startTime: at(from), attributes: CHAT }, below(span)).end(at(until))
        return run
      },
      end: (until) => span.end(at(until)),
      fail(until) {
        span.setStatus({ code: SpanStatusCode.ERROR })
        span.end(at(until))
      },
    }
    return run
  }
}

/** Short times. A write of the sandbox that comes late does so within 50 ms. */
export const QUICK = {
  requestsPerMinute: 1_000_000,
  requestsPerDay: 1_000_000,
  timeoutMs: 2000,
  maxBackoffMs: 20,
  reconcileAfterMs: 120,
} as const

/** A processor at work, with what it has told. */
export interface Desk {
  readonly processor: KeitoSpanProcessor
  readonly provider: BasicTracerProvider
  readonly tracer: Tracer
  readonly begin: ReturnType<typeof beginner>
  readonly problems: readonly KeitoError[]
  readonly events: readonly RecordEvent[]
}

/** Puts a processor with live timers to work. Nothing else is due by time. */
export function startDesk(options: KeitoProcessorOptions, idGenerator: IdGenerator = countedIds()): Desk {
  const problems: KeitoError[] = []
  const events: RecordEvent[] = []
  const processor = new KeitoSpanProcessor({
    live: { minMs: 0 },
    settle: { graceMs: 3_600_000, idleMs: 3_600_000 },
    onError: (problem) => problems.push(problem),
    onRecord: (event) => events.push(event),
    ...options,
    delivery: { ...QUICK, ...options.delivery },
  })
  const provider = new BasicTracerProvider({ idGenerator, spanProcessors: [processor] })
  const tracer = provider.getTracer('test-agent-framework')
  return { processor, provider, tracer, begin: beginner(tracer), problems, events }
}

/** A desk with a sandbox of its own. */
export interface LiveRig extends Desk {
  readonly sandbox: KeitoSandbox
  /** Waits until this timer is the one that runs. */
  untilShown(run: Run): Promise<void>
  /** Waits until no timer runs. */
  untilNoneRuns(): Promise<void>
  /** The requests so far: method and path without ids and queries. */
  requests(): readonly string[]
  close(): Promise<void>
}

/** Starts a rig. */
export async function startLiveRig(
  options: KeitoProcessorOptions = {},
  sandboxOptions: KeitoSandboxOptions = {},
): Promise<LiveRig> {
  const sandbox = await startKeitoSandbox(sandboxOptions)
  const desk = startDesk({ ...sandbox.exporterOptions, ...options })
  return {
    ...desk,
    sandbox,
    untilShown: (run) => vi.waitFor(() => expect(runningIn(sandbox)).toEqual([run.timerKey]), 5000),
    untilNoneRuns: () => vi.waitFor(() => expect(runningIn(sandbox)).toEqual([]), 5000),
    requests: () => requestsOf(sandbox),
    async close() {
      await desk.provider.shutdown()
      await sandbox.close()
    },
  }
}

/** What a sandbox was asked: method and path without ids and queries. */
export function requestsOf(sandbox: KeitoSandbox): readonly string[] {
  return sandbox
    .requests()
    .map(({ method, path }) => `${method} ${path.replace(/^\/api\/v2\/|\?.*$/g, '').replace(/\/cm\w+/, '/:id')}`)
}

/** How long it takes at most until a timer has been started that is to be started, in milliseconds. */
export const LOOK_MS = 150

/** How {@link tellWork} goes. */
export interface WorkPlan {
  readonly seed: number
  readonly runs: number
  readonly sleep: (ms: number) => Promise<unknown>
  /** Longest pause between two things that happen, in milliseconds. */
  readonly longestMs: number
}

/** Runs that come and go, up to four at a time, of which some lie in others, some fail, and some are over at once. */
export async function tellWork(begin: Desk['begin'], { seed, runs, sleep, longestMs }: WorkPlan): Promise<void> {
  const roll = dice(seed)
  const open: { run: Run; from: number }[] = []
  for (let begun = 0; begun < runs || open.length > 0; ) {
    if (begun < runs && (open.length === 0 || (open.length < 4 && roll() < 0.5))) {
      const from = begun * 60
      const parent = roll() < 0.2 ? open[0]?.run.inside : undefined
      const run = begin(`agent-${begun % 3}`, from, {}, parent)
      if (roll() < 0.7) run.call(from + 1)
      open.push({ run, from })
      begun++
    } else {
      const [ended] = open.splice(Math.floor(roll() * open.length), 1)
      const until = (ended?.from ?? 0) + 100 + Math.floor(roll() * 3600)
      if (roll() < 0.25) ended?.run.fail(until)
      else ended?.run.end(until)
    }
    await sleep(roll() < 0.3 ? 1 : Math.floor(roll() * longestMs))
  }
}

/** Numbers from 0 to 1, the same for the same seed. */
function dice(seed: number): () => number {
  let state = seed * 2_654_435_761 + 1
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}
