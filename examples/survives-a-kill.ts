// An outbox on disk: a process is killed with SIGKILL in the middle of a run, and the next one books what it left.
// The finished run is booked in full. Of the other one the tokens that were used are on record, as those of an
// interrupted run: by default not billable, and without hours (option `failedRuns`).
// Run: npx tsx examples/survives-a-kill.ts
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { context, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { BasicTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { generateText, stepCountIs, tool } from 'ai'
import { fileOutbox, KeitoSpanExporter } from 'opentelemetry-exporter-keito'
import { startKeitoSandbox } from 'opentelemetry-exporter-keito/testing'
import { z } from 'zod'
import { printLedger, readLedger } from './support/ledger.ts'
import { mockModel } from './support/mock-model.ts'

const THIS_FILE = fileURLToPath(import.meta.url)

/** What the killed process does: one run to its end, and one that never ends. KEITO_* variables configure it. */
async function work(): Promise<void> {
  const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(new KeitoSpanExporter())] })
  trace.setGlobalTracerProvider(provider)
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  const telemetry = (functionId: string) => ({ isEnabled: true, functionId })

  await generateText({
    model: mockModel('anthropic/claude-opus-4-6', [{ latencyMs: 400, input: 12_000, output: 3_000 }]),
    prompt: 'Write the release notes',
    experimental_telemetry: telemetry('release-bot'),
  })
  await generateText({
    model: mockModel('anthropic/claude-opus-4-6', [{ latencyMs: 300, input: 8_000, output: 500, tool: 'deploy' }]),
    prompt: 'Deploy the new version',
    tools: { deploy: tool({ inputSchema: z.object({}), execute: async () => process.kill(process.pid, 'SIGKILL') }) },
    stopWhen: stepCountIs(3),
    experimental_telemetry: telemetry('deploy-bot'),
  })
}

/** Kills a process at work, and goes on from the directory that it leaves. */
async function killAndGoOn(): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'keito-outbox-'))
  const sandbox = await startKeitoSandbox()
  const env = {
    ...process.env,
    KEITO_API_URL: sandbox.url,
    KEITO_API_KEY: sandbox.apiKey,
    KEITO_ACCOUNT_ID: sandbox.accountId,
    KEITO_PROJECT_ID: sandbox.projectId,
    KEITO_TASK_ID: sandbox.taskId,
    KEITO_EXPENSE_CATEGORY_ID: sandbox.expenseCategoryId,
    KEITO_OUTBOX_DIR: directory,
  }
  const [, signal] = await once(fork(THIS_FILE, ['work'], { env }), 'exit')
  console.info(`the first process ended by ${signal}; Keito has ${sandbox.timeEntries().length} time entries`)

  const exporter = new KeitoSpanExporter({ ...sandbox.exporterOptions, outbox: fileOutbox({ directory }) })
  await exporter.shutdown()
  const { recordsMade, recordsDelivered } = exporter.stats()
  console.info(`the next one found what it had left: ${recordsDelivered} of ${recordsMade} records delivered`)

  printLedger(await readLedger(sandbox))
  await sandbox.close()
  await rm(directory, { recursive: true })
}

await (process.argv[2] === 'work' ? work() : killAndGoOn())
