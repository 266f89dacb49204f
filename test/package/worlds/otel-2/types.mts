/** The declarations fit this SDK line. Checked twice: as it is, and as a CommonJS module. */
import {
  BasicTracerProvider,
  BatchSpanProcessor,
  ParentBasedSampler,
  type ReadableSpan,
  type Sampler,
  type SpanExporter,
  type SpanProcessor,
  TraceIdRatioBasedSampler,
} from '@opentelemetry/sdk-trace-base'
import {
  billingSampler,
  KeitoSpanExporter,
  KeitoSpanProcessor,
  type SpanLike,
  trackAgentRun,
} from 'opentelemetry-exporter-keito'
import { startKeitoSandbox } from 'opentelemetry-exporter-keito/testing'

export const exporter: SpanExporter = new KeitoSpanExporter()
export const processor = new BatchSpanProcessor(exporter)
export const provider = new BasicTracerProvider({ spanProcessors: [processor] })
export const billing: SpanProcessor = new KeitoSpanProcessor({ live: true })
export const asSpanLike = (span: ReadableSpan): SpanLike => span
export const readMine = (span: ReadableSpan): void => new KeitoSpanExporter().export([span], ({ code }) => void code)
export const inSandbox = async (): Promise<SpanExporter> =>
  new KeitoSpanExporter((await startKeitoSandbox()).exporterOptions)
export const ratio: Sampler = new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(0.1) })
export const sampler: Sampler = billingSampler(ratio)
export const tracked: Promise<number> = trackAgentRun(provider.getTracer('t'), { agentId: 'a' }, async (run) => {
  run.span.addEvent('of the host')
  return 7
})

// @ts-expect-error If this were accepted, the declarations had silently become `any`.
export const noSpan: SpanLike = { name: 'no span' }
