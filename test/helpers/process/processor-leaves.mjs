/**
 * Ends without a shutdown, while spans that have ended wait to be looked at, others are open, and, with the argument
 * `pending`, a detector is still at work.
 */
import { resourceFromAttributes } from '@opentelemetry/resources'
import { startProcessor } from './processor.mjs'
import { traceRuns } from './runs.mjs'

const never = new Promise(() => undefined)
const resource = resourceFromAttributes({ 'service.name': process.argv[2] === 'pending' ? never : 'child' })
const { processor, provider } = startProcessor({}, { resource })
traceRuns(provider, 3)
provider.getTracer('child').startSpan('never ends')
console.info(JSON.stringify({ spansSeen: processor.stats().spansSeen }))
