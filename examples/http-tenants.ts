// A server with two clients: the tenant of a request decides whose project its agent runs are booked on.
// A gateway names the project as W3C baggage, which OpenTelemetry hands on with the request; where a request comes from
// outside, the server says it itself with `withKeitoAttribution`, and takes no baggage from strangers.
// Run: npx tsx examples/http-tenants.ts
import { createServer, type IncomingMessage, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { context, propagation, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { CompositePropagator, W3CBaggagePropagator, W3CTraceContextPropagator } from '@opentelemetry/core'
import { BasicTracerProvider } from '@opentelemetry/sdk-trace-base'
import { generateText } from 'ai'
import { KeitoSpanProcessor, withKeitoAttribution } from 'opentelemetry-exporter-keito'
import { startKeitoSandbox } from 'opentelemetry-exporter-keito/testing'
import { printLedger, readLedger } from './support/ledger.ts'
import { mockModel } from './support/mock-model.ts'

const sandbox = await startKeitoSandbox({
  projects: [
    { id: 'cm-harbour', name: 'Harbour Hotels' },
    { id: 'cm-olive', name: 'Olive & Oak' },
  ],
})
const { projectId: _, ...options } = sandbox.exporterOptions // no default project: each request has to name its own
const provider = new BasicTracerProvider({ spanProcessors: [new KeitoSpanProcessor(options)] })
trace.setGlobalTracerProvider(provider)
context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
propagation.setGlobalPropagator(
  new CompositePropagator({ propagators: [new W3CTraceContextPropagator(), new W3CBaggagePropagator()] }),
)

const TENANTS: Readonly<Record<string, string>> = { 'key-harbour': 'cm-harbour', 'key-olive': 'cm-olive' }

// Inside: whoever calls is one of us, and its baggage is believed.
const inside = await serve(() => answer('concierge', 2_100, 180))
// At the edge: the API key says who it is. What code says wins over baggage.
const edge = await serve(async (request) => {
  const projectId = TENANTS[String(request.headers['x-api-key'])]
  return withKeitoAttribution({ projectId }, () => answer('menu-writer', 1_400, 610))
})

await ask(inside, { baggage: 'keito.project_id=cm-harbour' })
await ask(inside, { baggage: 'keito.project_id=cm-olive,keito.billable=false' })
await ask(edge, { 'x-api-key': 'key-olive', baggage: 'keito.project_id=cm-harbour' })
await ask(edge, { 'x-api-key': 'key-harbour' })

await provider.shutdown()
inside.close()
edge.close()
printLedger(await readLedger(sandbox))
await sandbox.close()

/** Serves requests as an instrumented HTTP server does: each in a span, in the context that came with it. */
async function serve(handle: (request: IncomingMessage) => Promise<string>) {
  const listener: RequestListener = (request, response) => {
    const incoming = propagation.extract(context.active(), request.headers)
    trace.getTracer('my-server').startActiveSpan('POST /chat', {}, incoming, async (span) => {
      response.end(await handle(request))
      span.end()
    })
  }
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return server
}

async function ask(server: Awaited<ReturnType<typeof serve>>, headers: Record<string, string>): Promise<void> {
  const { port } = server.address() as AddressInfo
  const response = await fetch(`http://127.0.0.1:${port}/chat`, { method: 'POST', headers })
  await response.text()
}

async function answer(functionId: string, input: number, output: number): Promise<string> {
  const model = mockModel('openai/gpt-4o', [{ latencyMs: 200, input, output }])
  const telemetry = { isEnabled: true, functionId }
  const { text } = await generateText({ model, prompt: 'Hello', experimental_telemetry: telemetry })
  return text
}
