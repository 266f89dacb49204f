/** What all child processes do: an application with an exporter, and agent runs of one model call each. */
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { KeitoSpanExporter } from 'opentelemetry-exporter-keito'
import { traceRuns } from './runs.mjs'

/** An exporter to the Keito at `KEITO_API_URL`; the test sets this and the other `KEITO_*` variables. */
export function startTracing(options, processors = []) {
  const exporter = new KeitoSpanExporter({ settle: { graceMs: 0 }, ...options })
  const provider = new BasicTracerProvider({ spanProcessors: [new BatchSpanProcessor(exporter), ...processors] })
  return { exporter, provider }
}

/** Makes the spans of some agent runs, each a session, and hands them to the exporter. */
export async function runAgents(provider, runs) {
  traceRuns(provider, runs)
  await provider.forceFlush()
}
