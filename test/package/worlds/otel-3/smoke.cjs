const api = require('@opentelemetry/api')
const { BatchSpanProcessor, TracerProvider } = require('@opentelemetry/sdk-trace')
const { KeitoSpanExporter } = require('opentelemetry-exporter-keito')
const { startKeitoSandbox } = require('opentelemetry-exporter-keito/testing')
const bookOneRun = require('./scenario.cjs')

const createProvider = (exporter) => new TracerProvider({ spanProcessors: [new BatchSpanProcessor({ exporter })] })

bookOneRun({ api, createProvider, KeitoSpanExporter, startKeitoSandbox })
