// Sends through a Keito client that the application has already, instead of the built-in one.
// `Keito` below stands for the documented class of `@keito/sdk`; with the real one the two lines that matter are
//   import { Keito } from '@keito/sdk'
//   const keito = new Keito({ apiKey, accountId, maxRetries: 0 }) // a repeat after a time-out would bill twice
// Run: npx tsx examples/keito-sdk-client.ts
import { context, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { generateText } from 'ai'
import { type ExpenseCreate, KeitoSpanExporter, type TimeEntryCreate } from 'opentelemetry-exporter-keito'
import { startKeitoSandbox } from 'opentelemetry-exporter-keito/testing'
import { printLedger, readLedger } from './support/ledger.ts'
import { mockModel } from './support/mock-model.ts'

/** The part of the documented class that the exporter needs. A failed call throws an error with the HTTP `status`. */
class Keito {
  readonly timeEntries = { create: (body: TimeEntryCreate) => this.#post('time_entries', body) }
  readonly expenses = { create: (body: ExpenseCreate) => this.#post('expenses', body) }
  readonly #options: { readonly apiKey: string; readonly accountId: string; readonly baseUrl: string }

  constructor(options: { apiKey: string; accountId: string; baseUrl: string }) {
    this.#options = options
  }

  async #post(resource: string, body: object): Promise<unknown> {
    const { apiKey, accountId, baseUrl } = this.#options
    const response = await fetch(`${baseUrl}/api/v2/${resource}`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${apiKey}`, 'Keito-Account-Id': accountId, 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
    })
    if (response.ok) return response.json()
    throw Object.assign(new Error(`Keito answered ${response.status}`), { status: response.status })
  }
}

const sandbox = await startKeitoSandbox()
const keito = new Keito({ apiKey: sandbox.apiKey, accountId: sandbox.accountId, baseUrl: sandbox.url })

const exporter = new KeitoSpanExporter({
  client: keito,
  projectId: sandbox.projectId,
  taskId: sandbox.taskId,
  expenseCategoryId: sandbox.expenseCategoryId,
})
const provider = new BasicTracerProvider({ spanProcessors: [new BatchSpanProcessor(exporter)] })
trace.setGlobalTracerProvider(provider)
context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())

await generateText({
  model: mockModel('anthropic/claude-opus-4-6', [{ latencyMs: 900, input: 25_000, output: 15_000 }]),
  prompt: 'Review the authentication module',
  experimental_telemetry: { isEnabled: true, functionId: 'review-bot' },
})

await provider.shutdown()
printLedger(await readLedger(sandbox))
await sandbox.close()
