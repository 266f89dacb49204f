// The wiring with `NodeSDK`, the batteries-included SDK of OpenTelemetry: one more span processor.
// Run: npx tsx examples/node-sdk.ts
import { NodeSDK } from '@opentelemetry/sdk-node'
import { generateText } from 'ai'
import { KeitoSpanProcessor } from 'opentelemetry-exporter-keito'
import { startKeitoSandbox } from 'opentelemetry-exporter-keito/testing'
import { printLedger, readLedger } from './support/ledger.ts'
import { mockModel } from './support/mock-model.ts'

const sandbox = await startKeitoSandbox()
const sdk = new NodeSDK({
  serviceName: 'support-desk',
  // NodeSDK ignores `traceExporter` and OTEL_TRACES_EXPORTER once this is set: name your own processor here as well, such
  // as a BatchSpanProcessor that sends the traces to your observability backend.
  spanProcessors: [new KeitoSpanProcessor(sandbox.exporterOptions)],
})
sdk.start()

await generateText({
  model: mockModel('openai/gpt-4o-mini', [{ latencyMs: 600, input: 3_120, output: 441 }]),
  prompt: 'Answer the ticket',
  experimental_telemetry: { isEnabled: true, functionId: 'ticket-bot' },
})

await sdk.shutdown() // in a server: on SIGTERM
printLedger(await readLedger(sandbox))
await sandbox.close()
