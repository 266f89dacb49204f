/** Agent runs of one model call each. */
import { ROOT_CONTEXT, trace } from '@opentelemetry/api'

/** Makes the spans of some runs, each a session of its own, in one tick. */
export function traceRuns(provider, runs) {
  const tracer = provider.getTracer('child')
  for (let run = 0; run < runs; run++) {
    const agent = tracer.startSpan('invoke_agent', { attributes: { 'gen_ai.operation.name': 'invoke_agent' } })
    const usage = { 'gen_ai.usage.input_tokens': 1200, 'gen_ai.usage.output_tokens': 345 }
    const attributes = { 'gen_ai.operation.name': 'chat', 'gen_ai.request.model': 'gpt-5', ...usage }
    tracer.startSpan('chat', { attributes }, trace.setSpan(ROOT_CONTEXT, agent)).end()
    agent.end()
  }
}
