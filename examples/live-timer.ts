// Live: while an agent works, Keito shows a running timer; when it has ended, the timer becomes its time entry.
// Keito has one running timer per user, so of two agents at work one is shown, and both are booked. The timer of a run
// that fails is deleted. What is booked is the same as without `live`.
// Run: npx tsx examples/live-timer.ts
import { setTimeout as sleep } from 'node:timers/promises'
import { context } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { BasicTracerProvider } from '@opentelemetry/sdk-trace-base'
import { KeitoSpanProcessor, trackAgentRun } from 'opentelemetry-exporter-keito'
import { startKeitoSandbox } from 'opentelemetry-exporter-keito/testing'
import { printLedger, readLedger } from './support/ledger.ts'

const sandbox = await startKeitoSandbox()
// 5,000 by default: a run that is over sooner is not worth two more requests.
const processor = new KeitoSpanProcessor({ ...sandbox.exporterOptions, live: { minMs: 100 } })
const provider = new BasicTracerProvider({ spanProcessors: [processor] })
context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
const tracer = provider.getTracer('my-agents')

const running = () => {
  const notes = sandbox.timeEntries().flatMap((entry) => (entry.is_running ? [entry.notes] : []))
  return notes.join(', ') || 'nothing'
}

const review = work('review-bot', 900)
await sleep(450)
console.info(`running in Keito: ${running()}`)
const docs = work('docs-bot', 800)
await sleep(250)
console.info(`running in Keito while two are at work: ${running()}`)
await Promise.all([review, docs])

const broken = work('deploy-bot', 600, new Error('no rights to deploy'))
await sleep(400)
console.info(`running in Keito: ${running()}`)
await broken.catch((error: Error) => console.info(`deploy-bot failed: ${error.message}`))

await provider.shutdown()
console.info(`running in Keito after the end: ${running()}`)
printLedger(await readLedger(sandbox))
await sandbox.close()

function work(agentId: string, durationMs: number, failure?: Error): Promise<void> {
  return trackAgentRun(tracer, { agentId, model: 'claude-opus-4-6' }, async (run) => {
    await sleep(durationMs)
    run.usage({ input: 12_000, output: 800 })
    if (failure) throw failure
  })
}
