import * as api from '@opentelemetry/api'
import { BatchSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace'
import * as keito from 'opentelemetry-exporter-keito'
import { startKeitoSandbox } from 'opentelemetry-exporter-keito/testing'
import bookOneRunEachWay from './scenario.cjs'

const createProvider = (processor, sampler) => new TracerProvider({ sampler, spanProcessors: [processor] })
const batch = (exporter) => new BatchSpanProcessor({ exporter })

await bookOneRunEachWay({ api, keito, createProvider, batch, startKeitoSandbox })
