/** The sandbox lists what was stored: filtered, newest day first, in pages whose union is the whole. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type KeitoSandbox, startKeitoSandbox } from '../src/testing/index.ts'
import { call, EXPENSE, TIME_ENTRY } from './helpers/sandbox-call.ts'

const TIME_ENTRIES = '/api/v2/time_entries'
const EXPENSES = '/api/v2/expenses'
let sandbox: KeitoSandbox

beforeEach(async () => {
  sandbox = await startKeitoSandbox({
    projects: [
      { id: 'cmproject1', name: 'Website relaunch' },
      { id: 'cmproject2', name: 'Shop' },
    ],
    tasks: [
      { id: 'cmtask1', name: 'Agent work' },
      { id: 'cmtask2', name: 'Review' },
    ],
  })
})

afterEach(() => sandbox.close())

const addEntry = (change: object) => call(sandbox, 'POST', TIME_ENTRIES, { ...TIME_ENTRY, ...change })
const addExpense = (change: object) => call(sandbox, 'POST', EXPENSES, { ...EXPENSE, ...change })
const get = (path: string) => call(sandbox, 'GET', path)

/** The notes of the listed rows. */
async function listed(path: string): Promise<string[]> {
  const { body } = await get(path)
  return (body.time_entries ?? body.expenses ?? []).map(({ notes }) => notes)
}

describe('the envelope', () => {
  it('of an empty list has one empty page', async () => {
    expect((await get(TIME_ENTRIES)).body).toEqual({
      time_entries: [],
      per_page: 100,
      total_pages: 1,
      total_entries: 0,
      page: 1,
      links: {
        first: `${sandbox.url}${TIME_ENTRIES}?page=1`,
        next: null,
        previous: null,
        last: `${sandbox.url}${TIME_ENTRIES}?page=1`,
      },
    })
  })

  it('shows stored records as the create showed them', async () => {
    const entry = (await addEntry({})).body
    const expense = (await addExpense({})).body
    expect((await get(TIME_ENTRIES)).body.time_entries).toEqual([entry])
    expect((await get(EXPENSES)).body.expenses).toEqual([expense])
  })

  it('links to its neighbours with the same filters', async () => {
    for (const notes of ['a', 'b', 'c', 'd', 'e']) await addExpense({ notes })
    const { body } = await get(`${EXPENSES}?per_page=2&page=2&source=agent`)
    expect(body).toMatchObject({ per_page: 2, total_pages: 3, total_entries: 5, page: 2 })
    const linkTo = (page: number) => `${sandbox.url}${EXPENSES}?per_page=2&page=${page}&source=agent`
    expect(body.links).toEqual({ first: linkTo(1), next: linkTo(3), previous: linkTo(1), last: linkTo(3) })
  })
})

describe('paging', () => {
  it('shows each record once over all pages', async () => {
    const all = ['a', 'b', 'c', 'd', 'e', 'f', 'g']
    for (const notes of all) await addEntry({ notes })
    const walked: string[] = []
    let next: string | null = `${sandbox.url}${TIME_ENTRIES}?per_page=3`
    while (next !== null) {
      const { body } = await get(next.slice(sandbox.url.length))
      walked.push(...(body.time_entries ?? []).map(({ notes }) => notes))
      next = body.links.next
    }
    expect(walked).toEqual(all.toReversed())
  })

  it('shows 100 records a page when nothing is said, and up to 2,000', async () => {
    await Promise.all(Array.from({ length: 101 }, () => addExpense({})))
    expect((await get(EXPENSES)).body).toMatchObject({ expenses: { length: 100 }, total_pages: 2, total_entries: 101 })
    expect((await get(`${EXPENSES}?page=2`)).body.expenses).toHaveLength(1)
    expect((await get(`${EXPENSES}?per_page=2000`)).body).toMatchObject({ expenses: { length: 101 }, total_pages: 1 })
  })

  it('shows nothing beyond the last page', async () => {
    await addEntry({})
    expect((await get(`${TIME_ENTRIES}?page=9`)).body).toMatchObject({ time_entries: [], total_entries: 1, page: 9 })
  })

  it.each(['per_page=0', 'per_page=2001', 'per_page=x', 'per_page=1.5', 'per_page=', 'page=0', 'page=-1', 'page=x'])(
    'refuses %s',
    async (query) => {
      for (const path of [TIME_ENTRIES, EXPENSES, '/api/v2/projects', '/api/v2/tasks']) {
        expect(await get(`${path}?${query}`)).toMatchObject({ status: 400, body: { error: 'bad request' } })
      }
    },
  )
})

describe('order', () => {
  it('is newest day first, and within a day newest record first', async () => {
    await addEntry({ notes: 'second day, first', spent_date: '2026-03-02' })
    await addEntry({ notes: 'third day', spent_date: '2026-03-03' })
    await addEntry({ notes: 'first day', spent_date: '2026-03-01' })
    await addEntry({ notes: 'second day, last', spent_date: '2026-03-02' })
    expect(await listed(TIME_ENTRIES)).toEqual(['third day', 'second day, last', 'second day, first', 'first day'])
  })
})

describe('filters of time entries', () => {
  beforeEach(async () => {
    await addEntry({ notes: 'a', spent_date: '2026-03-01' })
    await addEntry({ notes: 'b', spent_date: '2026-03-02', project_id: 'cmproject2', source: 'web' })
    await addEntry({ notes: 'c', spent_date: '2026-03-03', task_id: 'cmtask2', source: 'calendar' })
    await addEntry({ notes: 'd', spent_date: '2026-03-04', is_running: true })
  })

  it.each([
    ['', 'dcba'],
    ['from=2026-03-03', 'dc'],
    ['to=2026-03-02', 'ba'],
    ['from=2026-03-02&to=2026-03-02', 'b'],
    ['from=2026-03-03&to=2026-03-02', ''],
    ['project_id=cmproject2', 'b'],
    ['project_id=cmnone', ''],
    ['task_id=cmtask2', 'c'],
    ['user_id=cmagent1', 'dcba'],
    ['user_id=cmother', ''],
    ['client_id=cmclient1', 'dcba'],
    ['client_id=cmother', ''],
    ['is_running=true', 'd'],
    ['is_running=false', 'cba'],
    ['is_billed=false', 'dcba'],
    ['is_billed=true', ''],
    ['source=agent', 'da'],
    ['source=calendar', 'c'],
    ['updated_since=2020-01-01T00:00:00Z', 'dcba'],
    ['updated_since=2999-01-01T00:00:00Z', ''],
    ['source=agent&project_id=cmproject1&to=2026-03-03', 'a'],
    ['cursor=abc&limit=1', 'dcba'],
  ])('%s lists "%s"', async (query, expected) => {
    expect((await listed(`${TIME_ENTRIES}?${query}`)).join('')).toBe(expected)
  })

  it.each([
    'from=2026-02-29',
    'to=yesterday',
    'is_running=1',
    'is_billed=yes',
    'source=otel',
    'source=agent,cli',
    'updated_since=2026-03-01',
    'project_id=',
  ])('%s is refused', async (query) => {
    const { status, body } = await get(`${TIME_ENTRIES}?${query}`)
    expect(status).toBe(400)
    expect(body.error_description).toContain(`${query.split('=')[0]} must be`)
  })

  it('updated_since sees an update', async () => {
    const [oldest] = sandbox.timeEntries()
    await new Promise((resolve) => setTimeout(resolve, 5))
    const { body } = await call(sandbox, 'PATCH', `${TIME_ENTRIES}/${oldest?.id}`, { hours: 2 })
    expect(body.updated_at > body.created_at).toBe(true)
    expect(await listed(`${TIME_ENTRIES}?updated_since=${body.updated_at}`)).toEqual(['a'])
  })
})

describe('filters of expenses', () => {
  beforeEach(async () => {
    await addExpense({ notes: 'a', spent_date: '2026-03-01' })
    await addExpense({ notes: 'b', spent_date: '2026-03-02', project_id: 'cmproject2', source: 'cli' })
  })

  it.each([
    ['', 'ba'],
    ['from=2026-03-02', 'b'],
    ['to=2026-03-01', 'a'],
    ['project_id=cmproject1', 'a'],
    ['user_id=cmagent1', 'ba'],
    ['source=cli', 'b'],
    ['updated_since=2999-01-01T00:00:00%2B02:00', ''],
    ['task_id=cmnone&is_running=true', 'ba'],
  ])('%s lists "%s"', async (query, expected) => {
    expect((await listed(`${EXPENSES}?${query}`)).join('')).toBe(expected)
  })

  it.each(['from=2026-02-29', 'source=calendar', 'source=desktop'])('%s is refused', async (query) => {
    expect((await get(`${EXPENSES}?${query}`)).status).toBe(400)
  })
})

describe('projects and tasks', () => {
  it('are listed in the same envelope', async () => {
    expect((await get('/api/v2/projects')).body).toMatchObject({
      projects: [
        { id: 'cmproject1', name: 'Website relaunch', is_active: true },
        { id: 'cmproject2', name: 'Shop' },
      ],
      total_entries: 2,
    })
    expect((await get('/api/v2/tasks?per_page=1&page=2')).body).toMatchObject({
      tasks: [{ id: 'cmtask2', name: 'Review', is_active: true }],
      total_pages: 2,
    })
  })

  it('are all active', async () => {
    expect((await get('/api/v2/projects?is_active=true')).body.total_entries).toBe(2)
    expect((await get('/api/v2/projects?is_active=false')).body.total_entries).toBe(0)
    expect((await get('/api/v2/tasks?is_active=false')).body.total_entries).toBe(0)
    expect((await get('/api/v2/tasks?is_active=maybe')).status).toBe(400)
  })
})
