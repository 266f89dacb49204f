const api = require('@opentelemetry/api')
const { BatchSpanProcessor, TracerProvider } = require('@opentelemetry/sdk-trace')
const keito = require('opentelemetry-exporter-keito')
const { startKeitoSandbox } = require('opentelemetry-exporter-keito/testing')
const bookOneRunEachWay = require('./scenario.cjs')

const createProvider = (processor, sampler) => new TracerProvider({ sampler, spanProcessors: [processor] })
const batch = (exporter) => new BatchSpanProcessor({ exporter })

bookOneRunEachWay({ api, keito, createProvider, batch, startKeitoSandbox })
