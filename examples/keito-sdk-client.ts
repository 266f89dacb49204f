// Sends through a Keito client that the application has already, instead of the built-in one.
// `Keito` below stands for the documented class of `@keito/sdk`; with the real one the two lines that matter are
//   import { Keito } from '@keito/sdk'
//   const keito = new Keito({ apiKey, accountId, maxRetries: 0 }) // a repeat after a time-out would bill twice
// Run: npx tsx examples/keito-sdk-client.ts
import { context, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { generateText } from 'ai'
import {
  type ExpenseCreate,
  KeitoSpanExporter,
  type ListQuery,
  type TimeEntryCreate,
} from 'opentelemetry-exporter-keito'
import { startKeitoSandbox } from 'opentelemetry-exporter-keito/testing'
import { printLedger, readLedger } from './support/ledger.ts'
import { mockModel } from './support/mock-model.ts'

/**
 * The part of the documented class that the exporter uses. A failed call throws an error with the HTTP `status`. Without
 * `list`, a record whose request was not answered would be held, because nobody could tell whether Keito has it.
 */
class Keito {
  readonly timeEntries = {
    create: (body: TimeEntryCreate) => this.#call('POST', 'time_entries', body),
    list: (query: ListQuery) => this.#call('GET', `time_entries?${searchOf(query)}`),
    delete: (id: string) => this.#call('DELETE', `time_entries/${id}`),
  }
  readonly expenses = {
    create: (body: ExpenseCreate) => this.#call('POST', 'expenses', body),
    list: (query: ListQuery) => this.#call('GET', `expenses?${searchOf(query)}`),
  }
  readonly #options: { readonly apiKey: string; readonly accountId: string; readonly baseUrl: string }

  constructor(options: { apiKey: string; accountId: string; baseUrl: string }) {
    this.#options = options
  }

  async #call(method: string, path: string, body?: object): Promise<unknown> {
    const { apiKey, accountId, baseUrl } = this.#options
    const headers = { Authorization: `Bearer ${apiKey}`, 'Keito-Account-Id': accountId }
    const response = await fetch(`${baseUrl}/api/v2/${path}`, {
      method,
      headers: body ? { ...headers, 'Content-Type': 'application/json' } : headers,
      ...(body ? { body: JSON.stringify(body) } : {}),
    })
    if (!response.ok) throw Object.assign(new Error(`Keito answered ${response.status}`), { status: response.status })
    return response.status === 204 ? undefined : response.json()
  }
}

function searchOf(query: ListQuery): URLSearchParams {
  return new URLSearchParams(Object.entries(query).map(([name, value]): [string, string] => [name, String(value)]))
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
