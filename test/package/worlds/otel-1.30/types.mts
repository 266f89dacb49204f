/** The declarations fit this SDK line. Checked twice: as it is, and as a CommonJS module. */
import {
  BasicTracerProvider,
  BatchSpanProcessor,
  type ReadableSpan,
  type SpanExporter,
} from '@opentelemetry/sdk-trace-base'
import { KeitoSpanExporter, type SpanLike } from 'opentelemetry-exporter-keito'
import { startKeitoSandbox } from 'opentelemetry-exporter-keito/testing'

export const exporter: SpanExporter = new KeitoSpanExporter()
export const processor = new BatchSpanProcessor(exporter)
export const provider = new BasicTracerProvider({ spanProcessors: [processor] })
export const asSpanLike = (span: ReadableSpan): SpanLike => span
export const readMine = (span: ReadableSpan): void => new KeitoSpanExporter().export([span], ({ code }) => void code)
export const inSandbox = async (): Promise<SpanExporter> =>
  new KeitoSpanExporter((await startKeitoSandbox()).exporterOptions)

// @ts-expect-error If this were accepted, the declarations had silently become `any`.
export const noSpan: SpanLike = { name: 'no span' }
