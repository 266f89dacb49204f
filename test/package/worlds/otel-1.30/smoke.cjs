const api = require('@opentelemetry/api')
const { BatchSpanProcessor, BasicTracerProvider } = require('@opentelemetry/sdk-trace-base')
const keito = require('opentelemetry-exporter-keito')
const { startKeitoSandbox } = require('opentelemetry-exporter-keito/testing')
const bookOneRunEachWay = require('./scenario.cjs')

function createProvider(processor, sampler) {
  const provider = new BasicTracerProvider({ sampler })
  provider.addSpanProcessor(processor)
  return provider
}

const batch = (exporter) => new BatchSpanProcessor(exporter)

bookOneRunEachWay({ api, keito, createProvider, batch, startKeitoSandbox })
