const api = require('@opentelemetry/api')
const { BatchSpanProcessor, BasicTracerProvider } = require('@opentelemetry/sdk-trace-base')
const { KeitoSpanExporter } = require('opentelemetry-exporter-keito')
const { startKeitoSandbox } = require('opentelemetry-exporter-keito/testing')
const bookOneRun = require('./scenario.cjs')

const createProvider = (exporter) => new BasicTracerProvider({ spanProcessors: [new BatchSpanProcessor(exporter)] })

bookOneRun({ api, createProvider, KeitoSpanExporter, startKeitoSandbox })
