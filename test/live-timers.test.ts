/** Rule: Keito shows a run while it is under way, and whatever goes wrong, it is booked once in the end and no timer runs. */
import { afterEach, describe, expect, it, vi } from 'vitest'
import { Budget } from '../src/delivery/budget.ts'
import { canRunTimers } from '../src/delivery/requests.ts'
import { TimerSet } from '../src/delivery/timer-set.ts'
import { Turns } from '../src/delivery/turns.ts'
import { accepted, busy, gone, invalid, never, refused, settings, unknown } from './helpers/delivery.ts'
import {
  aTimerWorld,
  DAY,
  markOf,
  recordKey,
  runRecord,
  runTimer,
  sleep,
  TIMES,
  type TimerWorld,
  withMethods,
} from './helpers/timer-world.ts'

const worlds: TimerWorld[] = []
afterEach(async () => {
  for (const world of worlds.splice(0)) await world.close()
})

const aWorld = async (...options: Parameters<typeof aTimerWorld>) => {
  const world = await aTimerWorld(...options)
  worlds.push(world)
  return world
}
/** A world in which a timer runs. */
const aRunningTimer = async (...options: Parameters<typeof aTimerWorld>) => {
  const world = await aWorld(...options)
  world.start('a')
  await world.settled()
  return world
}
const booked = (run: string, hours = 1.25) => ({ key: recordKey(run), hours, is_running: false })
const running = (run: string) => ({ key: `trace:${run}:timer`, hours: 0, is_running: true })

describe('a run', () => {
  it('is a running entry while it lasts, and its record when it has ended, all in one entry', async () => {
    const world = await aRunningTimer()
    expect(world.entries()).toEqual([running('a')])
    world.end('a')
    await world.settled()
    expect(world.entries()).toEqual([{ ...running('a'), is_running: false }])
    const outcome = await world.book('a', 2)
    expect(outcome).toEqual({ type: 'accepted', value: { id: world.sandbox.timeEntries()[0]?.id } })
    const { project_id, task_id, spent_date, hours, notes, billable, metadata } = runRecord('a', 2).body
    expect(world.sandbox.timeEntries()).toMatchObject([
      { project_id, task_id, spent_date, hours, notes, billable, is_running: false, source: 'agent' },
    ])
    expect(world.sandbox.timeEntries()[0]?.metadata).toEqual({ live: true, ...metadata })
    expect(world.paths()).toEqual([
      'POST time_entries',
      expect.stringMatching(/^PATCH .*\/stop$/),
      expect.stringMatching(/^PATCH time_entries\/\w+$/),
    ])
    expect(world.counts()).toEqual({ started: 1, refused: 0, lost: 0, booked: 1 })
    expect(world.timers.has(recordKey('a'))).toBe(false)
  })

  it('may be booked before its end was told', async () => {
    const world = await aRunningTimer()
    await world.book('a')
    expect(world.entries()).toEqual([booked('a')])
  })

  it('that nothing is booked of leaves no entry', async () => {
    const world = await aRunningTimer()
    world.discard('a')
    await world.settled()
    expect(world.entries()).toEqual([])
    expect(world.paths()).toEqual(['POST time_entries', expect.stringMatching(/^DELETE/)])
  })

  it('may be discarded after its end was told', async () => {
    const world = await aRunningTimer()
    world.end('a')
    world.discard('a')
    await world.settled()
    expect(world.entries()).toEqual([])
  })

  it('without a timer is none of ours', async () => {
    const world = await aWorld()
    world.end('a')
    world.discard('a')
    expect(world.timers.book(runRecord('a'), {})).toBeUndefined()
    expect(world.isIdle()).toBe(true)
    expect(world.timers.nextAt(0)).toBe(Number.POSITIVE_INFINITY)
  })

  it('that is told twice is started once', async () => {
    const world = await aRunningTimer()
    world.start('a')
    await world.settled()
    expect(world.paths()).toEqual(['POST time_entries'])
  })

  it.each(['end', 'discard', 'book'] as const)(
    'that comes to %s before its start was sent has no timer',
    async (act) => {
      const world = await aWorld()
      world.timers.start(runTimer('a'))
      expect(world.timers.has(recordKey('a'))).toBe(true)
      expect(world.isIdle()).toBe(false)
      await world[act]('a')
      expect(world.timers.has(recordKey('a'))).toBe(false)
      expect(world.timers.startDue()).toBe(false)
      expect(world.paths()).toEqual(act === 'book' ? ['POST time_entries'] : [])
      expect(world.entries()).toEqual(act === 'book' ? [booked('a')] : [])
    },
  )

  it.each(['end', 'discard', 'book'] as const)(
    'that comes to %s while its start is under way waits for it',
    async (act) => {
      const world = await aWorld()
      world.start('a')
      expect(world.timers.underWay).toBe(1)
      await world[act]('a')
      await world.settled()
      expect(world.entries()).toEqual(
        { end: [{ ...running('a'), is_running: false }], discard: [], book: [booked('a')] }[act],
      )
    },
  )
})

describe('a second timer', () => {
  it('of ours is not asked for beside the first, and the run is booked all the same', async () => {
    const world = await aRunningTimer()
    world.start('b')
    await world.settled()
    expect(world.paths()).toEqual(['POST time_entries'])
    await world.book('b')
    await world.book('a')
    expect(world.entries()).toEqual([booked('a'), booked('b')])
    expect(world.counts()).toMatchObject({ started: 1, refused: 1 })
    expect(world.reports).toEqual([])
  })

  it('starts when the first is stopped', async () => {
    const world = await aRunningTimer()
    world.timers.end(recordKey('a'))
    world.start('b')
    await world.settled()
    expect(world.entries()).toEqual([{ ...running('a'), is_running: false }, running('b')])
  })

  it('of thousands is left out in one pass over them', async () => {
    const world = await aRunningTimer()
    for (let i = 0; i < 5000; i++) world.timers.start(runTimer(`queued-${i}`))
    const passes = vi.spyOn(TimerSet.prototype, 'all')
    const startDue = world.timers.startDue()
    const { length } = passes.mock.calls
    passes.mockRestore()
    expect(startDue).toBe(false)
    expect(length).toBeLessThan(10)
    expect(world.counts()).toMatchObject({ started: 1, refused: 5000 })
    expect(world.timers.has(recordKey('queued-4999'))).toBe(false)
    expect(world.timers.has(recordKey('a'))).toBe(true)
  })

  it('does not start while the first is being started', async () => {
    const world = await aWorld()
    world.start('a')
    world.start('b')
    expect(world.timers.underWay).toBe(1)
    expect(world.timers.nextAt(0)).toBe(Number.POSITIVE_INFINITY)
    await world.settled()
    expect(world.entries()).toEqual([running('a')])
  })

  it('of somebody else is left alone, in silence, and the next start waits a while', async () => {
    const world = await aWorld({ settings: { maxBackoffMs: 400 } })
    const theirs = await world.client.timeEntries.create(runTimer('theirs').body)
    world.start('a')
    await world.settled()
    expect(world.reports).toEqual([])
    expect(world.marks.size).toBe(0)
    expect(world.counts()).toMatchObject({ started: 0, refused: 1 })
    world.start('b')
    expect(world.timers.underWay).toBe(0)
    expect(world.timers.nextAt(performance.now()) - performance.now()).toBeGreaterThan(10)
    await world.client.timeEntries.stop?.(theirs.type === 'accepted' ? theirs.value.id : '')
    await world.settled()
    await world.book('a')
    await world.book('b')
    expect(world.entries()).toEqual([{ ...running('theirs'), is_running: false }, booked('b'), booked('a')])
    expect(world.sandbox.requests().some(({ body }) => JSON.stringify(body)?.includes('replace_running'))).toBe(false)
  })
})

describe('a next timer', () => {
  it('waits until the one that is being booked is stopped', async () => {
    const world = await aRunningTimer()
    const outcome = world.book('a')
    await Promise.resolve()
    world.start('b')
    expect(world.timers.underWay).toBe(0)
    await outcome
    await world.settled()
    expect(world.entries()).toEqual([booked('a'), running('b')])
  })

  it('waits until the one that is not wanted is deleted', async () => {
    const world = await aRunningTimer({
      client: withMethods((methods) => ({
        delete: async (id) => {
          await sleep(20)
          return methods.delete(id)
        },
      })),
    })
    world.timers.discard(recordKey('a'))
    world.start('b')
    await world.settled()
    expect(world.entries()).toEqual([running('b')])
  })

  it('is none of a run that has one', async () => {
    const world = await aWorld()
    world.timers.start(runTimer('a'))
    world.timers.start({ ...runTimer('b'), recordKey: recordKey('a') })
    world.wake()
    await world.settled()
    expect(world.entries()).toEqual([running('a')])
    expect(world.counts().refused).toBe(0)
  })
})

describe('a start that Keito refuses', () => {
  it.each([
    ['projectId', { project_id: 'cmnone' }, 'timer:start:404', 'KEITO_PROJECT_ID'],
    ['rights', { project_id: 'cmlab' }, 'timer:start:403', 'rights of the user'],
    ['a body', { spent_date: 'today' }, 'timer:start:400', 'HTTP 400'],
  ])('for its %s is told with what to do, and the run is booked as usual', async (_, change, cause, words) => {
    const projects = [
      { id: 'cmproject1', name: 'Shop' },
      { id: 'cmlab', name: 'Lab', assigned: false },
    ]
    const world = await aWorld({ sandbox: { projects } })
    world.timers.start({ ...runTimer('a'), body: { ...runTimer('a').body, ...change } })
    world.wake()
    await world.settled()
    expect(world.reports).toMatchObject([{ code: 'rejected', cause, message: expect.stringContaining(words) }])
    expect(world.marks.size).toBe(0)
    await world.book('a')
    expect(world.entries()).toEqual([booked('a')])
  })

  it('for its credentials waits with all requests, and is dropped when the run ends', async () => {
    const world = await aWorld({ client: withMethods(() => ({ create: async () => refused(401) })) })
    world.start('a')
    await sleep(5)
    expect(world.reports).toMatchObject([{ code: 'unauthorized', message: expect.stringContaining('KEITO_API_KEY') }])
    expect(world.budget.waitMs(performance.now())).toBeGreaterThan(1000)
    expect(world.isIdle()).toBe(false)
    world.end('a')
    expect(world.isIdle()).toBe(true)
    expect(world.marks.size).toBe(0)
  })

  it('for now is dropped when the run has ended meanwhile', async () => {
    const create = async () => {
      await sleep(20)
      return busy(0)
    }
    const world = await aWorld({ client: withMethods(() => ({ create })) })
    world.start('a')
    world.end('a')
    await world.settled()
    await sleep(20)
    expect(world.timers.has(recordKey('a'))).toBe(false)
    expect(world.written).toEqual(['+trace:a:timer', '-trace:a:timer'])
  })

  it('for now is made again, behind a pause of all requests', async () => {
    const replies = [busy(150), busy(150)]
    const world = await aWorld({
      client: withMethods(({ create }) => ({ create: async (body) => replies.shift() ?? create(body) })),
    })
    world.start('a')
    await sleep(5)
    const waitMs = world.budget.waitMs(performance.now())
    expect(waitMs).toBeGreaterThan(5)
    expect(world.timers.nextAt(performance.now()) - performance.now()).toBeGreaterThan(waitMs + 5)
    await world.settled()
    expect(world.budget.slots).toBe(4)
    expect(world.entries()).toEqual([running('a')])
    expect(world.reports).toMatchObject([{ code: 'unavailable' }])
    expect(world.written).toEqual(['+trace:a:timer'])
  })
})

describe('a mark', () => {
  it('is written before the start, and gone when the timer is', async () => {
    const seen: number[] = []
    const world = await aWorld({
      client: withMethods(({ create }) => ({
        create: (body) => {
          seen.push(world.marks.size)
          return create(body)
        },
      })),
    })
    world.start('a')
    await world.settled()
    expect(seen).toEqual([1])
    expect([...world.marks.values()]).toEqual([markOf('a')])
    await world.book('a')
    expect(world.written).toEqual(['+trace:a:timer', '-trace:a:timer'])
    world.start('b')
    await world.settled()
    world.discard('b')
    expect(world.marks.size).toBe(1)
    await world.settled()
    expect(world.marks.size).toBe(0)
  })

  it.each<[string, () => boolean]>([
    ['was lost to another process', () => false],
    [
      'cannot be written',
      () => {
        throw new Error('the disk is full')
      },
    ],
  ])('that %s starts no timer', async (_, commit) => {
    const world = await aWorld({ commit })
    world.start('a')
    expect(world.isIdle()).toBe(true)
    expect(world.counted()).toBe(0)
    await world.book('a')
    expect(world.paths()).toEqual(['POST time_entries'])
    expect(world.entries()).toEqual([booked('a')])
  })

  it('of a process that is gone leads to its timer at once; one that is not there is looked for when a late start must have been made, and once more', async () => {
    const world = await aWorld()
    for (const run of ['a', 'b']) {
      const entry = await world.client.timeEntries.create(runTimer(run).body)
      if (run === 'a' && entry.type === 'accepted') await world.client.timeEntries.stop?.(entry.value.id)
    }
    await world.book('other')
    world.timers.adopt([markOf('a'), markOf('b'), markOf('c')])
    world.wake()
    expect(world.timers.underWay).toBe(1)
    await vi.waitFor(() => expect(world.entries()).toEqual([booked('other')]))
    await world.settled()
    expect(world.paths().filter((path) => path.startsWith('GET')).length).toBe(3)
    expect(world.written.sort()).toEqual(['-trace:a:timer', '-trace:b:timer', '-trace:c:timer'])
  })

  it('leads to the day and project it names', async () => {
    const world = await aWorld()
    world.timers.adopt([markOf('a'), { ...markOf('b'), day: '2026-03-03' }])
    world.wake()
    await world.settled()
    const queries = world.sandbox
      .requests()
      .map(({ path }) => Object.fromEntries(new URL(path, 'http://x').searchParams))
    // Again, when a late start must have been made, and once more.
    expect(queries).toHaveLength(6)
    expect(queries.slice(2, 4)).toEqual(queries.slice(0, 2))
    expect(queries.slice(4)).toEqual(queries.slice(0, 2))
    expect(queries.slice(0, 2)).toMatchObject([
      { from: DAY, to: DAY, project_id: 'cmproject1', source: 'agent' },
      { from: '2026-03-03', to: '2026-03-03' },
    ])
  })

  it('of a timer of our own is not taken for one of a process that is gone', async () => {
    const world = await aRunningTimer()
    world.timers.adopt([markOf('a')])
    world.wake()
    await sleep(TIMES.reconcileAfterMs + 30)
    expect(world.entries()).toEqual([running('a')])
  })

  it('under which there are several entries leads to all of them', async () => {
    const world = await aWorld()
    for (let i = 0; i < 3; i++) {
      const entry = await world.client.timeEntries.create(runTimer('a').body)
      if (i < 2 && entry.type === 'accepted') await world.client.timeEntries.stop?.(entry.value.id)
    }
    world.timers.adopt([markOf('a')])
    world.wake()
    await world.settled()
    expect(world.entries()).toEqual([])
  })
})

describe('a record', () => {
  const bookOnce = (world: TimerWorld, options: { nextPage?: () => Promise<void>; signal?: AbortSignal } = {}) =>
    world.timers.book(runRecord('a'), options)

  it('waits for its turn before the second request, and only there', async () => {
    const world = await aRunningTimer()
    const turns: number[] = []
    const nextPage = async () => {
      turns.push(world.paths().length)
    }
    expect(await bookOnce(world, { nextPage })).toMatchObject({ type: 'accepted' })
    expect(turns).toEqual([2])
  })

  it('that waited for its start stops the timer itself, and once', async () => {
    const world = await aWorld()
    world.start('a')
    await world.book('a')
    expect(world.paths().length).toBe(3)
  })

  it('of a timer that is stopped is not stopped again', async () => {
    const replies = [unknown]
    const world = await aRunningTimer({
      client: withMethods(({ update }) => ({
        update: async (id, body) => replies.shift() ?? update(id, body),
      })),
    })
    await world.book('a')
    expect(world.paths().length).toBe(3)
  })

  it('that was stopped before needs one request', async () => {
    const world = await aRunningTimer()
    world.end('a')
    await world.settled()
    const nextPage = vi.fn(async () => {})
    await bookOnce(world, { nextPage })
    expect(nextPage).not.toHaveBeenCalled()
  })

  it('is not sent when its turn does not come', async () => {
    const world = await aRunningTimer()
    const nextPage = async () => Promise.reject(new Error('given up'))
    expect(await bookOnce(world, { nextPage })).toMatchObject({ type: 'retryable' })
    expect(world.paths().length).toBe(2)
    await world.book('a')
    expect(world.entries()).toEqual([booked('a')])
  })

  it('is not sent when its caller has given up', async () => {
    const world = await aRunningTimer()
    expect(await bookOnce(world, { signal: AbortSignal.abort() })).toMatchObject({ type: 'retryable' })
    expect(world.paths().length).toBe(1)
  })

  it.each(['stop', 'update'] as const)('whose %s is not answered clearly may be booked again', async (method) => {
    const replies = [unknown, busy(), refused(401)]
    const world = await aRunningTimer({
      client: withMethods((methods) => ({
        [method]: async (...args: never[]) =>
          replies.shift() ?? (methods[method] as (...a: never[]) => unknown)(...args),
      })),
    })
    expect(await bookOnce(world)).toEqual({ type: 'retryable', reason: 'HTTP 502' })
    expect(await bookOnce(world)).toEqual(busy())
    expect(await bookOnce(world)).toEqual(refused(401))
    expect(await bookOnce(world)).toMatchObject({ type: 'accepted' })
    expect(world.entries()).toEqual([booked('a')])
  })

  it('whose caller gives up while a request is under way is retryable at once', async () => {
    const world = await aRunningTimer({ client: withMethods(() => ({ stop: never })) })
    const controller = new AbortController()
    const outcome = bookOnce(world, { signal: controller.signal })
    await sleep(5)
    controller.abort()
    expect(await outcome).toMatchObject({ type: 'retryable' })
  })

  it('waits for a start that is under way no longer than its caller does', async () => {
    const world = await aWorld({ client: withMethods(() => ({ create: never })) })
    world.start('a')
    await sleep(50)
    const controller = new AbortController()
    const outcome = bookOnce(world, { signal: controller.signal })
    await sleep(5)
    controller.abort()
    expect(await outcome).toMatchObject({ type: 'retryable', reason: expect.stringContaining('under way') })
  })

  it.each([
    ['before its stop', false],
    ['after its stop', true],
  ])('whose timer somebody deleted %s is created', async (_, isStopped) => {
    const world = await aRunningTimer()
    if (isStopped) world.end('a')
    await world.settled()
    await world.client.timeEntries.delete?.(world.sandbox.timeEntries()[0]?.id ?? '')
    await world.book('a')
    expect(world.entries()).toEqual([booked('a')])
    expect(world.marks.size).toBe(0)
    expect(world.counts().booked).toBe(0)
  })

  it('that the entry of the timer cannot take is created instead, and the entry deleted before', async () => {
    const world = await aWorld()
    const long = Object.fromEntries(Array.from({ length: 19 }, (_, i) => [`own_${i}`, 'x'.repeat(190)]))
    const { body } = runTimer('a')
    world.timers.start({ ...runTimer('a'), body: { ...body, metadata: { ...body.metadata, ...long } } })
    world.wake()
    await world.settled()
    expect(world.entries()).toEqual([running('a')])
    const record = runRecord('a')
    const other = { ...record.body.metadata, note: 'y'.repeat(400) }
    expect(await world.deliver({ ...record, body: { ...record.body, metadata: other } })).toMatchObject({
      type: 'accepted',
    })
    expect(world.entries()).toEqual([booked('a')])
    const methods = world.sandbox.requests().map(({ method, status }) => `${method} ${status}`)
    expect(methods).toEqual(['POST 200', 'PATCH 200', 'PATCH 400', 'DELETE 204', 'POST 200'])
  })

  it('whose timer only ever fails to be changed is created instead', async () => {
    const world = await aRunningTimer({ client: withMethods(() => ({ update: async () => unknown })) })
    await world.book('a')
    expect(world.entries()).toEqual([booked('a')])
  })

  it('whose timer cannot be stopped is created instead', async () => {
    const stop = vi.fn(async () => gone)
    const world = await aRunningTimer({ client: withMethods(() => ({ stop })) })
    world.end('a')
    await world.settled()
    await world.book('a')
    expect(world.entries()).toEqual([booked('a')])
    expect(stop).toHaveBeenCalledOnce()
  })

  it('is not created before the entry of its timer is certainly deleted', async () => {
    const replies = [unknown, busy()]
    const world = await aRunningTimer({
      client: withMethods((methods) => ({
        update: async () => invalid,
        delete: async (id) => replies.shift() ?? methods.delete(id),
      })),
    })
    expect(await bookOnce(world)).toMatchObject({ type: 'retryable' })
    expect(await bookOnce(world)).toMatchObject({ type: 'retryable' })
    expect(world.entries().length).toBe(1)
    expect(await bookOnce(world)).toMatchObject({ type: 'accepted' })
    expect(world.entries()).toEqual([booked('a')])
  })

  it.each([
    ['lock', 403, 'Time entry is locked'],
    ['approval', 403, 'Time entry is locked'],
  ] as const)('whose entry is closed by a %s is rejected, which pauses nothing else', async (by, status, words) => {
    const world = await aRunningTimer()
    world.end('a')
    await world.settled()
    const { id = '' } = world.sandbox.timeEntries()[0] ?? {}
    world.sandbox.lockTimeEntry(id, by)
    expect(await world.book('a')).toMatchObject({ type: 'rejected', status, reason: expect.stringContaining(words) })
    expect(world.entries()).toEqual([{ ...running('a'), is_running: false }])
    expect(world.reports).toMatchObject([{ code: 'rejected', message: expect.stringContaining(id) }])
    expect(world.marks.size).toBe(0)
    expect(world.budget.waitMs(performance.now())).toBe(0)
  })

  it('that a list has found in Keito leaves nothing to do for its timer', async () => {
    const world = await aRunningTimer()
    world.timers.delivered(recordKey('a'))
    expect(world.timers.has(recordKey('a'))).toBe(true)
    await bookOnce(world, { signal: AbortSignal.abort() })
    world.timers.delivered(recordKey('a'))
    expect(world.timers.has(recordKey('a'))).toBe(false)
    expect(world.isIdle()).toBe(true)
    expect(world.marks.size).toBe(0)
  })

  it('that was booked meanwhile by a call given up before is not booked into the same timer again', async () => {
    const world = await aRunningTimer()
    const [first, second] = [bookOnce(world), bookOnce(world)]
    expect(await first).toMatchObject({ type: 'accepted' })
    expect(await second).toMatchObject({ type: 'retryable' })
    expect(world.paths().length).toBe(3)
  })

  it('that is on its way is not discarded any more', async () => {
    const world = await aRunningTimer()
    await bookOnce(world, { signal: AbortSignal.abort() })
    world.discard('a')
    await world.settled()
    await world.book('a')
    expect(world.entries()).toEqual([booked('a')])
    expect(world.paths().some((path) => path.startsWith('DELETE'))).toBe(false)
  })
})

describe('a timer that is not wanted', () => {
  it('and cannot be deleted is stopped and made worth nothing, which is told', async () => {
    const world = await aRunningTimer({
      client: withMethods(() => ({ delete: async () => ({ ...gone, status: 409 }) })),
    })
    world.discard('a')
    await world.settled()
    expect(world.sandbox.timeEntries()).toMatchObject([{ hours: 0, billable: false, is_running: false }])
    const { id = '' } = world.sandbox.timeEntries()[0] ?? {}
    expect(world.reports).toMatchObject([{ code: 'rejected', cause: 'timer:delete:409' }])
    expect(world.reports[0]?.message).toContain(`${id} now has 0 hours`)
    expect(world.reports[0]?.message).not.toContain('stop it')
    expect(world.marks.size).toBe(0)
  })

  it('and is gone after all is no problem', async () => {
    const world = await aRunningTimer({
      client: withMethods(() => ({ delete: async () => refused(403), update: async () => gone })),
    })
    world.discard('a')
    await world.settled()
    expect(world.reports).toEqual([])
    expect(world.marks.size).toBe(0)
  })

  it.each(['lock', 'approval'] as const)('and is closed by a %s is left to people', async (by) => {
    const world = await aRunningTimer()
    const { id = '' } = world.sandbox.timeEntries()[0] ?? {}
    world.sandbox.lockTimeEntry(id, by)
    world.discard('a')
    await world.settled()
    expect(world.reports).toMatchObject([{ code: 'rejected', message: expect.stringContaining(`entry ${id}`) }])
    expect(world.marks.size).toBe(0)
    expect(world.isIdle()).toBe(true)
  })
})

describe('a start whose answer has no id', () => {
  it('leads to a look for the timer, which is deleted', async () => {
    const world = await aWorld({
      client: withMethods(({ create }) => ({
        create: async (body) => {
          const outcome = await create(body)
          return outcome.type === 'accepted' && body.is_running ? accepted('') : outcome
        },
      })),
    })
    world.start('a')
    await sleep(20)
    expect(world.entries()).toEqual([running('a')])
    expect(world.timers.has(recordKey('a'))).toBe(false)
    await world.book('a')
    await world.settled()
    expect(world.entries()).toEqual([booked('a')])
    expect(world.counts()).toEqual({ started: 0, refused: 0, lost: 1, booked: 0 })
  })
})

describe('a list', () => {
  it.each([refused(403), gone])('that Keito refuses leaves the mark, and is told', async (refusal) => {
    const world = await aWorld({ client: withMethods(() => ({ list: async () => refusal })) })
    world.timers.adopt([markOf('a')])
    world.wake()
    await sleep(TIMES.reconcileAfterMs + 30)
    expect(world.isIdle()).toBe(true)
    expect(world.timers.nextAt(performance.now())).toBeLessThan(Number.POSITIVE_INFINITY)
    expect(world.written).toEqual([])
    expect(world.reports).toMatchObject([{ code: 'ambiguous', message: expect.stringContaining('trace:a:timer') }])
  })

  it('of several pages waits for its turn before each', async () => {
    const pages: number[] = []
    const world = await aWorld({
      client: withMethods(() => ({
        list: async (_query, options) => {
          pages.push(world.counted())
          await options?.nextPage?.()
          pages.push(world.counted())
          return { type: 'accepted', value: [] }
        },
      })),
    })
    world.timers.adopt([markOf('a')])
    world.wake()
    await world.settled()
    expect(pages).toEqual([1, 2, 3, 4, 5, 6])
  })
})

describe('requests', () => {
  it('are counted once each', async () => {
    const world = await aRunningTimer()
    world.end('a')
    await world.book('a')
    world.start('b')
    await world.settled()
    world.discard('b')
    world.timers.adopt([markOf('x')])
    await world.settled()
    expect(world.counted()).toBe(world.paths().length)
  })

  it('for starts are left to records that wait, and those for ends are not', async () => {
    const world = await aRunningTimer()
    world.timers.end(recordKey('a'))
    expect(world.timers.startDue(false)).toBe(true)
    await vi.waitFor(() => expect(world.timers.underWay).toBe(0))
    world.timers.start(runTimer('b'))
    expect(world.timers.startDue(false)).toBe(false)
    expect(world.timers.has(recordKey('b'))).toBe(true)
    expect(world.timers.startDue()).toBe(true)
  })

  it('are not made when the exporter was shut down', async () => {
    const world = await aRunningTimer()
    world.timers.discard(recordKey('a'))
    world.timers.close()
    expect(world.timers.startDue()).toBe(false)
    expect([world.isIdle(), world.timers.nextAt(0)]).toEqual([true, Number.POSITIVE_INFINITY])
    world.start('b')
    world.timers.adopt([markOf('x')])
    expect(world.timers.has(recordKey('b'))).toBe(false)
    expect(world.paths().length).toBe(1)
    expect([...world.marks.keys()]).toEqual(['trace:a:timer'])
    expect(world.reports).toEqual([])
  })

  it('that are under way end with a shutdown, and what they were to tell is not known', async () => {
    const world = await aWorld({ client: withMethods(() => ({ create: never })) })
    world.start('a')
    const outcome = world.timers.book(runRecord('a'), {})
    world.timers.close()
    expect(await outcome).toMatchObject({ type: 'retryable' })
    expect(await world.timers.book(runRecord('a'), {})).toMatchObject({ type: 'retryable' })
    expect(world.timers.underWay).toBe(0)
    expect([...world.marks.keys()]).toEqual(['trace:a:timer'])
  })

  it('that were not made before a shutdown are told where nothing remembers them', async () => {
    const world = await aRunningTimer({ hasLog: false })
    world.timers.close()
    world.timers.close()
    expect(world.reports).toMatchObject([{ code: 'undelivered', message: expect.stringContaining(DAY) }])
    const other = await aWorld({ hasLog: false })
    other.timers.start(runTimer('a'))
    other.timers.close()
    expect(other.reports).toEqual([])
  })

  it('wait while all requests have to', async () => {
    const world = await aWorld({ settings: { requestsPerMinute: 1 } })
    world.start('a')
    await world.settled()
    world.end('a')
    await sleep(20)
    expect(world.paths().length).toBe(1)
    expect(world.isIdle()).toBe(false)
  })
})

it('a turn comes when a request may start, or when there is nothing to wait for any more', async () => {
  const budget = new Budget({ ...settings, requestsPerMinute: 1 }, () => 1)
  const turns = new Turns(budget, () => 0)
  await turns.next()
  let hasCome = false
  const second = turns.next().then(() => {
    hasCome = true
  })
  await sleep(10)
  expect(hasCome).toBe(false)
  turns.close()
  await second
  await turns.next()
})

describe('a client', () => {
  const methods = ['list', 'stop', 'update', 'delete'] as const
  it('that has all methods can run timers', async () => {
    const world = await aWorld()
    expect(canRunTimers(world.client)).toBe(true)
  })

  it.each(methods)('without %s cannot, none is started, and marks are kept for one that can', async (method) => {
    const world = await aWorld({ client: withMethods(() => ({ [method]: undefined })) })
    expect(canRunTimers(world.client)).toBe(false)
    world.start('a')
    world.timers.adopt([markOf('x')])
    expect(world.timers.has(recordKey('a'))).toBe(false)
    expect(world.isIdle()).toBe(true)
    world.wake()
    expect(world.timers.marks).toEqual([markOf('x')])
    expect([world.written, world.paths()]).toEqual([[], []])
  })
})

it('over real connections that fail at random, runs are booked once and no timer is left', async () => {
  const kinds = ['refuse', 'rate-limit', 'error', 'bad-gateway', 'reset', 'truncate', 'lie'] as const
  const faults = { seed: 5, rate: 0.5, kinds, most: 14, lateMs: 20, retryAfterS: 0, refuseMs: 20 }
  const world = await aWorld({ sandbox: { faults } })
  for (const run of ['a', 'b', 'c', 'd']) {
    world.start(run)
    await sleep(20)
    world.end(run)
    await world.book(run)
    world.start(`${run}-failed`)
    await sleep(20)
    world.discard(`${run}-failed`)
  }
  await world.settled()
  expect(
    world
      .entries()
      .map(({ key }) => key)
      .sort(),
  ).toEqual(['a', 'b', 'c', 'd'].map(recordKey))
  expect(world.entries().every(({ hours, is_running }) => hours === 1.25 && !is_running)).toBe(true)
  expect(world.marks.size).toBe(0)
})
