/** The sandbox lets in who has the right credentials, speaks Keito's HTTP, and leaves nothing behind when closed. */
import { connect } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ConfigError } from '../src/errors.ts'
import type { Expense, TimeEntry } from '../src/keito/types.ts'
import type { KeitoExporterOptions } from '../src/options.ts'
import { type KeitoSandbox, startKeitoSandbox } from '../src/testing/index.ts'
import { createRateLimit } from '../src/testing/rate-limit.ts'
import { call, credentials, EXPENSE, TIME_ENTRY } from './helpers/sandbox-call.ts'

let sandbox: KeitoSandbox

beforeEach(async () => {
  sandbox = await startKeitoSandbox()
})

afterEach(() => sandbox.close())

describe('credentials', () => {
  it.each([
    ['no header at all', {}],
    ['no API key', { 'Keito-Account-Id': 'cmsandbox' }],
    ['a wrong API key', { Authorization: 'Bearer kto_other', 'Keito-Account-Id': 'cmsandbox' }],
    ['a key without the word Bearer', { Authorization: 'kto_sandbox', 'Keito-Account-Id': 'cmsandbox' }],
    ['no account', { Authorization: 'Bearer kto_sandbox' }],
    ["somebody else's account", { Authorization: 'Bearer kto_sandbox', 'Keito-Account-Id': 'cmother' }],
  ])('refuses %s with 401 and stores nothing', async (_, headers: Record<string, string>) => {
    const { status, body } = await call(sandbox, 'POST', '/api/v2/time_entries', TIME_ENTRY, headers)
    expect(status).toBe(401)
    expect(body).toEqual({ error: 'unauthorized', error_description: expect.any(String) })
    expect(sandbox.timeEntries()).toEqual([])
  })

  it('lets the right key and account in', async () => {
    expect((await call(sandbox, 'GET', '/api/v2/users/me')).status).toBe(200)
  })

  it('takes key and account from the options', async () => {
    const other = await startKeitoSandbox({ apiKey: 'kto_mine', accountId: 'cmmine' })
    try {
      expect((await call(other, 'GET', '/api/v2/users/me')).body.company).toMatchObject({ id: 'cmmine' })
      expect((await call(other, 'GET', '/api/v2/users/me', undefined, credentials(sandbox))).status).toBe(401)
    } finally {
      await other.close()
    }
  })
})

describe('HTTP', () => {
  it.each([
    ['GET', '/api/v2/users/me'],
    ['GET', '/api/v2/nothing'],
    ['DELETE', '/api/v2/expenses'],
    ['POST', '/api/v2/expenses'],
  ])('puts the version header on the reply to %s %s', async (method, path) => {
    expect((await call(sandbox, method, path)).headers.get('X-Keito-API-Version')).toBe('2')
  })

  it.each([
    ['GET', '/'],
    ['GET', '/api/v2/time-entries'],
    ['GET', '/api/v1/time_entries'],
    ['GET', '/api/v2/expense_categories'],
    ['PATCH', '/api/v2/expenses/cmexpense000001'],
    ['DELETE', '/api/v2/expenses/cmexpense000001'],
    ['POST', '/api/v2/time_entries/bulk/create'],
  ])('answers the unknown route %s %s with an HTML page', async (method, path) => {
    const { status, headers, text } = await call(sandbox, method, path)
    expect(status).toBe(404)
    expect(headers.get('content-type')).toContain('text/html')
    expect(text).toContain('This page could not be found')
  })

  it.each([
    ['DELETE', '/api/v2/time_entries'],
    ['GET', '/api/v2/time_entries/cmentry000001'],
    ['POST', '/api/v2/time_entries/cmentry000001/stop'],
    ['POST', '/api/v2/users/me'],
  ])('answers %s %s with 405, because the path exists for other methods', async (method, path) => {
    expect(await call(sandbox, method, path)).toMatchObject({ status: 405, text: '' })
  })

  it.each([
    ['no body', undefined, 400],
    ['broken JSON', '{"project_id": ', 400],
    ['a JSON array', '[]', 400],
    ['JSON null', 'null', 400],
    ['a JSON string', '"hello"', 400],
    ['more than 1 MB', { ...TIME_ENTRY, notes: 'x'.repeat(1024 * 1024) }, 413],
  ])('refuses a create with %s', async (_, body, expected) => {
    const answer = await call(sandbox, 'POST', '/api/v2/time_entries', body)
    expect(answer.status).toBe(expected)
    expect(answer.body.error_description).toContain('request body')
    expect(sandbox.timeEntries()).toEqual([])
  })

  it('accepts a body of nearly 1 MB', async () => {
    const large = { ...TIME_ENTRY, notes: 'x'.repeat(1024 * 1024 - 1000) }
    expect((await call(sandbox, 'POST', '/api/v2/time_entries', large)).status).toBe(200)
  })

  it('survives a caller that breaks off in the middle of a body', async () => {
    const { port } = new URL(sandbox.url)
    const socket = connect(Number(port), '127.0.0.1')
    await new Promise<void>((resolve) => {
      const head = 'POST /api/v2/expenses HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n{"proj'
      socket.write(head, () => resolve())
    })
    socket.destroy()
    expect((await call(sandbox, 'GET', '/api/v2/users/me')).status).toBe(200)
    expect(sandbox.requests()).toHaveLength(1)
  })
})

describe('the rate limit', () => {
  it('is off unless asked for', async () => {
    const answers = await Promise.all(Array.from({ length: 100 }, () => call(sandbox, 'GET', '/api/v2/users/me')))
    expect(answers.every(({ status }) => status === 200)).toBe(true)
  })

  it('refuses what is over the limit with 429 and Retry-After in seconds', async () => {
    const limited = await startKeitoSandbox({ rateLimit: 2 })
    try {
      await call(limited, 'POST', '/api/v2/expenses', EXPENSE)
      await call(limited, 'POST', '/api/v2/expenses', EXPENSE)
      const { status, headers, body } = await call(limited, 'POST', '/api/v2/expenses', EXPENSE)
      expect(status).toBe(429)
      expect(Number(headers.get('Retry-After'))).toBeGreaterThanOrEqual(1)
      expect(Number(headers.get('Retry-After'))).toBeLessThanOrEqual(60)
      expect(body).toEqual({ error: 'rate limited', error_description: 'Too many requests' })
      expect(limited.expenses()).toHaveLength(2)

      limited.reset()
      expect((await call(limited, 'POST', '/api/v2/expenses', EXPENSE)).status).toBe(200)
    } finally {
      await limited.close()
    }
  })

  it('does not count calls without valid credentials', async () => {
    const limited = await startKeitoSandbox({ rateLimit: 1 })
    try {
      await call(limited, 'GET', '/api/v2/users/me', undefined, {})
      expect((await call(limited, 'GET', '/api/v2/users/me')).status).toBe(200)
    } finally {
      await limited.close()
    }
  })

  it('lets the next one through when Retry-After has passed, and not before', () => {
    let now = 1_000_000
    const limit = createRateLimit(2, () => now)
    limit.take()
    now += 10_500
    limit.take()
    expect(() => limit.take()).toThrow(
      expect.objectContaining({
        reply: expect.objectContaining({ headers: expect.objectContaining({ 'Retry-After': '50' }) }),
      }),
    )
    now += 49_000
    expect(() => limit.take()).toThrow()
    now += 1000
    expect(() => limit.take()).not.toThrow()
    expect(() => limit.take()).toThrow()
  })

  it.each([0, -1, 1.5, Number.NaN])('refuses to start with a limit of %s', async (rateLimit) => {
    await expect(startKeitoSandbox({ rateLimit })).rejects.toThrow(ConfigError)
  })
})

describe('the handle', () => {
  it('gives the exporter options that point at it', () => {
    const options: KeitoExporterOptions = sandbox.exporterOptions
    expect(options).toEqual({
      apiKey: 'kto_sandbox',
      accountId: 'cmsandbox',
      baseUrl: sandbox.url,
      projectId: 'cmproject1',
      taskId: 'cmtask1',
      expenseCategoryId: 'cmcategory1',
    })
    expect(sandbox).toMatchObject({ projectId: 'cmproject1', taskId: 'cmtask1', expenseCategoryId: 'cmcategory1' })
    expect(sandbox.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/)
  })

  it.each(['projects', 'tasks', 'expenseCategories'])('refuses to start without any of the %s', async (option) => {
    await expect(startKeitoSandbox({ [option]: [] })).rejects.toThrow(`${option}: expected at least one`)
  })

  it('hands out records that fit the types of the client, as copies', async () => {
    await call(sandbox, 'POST', '/api/v2/time_entries', TIME_ENTRY)
    await call(sandbox, 'POST', '/api/v2/expenses', EXPENSE)
    const timeEntries: readonly TimeEntry[] = sandbox.timeEntries()
    const expenses: readonly Expense[] = sandbox.expenses()
    expect(timeEntries[0]).toMatchObject(TIME_ENTRY)
    expect(expenses[0]).toMatchObject(EXPENSE)
    Object.assign(timeEntries[0] ?? {}, { hours: 99 })
    expect(sandbox.timeEntries()[0]?.hours).toBe(1.5)
  })

  it('keeps every answered request with its body and status, and no credential', async () => {
    await call(sandbox, 'POST', '/api/v2/expenses', { ...EXPENSE, surprise: 1 })
    await call(sandbox, 'POST', '/api/v2/expenses', '{"broken')
    await call(sandbox, 'GET', '/api/v2/expenses?page=1')
    await call(sandbox, 'GET', '/api/v2/tasks', undefined, {})
    expect(sandbox.requests()).toEqual([
      { method: 'POST', path: '/api/v2/expenses', status: 200, body: { ...EXPENSE, surprise: 1 } },
      { method: 'POST', path: '/api/v2/expenses', status: 400, body: '{"broken' },
      { method: 'GET', path: '/api/v2/expenses?page=1', status: 200 },
      { method: 'GET', path: '/api/v2/tasks', status: 401 },
    ])
    expect(JSON.stringify(sandbox.requests())).not.toContain(sandbox.apiKey)
  })

  it('forgets everything on reset, but gives out no id twice', async () => {
    const before = await call(sandbox, 'POST', '/api/v2/time_entries', TIME_ENTRY)
    await call(sandbox, 'POST', '/api/v2/expenses', EXPENSE)
    sandbox.reset()
    expect([sandbox.timeEntries(), sandbox.expenses(), sandbox.requests()]).toEqual([[], [], []])
    const after = await call(sandbox, 'POST', '/api/v2/time_entries', TIME_ENTRY)
    expect(after.body.id).not.toBe(before.body.id)
  })

  it('closes open connections too, and may be closed twice', async () => {
    const { port } = new URL(sandbox.url)
    const socket = connect(Number(port), '127.0.0.1')
    const cut = new Promise((resolve) => socket.once('close', resolve))
    await new Promise((resolve) => socket.once('connect', resolve))
    await call(sandbox, 'GET', '/api/v2/users/me')
    await Promise.all([sandbox.close(), sandbox.close()])
    await cut
    await sandbox.close()
    await expect(call(sandbox, 'GET', '/api/v2/users/me')).rejects.toThrow()
  })
})

describe('who books', () => {
  it('is an agent user by default', async () => {
    expect((await call(sandbox, 'GET', '/api/v2/users/me')).body).toMatchObject({
      id: 'cmagent1',
      first_name: 'Sandbox agent',
      user_type: 'agent',
      company: { id: 'cmsandbox' },
    })
  })

  it('can be given', async () => {
    const other = await startKeitoSandbox({ user: { id: 'cmsue', name: 'Sue', type: 'human' } })
    try {
      expect((await call(other, 'GET', '/api/v2/users/me')).body).toMatchObject({ id: 'cmsue', user_type: 'human' })
      const { body } = await call(other, 'POST', '/api/v2/expenses', EXPENSE)
      expect(body).toMatchObject({ user_id: 'cmsue', user: { id: 'cmsue', name: 'Sue' } })
    } finally {
      await other.close()
    }
  })
})
