// One process that works for several clients: which run is booked on whose project.
// A `keito.project_id` attribute on any span around the run says it; the `attribution` function has the last word;
// a run that nobody claims is kept and reported, and never booked on somebody else's project. Once you know whose it
// is, `release` books it.
// Run: npx tsx examples/attribution.ts
import { context, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { BasicTracerProvider } from '@opentelemetry/sdk-trace-base'
import { generateText } from 'ai'
import { KeitoSpanProcessor, memoryOutbox } from 'opentelemetry-exporter-keito'
import { startKeitoSandbox } from 'opentelemetry-exporter-keito/testing'
import { printLedger, readLedger } from './support/ledger.ts'
import { mockModel } from './support/mock-model.ts'

const sandbox = await startKeitoSandbox({
  projects: [
    { id: 'cm-harbour', name: 'Harbour Hotels' },
    { id: 'cm-olive', name: 'Olive & Oak' },
  ],
})
const { projectId: _, ...options } = sandbox.exporterOptions // no default project: each run has to have its own
const outbox = memoryOutbox()
const processor = new KeitoSpanProcessor({
  ...options,
  outbox,
  attribution: (run) => {
    if (run.agentName === 'menu-writer') return { projectId: 'cm-olive', notes: 'Autumn menu, first draft' }
    if (run.agentName === 'quality-checker') return { billable: false }
    return undefined
  },
  onError: (error) => console.info(`reported (${error.code}): ${error.message}\n`),
})
const provider = new BasicTracerProvider({ spanProcessors: [processor] })
trace.setGlobalTracerProvider(provider)
context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())

// By span attribute, e.g. from a middleware that knows the tenant of a request.
await forTenant('cm-harbour', () => run('booking-assistant', 5_210, 640))
// The client by span attribute, not billable by the function.
await forTenant('cm-harbour', () => run('quality-checker', 1_930, 85))
// By the function alone.
await run('menu-writer', 2_480, 1_160)
// By nobody.
await run('scratchpad', 1_000, 100)

await run('table-planner', 3_300, 420)

await provider.forceFlush()
printKept()

// Somebody has looked at it: one of the two was for the restaurant. The other stays where it is.
const released = processor.release({ projectId: 'cm-olive' }, (run) => run.agentName === 'table-planner')
console.info(`\nreleased: ${released} run\n`)

await provider.shutdown()
printKept()
printLedger(await readLedger(sandbox))
await sandbox.close()

function printKept(): void {
  for (const { settlement, missing } of outbox.unassigned()) {
    const what = settlement.time ? 'time' : 'tokens'
    console.info(`kept, not booked: ${what} of ${settlement.agentName} (no ${missing.join(', no ')})`)
  }
}

function forTenant<T>(projectId: string, work: () => Promise<T>): Promise<T> {
  const attributes = { 'keito.project_id': projectId }
  return trace.getTracer('my-server').startActiveSpan('POST /chat', { attributes }, async (span) => {
    try {
      return await work()
    } finally {
      span.end()
    }
  })
}

async function run(functionId: string, input: number, output: number): Promise<void> {
  const model = mockModel('openai/gpt-4o', [{ latencyMs: 300, input, output }])
  await generateText({ model, prompt: 'Hello', experimental_telemetry: { isEnabled: true, functionId } })
}
