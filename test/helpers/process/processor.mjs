/** What child processes with a processor have: an application. */
import { BasicTracerProvider } from '@opentelemetry/sdk-trace-base'
import { KeitoSpanProcessor } from 'opentelemetry-exporter-keito'

/** A processor to the Keito at `KEITO_API_URL`; the test sets this and the other `KEITO_*` variables. */
export function startProcessor(options, config) {
  const processor = new KeitoSpanProcessor({ delivery: { requestsPerMinute: 1e6 }, ...options })
  const provider = new BasicTracerProvider({ ...config, spanProcessors: [processor] })
  return { processor, provider }
}
