/** Ends while sessions wait to be settled, without a shutdown. */
import { runAgents, startTracing } from './agent.mjs'

const { exporter, provider } = startTracing({ settle: { graceMs: 600_000 } })
await runAgents(provider, 3)
console.info(JSON.stringify({ openSessions: exporter.stats().openSessions }))
