/** Shuts down in the usual way, while Keito never answers. */
import { runAgents, startTracing } from './agent.mjs'

const { exporter, provider } = startTracing({ delivery: { shutdownTimeoutMs: 500 } })
await runAgents(provider, 3)
await provider.shutdown()
const { recordsPending, recordsHeld } = exporter.stats()
console.info(JSON.stringify({ recordsPending, recordsHeld }))
