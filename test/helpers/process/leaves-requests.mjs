/** Ends while requests are under way that Keito never answers, without a shutdown. */
import { runAgents, startTracing } from './agent.mjs'

const firstRequest = new Promise((resolve) => {
  const send = globalThis.fetch
  globalThis.fetch = (...args) => {
    resolve(undefined)
    return send(...args)
  }
})
const { exporter, provider } = startTracing({ delivery: { timeoutMs: 200 } })
await runAgents(provider, 20)
// Nothing of the exporter keeps the process alive until it has something to send.
const working = setTimeout(() => undefined, 60_000)
await firstRequest
clearTimeout(working)
console.info(JSON.stringify({ recordsPending: exporter.stats().recordsPending }))
