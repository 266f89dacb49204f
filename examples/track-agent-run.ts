// Code that nothing traces yet: `trackAgentRun` around the work, and `run.usage` after each model call.
// The run becomes a time entry, its tokens one expense for each model; a run that throws has tokens and no hours.
// Run: npx tsx examples/track-agent-run.ts
import { setTimeout as sleep } from 'node:timers/promises'
import { context } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { BasicTracerProvider } from '@opentelemetry/sdk-trace-base'
import { KeitoSpanProcessor, trackAgentRun } from 'opentelemetry-exporter-keito'
import { startKeitoSandbox } from 'opentelemetry-exporter-keito/testing'
import { printLedger, readLedger } from './support/ledger.ts'

const sandbox = await startKeitoSandbox()
const provider = new BasicTracerProvider({ spanProcessors: [new KeitoSpanProcessor(sandbox.exporterOptions)] })
context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
const tracer = provider.getTracer('my-app')

const reviewBot = { agentId: 'review-bot-01', agentName: 'review-bot', model: 'claude-opus-4-6', provider: 'anthropic' }

const findings = await trackAgentRun(tracer, reviewBot, async (run) => {
  const summary = await callModel('claude-haiku-4-5', 18_400, 950)
  run.usage({ ...summary.tokens, model: 'claude-haiku-4-5' })
  const review = await callModel('claude-opus-4-6', 25_000, 15_000)
  run.usage(review.tokens) // the model of the run
  console.info(`review-bot works in session ${run.sessionId.slice(0, 8)}`)
  return [summary.text, review.text]
})
console.info(`review-bot answered: ${findings.join('; ')}`)

try {
  await trackAgentRun(tracer, reviewBot, async (run) => {
    const { tokens } = await callModel('claude-opus-4-6', 6_200, 300)
    run.usage(tokens)
    throw new RangeError('the diff is too long')
  })
} catch (error) {
  console.info(`the second run failed with its own error: ${error}`)
}

await provider.shutdown()
printLedger(await readLedger(sandbox))
await sandbox.close()

/** Stands for the client of a provider, which tells how many tokens a call took. */
async function callModel(model: string, input: number, output: number) {
  await sleep(120)
  return { text: `two remarks by ${model}`, tokens: { input, output } }
}
