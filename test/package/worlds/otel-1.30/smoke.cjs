const api = require('@opentelemetry/api')
const { BatchSpanProcessor, BasicTracerProvider } = require('@opentelemetry/sdk-trace-base')
const { KeitoSpanExporter } = require('opentelemetry-exporter-keito')
const { startKeitoSandbox } = require('opentelemetry-exporter-keito/testing')
const bookOneRun = require('./scenario.cjs')

function createProvider(exporter) {
  const provider = new BasicTracerProvider()
  provider.addSpanProcessor(new BatchSpanProcessor(exporter))
  return provider
}

bookOneRun({ api, createProvider, KeitoSpanExporter, startKeitoSandbox })
