/**
 * The sandbox: a strict Keito v2 API in memory, over HTTP on this machine.
 *
 * It refuses what Keito would refuse, with the same statuses and error shape, so that a body that passes here is a
 * body that Keito takes, as far as Keito's OpenAPI document, clients and documentation tell.
 *
 * @module
 */
import { createServer, type Server } from 'node:http'
import { ConfigError } from '../errors.ts'
import { createCompany } from './company.ts'
import { type Call, Refusal, type Reply, receive, refusal, send } from './http.ts'
import { Ledger } from './ledger.ts'
import { createRateLimit } from './rate-limit.ts'
import { createRouter } from './routes.ts'
import type { KeitoSandbox, KeitoSandboxOptions, SandboxRequest } from './types.ts'

/**
 * Starts a Keito sandbox on a free port of the loopback interface.
 *
 * @param options The company to serve; everything has a default.
 * @returns The sandbox, once it listens. It keeps the process alive until it is closed.
 * @throws ConfigError (as a rejection) when an option makes no sense.
 *
 * @example
 * ```ts
 * const sandbox = await startKeitoSandbox()
 * const exporter = new KeitoSpanExporter({ ...sandbox.exporterOptions })
 * // ... run an agent, then:
 * await exporter.forceFlush()
 * console.info(sandbox.timeEntries(), sandbox.expenses())
 * await sandbox.close()
 * ```
 */
export async function startKeitoSandbox(options: KeitoSandboxOptions = {}): Promise<KeitoSandbox> {
  const apiKey = options.apiKey ?? 'kto_sandbox'
  const company = createCompany(options)
  const ledger = new Ledger()
  const rateLimit = createRateLimit(readRateLimit(options.rateLimit))
  const route = createRouter(company, ledger)
  let requests: SandboxRequest[] = []

  const answer = (call: Call): Reply => {
    try {
      authenticate(call, apiKey, company.accountId)
      rateLimit.take()
      const commit = route(call)
      return commit()
    } catch (error) {
      if (error instanceof Refusal) return error.reply
      throw error
    }
  }

  const server = createServer((message, response) => {
    receive(message, (call) => {
      const reply = answer(call)
      requests.push(requestOf(call, reply))
      send(response, reply)
    })
  })
  const url = await listen(server)
  let closed: Promise<void> | undefined

  return {
    url,
    apiKey,
    accountId: company.accountId,
    ...company.first,
    exporterOptions: { apiKey, accountId: company.accountId, baseUrl: url, ...company.first },
    timeEntries: () => structuredClone(ledger.timeEntries()),
    expenses: () => structuredClone(ledger.expenses()),
    requests: () => structuredClone(requests),
    reset() {
      ledger.clear()
      rateLimit.clear()
      requests = []
    },
    close() {
      closed ??= new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      })
      return closed
    },
  }
}

/**
 * Both headers are needed with an API key. A key that is used with another account is refused like a wrong key: 401
 * is the one status for credentials that Keito declares for every endpoint.
 */
function authenticate(call: Call, apiKey: string, accountId: string): void {
  if (call.authorization !== `Bearer ${apiKey}`) throw refusal(401, 'Invalid API key')
  if (call.accountId === undefined) throw refusal(401, 'The Keito-Account-Id header is required')
  if (call.accountId !== accountId) throw refusal(401, 'The API key does not belong to this account')
}

function readRateLimit(value: number | false = false): number | false {
  if (value === false || (Number.isInteger(value) && value >= 1)) return value
  throw new ConfigError(`rateLimit: expected a whole number of requests per minute from 1, or false; found ${value}.`)
}

function requestOf(call: Call, { status }: Reply): SandboxRequest {
  const request = { method: call.method, path: call.path + call.search, status }
  switch (call.body.type) {
    case 'json':
      return { ...request, body: call.body.value }
    case 'broken':
      return { ...request, body: call.body.text }
    default:
      return request
  }
}

function listen(server: Server): Promise<string> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      if (address !== null && typeof address === 'object') resolve(`http://127.0.0.1:${address.port}`)
      else reject(new Error(`expected the sandbox to listen on a port, found ${String(address)}`))
    })
  })
}
