import * as api from '@opentelemetry/api'
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { KeitoSpanExporter } from 'opentelemetry-exporter-keito'
import { startKeitoSandbox } from 'opentelemetry-exporter-keito/testing'
import bookOneRun from './scenario.cjs'

const createProvider = (exporter) => new BasicTracerProvider({ spanProcessors: [new BatchSpanProcessor(exporter)] })

await bookOneRun({ api, createProvider, KeitoSpanExporter, startKeitoSandbox })
