/** Ends right after the shutdown of its provider, which comes right after its last span. */
import { startProcessor } from './processor.mjs'
import { traceRuns } from './runs.mjs'

const { processor, provider } = startProcessor()
traceRuns(provider, 50)
await provider.shutdown()
const { recordsDelivered, recordsPending } = processor.stats()
console.info(JSON.stringify({ recordsDelivered, recordsPending }))
process.exit()
