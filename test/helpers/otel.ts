/** Real tracer providers in front of an exporter and a sandbox, with spans at times of the test's choosing. */
import { type Context, ROOT_CONTEXT, type Span, SpanStatusCode, type Tracer, trace } from '@opentelemetry/api'
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { onTestFinished } from 'vitest'
import {
  type KeitoErrorCode,
  type KeitoExporterOptions,
  type KeitoProcessorOptions,
  KeitoSpanExporter,
  KeitoSpanProcessor,
} from '../../src/index.ts'
import { type KeitoSandbox, startKeitoSandbox } from '../../src/testing/index.ts'

/** An exporter behind a real BatchSpanProcessor, sending to a sandbox. */
export interface Rig {
  readonly tracer: Tracer
  readonly provider: BasicTracerProvider
  readonly exporter: KeitoSpanExporter
  readonly sandbox: KeitoSandbox
  /** Flushes processor and exporter. */
  flush(): Promise<void>
  /** Shuts everything down. */
  close(): Promise<void>
}

/** Starts a rig; the rate limit is out of the way unless a test sets one. */
export async function startRig(options: KeitoExporterOptions = {}): Promise<Rig> {
  const sandbox = await startKeitoSandbox()
  const exporter = new KeitoSpanExporter({
    ...sandbox.exporterOptions,
    ...options,
    delivery: { requestsPerMinute: 1_000_000, concurrency: 16, ...options.delivery },
  })
  const processor = new BatchSpanProcessor(exporter, { maxQueueSize: 100_000 })
  const provider = new BasicTracerProvider({ spanProcessors: [processor] })
  return {
    tracer: provider.getTracer('test-agent-framework', '1.0.0'),
    provider,
    exporter,
    sandbox,
    async flush() {
      await provider.forceFlush()
      await exporter.forceFlush()
    },
    async close() {
      await provider.shutdown()
      await sandbox.close()
    },
  }
}

/** A processor in a real tracer provider, sending to a sandbox. */
export interface ProcessorRig {
  readonly tracer: Tracer
  readonly provider: BasicTracerProvider
  readonly processor: KeitoSpanProcessor
  readonly sandbox: KeitoSandbox
  /** Reported problems: their code. */
  readonly problems: KeitoErrorCode[]
  /** Shuts everything down. */
  close(): Promise<void>
}

/** Starts a rig with a processor. Nothing is due by time, so what is settled was known to be complete. */
export async function startProcessorRig(
  options: KeitoProcessorOptions = {},
  config: Omit<ConstructorParameters<typeof BasicTracerProvider>[0], 'spanProcessors'> = {},
): Promise<ProcessorRig> {
  const sandbox = await startKeitoSandbox()
  const problems: KeitoErrorCode[] = []
  const processor = new KeitoSpanProcessor({
    ...sandbox.exporterOptions,
    settle: { graceMs: 3_600_000, idleMs: 3_600_000 },
    onError: ({ code }) => problems.push(code),
    ...options,
    delivery: { requestsPerMinute: 1_000_000, concurrency: 16, ...options.delivery },
  })
  const provider = new BasicTracerProvider({ ...config, spanProcessors: [processor] })
  return {
    tracer: provider.getTracer('test-agent-framework', '1.0.0'),
    provider,
    processor,
    sandbox,
    problems,
    async close() {
      await provider.shutdown()
      await sandbox.close()
    },
  }
}

/** A rig with a processor that is closed when the test has ended. */
export async function aProcessorRig(...args: Parameters<typeof startProcessorRig>): Promise<ProcessorRig> {
  const rig = await startProcessorRig(...args)
  onTestFinished(() => rig.close())
  return rig
}

/** What a model call of a run used. */
export interface CallUse {
  readonly model?: string
  readonly input: number
  readonly output: number
}

/** A run of an agent, told in one breath. */
export interface RunStory {
  readonly agent?: string
  /** ISO time or milliseconds. */
  readonly start?: string | number
  readonly durationMs?: number
  readonly calls?: readonly CallUse[]
  readonly failed?: boolean
  /** Attributes of the run's span. */
  readonly attributes?: Readonly<Record<string, string | number | boolean>>
  /** Attributes of each model call. */
  readonly callAttributes?: Readonly<Record<string, string | number | boolean | string[]>>
}

/** Traces one agent run with its model calls; answers the trace id. */
export function traceRun(tracer: Tracer, story: RunStory, parent: Context = ROOT_CONTEXT): string {
  const start = new Date(story.start ?? '2026-11-20T10:00:00Z').getTime()
  const end = start + (story.durationMs ?? 10_000)
  const agent = story.agent ?? 'review-bot'
  const attributes = { 'gen_ai.operation.name': 'invoke_agent', 'gen_ai.agent.name': agent, ...story.attributes }
  const run = tracer.startSpan(`invoke_agent ${agent}`, { startTime: start, attributes }, parent)
  for (const call of story.calls ?? []) traceCall(tracer, call, start, end, run, parent, story.callAttributes)
  if (story.failed) run.setStatus({ code: SpanStatusCode.ERROR })
  run.end(end)
  return run.spanContext().traceId
}

function traceCall(
  tracer: Tracer,
  call: CallUse,
  start: number,
  end: number,
  run: Span,
  parent: Context,
  extra: RunStory['callAttributes'] = {},
): void {
  const model = call.model ?? 'claude-opus-4-6'
  const attributes = {
    'gen_ai.operation.name': 'chat',
    'gen_ai.provider.name': 'anthropic',
    'gen_ai.request.model': model,
    'gen_ai.usage.input_tokens': call.input,
    'gen_ai.usage.output_tokens': call.output,
    ...extra,
  }
  tracer.startSpan(`chat ${model}`, { startTime: start, attributes }, trace.setSpan(parent, run)).end(end)
}
