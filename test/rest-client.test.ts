/** Rule: the REST client sends what Keito's v2 API expects, and reads every reply as an outcome. */
import { afterEach, describe, expect, it, vi } from 'vitest'
import manifest from '../package.json' with { type: 'json' }
import { KeitoRestClient } from '../src/keito/rest-client.ts'
import { VERSION } from '../src/version.ts'
import { expense, timeEntry } from './helpers/delivery.ts'
import { json, type Responder, startServer } from './helpers/http.ts'

const apiKey = 'kto_secret-0123456789'
const cleanups: (() => unknown)[] = []
afterEach(async () => {
  vi.restoreAllMocks()
  for (const cleanup of cleanups.splice(0)) await cleanup()
})

const serve = async (respond: Responder) => {
  const server = await startServer(respond)
  cleanups.push(server.close)
  return server
}
/** A client of a server that answers so, with a deadline long enough never to matter unless given. */
const connect = async (respond: Responder, timeoutMs = 15_000) => {
  const server = await serve(respond)
  return { server, client: new KeitoRestClient({ apiKey, accountId: 'acct-1', baseUrl: server.url, timeoutMs }) }
}
const createWith = async (respond: Responder, timeoutMs?: number) => {
  const { client } = await connect(respond, timeoutMs)
  return client.timeEntries.create(timeEntry('a').body)
}

describe('a request', () => {
  it('carries both headers of the credentials, the version, and the body as JSON', async () => {
    const { server, client } = await connect(json(200, { id: 'te-1' }))
    await client.timeEntries.create(timeEntry('a').body)
    await client.expenses.create(expense('b').body)
    expect(server.received.map(({ method, url }) => [method, url])).toEqual([
      ['POST', '/api/v2/time_entries'],
      ['POST', '/api/v2/expenses'],
    ])
    expect(server.received[0]?.headers).toMatchObject({
      authorization: `Bearer ${apiKey}`,
      'keito-account-id': 'acct-1',
      'content-type': 'application/json',
      accept: 'application/json',
      'user-agent': `opentelemetry-exporter-keito/${VERSION}`,
    })
    expect(JSON.parse(server.received[1]?.body ?? '')).toEqual(expense('b').body)
  })

  it('states the version of the package', () => {
    expect(VERSION).toBe(manifest.version)
  })

  it.each([
    ['', '/api/v2/time_entries'],
    ['/', '/api/v2/time_entries'],
    ['/api/v2', '/api/v2/time_entries'],
    ['/api/v2/', '/api/v2/time_entries'],
    ['/gateway/keito', '/gateway/keito/api/v2/time_entries'],
    ['/gateway/keito/api/v2/', '/gateway/keito/api/v2/time_entries'],
  ])('to a base URL that ends with %o goes to %s', async (suffix, path) => {
    const server = await serve(json(200, { id: 'te-1' }))
    const client = new KeitoRestClient({ apiKey, accountId: 'acct-1', baseUrl: server.url + suffix })
    await client.timeEntries.create(timeEntry('a').body)
    expect(server.received[0]?.url).toBe(path)
  })

  it('goes through the global fetch of that moment, or through the one that was given', async () => {
    const reply = async () => Response.json({ id: 'te-1' })
    const own = vi.fn(reply)
    const client = new KeitoRestClient({ apiKey, accountId: 'acct-1' })
    const global = vi.spyOn(globalThis, 'fetch').mockImplementation(reply)
    await client.timeEntries.create(timeEntry('a').body)
    expect(global).toHaveBeenCalledWith('https://app.keito.ai/api/v2/time_entries', expect.anything())
    await new KeitoRestClient({ apiKey, accountId: 'acct-1', fetch: own }).expenses.create(expense('b').body)
    expect(own).toHaveBeenCalledOnce()
    expect(global).toHaveBeenCalledOnce()
  })

  it('may be made with detached methods', async () => {
    const { client } = await connect(json(200, { id: 'te-1' }))
    const { create } = client.timeEntries
    expect(await create(timeEntry('a').body)).toMatchObject({ type: 'accepted' })
  })
})

describe('a delete', () => {
  const removeWith = async (respond: Responder, id = 'te-1') => {
    const { server, client } = await connect(respond)
    return { server, outcome: await client.timeEntries.delete(id) }
  }

  it('names the time entry in its path, whatever its id is, and has no body', async () => {
    const { server } = await removeWith((response) => response.writeHead(204).end(), 'te/1?x=#')
    expect(server.received).toMatchObject([
      { method: 'DELETE', url: '/api/v2/time_entries/te%2F1%3Fx%3D%23', body: '' },
    ])
    expect(server.received[0]?.headers).toMatchObject({ authorization: `Bearer ${apiKey}` })
    expect(server.received[0]?.headers).not.toHaveProperty('content-type')
  })

  it.each<[string, Responder]>([
    ['204', (response) => response.writeHead(204).end()],
    ['a success with a body', json(200, { id: 'te-1' })],
    ['404, because it is gone', json(404, { error: 'not found' })],
  ])('is accepted with %s', async (_, respond) => {
    expect((await removeWith(respond)).outcome).toMatchObject({ type: 'accepted' })
  })

  it.each<[number, string]>([
    [401, 'unauthorized'],
    [403, 'unauthorized'],
    [409, 'rejected'],
    [410, 'rejected'],
    [429, 'retryable'],
    [500, 'ambiguous'],
  ])('is not accepted with %i', async (status, type) => {
    expect((await removeWith(json(status, {}))).outcome).toMatchObject({ type })
  })

  it('ends with the signal of the caller', async () => {
    const { client } = await connect(() => controller.abort())
    const controller = new AbortController()
    expect(await client.timeEntries.delete('te-1', { signal: controller.signal })).toEqual({
      type: 'ambiguous',
      reason: 'the request was aborted',
    })
  })
})

describe('a success', () => {
  it.each([
    [200, { id: 'te-1', hours: 0.5 }, 'te-1'],
    [201, { id: 7 }, '7'],
  ])('%s with %o is accepted', async (status, body, id) => {
    expect(await createWith(json(status, body))).toEqual({ type: 'accepted', value: { ...body, id } })
  })

  it.each<[string, Responder]>([
    ['no body (204)', (response) => response.writeHead(204).end()],
    ['an empty body', (response) => response.writeHead(200).end()],
    ['text', (response) => response.writeHead(200).end('ok')],
    ['an HTML page', (response) => response.writeHead(200).end('<!doctype html><title>Sign in</title>')],
    ['JSON without an id', json(200, { ok: true })],
    ['an id that is none', json(200, { id: null })],
    ['an array', json(200, [{ id: 'te-1' }])],
    ['null', json(200, null)],
    ['JSON that is cut off', (response) => response.writeHead(200).end('{"id": "te-1", "hou')],
    [
      'a connection that breaks within the body',
      (response) => {
        response.writeHead(200, { 'Content-Length': '100' }).write('{"id": "te-1"')
        setTimeout(() => response.destroy(), 20)
      },
    ],
  ])('with %s is ambiguous', async (_, respond) => {
    expect(await createWith(respond)).toMatchObject({ type: 'ambiguous', reason: expect.stringMatching(/./) })
  })
})

describe('an error', () => {
  it.each([
    [400, { error: 'bad request', error_description: 'project_id is required' }, 'bad request: project_id is required'],
    [
      422,
      { error: { code: 'validation_error', message: 'is too long', field: 'notes' } },
      'validation_error: is too long: field notes',
    ],
    [409, { message: 'Duplicate' }, 'Duplicate'],
    [404, { detail: 'none' }, '{"detail":"none"}'],
  ])('%s is rejected with the words of %o', async (status, body, words) => {
    const outcome = await createWith(json(status, body))
    expect(outcome).toMatchObject({ type: 'rejected', status, reason: expect.stringMatching(/^HTTP \d+, /) })
    expect(outcome).toMatchObject({ reason: expect.stringContaining(`: ${words}`) })
  })

  it('as an HTML page is named by its title, not dumped', async () => {
    const page = `<!DOCTYPE html><html><head><title>404: This page\n could not be found.</title></head><body>${'x'.repeat(9999)}`
    const outcome = await createWith((response) => response.writeHead(404).end(page))
    expect(outcome).toEqual({
      type: 'rejected',
      status: 404,
      reason:
        'HTTP 404, unknown project, task, category or address: an HTML page, "404: This page could not be found."',
    })
  })

  it.each([401, 403])('%s is unauthorized', async (status) => {
    expect(await createWith(json(status, { error: 'unauthorized' }))).toMatchObject({ type: 'unauthorized', status })
  })

  it('429 and 503 carry their Retry-After', async () => {
    expect(await createWith(json(429, {}, { 'Retry-After': '7' }))).toMatchObject({ type: 'retryable', afterMs: 7000 })
    expect(await createWith(json(503, {}, { 'Retry-After': '0' }))).toMatchObject({ type: 'retryable', afterMs: 0 })
    expect(await createWith(json(503, {}))).toMatchObject({ type: 'ambiguous' })
  })

  it('500 is ambiguous', async () => {
    expect(await createWith(json(500, { error: 'internal' }))).toMatchObject({ type: 'ambiguous' })
  })

  it('is known by its status also when its body never ends or breaks off', async () => {
    const stall: Responder = (response) => response.writeHead(400, { 'Content-Length': '100' }).write('{"error"')
    expect(await createWith(stall, 300)).toMatchObject({ type: 'rejected', status: 400 })
    const endless: Responder = (response) => {
      response.writeHead(429, { 'Retry-After': '5' })
      const pour = () => {
        while (response.write('x'.repeat(16_384)));
        response.once('drain', pour)
      }
      pour()
    }
    expect(await createWith(endless)).toMatchObject({ type: 'retryable', afterMs: 5000 })
  })

  it('has a reason of one short line', async () => {
    const outcome = await createWith(json(400, { error: `a\n\u001b[31mb${'x'.repeat(10_000)}` }))
    expect(outcome).toMatchObject({ reason: expect.stringMatching(/^[ -~]{200,300}…$/) })
  })

  it('is not followed elsewhere when it is a redirect', async () => {
    const target = await serve(json(200, { id: 'stolen' }))
    for (const status of [301, 302, 303, 307, 308]) {
      const outcome = await createWith(json(status, {}, { Location: `${target.url}/api/v2/time_entries` }))
      expect(outcome).toMatchObject({ type: 'retryable', reason: expect.stringContaining('KEITO_API_URL') })
    }
    expect(target.received).toEqual([])
  })
})

describe('no answer', () => {
  it('within the deadline is ambiguous, before the headers and within the body', async () => {
    const hang = await createWith(() => undefined, 200)
    const slow = await createWith((response) => response.writeHead(200).write('{"id": '), 200)
    expect(hang).toEqual({ type: 'ambiguous', reason: 'no complete reply within 200 ms' })
    expect(slow).toMatchObject({
      type: 'ambiguous',
      reason: expect.stringContaining('no complete reply within 200 ms'),
    })
  })

  it('because the connection was reset is ambiguous', async () => {
    expect(await createWith((response) => response.destroy())).toMatchObject({ type: 'ambiguous' })
  })

  it('because nobody listens is retryable', async () => {
    const { server, client } = await connect(json(200, {}))
    await server.close()
    expect(await client.timeEntries.create(timeEntry('a').body)).toMatchObject({
      type: 'retryable',
      reason: expect.stringContaining('ECONNREFUSED'),
    })
  })

  it('because the caller aborted is ambiguous, also when it was aborted before', async () => {
    const { server, client } = await connect(() => controller.abort())
    const controller = new AbortController()
    const { create } = client.timeEntries
    const outcome = await create(timeEntry('a').body, { signal: controller.signal })
    const late = await create(timeEntry('a').body, { signal: controller.signal })
    expect([outcome, late]).toEqual(Array(2).fill({ type: 'ambiguous', reason: 'the request was aborted' }))
    expect(server.received.length).toBe(1)
  })

  it.each([
    [
      'throws at once',
      () => {
        throw new Error('boom')
      },
    ],
    ['gives no response', async () => undefined],
  ])('because fetch %s is ambiguous', async (_, fetch) => {
    const client = new KeitoRestClient({
      apiKey,
      accountId: 'acct-1',
      fetch: fetch as unknown as typeof globalThis.fetch,
    })
    expect(await client.expenses.create(expense('b').body)).toMatchObject({ type: 'ambiguous' })
  })
})

describe('after a request', () => {
  it('no timer is left, and while it runs none keeps the process alive', async () => {
    const timers = vi.spyOn(globalThis, 'setTimeout')
    const cleared = vi.spyOn(globalThis, 'clearTimeout')
    const fetch = async () => Response.json({ id: 'te-1' })
    await new KeitoRestClient({ apiKey, accountId: 'acct-1', fetch }).expenses.create(expense('b').body)
    const timer = timers.mock.results[0]?.value
    expect(timer.hasRef()).toBe(false)
    expect(cleared).toHaveBeenCalledWith(timer)
  })

  it('nothing is left on a long-lived signal of the caller', async () => {
    const { client } = await connect(json(200, { id: 'te-1' }))
    const { signal } = new AbortController()
    const added = vi.spyOn(signal, 'addEventListener')
    const removed = vi.spyOn(signal, 'removeEventListener')
    await client.timeEntries.create(timeEntry('a').body, { signal })
    expect(added).toHaveBeenCalledOnce()
    expect(removed).toHaveBeenCalledWith('abort', added.mock.calls[0]?.[1])
  })
})
