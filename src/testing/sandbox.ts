/**
 * The sandbox: a strict Keito v2 API in memory, over HTTP on this machine.
 *
 * It refuses what Keito would refuse, with the same statuses and error shape, so that a body that passes here is a
 * body that Keito takes, as far as Keito's OpenAPI document, clients and documentation tell.
 *
 * @module
 */
import { createServer, type ServerResponse } from 'node:http'
import { ConfigError } from '../errors.ts'
import { createCompany } from './company.ts'
import { FaultDraws, readFaults } from './faults.ts'
import { type Call, Refusal, type Reply, receive, refusal, send } from './http.ts'
import { Ledger } from './ledger.ts'
import { FaultPlayer } from './play.ts'
import { Port } from './port.ts'
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
  const router = createRouter(company, ledger)
  const plan = readFaults(options.faults)
  const draws = new FaultDraws(plan)
  let requests: SandboxRequest[] = []

  const answer = (call: Call): Reply => {
    try {
      authenticate(call, apiKey, company.accountId)
      rateLimit.take()
      const commit = router.prepare(call)
      return commit()
    } catch (error) {
      if (error instanceof Refusal) return error.reply
      throw error
    }
  }

  const server = createServer((message, response) => {
    receive(message, (call) => {
      if (!port.isOpen) return
      const fault = router.knows(call.path) ? draws.next(call) : undefined
      if (fault) player.play(fault, call, response)
      else send(response, answer(call))
      requests.push(requestOf(call, response))
    })
  })
  const port = new Port(server)
  const player = new FaultPlayer(plan, {
    write: (call) => answer(call).status < 300,
    leavePort: (ms) => port.leave(ms),
  })
  const url = await port.take()

  return {
    url,
    apiKey,
    accountId: company.accountId,
    ...company.first,
    exporterOptions: { apiKey, accountId: company.accountId, baseUrl: url, ...company.first },
    timeEntries: () => structuredClone(ledger.timeEntries()),
    expenses: () => structuredClone(ledger.expenses()),
    requests: () => structuredClone(requests),
    faults: () => structuredClone(player.played()),
    lockTimeEntry: (id, by) => ledger.lockTimeEntry(id, by),
    heal: () => draws.end(),
    reset() {
      ledger.clear()
      rateLimit.clear()
      player.clear()
      requests = []
    },
    close() {
      player.clear()
      return port.close()
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

/** The request as it is kept; a fault may have left it without an answer. */
function requestOf(call: Call, { headersSent, statusCode }: ServerResponse): SandboxRequest {
  const request = { method: call.method, path: call.path + call.search, status: headersSent ? statusCode : 0 }
  switch (call.body.type) {
    case 'json':
      return { ...request, body: call.body.value }
    case 'broken':
      return { ...request, body: call.body.text }
    default:
      return request
  }
}
