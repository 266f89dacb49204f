import * as api from '@opentelemetry/api'
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { KeitoSpanExporter } from 'opentelemetry-exporter-keito'
import { startKeitoSandbox } from 'opentelemetry-exporter-keito/testing'
import bookOneRun from './scenario.cjs'

function createProvider(exporter) {
  const provider = new BasicTracerProvider()
  provider.addSpanProcessor(new BatchSpanProcessor(exporter))
  return provider
}

await bookOneRun({ api, createProvider, KeitoSpanExporter, startKeitoSandbox })
