// A serverless handler: the platform may freeze the process as soon as a request is answered, and never thaw it.
// So the handler awaits `provider.forceFlush()`: every session that is complete is in Keito before it returns.
// Run: npx tsx examples/serverless.ts
import { context, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { BasicTracerProvider } from '@opentelemetry/sdk-trace-base'
import { generateText } from 'ai'
import { KeitoSpanProcessor } from 'opentelemetry-exporter-keito'
import { startKeitoSandbox } from 'opentelemetry-exporter-keito/testing'
import { printLedger, readLedger } from './support/ledger.ts'
import { mockModel } from './support/mock-model.ts'

const sandbox = await startKeitoSandbox()

// Once per instance of the function, outside of the handler. A flush takes less than what is left of the function's time.
const processor = new KeitoSpanProcessor({ ...sandbox.exporterOptions, delivery: { flushTimeoutMs: 3000 } })
const provider = new BasicTracerProvider({ spanProcessors: [processor] })
trace.setGlobalTracerProvider(provider)
context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())

async function handler(event: { readonly question: string }): Promise<{ readonly statusCode: number }> {
  try {
    await generateText({
      model: mockModel('anthropic/claude-haiku-4-5', [{ latencyMs: 300, input: 1_250, output: 96 }]),
      prompt: event.question,
      experimental_telemetry: { isEnabled: true, functionId: 'faq-bot' },
    })
    return { statusCode: 200 }
  } finally {
    await provider.forceFlush()
  }
}

for (const question of ['When do you open?', 'May I bring my dog?']) {
  await handler({ question })
  // Nothing runs any more from here until the next request.
  console.info(
    `answered; in Keito: ${sandbox.timeEntries().length} time entries, ${sandbox.expenses().length} expenses`,
  )
}

printLedger(await readLedger(sandbox))
await sandbox.close()
