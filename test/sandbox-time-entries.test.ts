/** The sandbox takes a time entry that Keito would take and refuses one that Keito would refuse, field by field. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type KeitoSandbox, startKeitoSandbox } from '../src/testing/index.ts'
import { call, metadataOf, TIME_ENTRY } from './helpers/sandbox-call.ts'

const PATH = '/api/v2/time_entries'
let sandbox: KeitoSandbox

beforeEach(async () => {
  sandbox = await startKeitoSandbox({
    projects: [
      { id: 'cmproject1', name: 'Website relaunch' },
      { id: 'cmproject2', name: 'Shop' },
      { id: 'cmproject3', name: 'Secret', assigned: false },
    ],
    tasks: [
      { id: 'cmtask1', name: 'Agent work' },
      { id: 'cmtask2', name: 'Review' },
    ],
  })
})

afterEach(() => sandbox.close())

const create = (change: Record<string, unknown> = {}) => call(sandbox, 'POST', PATH, { ...TIME_ENTRY, ...change })
const update = (id: string, change: unknown) => call(sandbox, 'PATCH', `${PATH}/${id}`, change)

describe('creating', () => {
  it('stores the entry and answers 200 with all its fields', async () => {
    const { status, body } = await create()
    expect(status).toBe(200)
    expect(body).toEqual({
      ...TIME_ENTRY,
      id: expect.stringMatching(/^cm/),
      user_id: 'cmagent1',
      user: { id: 'cmagent1', name: 'Sandbox agent' },
      project: { id: 'cmproject1', name: 'Website relaunch' },
      task: { id: 'cmtask1', name: 'Agent work' },
      timer_started_at: null,
      started_time: null,
      ended_time: null,
      is_locked: false,
      is_closed: false,
      is_billed: false,
      budgeted: false,
      billable_rate: null,
      cost_rate: null,
      created_at: expect.stringMatching(/Z$/),
      updated_at: body.created_at,
    })
    expect(sandbox.timeEntries()).toEqual([body])
  })

  it('needs no more than project, task, day and hours', async () => {
    const { project_id, task_id, spent_date, hours } = TIME_ENTRY
    const { status, body } = await call(sandbox, 'POST', PATH, { project_id, task_id, spent_date, hours })
    expect(status).toBe(200)
    expect(body).toMatchObject({ source: 'api', billable: true, is_running: false, notes: null, metadata: null })
  })

  it('gives every entry its own id', async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => create()))
    expect(new Set(answers.map(({ body }) => body.id)).size).toBe(20)
  })

  it.each(['project_id', 'task_id', 'spent_date', 'hours'])('refuses an entry without %s', async (field) => {
    const { status, body } = await create({ [field]: undefined })
    expect(status).toBe(400)
    expect(body).toEqual({ error: 'bad request', error_description: expect.stringContaining(`${field} is required`) })
    expect(sandbox.timeEntries()).toEqual([])
  })

  it.each([
    ['project_id', 7],
    ['project_id', ''],
    ['project_id', null],
    ['task_id', ['cmtask1']],
    ['user_id', 5],
    ['spent_date', '2026-02-29'],
    ['spent_date', '2026-13-01'],
    ['spent_date', '2026-3-2'],
    ['spent_date', '20260302'],
    ['spent_date', '2026-03-02T10:00:00Z'],
    ['spent_date', 20260302],
    ['hours', -0.01],
    ['hours', 24.01],
    ['hours', '1.5'],
    ['hours', null],
    ['notes', null],
    ['notes', 5],
    ['billable', 'true'],
    ['billable', null],
    ['is_running', 0],
    ['replace_running', 'yes'],
    ['started_time', '9:00'],
    ['started_time', '24:00'],
    ['started_time', '10:60'],
    ['ended_time', '10:00:00'],
    ['ended_time', null],
    ['source', 'otel'],
    ['source', null],
    ['metadata', 'text'],
    ['metadata', []],
    ['metadata', 5],
  ])('refuses %s %j', async (field, value) => {
    const { status, body } = await create({ [field]: value })
    expect(status).toBe(400)
    expect(body.error_description).toContain(`${field} must be`)
    expect(sandbox.timeEntries()).toEqual([])
  })

  it.each([
    ['spent_date', '2024-02-29'],
    ['user_id', 'cmagent1'],
    ['hours', 0],
    ['hours', 24],
    ['notes', ''],
    ['billable', false],
    ['started_time', '00:00'],
    ['ended_time', '23:59'],
    ['source', 'web'],
    ['source', 'cli'],
    ['source', 'api'],
    ['source', 'agent'],
    ['source', 'calendar'],
    ['source', 'desktop'],
    ['metadata', null],
    ['metadata', {}],
    ['metadata', { nested: { deep: [1, null, 'x'] } }],
  ])('accepts %s %j', async (field, value) => {
    const { status, body } = await create({ [field]: value })
    expect(status).toBe(200)
    expect(body[field]).toEqual(value)
  })

  it.each([
    [0.125, 0.13],
    [0.004, 0],
    [1.005, 1.01],
    [23.999, 24],
    [0.1 + 0.2, 0.3],
  ])('stores %d hours as %d: two decimals', async (sent, stored) => {
    expect((await create({ hours: sent })).body.hours).toBe(stored)
  })

  it('accepts metadata of 4,096 bytes and refuses one byte more', async () => {
    expect((await create({ metadata: metadataOf(4096) })).status).toBe(200)
    const { status, body } = await create({ metadata: metadataOf(4097) })
    expect(status).toBe(400)
    expect(body.error_description).toContain('4096 bytes')
  })

  it('counts metadata in bytes, not in characters', async () => {
    expect((await create({ metadata: { note: 'é'.repeat(2000) } })).status).toBe(200)
    expect((await create({ metadata: { note: 'é'.repeat(2100) } })).status).toBe(400)
  })

  it.each([
    ['an unknown project', { project_id: 'cmnone' }, 404],
    ['an unknown task', { task_id: 'cmnone' }, 404],
    ['a project the user is not assigned to', { project_id: 'cmproject3' }, 403],
    ['another user', { user_id: 'cmother' }, 403],
  ])('refuses %s', async (_, change, expected) => {
    const { status, body } = await create(change)
    expect(status).toBe(expected)
    expect(body).toEqual({ error: expect.any(String), error_description: expect.any(String) })
    expect(sandbox.timeEntries()).toEqual([])
  })

  it('ignores fields it does not know, such as is_billable', async () => {
    const { status, body } = await create({ billable: undefined, is_billable: false })
    expect(status).toBe(200)
    expect(body.billable).toBe(true)
    expect(body).not.toHaveProperty('is_billable')
  })
})

describe('updating', () => {
  it.each([
    ['project_id', 'cmproject2'],
    ['task_id', 'cmtask2'],
    ['spent_date', '2026-03-03'],
    ['hours', 2.25],
    ['notes', 'changed'],
    ['notes', null],
    ['billable', false],
    ['started_time', '09:30'],
    ['started_time', null],
    ['ended_time', '10:30'],
    ['ended_time', null],
  ])('sets %s to %j and leaves the rest', async (field, value) => {
    const created = (await create({ started_time: '08:00', ended_time: '09:00' })).body
    const { status, body } = await update(created.id, { [field]: value })
    expect(status).toBe(200)
    expect(body[field]).toEqual(value)
    const derived = { updated_at: expect.any(String), project: expect.anything(), task: expect.anything() }
    expect(body).toEqual({ ...created, ...derived, [field]: value })
    expect(sandbox.timeEntries()).toEqual([body])
  })

  it('shows the name of the new project and task', async () => {
    const { id } = (await create()).body
    const { body } = await update(id, { project_id: 'cmproject2', task_id: 'cmtask2' })
    expect(body).toMatchObject({ project: { name: 'Shop' }, task: { name: 'Review' } })
  })

  it.each([
    ['project_id', null, 400],
    ['project_id', 'cmnone', 404],
    ['project_id', 'cmproject3', 403],
    ['task_id', 'cmnone', 404],
    ['spent_date', '2026-02-30', 400],
    ['hours', 25, 400],
    ['hours', null, 400],
    ['notes', 1, 400],
    ['billable', null, 400],
    ['started_time', '7:00', 400],
    ['metadata', [], 400],
  ])('refuses %s %j with status %d and changes nothing', async (field, value, expected) => {
    const { body: created } = await create()
    expect((await update(created.id, { hours: 3, [field]: value })).status).toBe(expected)
    expect(sandbox.timeEntries()).toEqual([created])
  })

  it('never changes source nor is_running', async () => {
    const { id } = (await create({ is_running: true })).body
    const { status, body } = await update(id, { source: 'web', is_running: false })
    expect(status).toBe(200)
    expect(body).toMatchObject({ source: 'agent', is_running: true })
  })

  it('merges metadata at the top level', async () => {
    const { id } = (await create({ metadata: { a: 1, b: { x: 1 } } })).body
    const { body } = await update(id, { metadata: { b: { y: 2 }, c: 3 } })
    expect(body.metadata).toEqual({ a: 1, b: { y: 2 }, c: 3 })
  })

  it('clears metadata with null, and takes new metadata after that', async () => {
    const { id } = (await create()).body
    expect((await update(id, { metadata: null })).body.metadata).toBeNull()
    expect((await update(id, { metadata: { d: 4 } })).body.metadata).toEqual({ d: 4 })
  })

  it('refuses metadata that is too large once it is merged', async () => {
    const { body: created } = await create({ metadata: { before: 'x'.repeat(3000) } })
    const { status, body } = await update(created.id, { metadata: { after: 'x'.repeat(2000) } })
    expect(status).toBe(400)
    expect(body.error_description).toContain('4096 bytes')
    expect(sandbox.timeEntries()).toEqual([created])
  })

  it('needs a body', async () => {
    const { id } = (await create()).body
    expect((await update(id, undefined)).status).toBe(400)
    expect((await update(id, {})).status).toBe(200)
  })

  it('refuses an id that does not exist', async () => {
    expect(await update('cmnone', { hours: 1 })).toMatchObject({ status: 404, body: { error: 'not found' } })
  })
})

describe('deleting', () => {
  it('answers 204, and 404 the second time', async () => {
    const { id } = (await create()).body
    expect(await call(sandbox, 'DELETE', `${PATH}/${id}`)).toMatchObject({ status: 204, text: '' })
    expect(sandbox.timeEntries()).toEqual([])
    expect((await call(sandbox, 'DELETE', `${PATH}/${id}`)).status).toBe(404)
  })
})
