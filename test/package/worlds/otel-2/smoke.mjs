import * as api from '@opentelemetry/api'
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base'
import * as keito from 'opentelemetry-exporter-keito'
import { startKeitoSandbox } from 'opentelemetry-exporter-keito/testing'
import bookOneRunEachWay from './scenario.cjs'

const createProvider = (processor, sampler) => new BasicTracerProvider({ sampler, spanProcessors: [processor] })
const batch = (exporter) => new BatchSpanProcessor(exporter)

await bookOneRunEachWay({ api, keito, createProvider, batch, startKeitoSandbox })
