/**
 * Traces one agent run by hand, for code that no instrumentation traces yet.
 *
 * @module
 */
import { context, INVALID_SPAN_CONTEXT, type Span, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import { ConfigError } from '../errors.ts'
import { attributesOf } from '../genai/ambient.ts'
import type { Attribution } from '../genai/hints.ts'
import { textOf } from '../otel/attributes.ts'
import type { RunUsage } from './run-usage.ts'
import { tellHost } from './tell-host.ts'
import type { RunSpanLike, TracerLike } from './tracer.ts'
import { UsageRecorder } from './usage-recorder.ts'

/** Who works, and where the work is booked. */
export interface AgentRunConfig extends Attribution {
  /** `metadata.agent_id` of both records. The one value that has to be there. */
  readonly agentId: string
  /** The agent's name on the timesheet. @default agentId */
  readonly agentName?: string | undefined
  /** The model of calls that name none. */
  readonly model?: string | undefined
  /** The provider of calls that name none, as OpenTelemetry names it: `openai`, `anthropic`, `gcp.gemini`... */
  readonly provider?: string | undefined
}

/** A run while its work goes on. */
export interface AgentRun<S = unknown> {
  /** The OpenTelemetry span of the run, for attributes of your own. It is ended for you. */
  readonly span: S
  /** The trace id: `metadata.session_id` of all records of the run. Zeros where nothing is traced. */
  readonly sessionId: string
  /**
   * Records the tokens of one model call that has ended. Report one call at a time, right after it. Tokens that are no
   * count are ignored with a warning through `diag`, and so is everything after the run has ended; it never throws.
   *
   * Calls that are traced as well are billed once, also when what is reported is their total, as long as it adds up: to
   * all of them so far, to those since the report before, or to those of one framework span. So report traced calls one
   * by one, or their total, and no total that mixes traced calls with others.
   *
   * When a reported call began is not known. With `hours: 'active'` it counts no time beside traced calls and tools;
   * where reports are all that is known of a run, the time up to the last of them counts.
   */
  usage(used: RunUsage): void
}

/**
 * Runs work as an agent run: its duration becomes hours, the tokens it reports become expenses. The span of the run is
 * active meanwhile, so that traced calls within it belong to it. Within a traced agent it is a part of that one's run.
 *
 * A call that an instrumentation records as well is billed once, as long as the tracer is not the instrumentation's own.
 * Totals of traced calls are recognised when they add up; see {@link AgentRun.usage}.
 *
 * @param tracer A tracer of your own, of a provider that Keito's exporter or processor belongs to. With a no-op tracer
 * the work is done all the same, and nothing is recorded; so too when a span processor of the host fails to take the
 * span of the run, with a warning through `diag`.
 * @param config Who works, and where it is booked.
 * @param work Does the work, synchronously or not. A run whose work throws or rejects has failed.
 * @returns What the work returns. What it throws or rejects with is passed on as it is; no message of it is recorded.
 * @throws {ConfigError} As a rejection, before the work begins, when `agentId` is missing or blank.
 *
 * @example
 * ```ts
 * const review = await trackAgentRun(tracer, { agentId: 'review-bot', model: 'claude-opus-4-6' }, async (run) => {
 *   const answer = await callModel(prompt)
 *   run.usage({ input: answer.inputTokens, output: answer.outputTokens })
 *   return answer.text
 * })
 * ```
 */
export async function trackAgentRun<T, S extends RunSpanLike = RunSpanLike>(
  tracer: TracerLike<S>,
  config: AgentRunConfig,
  work: (run: AgentRun<S>) => T | PromiseLike<T>,
): Promise<T> {
  const { name, attributes } = identityOf(config)
  const startMs = Date.now()
  const span = startedSpan(tracer, `invoke_agent ${name}`, attributes)
  if (!span) return work(untracedRun())
  const active = trace.setSpan(context.active(), span as unknown as Span)
  const recorder = new UsageRecorder(tracer, active, config, startMs)
  const run: AgentRun<S> = {
    span,
    sessionId: span.spanContext().traceId,
    usage: (used) => recorder.record(used),
  }
  try {
    return await context.with(active, () => work(run))
  } catch (error) {
    quietly(() => markFailed(span, error))
    throw error
  } finally {
    recorder.close()
    // The host may have ended it; a second end would be a warning.
    quietly(() => span.isRecording() && span.end())
  }
}

/** The SDK lets through what a span processor throws at the start of a span. */
function startedSpan<S extends RunSpanLike>(
  tracer: TracerLike<S>,
  name: string,
  attributes: Identity['attributes'],
): S | undefined {
  try {
    return tracer.startSpan(name, { kind: SpanKind.INTERNAL, attributes })
  } catch {
    tellHost('the run is not traced, and its hours and usage are not billed, because a span processor failed')
    return undefined
  }
}

/** A run that nobody records. Its span is not made active: what is traced within belongs to what is around it. */
function untracedRun<S extends RunSpanLike>(): AgentRun<S> {
  const span = trace.wrapSpanContext(INVALID_SPAN_CONTEXT)
  return { span: span as unknown as S, sessionId: INVALID_SPAN_CONTEXT.traceId, usage: () => undefined }
}

interface Identity {
  readonly name: string
  readonly attributes: Record<string, string | boolean>
}

function identityOf(config: AgentRunConfig): Identity {
  const agentId = textOf(config?.agentId)
  if (agentId === undefined) {
    const found = typeof config?.agentId === 'string' ? 'a blank text' : typeof config?.agentId
    throw new ConfigError(`trackAgentRun: expected agentId to name the agent, such as 'review-bot', found ${found}.`)
  }
  const name = textOf(config.agentName) ?? agentId
  const given = {
    'gen_ai.operation.name': 'invoke_agent',
    'gen_ai.agent.name': name,
    'gen_ai.request.model': config.model,
    'gen_ai.provider.name': config.provider,
    ...attributesOf({ ...config, agentId }),
  }
  const attributes: Record<string, string | boolean> = {}
  for (const [key, value] of Object.entries(given)) if (value !== undefined) attributes[key] = value
  return { name, attributes }
}

/** The status and the kind of error, no more: messages and stacks may hold content. */
function markFailed(span: RunSpanLike, error: unknown): void {
  if (!span.isRecording()) return
  span.setStatus({ code: SpanStatusCode.ERROR })
  span.setAttribute('error.type', errorTypeOf(error))
}

const IDENTIFIER = /^[A-Za-z_$][\w$]{0,99}$/

function errorTypeOf(error: unknown): string {
  const OTHER = '_OTHER'
  if (typeof error !== 'object' || error === null) return OTHER
  try {
    const name = 'name' in error ? error.name : undefined
    return typeof name === 'string' && IDENTIFIER.test(name) ? name : OTHER
  } catch {
    return OTHER
  }
}

/** A span processor of the host that fails must not take the result of the work with it. */
function quietly(act: () => unknown): void {
  try {
    act()
  } catch {
    // It is the host's own, and the host hears of it wherever else it ends spans.
  }
}
