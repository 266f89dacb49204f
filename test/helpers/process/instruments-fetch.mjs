/** Traces its own HTTP requests with the provider that the exporter hangs on, and tells which it saw. */
import { context } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { UndiciInstrumentation } from '@opentelemetry/instrumentation-undici'
import { InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { runAgents, startTracing } from './agent.mjs'

context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
const memory = new InMemorySpanExporter()
const { exporter, provider } = startTracing({}, [new SimpleSpanProcessor(memory)])
const instrumentation = new UndiciInstrumentation()
instrumentation.setTracerProvider(provider)

await runAgents(provider, 1)
await exporter.forceFlush()
await (await fetch(`${process.env.KEITO_API_URL}/of-the-application`)).text()
await provider.forceFlush()

const requests = memory.getFinishedSpans().flatMap(({ attributes }) => attributes['url.path'] ?? [])
console.info(JSON.stringify({ requests, recordsDelivered: exporter.stats().recordsDelivered }))
await provider.shutdown()
