/** The sandbox runs one timer at a time: started, stopped, restarted and replaced as in Keito. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { type KeitoSandbox, type SandboxFaultTarget, startKeitoSandbox } from '../src/testing/index.ts'
import { call, TIME_ENTRY } from './helpers/sandbox-call.ts'

const PATH = '/api/v2/time_entries'
let sandbox: KeitoSandbox

beforeEach(async () => {
  sandbox = await startKeitoSandbox()
})

afterEach(() => sandbox.close())

const create = (change: Record<string, unknown> = {}) => call(sandbox, 'POST', PATH, { ...TIME_ENTRY, ...change })
const startTimer = (change: Record<string, unknown> = {}) => create({ is_running: true, hours: undefined, ...change })
const stop = (id: string, body?: unknown) => call(sandbox, 'PATCH', `${PATH}/${id}/stop`, body)
const restart = (id: string, body?: unknown) => call(sandbox, 'PATCH', `${PATH}/${id}/restart`, body)

/** `spent_date` and `started_time` of so many minutes from now. */
function minutesFromNow(minutes: number) {
  const iso = new Date(Date.now() + minutes * 60_000).toISOString()
  return { spent_date: iso.slice(0, 10), started_time: iso.slice(11, 16) }
}

it('a timer starts without hours', async () => {
  const { status, body } = await startTimer()
  expect(status).toBe(200)
  expect(body).toMatchObject({ is_running: true, hours: 0, timer_started_at: expect.stringMatching(/Z$/) })
})

it('a timer may have started in the past, and counts from there', async () => {
  const { id } = (await startTimer(minutesFromNow(-90))).body
  const { body } = await stop(id)
  expect(body).toMatchObject({ is_running: false, timer_started_at: null })
  expect(body.hours).toBeGreaterThanOrEqual(1.5)
  expect(body.hours).toBeLessThan(2)
})

it('a timer may not start in the future', async () => {
  expect((await startTimer(minutesFromNow(90))).status).toBe(400)
  expect(sandbox.timeEntries()).toEqual([])
})

it('a timer is the only one: a second is refused with 409', async () => {
  await startTimer()
  expect(await startTimer()).toMatchObject({ status: 409, body: { error: 'conflict' } })
  expect(sandbox.timeEntries()).toHaveLength(1)
})

it('a timer does not stand in the way of a completed entry', async () => {
  await startTimer()
  expect((await create()).status).toBe(200)
})

it('a timer gives way to a second one with replace_running', async () => {
  const first = (await startTimer(minutesFromNow(-60))).body
  const second = await startTimer({ replace_running: true })
  expect(second.status).toBe(200)
  expect(sandbox.timeEntries()).toMatchObject([
    { id: first.id, is_running: false },
    { id: second.body.id, is_running: true },
  ])
  expect(sandbox.timeEntries()[0]?.hours).toBeGreaterThanOrEqual(1)
})

it('a timer stops with new notes, or keeps the old ones', async () => {
  const first = (await startTimer()).body
  expect((await stop(first.id, { notes: 'done' })).body.notes).toBe('done')
  const second = (await startTimer()).body
  expect((await stop(second.id)).body.notes).toBe(TIME_ENTRY.notes)
})

it('a stop with wrong notes is refused', async () => {
  const { id } = (await startTimer()).body
  expect((await stop(id, { notes: 5 })).status).toBe(400)
  expect((await stop(id, '{"notes"')).status).toBe(400)
  expect(sandbox.timeEntries()[0]?.is_running).toBe(true)
})

it('a timer cannot be stopped twice', async () => {
  const { id } = (await startTimer()).body
  await stop(id)
  const { status, body } = await stop(id)
  expect(status).toBe(409)
  expect(body.error_description).toBe('Time entry is not running')
})

it('a stopped entry can be restarted, and keeps its hours', async () => {
  const { id } = (await create()).body
  const { status, body } = await restart(id)
  expect(status).toBe(200)
  expect(body).toMatchObject({ id, is_running: true, hours: 1.5 })
  expect((await stop(id)).body.hours).toBeGreaterThanOrEqual(1.5)
})

it('a running entry cannot be restarted', async () => {
  const { id } = (await startTimer()).body
  expect((await restart(id)).status).toBe(409)
})

it('an entry cannot be restarted beside a running one, unless it replaces it', async () => {
  const stopped = (await create()).body
  const running = (await startTimer()).body
  expect((await restart(stopped.id)).status).toBe(409)
  expect((await restart(stopped.id, { replace_running: true })).status).toBe(200)
  expect(sandbox.timeEntries()).toMatchObject([
    { id: stopped.id, is_running: true },
    { id: running.id, is_running: false },
  ])
})

it('an id that does not exist can be neither stopped nor restarted', async () => {
  expect((await stop('cmnone')).status).toBe(404)
  expect((await restart('cmnone')).status).toBe(404)
})

it('a running timer goes on when its entry is changed, and adds to the hours it was given', async () => {
  const { id } = (await startTimer(minutesFromNow(-90))).body
  const update = { hours: 2, metadata: { agent_id: 'a' } }
  expect((await call(sandbox, 'PATCH', `${PATH}/${id}`, { ...update, is_running: false })).body).toMatchObject({
    hours: 2,
    is_running: true,
    metadata: { session_id: 's1', agent_id: 'a' },
  })
  expect((await stop(id)).body.hours).toBeGreaterThanOrEqual(3.5)
})

it('a running timer can be deleted, and another started then', async () => {
  const { id } = (await startTimer()).body
  expect((await call(sandbox, 'DELETE', `${PATH}/${id}`)).status).toBe(204)
  expect((await startTimer()).status).toBe(200)
})

it.each([
  [undefined, 403],
  ['lock', 403],
  ['approval', 409],
] as const)('an entry closed by %s takes no change, and its delete is refused with %i', async (by, status) => {
  const { id } = (await startTimer()).body
  sandbox.lockTimeEntry(id, by)
  sandbox.lockTimeEntry('cmnone', by)
  const before = sandbox.timeEntries()
  expect(before).toMatchObject([{ id, is_locked: true, is_running: true }])
  expect((await call(sandbox, 'PATCH', `${PATH}/${id}`, { hours: 2 })).status).toBe(403)
  expect((await stop(id)).status).toBe(403)
  expect((await restart(id)).status).toBe(403)
  expect((await call(sandbox, 'DELETE', `${PATH}/${id}`)).status).toBe(status)
  expect(sandbox.timeEntries()).toEqual(before)
})

it('an entry is open again in a sandbox that was reset', async () => {
  const { id } = (await create()).body
  sandbox.lockTimeEntry(id, 'approval')
  sandbox.reset()
  expect((await call(sandbox, 'DELETE', `${PATH}/${id}`)).status).toBe(404)
})

it('faults hit the requests that a function picks, and no others draw', async () => {
  const asked: SandboxFaultTarget[] = []
  const on = (target: SandboxFaultTarget) => {
    asked.push(target)
    return target.path.endsWith('/stop')
  }
  const sick = await startKeitoSandbox({ faults: { rate: 1, kinds: ['error'], moments: ['after'], most: 1, on } })
  const { id } = (await call(sick, 'POST', PATH, { ...TIME_ENTRY, is_running: true })).body
  const statuses = [
    await call(sick, 'PATCH', `${PATH}/${id}`, { hours: 1 }),
    await call(sick, 'PATCH', `${PATH}/${id}/stop`),
    await call(sick, 'DELETE', `${PATH}/${id}?x=1`),
  ].map(({ status }) => status)
  expect(statuses).toEqual([200, 500, 204])
  expect(sick.faults()).toMatchObject([{ method: 'PATCH', path: `${PATH}/${id}/stop`, committed: true }])
  expect(asked.at(-1)).toEqual({ method: 'DELETE', path: `${PATH}/${id}` })
  await sick.close()
})
