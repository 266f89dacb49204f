/** The sandbox fails as asked, the same for the same seed, and tells what it did and whether the write was made. */
import { once } from 'node:events'
import { Agent, createServer as createHttpServer, type IncomingHttpHeaders, request } from 'node:http'
import { connect, createServer, type Server } from 'node:net'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ConfigError } from '../src/errors.ts'
import { FaultDraws, readFaults } from '../src/testing/faults.ts'
import {
  type KeitoSandbox,
  type SandboxFaultKind,
  type SandboxFaultMoment,
  type SandboxFaults,
  startKeitoSandbox,
} from '../src/testing/index.ts'
import { Port } from '../src/testing/port.ts'
import { credentials, EXPENSE, TIME_ENTRY } from './helpers/sandbox-call.ts'

const TIME_ENTRIES = '/api/v2/time_entries'
const EXPENSES = '/api/v2/expenses'
const ME = '/api/v2/users/me'

const CAN_WRITE = ['stall', 'error', 'bad-gateway', 'timeout', 'reset', 'truncate', 'lie'] as const
const NEVER_WRITE = ['refuse', 'rate-limit', 'unavailable'] as const
const KINDS = [...NEVER_WRITE, ...CAN_WRITE]
const MOMENTS = ['before', 'after', 'late'] as const

const sandboxes: KeitoSandbox[] = []

// Only what the sandbox waits for by itself; sockets and `fetch` go by Node's own timers.
beforeEach(() => vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }))
afterEach(async () => {
  await Promise.all(sandboxes.splice(0).map((sandbox) => sandbox.close()))
  vi.useRealTimers()
})

/** A sandbox of which every request fails, stalled ones soon, unless the options say otherwise. */
async function sick(faults: SandboxFaults): Promise<KeitoSandbox> {
  const sandbox = await startKeitoSandbox({ faults: { rate: 1, stallMs: 20, ...faults } })
  sandboxes.push(sandbox)
  return sandbox
}

interface Seen {
  /** 0 when no answer came. */
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
  /** The code of the error that ended the connection. */
  readonly error?: string
}

interface Ask {
  readonly body?: unknown
  readonly headers?: Record<string, string>
  readonly agent?: Agent
}

/** Sends a request over a connection of its own, and tells what comes of it. */
function ask(sandbox: KeitoSandbox, method: string, path: string, ask: Ask = {}): Promise<Seen> {
  const { body, headers = credentials(sandbox), agent = new Agent() } = ask
  return new Promise((resolve) => {
    const call = request(`${sandbox.url}${path}`, { method, headers, agent }, (reply) => {
      const { statusCode: status = 0, headers } = reply
      let text = ''
      reply.setEncoding('utf8')
      reply.on('data', (part) => {
        text += part
      })
      reply.on('error', ({ message }) => resolve({ status, headers, text, error: message }))
      reply.on('end', () => resolve({ status, headers, text }))
    })
    call.on('error', (error: NodeJS.ErrnoException) => {
      resolve({ status: 0, headers: {}, text: '', error: error.code ?? error.message })
    })
    call.end(body === undefined ? undefined : JSON.stringify(body))
  })
}

const portOf = ({ url }: KeitoSandbox) => Number(new URL(url).port)
const book = (sandbox: KeitoSandbox) => ask(sandbox, 'POST', TIME_ENTRIES, { body: TIME_ENTRY })

/** Waits in real time until something holds. */
async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setImmediate(resolve))
}

/** Waits until the sandbox has left its port. */
const hasLeft = () => until(() => vi.getTimerCount() > 0)

/** Somebody else who takes the port of a sandbox. */
async function squatter(sandbox: KeitoSandbox): Promise<Server> {
  const server = createServer((socket) => socket.destroy()).listen(portOf(sandbox), '127.0.0.1')
  await once(server, 'listening')
  return server
}

describe('what the caller meets', () => {
  const json = { 'content-type': 'application/json', 'x-keito-api-version': '2' }
  const html = { 'content-type': 'text/html; charset=utf-8' }
  it.each<[SandboxFaultKind, Partial<Seen>]>([
    ['refuse', { status: 0, error: 'ECONNRESET' }],
    ['stall', { status: 0, error: 'ECONNRESET' }],
    ['rate-limit', { status: 429, headers: { ...json, 'retry-after': '7' } }],
    ['unavailable', { status: 503, headers: { ...json, 'retry-after': '7' } }],
    ['error', { status: 500, headers: json }],
    ['bad-gateway', { status: 502, headers: html }],
    ['timeout', { status: 504, headers: html }],
    ['reset', { status: 0, error: 'ECONNRESET' }],
    ['truncate', { status: 200, headers: json, error: 'aborted' }],
    ['lie', { status: 200, headers: html, text: expect.stringMatching(/^<!DOCTYPE html>.*sign in/) }],
  ])('of %s', async (kind, expected) => {
    for (const [method, path, body] of [
      ['GET', TIME_ENTRIES],
      ['POST', EXPENSES, EXPENSE],
    ] as const) {
      const sandbox = await sick({ kinds: [kind], moments: ['before'], retryAfterS: 7 })
      const seen = await ask(sandbox, method, path, { body })
      expect(seen).toEqual({
        ...{ status: expect.any(Number), text: expect.any(String) },
        ...expected,
        headers: expect.objectContaining(expected.headers ?? {}),
      })
      expect(sandbox.requests()).toMatchObject([{ method, path, status: expected.status }])
    }
  })

  it.each(['bad-gateway', 'timeout', 'lie'] as const)('of %s does not pretend to come from Keito', async (kind) => {
    const { headers } = await ask(await sick({ kinds: [kind] }), 'GET', ME)
    expect(headers).not.toHaveProperty('x-keito-api-version')
  })

  it.each(['rate-limit', 'unavailable', 'error'] as const)("of %s is told in Keito's shape", async (kind) => {
    const { text } = await ask(await sick({ kinds: [kind] }), 'GET', ME)
    expect(JSON.parse(text)).toEqual({ error: expect.any(String), error_description: expect.any(String) })
  })

  it('of truncate is half of what the length announces', async () => {
    const agent = new Agent({ keepAlive: true })
    const { headers, text, error } = await ask(await sick({ kinds: ['truncate'] }), 'GET', ME, { agent })
    expect(error).toBe('aborted')
    expect(text.length).toBe(Math.floor(Number(headers['content-length']) / 2))
    expect(text.length).toBeGreaterThan(0)
  })

  it('of reset is a reset, not a connection that ends in order', async () => {
    const sandbox = await sick({ kinds: ['reset'] })
    const socket = connect(portOf(sandbox), '127.0.0.1')
    socket.write(`GET ${ME} HTTP/1.1\r\nHost: x\r\n\r\n`)
    const [error] = await once(socket, 'error')
    expect(error).toMatchObject({ code: 'ECONNRESET' })
    expect(socket.bytesRead).toBe(0)
  })

  it('of Retry-After may be nothing at all', async () => {
    const { headers } = await ask(await sick({ kinds: ['rate-limit'], retryAfterS: 0 }), 'GET', ME)
    expect(headers['retry-after']).toBe('0')
  })

  it('of stall is silence for as long as was asked for', async () => {
    const sandbox = await sick({ kinds: ['stall'], stallMs: 60_000 })
    const stalled = ask(sandbox, 'GET', ME)
    await until(() => sandbox.faults().length === 1)
    const race = Promise.race([stalled, new Promise((resolve) => setImmediate(resolve, 'silent'))])
    await expect(race).resolves.toBe('silent')
  })
})

describe('what becomes of the write', () => {
  const cases = CAN_WRITE.flatMap((kind) => MOMENTS.map((moment) => [kind, moment] as const))

  it.each(cases)('under %s %s', async (kind, moment) => {
    const sandbox = await sick({ kinds: [kind], moments: [moment], lateMs: 500 })
    await book(sandbox)
    const booked = () => [sandbox.timeEntries().length, sandbox.faults()[0]?.committed]
    expect(booked()).toEqual(moment === 'after' ? [1, true] : [0, false])
    vi.advanceTimersByTime(499)
    expect(booked()).toEqual(moment === 'after' ? [1, true] : [0, false])
    vi.advanceTimersByTime(1)
    expect(booked()).toEqual(moment === 'before' ? [0, false] : [1, true])
    expect(sandbox.faults()).toMatchObject([{ method: 'POST', path: TIME_ENTRIES, kind, moment }])
  })

  it.each(NEVER_WRITE.flatMap((kind) => MOMENTS.map((moment) => [kind, moment] as const)))(
    'under %s %s is that it is never made',
    async (kind, moment) => {
      const sandbox = await sick({ kinds: [kind], moments: [moment] })
      await book(sandbox)
      vi.advanceTimersByTime(1000)
      expect(sandbox.timeEntries()).toEqual([])
      expect(sandbox.faults()).toMatchObject([{ kind, moment, committed: false }])
    },
  )

  it.each(MOMENTS)('of a list is nothing, under a fault %s', async (moment) => {
    const sandbox = await sick({ kinds: ['error'], moments: [moment] })
    await ask(sandbox, 'GET', `${EXPENSES}?page=1`)
    vi.advanceTimersByTime(1000)
    expect(sandbox.faults()).toEqual([
      { method: 'GET', path: `${EXPENSES}?page=1`, kind: 'error', moment, committed: false },
    ])
    expect(sandbox.requests()).toHaveLength(1)
  })

  it.each(['after', 'late'] as const)(
    'is that it is not made %s a fault when Keito would refuse it',
    async (moment) => {
      const sandbox = await sick({ kinds: ['error'], moments: [moment] })
      await ask(sandbox, 'POST', TIME_ENTRIES, { body: { ...TIME_ENTRY, hours: -1 } })
      await ask(sandbox, 'POST', TIME_ENTRIES, { body: TIME_ENTRY, headers: {} })
      vi.advanceTimersByTime(1000)
      expect(sandbox.timeEntries()).toEqual([])
      expect(sandbox.faults()).toMatchObject([{ committed: false }, { committed: false }])
    },
  )

  it('is decided at the moment of a late write, not before', async () => {
    const sandbox = await sick({ kinds: ['reset'], moments: ['late'], most: 2 })
    await ask(sandbox, 'POST', TIME_ENTRIES, { body: { ...TIME_ENTRY, hours: 0, is_running: true } })
    await ask(sandbox, 'PATCH', `${TIME_ENTRIES}/cmentry000001`, { body: { notes: 'late' } })
    await ask(sandbox, 'POST', TIME_ENTRIES, { body: { ...TIME_ENTRY, hours: 0, is_running: true, notes: 'first' } })
    vi.advanceTimersByTime(50)
    // The timer that came meanwhile stands in the way of the late one; the update finds what was not there before.
    expect(sandbox.timeEntries()).toMatchObject([{ notes: 'late' }])
    expect(sandbox.faults()).toMatchObject([{ committed: false }, { committed: true }])
  })

  it('is that a late one is not made after a reset', async () => {
    const sandbox = await sick({ kinds: ['reset'], moments: ['late'] })
    await book(sandbox)
    sandbox.reset()
    vi.advanceTimersByTime(1000)
    expect(sandbox.timeEntries()).toEqual([])
  })

  it('is that a late one is not made once the sandbox is closed', async () => {
    const sandbox = await sick({ kinds: ['reset'], moments: ['late'] })
    await book(sandbox)
    const closing = sandbox.close()
    expect(vi.getTimerCount()).toBe(0)
    await closing
    vi.advanceTimersByTime(1000)
    expect(sandbox.timeEntries()).toEqual([])
  })

  it('is that a late one is made although the sandbox has been healed', async () => {
    const sandbox = await sick({ kinds: ['reset'], moments: ['late'] })
    await book(sandbox)
    sandbox.heal()
    vi.advanceTimersByTime(50)
    expect(sandbox.timeEntries()).toHaveLength(1)
  })
})

describe('a port on which nothing listens', () => {
  it('refuses connections, and is the same one when it comes back', async () => {
    const sandbox = await sick({ kinds: ['refuse'], refuseMs: 300, most: 1 })
    await ask(sandbox, 'GET', ME)
    await hasLeft()
    expect((await ask(sandbox, 'GET', ME)).error).toBe('ECONNREFUSED')
    vi.advanceTimersByTime(299)
    expect((await ask(sandbox, 'GET', ME)).error).toBe('ECONNREFUSED')
    vi.advanceTimersByTime(1)
    await until(async () => (await ask(sandbox, 'GET', ME)).status === 200)
    expect((await book(sandbox)).status).toBe(200)
  })

  it('refuses a caller that keeps its connections alive as well', async () => {
    const sandbox = await sick({ kinds: ['refuse'], on: 'writes', most: 1 })
    const agent = new Agent({ keepAlive: true })
    expect((await ask(sandbox, 'GET', ME, { agent })).status).toBe(200)
    const idle = connect(portOf(sandbox), '127.0.0.1')
    await once(idle, 'connect')
    await Promise.all([once(idle, 'close'), book(sandbox)])
    await hasLeft()
    await until(() => Object.keys(agent.freeSockets).length === 0)
    expect((await ask(sandbox, 'GET', ME, { agent })).error).toBe('ECONNREFUSED')
    agent.destroy()
  })

  it('has not heard what was sent right behind the request that drew the fault', async () => {
    const sandbox = await sick({ kinds: ['refuse'], most: 1 })
    const body = JSON.stringify(TIME_ENTRY)
    const headers = Object.entries({ ...credentials(sandbox), Host: 'x', 'Content-Length': body.length })
    const lines = [`POST ${TIME_ENTRIES} HTTP/1.1`, ...headers.map(([name, value]) => `${name}: ${value}`), '', body]
    const socket = connect(portOf(sandbox), '127.0.0.1')
    socket.on('error', () => {})
    socket.write(lines.join('\r\n').repeat(2))
    await once(socket, 'close')
    await hasLeft()
    expect(sandbox.requests()).toHaveLength(1)
    expect(sandbox.timeEntries()).toEqual([])
  })

  it('comes back as soon as it can when somebody else has taken it', async () => {
    const sandbox = await sick({ kinds: ['refuse'], most: 1 })
    await ask(sandbox, 'GET', ME)
    await hasLeft()
    const other = await squatter(sandbox)
    vi.advanceTimersByTime(50)
    await hasLeft()
    other.close()
    await once(other, 'close')
    vi.advanceTimersByTime(10)
    await until(async () => (await ask(sandbox, 'GET', ME)).status === 200)
  })

  it('can be left more than once', async () => {
    const sandbox = await sick({ kinds: ['refuse'], most: 3, refuseMs: 0 })
    await until(async () => {
      vi.advanceTimersByTime(1)
      return (await ask(sandbox, 'GET', ME)).status === 200
    })
    expect(sandbox.faults()).toHaveLength(3)
  })

  it('stays free when the sandbox is closed meanwhile', async () => {
    const sandbox = await sick({ kinds: ['refuse'], refuseMs: 60_000 })
    await ask(sandbox, 'GET', ME)
    await hasLeft()
    await sandbox.close()
    expect(vi.getTimerCount()).toBe(0)
    expect((await ask(sandbox, 'GET', ME)).error).toBe('ECONNREFUSED')
  })

  it('stays free when it is closed while it is being left', async () => {
    const port = new Port(createHttpServer())
    await port.take()
    port.leave(60_000)
    await port.close()
    expect(vi.getTimerCount()).toBe(0)
  })

  it.each([0, 1, 2, 3, 4])('stays free when the sandbox is closed %s moments into its return', async (moments) => {
    const sandbox = await sick({ kinds: ['refuse'] })
    await ask(sandbox, 'GET', ME)
    await hasLeft()
    vi.advanceTimersByTime(50)
    for (let i = 0; i < moments; i++) await Promise.resolve()
    await sandbox.close()
    await new Promise((resolve) => setImmediate(resolve))
    expect((await ask(sandbox, 'GET', ME)).error).toBe('ECONNREFUSED')
  })

  it('does not keep the sandbox from closing while somebody else has it', async () => {
    const sandbox = await sick({ kinds: ['refuse'] })
    await ask(sandbox, 'GET', ME)
    await hasLeft()
    const other = await squatter(sandbox)
    vi.advanceTimersByTime(50)
    await hasLeft()
    await sandbox.close()
    expect(vi.getTimerCount()).toBe(0)
    other.close()
  })

  it('is left once at a time, and no more once it is closed', async () => {
    const port = new Port(createHttpServer())
    await port.take()
    port.leave(50)
    port.leave(60_000)
    await hasLeft()
    expect(vi.getTimerCount()).toBe(1)
    vi.advanceTimersByTime(50)
    await until(() => port.isOpen)
    const closing = port.close()
    expect(port.isOpen).toBe(false)
    port.leave(50)
    await closing
    expect(vi.getTimerCount()).toBe(0)
  })
})

describe('closing', () => {
  it('cuts stalled connections and leaves no timer behind', async () => {
    const sandbox = await sick({ kinds: ['stall'], stallMs: 60_000 })
    const stalled = [ask(sandbox, 'GET', ME), book(sandbox)]
    await until(() => sandbox.faults().length === 2)
    vi.advanceTimersByTime(1000)
    await sandbox.close()
    expect(await Promise.all(stalled)).toMatchObject([{ error: 'ECONNRESET' }, { error: 'ECONNRESET' }])
    expect(vi.getTimerCount()).toBe(0)
  })
})

describe('who meets a fault', () => {
  /** Faults of which the caller notices nothing but the status, so that many fit into a test. */
  const SWIFT = ['rate-limit', 'unavailable', 'error', 'bad-gateway', 'timeout', 'reset', 'lie'] as const

  async function played(faults: SandboxFaults): Promise<readonly unknown[]> {
    const sandbox = await startKeitoSandbox({ faults: { kinds: SWIFT, rate: 0.5, ...faults } })
    for (let i = 0; i < 30; i++) await (i % 3 === 0 ? book(sandbox) : ask(sandbox, 'GET', TIME_ENTRIES))
    vi.advanceTimersByTime(50)
    const seen = [...sandbox.requests(), ...sandbox.faults()]
    await sandbox.close()
    return seen
  }

  it('is the same for the same seed, and another for another', async () => {
    const first = await played({ seed: 5 })
    expect(await played({ seed: 5 })).toEqual(first)
    expect(await played({ seed: 6 })).not.toEqual(first)
  })

  it('is nobody unless faults were asked for', async () => {
    const sandbox = await startKeitoSandbox()
    sandboxes.push(sandbox)
    for (let i = 0; i < 50; i++) expect((await ask(sandbox, 'GET', ME)).status).toBe(200)
    expect(sandbox.faults()).toEqual([])
  })

  it('is only who writes, when only writes are to be hit', async () => {
    const sandbox = await sick({ kinds: ['error'], moments: ['after'], on: 'writes' })
    expect((await ask(sandbox, 'GET', EXPENSES)).status).toBe(200)
    const path = `${TIME_ENTRIES}/cmentry000001`
    await book(sandbox)
    await ask(sandbox, 'PATCH', path, { body: { notes: 'changed' } })
    expect(sandbox.timeEntries()).toMatchObject([{ notes: 'changed' }])
    await ask(sandbox, 'DELETE', path)
    expect(sandbox.timeEntries()).toEqual([])
    expect(sandbox.faults()).toMatchObject([
      { method: 'POST', path: TIME_ENTRIES, committed: true },
      { method: 'PATCH', path, committed: true },
      { method: 'DELETE', path, committed: true },
    ])
  })

  it('is nobody any more once there were enough faults', async () => {
    const sandbox = await sick({ kinds: ['error'], most: 2 })
    const statuses: number[] = []
    for (let i = 0; i < 4; i++) statuses.push((await ask(sandbox, 'GET', ME)).status)
    expect(statuses).toEqual([500, 500, 200, 200])
  })

  it('is nobody any more once the sandbox is healed', async () => {
    const sandbox = await sick({ kinds: ['error'] })
    expect((await ask(sandbox, 'GET', ME)).status).toBe(500)
    sandbox.heal()
    expect((await ask(sandbox, 'GET', ME)).status).toBe(200)
    sandbox.reset()
    expect((await ask(sandbox, 'GET', ME)).status).toBe(200)
  })

  it('is whoever comes to a path of Keito, with whatever credentials and method', async () => {
    const sandbox = await sick({ kinds: ['error'], most: 2 })
    expect((await ask(sandbox, 'GET', '/api/v2/nothing')).status).toBe(404)
    expect((await ask(sandbox, 'GET', ME, { headers: {} })).status).toBe(500)
    expect((await ask(sandbox, 'DELETE', ME)).status).toBe(500)
    expect((await ask(sandbox, 'GET', ME, { headers: {} })).status).toBe(401)
  })
})

describe('the account of the faults', () => {
  it('is forgotten on reset, while what has been met still counts', async () => {
    const sandbox = await sick({ kinds: ['error'], most: 2 })
    await ask(sandbox, 'GET', ME)
    sandbox.reset()
    expect(sandbox.faults()).toEqual([])
    expect((await ask(sandbox, 'GET', ME)).status).toBe(500)
    expect((await ask(sandbox, 'GET', ME)).status).toBe(200)
    expect(sandbox.faults()).toHaveLength(1)
  })

  it('is handed out as a copy', async () => {
    const sandbox = await sick({ kinds: ['error'], moments: ['late'] })
    await book(sandbox)
    const [before] = sandbox.faults()
    vi.advanceTimersByTime(50)
    expect(before?.committed).toBe(false)
    expect(sandbox.faults()[0]?.committed).toBe(true)
  })
})

describe('draws', () => {
  const GET = { method: 'GET' }
  const POST = { method: 'POST' }
  const drawn = (faults: SandboxFaults, count: number) => {
    const draws = new FaultDraws(readFaults(faults))
    return Array.from({ length: count }, () => draws.next(POST))
  }
  const seed = fc.integer()

  it.each([0, 0.1, 0.5, 0.9, 1])('hit a share of %s of the requests', (rate) => {
    for (const seed of [1, 2, 3, -7, 2 ** 40]) {
      const hits = drawn({ seed, rate }, 2000).filter((fault) => fault !== undefined).length
      // Four standard deviations of so many tosses.
      expect(Math.abs(hits - 2000 * rate)).toBeLessThanOrEqual(4 * Math.sqrt(2000 * rate * (1 - rate)))
    }
  })

  it('are of every kind and moment, all about as often, and in every pairing', () => {
    const faults = drawn({ rate: 1 }, 3000).map((fault) => `${fault?.kind} ${fault?.moment}`)
    for (const pair of KINDS.flatMap((kind) => MOMENTS.map((moment) => `${kind} ${moment}`))) {
      const count = faults.filter((fault) => fault === pair).length
      expect(count, pair).toBeGreaterThan(60)
      expect(count, pair).toBeLessThan(140)
    }
  })

  it('are only of the kinds and moments that were asked for', () => {
    const kinds = fc.uniqueArray(fc.constantFrom<SandboxFaultKind>(...KINDS), { minLength: 1 })
    const moments = fc.uniqueArray(fc.constantFrom<SandboxFaultMoment>(...MOMENTS), { minLength: 1 })
    fc.assert(
      fc.property(seed, kinds, moments, (seed, kinds, moments) => {
        for (const fault of drawn({ seed, rate: 1, kinds, moments }, 20)) {
          expect(kinds).toContain(fault?.kind)
          expect(moments).toContain(fault?.moment)
        }
      }),
    )
  })

  it('are more often of a kind that is named twice', () => {
    const faults = drawn({ rate: 1, kinds: ['error', 'error', 'error', 'lie'] }, 1000)
    const errors = faults.filter((fault) => fault?.kind === 'error').length
    expect(errors).toBeGreaterThan(700)
    expect(errors).toBeLessThan(800)
  })

  it('of a lower rate are some of those of a higher one', () => {
    fc.assert(
      fc.property(seed, fc.double({ min: 0, max: 1, noNaN: true }), (seed, rate) => {
        const all = drawn({ seed, rate: 1 }, 50)
        drawn({ seed, rate }, 50).forEach((fault, i) => {
          expect([undefined, all[i]]).toContainEqual(fault)
        })
      }),
    )
  })

  it('are not used up by lists when only writes are hit', () => {
    const draws = new FaultDraws(readFaults({ on: 'writes' }))
    const mixed = Array.from({ length: 50 }, () => [draws.next(GET), draws.next(POST)])
    expect(mixed).toEqual(drawn({}, 50).map((fault) => [undefined, fault]))
  })
})

describe('wrong options', () => {
  it.each<[string, unknown, string]>([
    ['seed', 1.5, 'a whole number; found 1.5'],
    ['seed', '1', 'a whole number; found "1"'],
    ['seed', 'x'.repeat(99), `found "${'x'.repeat(40)}"`],
    ['rate', 1.01, 'a number from 0 to 1; found 1.01'],
    ['rate', -0.01, 'a number from 0 to 1; found -0.01'],
    ['rate', Number.NaN, 'a number from 0 to 1; found NaN'],
    ['rate', '0.5', 'a number from 0 to 1; found "0.5"'],
    ['kinds', ['reset', 'boom'], 'stall, rate-limit'],
    ['kinds', ['reset', 'boom'], 'found ["reset", "boom"]'],
    ['kinds', [], 'a list of at least one of refuse'],
    ['kinds', 'reset', 'found "reset"'],
    ['moments', ['later'], 'a list of at least one of before, after, late; found ["later"]'],
    ['moments', [[['late']]], 'found [a list]'],
    ['on', 'reads', 'one of all, writes; found "reads"'],
    ['most', -1, 'a whole number from 0, or Infinity; found -1'],
    ['most', 2.5, 'a whole number from 0, or Infinity; found 2.5'],
    ['lateMs', -1, 'a whole number from 0 to 2147483647; found -1'],
    ['lateMs', 2 ** 31, 'found 2147483648'],
    ['stallMs', 0, 'a whole number from 1 to 2147483647; found 0'],
    ['stallMs', 2 ** 31, 'found 2147483648'],
    ['retryAfterS', 0.5, 'a whole number from 0 to'],
    ['retryAfterS', null, 'found null'],
    ['refuseMs', Number.POSITIVE_INFINITY, 'found Infinity'],
    ['refuseMs', {}, 'found an object'],
  ])('%s %j', async (name, value, expected) => {
    const start = startKeitoSandbox({ faults: { [name]: value } })
    await expect(start).rejects.toThrow(ConfigError)
    await expect(start).rejects.toThrow(`faults.${name}: expected `)
    await expect(start).rejects.toThrow(expected)
  })

  it.each([null, true, 'all'])('faults %j', (faults) => {
    expect(() => readFaults(faults as never)).toThrow('faults: expected an object; found')
  })

  it('an option that there is not', () => {
    const misspelt: object = { rates: 1 }
    expect(() => readFaults(misspelt)).toThrow(
      /^faults: expected no other options than seed, rate, .*; found "rates"\.$/,
    )
  })

  it('but not none at all, for which there are defaults', () => {
    expect(readFaults({})).toEqual({
      seed: 1,
      rate: 0.3,
      kinds: [
        'refuse',
        'stall',
        'rate-limit',
        'unavailable',
        'error',
        'bad-gateway',
        'timeout',
        'reset',
        'truncate',
        'lie',
      ],
      moments: MOMENTS,
      on: 'all',
      most: Number.POSITIVE_INFINITY,
      lateMs: 50,
      stallMs: 60_000,
      retryAfterS: 1,
      refuseMs: 50,
    })
  })

  it('but not the extremes of what is allowed, nor one that is left undefined', () => {
    const most: SandboxFaults = { seed: -1, rate: 1, most: Number.POSITIVE_INFINITY, lateMs: 2 ** 31 - 1, stallMs: 1 }
    expect(readFaults(most)).toMatchObject(most)
    const least: SandboxFaults = { rate: 0, most: 0, lateMs: 0, retryAfterS: 0, refuseMs: 0 }
    expect(readFaults(least)).toMatchObject(least)
    const absent: object = { rate: undefined }
    expect(readFaults(absent).rate).toBe(0.3)
  })
})
