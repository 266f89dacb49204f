// Agents of the Vercel AI SDK, traced as usual, booked in Keito: tools over several steps, an agent inside a tool,
// streams, and a run that fails. Afterwards the books are read back and held against the models and a stopwatch.
// The models are scripted and Keito is the sandbox: no account, no network, no cost.
// Run: npm start
import { context, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { BasicTracerProvider } from '@opentelemetry/sdk-trace-base'
import type { ToolLoopAgent } from 'ai'
import { KeitoSpanProcessor } from 'opentelemetry-exporter-keito'
import { startKeitoSandbox } from 'opentelemetry-exporter-keito/testing'
import { printLedger, readLedger } from './support/ledger.ts'
import { UsageMeter } from './support/mock-model.ts'
import { relaunchCrew } from './support/relaunch-crew.ts'
import { runTimed } from './support/stopwatch.ts'
import { printVerdict } from './support/verdict.ts'

// 1. The wiring: one span processor in the tracer provider that the application has anyway.
const sandbox = await startKeitoSandbox()
const processor = new KeitoSpanProcessor({ ...sandbox.exporterOptions, agentId: 'relaunch-crew' })
const provider = new BasicTracerProvider({ spanProcessors: [processor] })
trace.setGlobalTracerProvider(provider)
// Without a context manager spans do not nest, and nobody could tell what belongs to which run.
context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())

// 2. The work. The agents know nothing of Keito; each run has a stopwatch of its own.
const meter = new UsageMeter()
const crew = relaunchCrew(meter)
console.info('\nFive agents at work for about 9 seconds, and Keito is listening:')
const runs = await Promise.all([
  runTimed('page-migrator', () => crew.pageMigrator.generate({ prompt: 'Migrate the page "About us"' })),
  runTimed('site-auditor', () => crew.siteAuditor.generate({ prompt: 'Audit the home page' })),
  runTimed('headline-writer', () => readStream(crew.headlineWriter)),
  runTimed('teaser-writer', () => readStream(crew.teaserWriter)),
  runTimed('link-fixer', () => crew.linkFixer.generate({ prompt: 'Fix the dead links' })),
])

// 3. The end: what waits is settled and delivered.
await provider.shutdown()

// 4. The books, read back over HTTP.
const ledger = await readLedger(sandbox)
printLedger(ledger)
const isRight = printVerdict(ledger, runs, meter)
process.exitCode = isRight ? 0 : 1
await sandbox.close()

async function readStream(agent: ToolLoopAgent): Promise<void> {
  const { textStream } = await agent.stream({ prompt: 'Write copy for the home page' })
  for await (const _ of textStream);
}
