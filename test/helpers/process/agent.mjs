/** What all child processes do: an application with an exporter, and agent runs of one model call each. */
import { ROOT_CONTEXT, trace } from '@opentelemetry/api'
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { KeitoSpanExporter } from 'opentelemetry-exporter-keito'

/** An exporter to the Keito at `KEITO_API_URL`; the test sets this and the other `KEITO_*` variables. */
export function startTracing(options, processors = []) {
  const exporter = new KeitoSpanExporter({ settle: { graceMs: 0 }, ...options })
  const provider = new BasicTracerProvider({ spanProcessors: [new BatchSpanProcessor(exporter), ...processors] })
  return { exporter, provider }
}

/** Makes the spans of some agent runs, each a session, and hands them to the exporter. */
export async function runAgents(provider, runs) {
  const tracer = provider.getTracer('child')
  for (let run = 0; run < runs; run++) {
    const agent = tracer.startSpan('invoke_agent', { attributes: { 'gen_ai.operation.name': 'invoke_agent' } })
    const usage = { 'gen_ai.usage.input_tokens': 1200, 'gen_ai.usage.output_tokens': 345 }
    const attributes = { 'gen_ai.operation.name': 'chat', 'gen_ai.request.model': 'gpt-5', ...usage }
    tracer.startSpan('chat', { attributes }, trace.setSpan(ROOT_CONTEXT, agent)).end()
    agent.end()
  }
  await provider.forceFlush()
}
