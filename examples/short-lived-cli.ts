// A command that does one agent run and ends: `provider.shutdown()` returns when Keito has everything.
// A run of a few seconds rounds to 0.00 h, and a process that ends has no next run to carry the remainder to: its exact
// time stands in `duration_ms`. Where a minimum charge is agreed, `rounding: { mode: 'up' }` books each begun 0.01 h.
// Run: npx tsx examples/short-lived-cli.ts
import { context, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { BasicTracerProvider } from '@opentelemetry/sdk-trace-base'
import { generateText } from 'ai'
import { KeitoSpanProcessor } from 'opentelemetry-exporter-keito'
import { startKeitoSandbox } from 'opentelemetry-exporter-keito/testing'
import { printLedger, readLedger } from './support/ledger.ts'
import { mockModel } from './support/mock-model.ts'

const sandbox = await startKeitoSandbox()
const processor = new KeitoSpanProcessor(sandbox.exporterOptions)
const provider = new BasicTracerProvider({ spanProcessors: [processor] })
trace.setGlobalTracerProvider(provider)
context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())

try {
  await generateText({
    model: mockModel('anthropic/claude-haiku-4-5', [{ latencyMs: 1200, input: 4_310, output: 287 }]),
    prompt: 'Write a commit message',
    experimental_telemetry: { isEnabled: true, functionId: 'commit-writer' },
  })
} finally {
  // Also after a failure, and before any `process.exit()`: that would end the process with records in memory.
  await provider.shutdown()
}

const { recordsMade, recordsDelivered, recordsPending, recordsHeld } = processor.stats()
const left = recordsPending + recordsHeld
console.info(`delivered before the end: ${recordsDelivered} of ${recordsMade} records, ${left} left`)
process.exitCode = recordsDelivered === recordsMade && left === 0 ? 0 : 1

printLedger(await readLedger(sandbox))
await sandbox.close()
