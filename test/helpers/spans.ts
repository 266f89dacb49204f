/**
 * Builders of ended spans, without any SDK: a trace is written as the tree that it is, with only what a test is about.
 *
 * @module
 */
import type { HrTimeLike, SpanLike } from '../../src/otel/span.ts'

/** All times of built spans are milliseconds after this moment, 2026-03-10T09:00:00Z. */
export const T0_SECONDS = 1_773_133_200

/** From and to, in milliseconds after the start of the test's clock. */
export type FromTo = readonly [fromMs: number, toMs: number]

export interface SpanOptions {
  /** When it ran. @default the time of its parent, else the first second */
  readonly at?: FromTo
  /** The instrumentation scope. @default the scope of the trace */
  readonly scope?: string
  readonly failed?: boolean
  readonly attributes?: { readonly [key: string]: unknown }
  readonly resource?: { readonly [key: string]: unknown }
  /** `remote`: in another process. `missing`: in this process, but it never arrives. @default the builder */
  readonly parent?: 'remote' | 'missing'
}

/** A call of a model, as the conventions write it. */
export interface CallOptions extends SpanOptions {
  readonly model?: string
  readonly responseModel?: string
  readonly input?: unknown
  readonly output?: unknown
  readonly cacheRead?: number
  readonly cacheWrite?: number
  readonly reasoning?: number
  /** The response id. */
  readonly id?: string
}

/** Usage that a span which is no call repeats. */
export interface WorkOptions extends SpanOptions {
  readonly model?: string
  readonly input?: number
  readonly output?: number
}

export interface TraceOptions {
  /** The line of the OpenTelemetry SDK whose span shape is built. @default '2.x' */
  readonly sdk?: '1.x' | '2.x'
  /** @default 'agent-framework' */
  readonly scope?: string
}

let ids = 0

/** A hex id that no other span or trace of this file has. */
export function hexId(digits: 16 | 32): string {
  ids += 1
  return ids.toString(16).padStart(digits, digits === 16 ? 'a0' : 'b0')
}

/** Milliseconds after the start of the test's clock, as OpenTelemetry writes times. */
export function hrTime(ms: number): HrTimeLike {
  const ns = BigInt(T0_SECONDS) * 1_000_000_000n + BigInt(Math.round(ms * 1e6))
  return [Number(ns / 1_000_000_000n), Number(ns % 1_000_000_000n)]
}

/** Begins a trace without spans; its methods add spans without a parent. */
export function aTrace(options: TraceOptions = {}): TraceBuilder {
  return new TraceBuilder({
    traceId: hexId(32),
    sdk: options.sdk ?? '2.x',
    scope: options.scope ?? 'agent-framework',
    spans: [],
  })
}

/** One ended span with the given attributes and nothing around it. */
export function aSpan(attributes: SpanOptions['attributes'], options: SpanOptions & { name?: string } = {}): SpanLike {
  const { ended } = aTrace().span(options.name ?? 'work', attributes, options)
  if (!ended) throw new Error('a place below a trace has a span')
  return ended
}

interface TraceState {
  readonly traceId: string
  readonly sdk: '1.x' | '2.x'
  readonly scope: string
  readonly spans: SpanLike[]
}

/** A place in a trace; each method adds a span below it and answers the place of that span. */
export class TraceBuilder {
  readonly #trace: TraceState
  readonly #at: FromTo
  /** The ended span at this place; undefined at the top of a trace. */
  readonly ended: SpanLike | undefined

  constructor(trace: TraceState, ended?: SpanLike, at: FromTo = [0, 1000]) {
    this.#trace = trace
    this.ended = ended
    this.#at = at
  }

  get traceId(): string {
    return this.#trace.traceId
  }

  get spanId(): string {
    return this.ended?.spanContext().spanId ?? ''
  }

  /** Every span of the trace, in the order in which they end: children before parents. */
  get spans(): readonly SpanLike[] {
    return this.#trace.spans.toReversed().sort((a, b) => a.endTime[0] - b.endTime[0] || a.endTime[1] - b.endTime[1])
  }

  /** Every span of the trace but those at the given places: they crashed, or come later. */
  without(...places: readonly TraceBuilder[]): readonly SpanLike[] {
    return this.spans.filter((span) => !places.some((place) => place.ended === span))
  }

  /** An agent at work, by the conventions. */
  agent(name: string, options: WorkOptions = {}): TraceBuilder {
    return this.#genai(
      `invoke_agent ${name}`,
      'invoke_agent',
      { 'gen_ai.agent.name': name, ...usage(options) },
      options,
    )
  }

  /** A container of agents or calls, by the conventions. */
  workflow(name: string, options: WorkOptions = {}): TraceBuilder {
    const attributes = { 'gen_ai.workflow.name': name, ...usage(options) }
    return this.#genai(`invoke_workflow ${name}`, 'invoke_workflow', attributes, options)
  }

  /** A step of an agent: GenAI, but neither call nor run. */
  step(options: WorkOptions = {}): TraceBuilder {
    return this.#genai('step', 'agent_step', usage(options), options)
  }

  /** A call of a tool. */
  tool(name = 'search', options: WorkOptions = {}): TraceBuilder {
    return this.#genai(`execute_tool ${name}`, 'execute_tool', { 'gen_ai.tool.name': name, ...usage(options) }, options)
  }

  /** A call of a language model. */
  chat(options: CallOptions = {}): TraceBuilder {
    return this.#genai(`chat ${options.model ?? 'gpt-4o'}`, 'chat', usage({ model: 'gpt-4o', ...options }), options)
  }

  /** A call of an embedding model. */
  embeddings(options: CallOptions = {}): TraceBuilder {
    const attributes = usage({ model: 'text-embedding-3-small', ...options })
    return this.#genai('embeddings', 'embeddings', attributes, options)
  }

  /** A look at a background response. */
  poll(options: CallOptions = {}): TraceBuilder {
    return this.#genai('fetch_response', 'fetch_response', usage({ model: 'gpt-4o', ...options }), options)
  }

  /** A span that has nothing to do with agents. */
  http(options: SpanOptions = {}): TraceBuilder {
    return this.span('GET /', { 'http.request.method': 'GET' }, { scope: 'http', ...options })
  }

  /** Any span. */
  span(name: string, attributes: SpanOptions['attributes'] = {}, options: SpanOptions = {}): TraceBuilder {
    const { traceId, sdk, scope, spans } = this.#trace
    const at = options.at ?? this.#at
    const context = { traceId, spanId: hexId(16) }
    const parentId = options.parent ? hexId(16) : this.ended?.spanContext().spanId
    const isRemote = options.parent === 'remote'
    const parent = parentId === undefined ? undefined : { traceId, spanId: parentId, ...(isRemote ? { isRemote } : {}) }
    const instrumentation = { name: options.scope ?? scope }
    const built: SpanLike = {
      name,
      spanContext: () => context,
      startTime: hrTime(at[0]),
      endTime: hrTime(at[1]),
      status: { code: options.failed ? 2 : 0 },
      attributes: { ...attributes, ...options.attributes },
      events: [],
      resource: { attributes: { 'service.name': 'reviews', ...options.resource } },
      ...(sdk === '1.x'
        ? { instrumentationLibrary: instrumentation, ...(parentId === undefined ? {} : { parentSpanId: parentId }) }
        : { instrumentationScope: instrumentation, ...(parent === undefined ? {} : { parentSpanContext: parent }) }),
    }
    spans.push(built)
    return new TraceBuilder(this.#trace, built, at)
  }

  #genai(
    name: string,
    operation: string,
    attributes: NonNullable<SpanOptions['attributes']>,
    options: SpanOptions,
  ): TraceBuilder {
    return this.span(name, { 'gen_ai.operation.name': operation, ...attributes }, options)
  }
}

function usage(options: CallOptions): NonNullable<SpanOptions['attributes']> {
  const written = {
    'gen_ai.request.model': options.model,
    'gen_ai.response.model': options.responseModel,
    'gen_ai.response.id': options.id,
    'gen_ai.usage.input_tokens': options.input,
    'gen_ai.usage.output_tokens': options.output,
    'gen_ai.usage.cache_read.input_tokens': options.cacheRead,
    'gen_ai.usage.cache_write.input_tokens': options.cacheWrite,
    'gen_ai.usage.reasoning.output_tokens': options.reasoning,
  }
  return Object.fromEntries(Object.entries(written).filter(([, value]) => value !== undefined))
}
