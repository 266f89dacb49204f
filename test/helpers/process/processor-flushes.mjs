/** Flushes while a detector is at work that finds its answer later, and one that never does; with nothing else to do. */
import { resourceFromAttributes } from '@opentelemetry/resources'
import { startProcessor } from './processor.mjs'
import { traceRuns } from './runs.mjs'

const found = new Promise((resolve) => setTimeout(resolve, 100, 'menu-service').unref())
const never = new Promise(() => undefined)
const late = startProcessor({}, { resource: resourceFromAttributes({ 'service.name': found }) })
const hung = startProcessor(
  { agentId: 'hung', delivery: { flushTimeoutMs: 300 } },
  { resource: resourceFromAttributes({ 'service.name': never }) },
)
for (const { provider } of [late, hung]) traceRuns(provider, 2)
for (const { provider } of [late, hung]) await provider.forceFlush()
const delivered = [late, hung].map(({ processor }) => processor.stats().recordsDelivered)
console.info(JSON.stringify({ delivered }))
