/** Rule: the REST client starts, changes and stops a timer as Keito's v2 API says, and reads every reply as an outcome. */
import { afterEach, describe, expect, it } from 'vitest'
import { KeitoRestClient } from '../src/keito/rest-client.ts'
import type { TimeEntryUpdate } from '../src/keito/types.ts'
import { startKeitoSandbox } from '../src/testing/index.ts'
import { json, type Responder, startServer } from './helpers/http.ts'
import { DAY, runRecord, runTimer } from './helpers/timer-world.ts'

const apiKey = 'kto_secret-0123456789'
const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup()
})

const connect = async (respond: Responder, timeoutMs = 15_000) => {
  const server = await startServer(respond)
  cleanups.push(server.close)
  return { server, client: new KeitoRestClient({ apiKey, accountId: 'acct-1', baseUrl: server.url, timeoutMs }) }
}
const calls = {
  stop: ({ timeEntries }: KeitoRestClient, id = 'te-1', signal?: AbortSignal) =>
    timeEntries.stop(id, signal ? { signal } : {}),
  update: ({ timeEntries }: KeitoRestClient, id = 'te-1', signal?: AbortSignal) =>
    timeEntries.update(id, { hours: 1.5 }, signal ? { signal } : {}),
}
const names = ['stop', 'update'] as const

describe('on the sandbox', () => {
  const aTimer = async () => {
    const sandbox = await startKeitoSandbox()
    cleanups.push(() => sandbox.close())
    const { timeEntries } = new KeitoRestClient(sandbox.exporterOptions)
    const started = await timeEntries.create(runTimer('a').body)
    return { sandbox, timeEntries, id: started.type === 'accepted' ? started.value.id : '' }
  }

  it('a timer is started, stopped, and given its hours', async () => {
    const { sandbox, timeEntries, id } = await aTimer()
    expect(sandbox.timeEntries()).toMatchObject([{ id, is_running: true, hours: 0 }])
    expect(await timeEntries.stop(id)).toMatchObject({ type: 'accepted' })
    expect(sandbox.timeEntries()).toMatchObject([{ id, is_running: false }])
    const { project_id, task_id, spent_date, hours, notes, billable, metadata } = runRecord('a').body
    const update: TimeEntryUpdate = { project_id, task_id, spent_date, hours, notes, billable, metadata }
    expect(await timeEntries.update(id, update)).toMatchObject({ type: 'accepted' })
    const merged = { ...runTimer('a').body.metadata, ...metadata }
    expect(sandbox.timeEntries()).toMatchObject([{ id, hours, notes, billable, is_running: false, metadata: merged }])
  })

  it('a timer that is stopped twice is stopped, and one that is gone is not', async () => {
    const { timeEntries, id } = await aTimer()
    await timeEntries.stop(id)
    expect(await timeEntries.stop(id)).toEqual({ type: 'accepted', value: undefined })
    await timeEntries.delete(id)
    expect(await timeEntries.stop(id)).toMatchObject({ type: 'rejected', status: 404 })
    expect(await timeEntries.update(id, { hours: 1 })).toMatchObject({ type: 'rejected', status: 404 })
  })

  it('a second timer is refused', async () => {
    const { timeEntries } = await aTimer()
    expect(await timeEntries.create(runTimer('b').body)).toMatchObject({ type: 'rejected', status: 409 })
  })

  it('running entries can be told from others in a list', async () => {
    const { timeEntries, id } = await aTimer()
    await timeEntries.create(runRecord('b').body)
    const ids = async (is_running: boolean) => {
      const outcome = await timeEntries.list({ from: DAY, to: DAY, source: 'agent', is_running })
      return outcome.type === 'accepted' && outcome.value.map((entry) => entry.id === id)
    }
    expect(await ids(true)).toEqual([true])
    expect(await ids(false)).toEqual([false])
  })
})

describe('a request', () => {
  it('names the entry in its path, whatever its id is; a stop has no body', async () => {
    const { server, client } = await connect(json(200, {}))
    await calls.stop(client, 'te/1?x=#')
    await calls.update(client, '../te 1')
    expect(server.received).toMatchObject([
      { method: 'PATCH', url: '/api/v2/time_entries/te%2F1%3Fx%3D%23/stop', body: '' },
      { method: 'PATCH', url: '/api/v2/time_entries/..%2Fte%201', body: '{"hours":1.5}' },
    ])
    expect(server.received[0]?.headers).not.toHaveProperty('content-type')
    expect(server.received[1]?.headers).toMatchObject({
      authorization: `Bearer ${apiKey}`,
      'keito-account-id': 'acct-1',
      'content-type': 'application/json',
    })
  })

  it.each(names)('to %s may be made with a detached method, and ends with the signal of the caller', async (name) => {
    const { client } = await connect(() => controller.abort())
    const controller = new AbortController()
    const { stop, update } = client.timeEntries
    const timeEntries = { ...client.timeEntries, stop, update }
    const outcome = await calls[name]({ timeEntries } as KeitoRestClient, 'te-1', controller.signal)
    expect(outcome).toEqual({ type: 'ambiguous', reason: 'the request was aborted' })
  })
})

describe.each(names)('%s', (name) => {
  it.each<[string, Responder]>([
    ['the entry', json(200, { id: 'te-1' })],
    ['JSON of any kind', json(202, [null])],
    ['no body', (response) => response.writeHead(204).end()],
    ['an empty body', (response) => response.writeHead(200).end()],
  ])('is accepted with %s', async (_, respond) => {
    expect(await calls[name]((await connect(respond)).client)).toMatchObject({ type: 'accepted' })
  })

  it.each<[string, Responder]>([
    ['a page of a proxy', (response) => response.writeHead(200).end('<!doctype html><title>Sign in</title>')],
    ['a body that breaks off', (response) => response.writeHead(200, { 'Content-Length': '9' }).end('{')],
    ['a reset', (response) => response.destroy()],
    ['500', json(500, {})],
    ['502', json(502, {})],
    ['504', json(504, {})],
  ])('is ambiguous with %s, because it may not have been made', async (_, respond) => {
    const { client } = await connect(respond, 500)
    expect(await calls[name](client)).toMatchObject({ type: 'ambiguous' })
  })

  it('is ambiguous without an answer', async () => {
    expect(await calls[name]((await connect(() => undefined, 100)).client)).toEqual({
      type: 'ambiguous',
      reason: 'no complete reply within 100 ms',
    })
  })

  it.each([
    [401, 'unauthorized'],
    [403, 'unauthorized'],
    [404, 'rejected'],
    [422, 'rejected'],
    [429, 'retryable'],
  ])('is not accepted with %i', async (status, type) => {
    expect(await calls[name]((await connect(json(status, {}))).client)).toMatchObject({ type })
  })

  it('shows the API key in no reason, though the server sends it back', async () => {
    for (const status of [200, 400, 401, 403, 404, 409, 500]) {
      const { client } = await connect((response) => response.writeHead(status).end(`Bearer ${apiKey}, not running`))
      expect(JSON.stringify(await calls[name](client))).not.toContain('kto_')
    }
  })
})

describe('an entry that is not running', () => {
  it.each([
    [409, 'anything'],
    [400, 'Time entry is not running'],
    [400, 'The timer is not currently running.'],
    [400, 'Timer already stopped'],
    [400, 'timer has already been stopped'],
  ])('is stopped, with %i "%s"', async (status, error_description) => {
    const { client } = await connect(json(status, { error: 'bad request', error_description }))
    expect(await calls.stop(client)).toEqual({ type: 'accepted', value: undefined })
    expect(await calls.update(client)).toMatchObject({ type: 'rejected', status })
  })

  it.each([
    [400, 'notes must be text'],
    [400, 'the server is running late'],
    [422, 'Time entry is not running'],
    [404, 'No entry that is not running'],
  ])('is something else than %i "%s"', async (status, error_description) => {
    const { client } = await connect(json(status, { error: 'bad request', error_description }))
    expect(await calls.stop(client)).toMatchObject({ type: 'rejected', status })
  })
})
