/**
 * The sandbox's Keito without its server: a `fetch` that answers from the same routes and meets the same kinds of faults,
 * on whatever clock the test has. So thousands of failures take no time, and each run is the same.
 */
import { createCompany } from '../../src/testing/company.ts'
import { type DrawnFault, isWrite } from '../../src/testing/faults.ts'
import { type Call, errorReply, htmlReply, jsonReply, Refusal, type Reply } from '../../src/testing/http.ts'
import { Ledger } from '../../src/testing/ledger.ts'
import { createRouter } from '../../src/testing/routes.ts'
import type { SandboxFaultKind, SandboxFaultTarget, SandboxRequest } from '../../src/testing/types.ts'

/** How long a request takes, and how much later a late write is made, in milliseconds. */
const LATENCY_MS = 5
const LATE_MS = 900

/** What the caller meets; a stall is met by all that are not here. */
const REPLIES: Partial<Record<SandboxFaultKind, Reply>> = {
  'rate-limit': errorReply(429, 'Too many requests', { 'Retry-After': '1' }),
  unavailable: errorReply(503, 'Down for maintenance', { 'Retry-After': '0' }),
  error: errorReply(500, 'Something went wrong'),
  'bad-gateway': htmlReply(502, '502', 'Bad gateway'),
  timeout: htmlReply(504, '504', 'Gateway timeout'),
  lie: htmlReply(200, 'Sign in', 'Please sign in to go on.'),
}
const CODES: Partial<Record<SandboxFaultKind, string>> = { refuse: 'ECONNREFUSED', reset: 'ECONNRESET' }
const NEVER_WRITES: ReadonlySet<SandboxFaultKind> = new Set(['refuse', 'rate-limit', 'unavailable'])

/** Each is an account of its own: the same spans are taken in once by one. */
let accounts = 0

/** @param draw The fault that a request meets, if it meets one. */
export function simulateKeito(draw: (target: SandboxFaultTarget) => DrawnFault | undefined) {
  const company = createCompany({})
  const ledger = new Ledger()
  const router = createRouter(company, ledger)
  const requests: SandboxRequest[] = []

  const answer = (call: Call): Reply => {
    try {
      return router.prepare(call)()
    } catch (error) {
      if (error instanceof Refusal) return error.reply
      throw error
    }
  }

  const fetch: typeof globalThis.fetch = async (input, { method = 'GET', body, signal } = {}) => {
    const { pathname: path, search, origin } = new URL(String(input))
    const text = typeof body === 'string' ? JSON.parse(body) : undefined
    const call: Call = {
      method,
      path,
      search,
      origin,
      authorization: '',
      accountId: '',
      body: text === undefined ? { type: 'none' } : { type: 'json', value: text },
    }
    await passed(LATENCY_MS, signal)
    const fault = draw(call)
    const record = (status: number) => requests.push({ method, path: path + search, status, body: text })
    if (!fault) {
      const reply = answer(call)
      record(reply.status)
      return responseOf(reply)
    }
    const { kind, moment } = fault
    const writes = isWrite(method) && !NEVER_WRITES.has(kind)
    if (writes && moment === 'after') answer(call)
    if (writes && moment === 'late') setTimeout(() => answer(call), LATE_MS)
    const reply = REPLIES[kind]
    record(reply?.status ?? 0)
    if (reply) return responseOf(reply)
    const code = CODES[kind]
    if (code) throw new TypeError('fetch failed', { cause: Object.assign(new Error(code), { code }) })
    if (kind === 'truncate') return broken()
    return passed(Number.POSITIVE_INFINITY, signal) as Promise<never>
  }

  return {
    fetch,
    exporterOptions: {
      apiKey: 'kto_x',
      accountId: `acct-${++accounts}`,
      baseUrl: 'https://keito.example',
      ...company.first,
    },
    timeEntries: () => ledger.timeEntries(),
    expenses: () => ledger.expenses(),
    requests: () => requests as readonly SandboxRequest[],
    lockTimeEntry: (id: string, by?: 'lock' | 'approval') => ledger.lockTimeEntry(id, by),
    close: async () => {},
  }
}

/** Waits so long, `Infinity` for ever, or until the signal says that nobody waits any more. */
function passed(ms: number, signal: AbortSignal | null | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal?.reason)
    if (signal?.aborted) abort()
    signal?.addEventListener('abort', abort, { once: true })
    if (ms !== Number.POSITIVE_INFINITY) setTimeout(resolve, ms)
  })
}

function responseOf({ status, headers, body }: Reply): Response {
  return new Response(status === 204 ? null : body, { status, headers: { ...headers } })
}

/** A success whose body breaks off. */
function broken(): Response {
  const body = new ReadableStream({
    start(controller) {
      controller.enqueue(new TextEncoder().encode(jsonReply({ id: 'cmnever' }).body.slice(0, 8)))
    },
    pull: (controller) => controller.error(new TypeError('terminated')),
  })
  return new Response(body, { status: 200 })
}
