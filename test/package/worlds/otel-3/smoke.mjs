import * as api from '@opentelemetry/api'
import { BatchSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace'
import { KeitoSpanExporter } from 'opentelemetry-exporter-keito'
import { startKeitoSandbox } from 'opentelemetry-exporter-keito/testing'
import bookOneRun from './scenario.cjs'

const createProvider = (exporter) => new TracerProvider({ spanProcessors: [new BatchSpanProcessor({ exporter })] })

await bookOneRun({ api, createProvider, KeitoSpanExporter, startKeitoSandbox })
