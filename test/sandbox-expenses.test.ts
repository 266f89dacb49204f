/** The sandbox takes an expense that Keito would take and refuses one that Keito would refuse, field by field. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { type KeitoSandbox, startKeitoSandbox } from '../src/testing/index.ts'
import { call, EXPENSE, metadataOf } from './helpers/sandbox-call.ts'

const PATH = '/api/v2/expenses'
let sandbox: KeitoSandbox

beforeEach(async () => {
  sandbox = await startKeitoSandbox({
    projects: [
      { id: 'cmproject1', name: 'Website relaunch' },
      { id: 'cmproject2', name: 'Secret', assigned: false },
    ],
    expenseCategories: [
      { id: 'cmcategory1', name: 'LLM Usage', unitPrice: 0.003 },
      { id: 'cmcategory2', name: 'Travel' },
    ],
  })
})

afterEach(() => sandbox.close())

const create = (change: Record<string, unknown> = {}) => call(sandbox, 'POST', PATH, { ...EXPENSE, ...change })

it('stores the expense and answers 200 with all its fields', async () => {
  const { status, body } = await create()
  expect(status).toBe(200)
  expect(body).toEqual({
    ...EXPENSE,
    id: expect.stringMatching(/^cm/),
    user_id: 'cmagent1',
    user: { id: 'cmagent1', name: 'Sandbox agent' },
    project: { id: 'cmproject1', name: 'Website relaunch' },
    expense_category: { id: 'cmcategory1', name: 'LLM Usage' },
    total_cost: 0.135,
    receipt_file_name: null,
    receipt_content_type: null,
    receipt_url: null,
    is_locked: false,
    is_billed: false,
    approval_status: 'unsubmitted',
    created_at: expect.stringMatching(/Z$/),
    updated_at: body.created_at,
  })
  expect(sandbox.expenses()).toEqual([body])
})

it('needs no more than project, category, day and an amount', async () => {
  const { project_id, expense_category_id, spent_date } = EXPENSE
  const { status, body } = await call(sandbox, 'POST', PATH, {
    project_id,
    expense_category_id,
    spent_date,
    total_cost: 1,
  })
  expect(status).toBe(200)
  expect(body).toMatchObject({ source: 'api', billable: true, notes: null, metadata: null, units: null, total_cost: 1 })
})

it.each(['project_id', 'expense_category_id', 'spent_date'])('refuses an expense without %s', async (field) => {
  const { status, body } = await create({ [field]: undefined })
  expect(status).toBe(400)
  expect(body).toEqual({ error: 'bad request', error_description: `${field} is required` })
  expect(sandbox.expenses()).toEqual([])
})

it.each([
  ['project_id', 7],
  ['expense_category_id', null],
  ['spent_date', '2026-02-29'],
  ['spent_date', 'yesterday'],
  ['units', 0],
  ['units', -1],
  ['units', 1.5],
  ['units', '2'],
  ['units', null],
  ['total_cost', -0.01],
  ['total_cost', '1'],
  ['total_cost', null],
  ['notes', null],
  ['billable', 1],
  ['source', 'calendar'],
  ['source', 'desktop'],
  ['source', 'otel'],
  ['metadata', [1]],
  ['metadata', 'text'],
])('refuses %s %j', async (field, value) => {
  const { status, body } = await create({ [field]: value })
  expect(status).toBe(400)
  expect(body.error_description).toContain(`${field} must be`)
  expect(sandbox.expenses()).toEqual([])
})

it('refuses an amount that is too large for a number', async () => {
  const body = JSON.stringify({ ...EXPENSE, total_cost: 1 }).replace('"total_cost":1', '"total_cost":1e999')
  expect((await call(sandbox, 'POST', PATH, body)).status).toBe(400)
})

it.each([
  ['units', 1],
  ['total_cost', 0],
  ['total_cost', 0.135],
  ['notes', ''],
  ['billable', false],
  ['source', 'web'],
  ['source', 'cli'],
  ['source', 'api'],
  ['source', 'agent'],
  ['metadata', null],
  ['metadata', metadataOf(4096)],
])('accepts %s %j', async (field, value) => {
  const { status, body } = await create({ [field]: value })
  expect(status).toBe(200)
  expect(body[field]).toEqual(value)
})

it('refuses metadata of more than 4,096 bytes', async () => {
  expect((await create({ metadata: metadataOf(4097) })).status).toBe(400)
})

it.each([
  ['neither units nor total_cost', { units: undefined }],
  ['units alone in a category without a unit price', { expense_category_id: 'cmcategory2' }],
])('refuses %s', async (_, change) => {
  const { status, body } = await create(change)
  expect(status).toBe(400)
  expect(body.error_description).toContain('total_cost')
})

it.each([
  [{ units: 7 }, 0.021],
  [{ units: 3 }, 0.009],
  [{ units: 1, total_cost: 2 }, 2],
  [{ units: undefined, total_cost: 0 }, 0],
  [{ units: undefined, total_cost: 0.1234567 }, 0.1234567],
  [{ expense_category_id: 'cmcategory2', total_cost: 12.5 }, 12.5],
])('an expense with %j costs %d', async (change, total) => {
  expect((await create(change)).body.total_cost).toBe(total)
})

it.each([
  ['an unknown project', { project_id: 'cmnone' }, 404],
  ['an unknown category', { expense_category_id: 'cmnone' }, 404],
  ['a project the user is not assigned to', { project_id: 'cmproject2' }, 403],
])('refuses %s', async (_, change, expected) => {
  expect((await create(change)).status).toBe(expected)
  expect(sandbox.expenses()).toEqual([])
})

it('ignores fields that v2 does not have, such as unit_price and currency', async () => {
  const { status, body } = await create({ unit_price: 5, currency: 'USD' })
  expect(status).toBe(200)
  expect(body.total_cost).toBe(0.135)
  expect(body).not.toHaveProperty('currency')
})

it('can neither be changed nor deleted', async () => {
  const { body: created } = await create()
  expect((await call(sandbox, 'PATCH', `${PATH}/${created.id}`, { units: 1 })).status).toBe(404)
  expect((await call(sandbox, 'DELETE', `${PATH}/${created.id}`)).status).toBe(404)
  expect(sandbox.expenses()).toEqual([created])
})
