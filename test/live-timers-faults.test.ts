/** Rule: whatever requests of a timer meet, its run is booked once with the right hours, and no timer is left running. */
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { attempt } from '../src/delivery/attempt.ts'
import type { CallOptions } from '../src/keito/client.ts'
import type { TimeEntryCreate } from '../src/keito/types.ts'
import type { DrawnFault } from '../src/testing/faults.ts'
import type { SandboxFaultKind, SandboxFaultMoment, SandboxFaultTarget } from '../src/testing/index.ts'
import { accepted, invalid, never, unknown } from './helpers/delivery.ts'
import { simulateKeito } from './helpers/simulated-keito.ts'
import {
  aTimerWorld,
  fastForward,
  markOf,
  recordKey,
  runRecord,
  sleep,
  type TimerWorld,
  withMethods,
} from './helpers/timer-world.ts'

/** On a clock that costs nothing; a late write is made within 900 ms. */
const SETTINGS = { timeoutMs: 2000, reconcileAfterMs: 5000, recheckAfterMs: 8000, maxBackoffMs: 4000 }

beforeAll(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance', 'Date'] })
})
afterAll(() => {
  vi.useRealTimers()
})

/** Faults that turn the caller away at once, so that there is nothing to be made before or after. */
const AWAY: readonly SandboxFaultKind[] = ['refuse', 'rate-limit', 'unavailable']
const UNCLEAR: readonly SandboxFaultKind[] = ['stall', 'error', 'bad-gateway', 'timeout', 'reset', 'truncate', 'lie']
const MOMENTS: readonly SandboxFaultMoment[] = ['before', 'after', 'late']
const FAULTS: readonly DrawnFault[] = [
  ...AWAY.map((kind) => ({ kind, moment: 'before' }) as const),
  ...UNCLEAR.flatMap((kind) => MOMENTS.map((moment) => ({ kind, moment }))),
]

const booked = (run: string, hours = 1.25) => ({ key: recordKey(run), hours, is_running: false })
const byKey = (a: { readonly key: unknown }, b: { readonly key: unknown }) => (String(a.key) < String(b.key) ? -1 : 1)
const isStop = ({ path }: SandboxFaultTarget) => path.endsWith('/stop')

/** A world whose Keito fails so at the first requests that are meant. */
const aTroubledWorld = (draw: (target: SandboxFaultTarget) => DrawnFault | undefined) =>
  aTimerWorld({ simulated: simulateKeito(draw), settings: SETTINGS })
const firstOnes = (most: number, fault: DrawnFault, isMeant: (target: SandboxFaultTarget) => boolean) => {
  let left = most
  return (target: SandboxFaultTarget) => (isMeant(target) && left-- > 0 ? fault : undefined)
}

describe.each<[string, (target: SandboxFaultTarget) => boolean]>([
  ['a start', ({ method }) => method === 'POST'],
  ['a stop', isStop],
  ['an update', (target) => target.method === 'PATCH' && !isStop(target)],
  ['a delete', ({ method }) => method === 'DELETE'],
  ['a list', ({ method }) => method === 'GET'],
  ['everything', () => true],
])('%s', (_, isMeant) => {
  describe.each(FAULTS)('that meets $kind, with its write made $moment', (fault) => {
    it.each([1, 8])('%i times', async (most) => {
      await fastForward(
        (async () => {
          const world = await aTroubledWorld(firstOnes(most, fault, isMeant))
          world.timers.adopt([markOf('x')])
          world.start('a')
          await sleep(50)
          world.end('a')
          await world.book('a')
          world.start('b')
          await sleep(3)
          await world.book('b')
          world.start('c')
          await sleep(3)
          world.discard('c')
          await world.settled()
          await sleep(1000)
          expect(world.entries().sort(byKey)).toEqual([booked('a'), booked('b')])
          expect([...world.marks.keys()]).toEqual([])
          expect(world.timers.nextAt(0)).toBe(Number.POSITIVE_INFINITY)
          await world.close()
        })(),
      )
    })
  })
})

describe('a delivery', () => {
  type Methods = Parameters<typeof withMethods>[0]
  /** Delivers the record of a run as the sender does, so many milliseconds after the start was sent. */
  const deliver = async (change: Methods, ms: number) => {
    const world = await aTimerWorld({
      simulated: simulateKeito(() => undefined),
      client: withMethods(change),
      settings: SETTINGS,
    })
    world.start('a')
    await sleep(ms)
    const turns: number[] = []
    const call = (options: CallOptions) =>
      world.timers.book(runRecord('a'), options) ?? world.client.timeEntries.create(runRecord('a').body, options)
    const { outcome } = await attempt(call, {
      timeoutMs: SETTINGS.timeoutMs,
      controller: new AbortController(),
      read: () => true,
      nextPage: async () => {
        turns.push(Math.round(performance.now()))
      },
    })
    await world.close()
    return { type: outcome.type, turns: turns.length }
  }
  const slow = async () => {
    await sleep(SETTINGS.timeoutMs * 0.7)
    return accepted()
  }

  it.each(['stop', 'update'] as const)('whose %s hangs is retryable before its caller gives up', async (method) => {
    const { type } = await fastForward(deliver(() => ({ [method]: never }), 100))
    expect(type).toBe('retryable')
  })

  it('has a new deadline after each turn', async () => {
    const outcome = await fastForward(deliver(() => ({ stop: slow, update: slow }), 100))
    expect(outcome).toEqual({ type: 'accepted', turns: 1 })
  })

  it('is a create with a new deadline when most of its own went by with the start', async () => {
    const create = (body: TimeEntryCreate) => (body.is_running ? never<never>() : slow())
    const outcome = await fastForward(deliver(() => ({ create }), 300))
    expect(outcome).toEqual({ type: 'accepted', turns: 1 })
  })
})

/** A world whose Keito never fails by itself. */
const aQuietWorld = (options: Parameters<typeof aTimerWorld>[0]) =>
  aTimerWorld({ simulated: simulateKeito(() => undefined), ...options })

describe('a start that is answered after its deadline', () => {
  const aLateWorld = async (answer: (create: () => Promise<unknown>) => unknown, ms = 60) => {
    const world = await aQuietWorld({
      client: withMethods(({ create }) => ({
        create: async (body) => {
          const outcome = answer(() => create(body))
          await sleep(ms)
          return outcome as never
        },
      })),
      settings: { timeoutMs: 30, reconcileAfterMs: 5000 },
    })
    world.start('a')
    return world
  }
  const lists = (world: TimerWorld) => world.paths().filter((path) => path.startsWith('GET'))

  it('with an id leads to its deletion, without a list', () =>
    fastForward(
      (async () => {
        const world = await aLateWorld((create) => create())
        await sleep(100)
        await world.settled()
        expect(world.entries()).toEqual([])
        expect([...lists(world), ...world.marks.keys()]).toEqual([])
        expect(world.paths().length).toBe(2)
      })(),
    ))

  it('with an id, while a list that does not show it is under way, leads to its deletion', () =>
    fastForward(
      (async () => {
        const world = await aQuietWorld({
          client: withMethods(({ create }) => ({
            create: async (body) => {
              await sleep(240)
              return create(body)
            },
            list: async () => {
              await sleep(100)
              return { type: 'accepted', value: [] }
            },
          })),
          settings: { timeoutMs: 200, reconcileAfterMs: 5 },
        })
        world.start('a')
        await sleep(250)
        await world.settled()
        expect(world.paths()).toEqual(['POST time_entries', expect.stringMatching(/^DELETE/)])
        expect(world.entries()).toEqual([])
      })(),
    ))

  it('with a refusal has started nothing', () =>
    fastForward(
      (async () => {
        const world = await aLateWorld(() => invalid)
        await sleep(100)
        expect(world.isIdle()).toBe(true)
        expect(world.paths()).toEqual([])
        expect(world.marks.size).toBe(0)
      })(),
    ))

  it('is looked for from then on when that is unclear too', () =>
    fastForward(
      (async () => {
        const world = await aLateWorld(() => unknown, 150)
        await sleep(200)
        const due = world.timers.nextAt(performance.now()) - performance.now()
        expect(due).toBeGreaterThan(4900)
        expect(world.isIdle()).toBe(false)
      })(),
    ))

  it('is looked for rarely while it may still come', () =>
    fastForward(
      (async () => {
        const world = await aQuietWorld({
          client: withMethods(() => ({ create: never })),
          settings: { timeoutMs: 20, reconcileAfterMs: 20 },
        })
        world.start('a')
        await sleep(100)
        expect(lists(world).length).toBe(1)
        expect(world.isIdle()).toBe(true)
        expect(world.marks.size).toBe(1)
        expect(world.timers.nextAt(performance.now()) - performance.now()).toBeGreaterThan(800_000)
      })(),
    ))
})

describe('a start that is stored only when a list has missed it', () => {
  /** Its write is made within 900 ms; it is looked for earlier, and once more when that has passed. */
  const aMissedWorld = () =>
    aTimerWorld({
      simulated: simulateKeito(firstOnes(1, { kind: 'error', moment: 'late' }, ({ method }) => method === 'POST')),
      settings: { ...SETTINGS, reconcileAfterMs: 300, recheckAfterMs: 5000 },
    })

  it('is found by a second look, and deleted', () =>
    fastForward(
      (async () => {
        const world = await aMissedWorld()
        world.start('a')
        await sleep(2000)
        expect(world.entries()).toMatchObject([{ key: 'trace:a:timer', is_running: true }])
        await world.settled()
        expect(world.entries()).toEqual([])
        expect(world.paths().filter((path) => path.startsWith('GET'))).toHaveLength(2)
        expect(world.timers.nextAt(0)).toBe(Number.POSITIVE_INFINITY)
      })(),
    ))

  it('does not keep its run from being booked meanwhile', () =>
    fastForward(
      (async () => {
        const world = await aMissedWorld()
        world.start('a')
        await sleep(2000)
        await world.book('a')
        await world.settled()
        expect(world.entries()).toEqual([booked('a')])
      })(),
    ))

  it('is left to nobody else, and nobody has to wait for the second look', () =>
    fastForward(
      (async () => {
        const world = await aMissedWorld()
        world.start('a')
        await sleep(700)
        expect(world.written).toEqual(['+trace:a:timer', '-trace:a:timer'])
        expect(world.timers.marks).toEqual([])
        expect(world.isIdle()).toBe(false)
        world.timers.leave()
        expect(world.timers.nextNeededAt(performance.now())).toBe(Number.POSITIVE_INFINITY)
        await world.close()
      })(),
    ))

  it('is not reported as left when the exporter shuts down before', () =>
    fastForward(
      (async () => {
        const keito = simulateKeito(
          firstOnes(1, { kind: 'error', moment: 'before' }, ({ method }) => method === 'POST'),
        )
        const world = await aTimerWorld({ simulated: keito, settings: SETTINGS, hasLog: false })
        world.start('a')
        await sleep(SETTINGS.reconcileAfterMs + 100)
        await world.close()
        expect(world.reports).toEqual([])
      })(),
    ))
})

describe('runs that come and go while anything may fail', () => {
  const act = fc.record({
    act: fc.constantFrom('start', 'start', 'end', 'discard', 'book', 'wait'),
    run: fc.constantFrom('a', 'b', 'c', 'd'),
    ms: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 12 }), fc.integer({ min: 100, max: 9000 })),
  })
  const fault = fc.option(fc.constantFrom(...FAULTS), { nil: undefined, freq: 2 })

  it('come to exactly the entries that were booked, and none runs', async () => {
    const property = fc.asyncProperty(
      fc.array(act, { maxLength: 14 }),
      fc.array(fault, { maxLength: 25 }),
      async (acts, faults) => {
        const queue = [...faults]
        const world = await aTroubledWorld(() => queue.shift())
        const books: Promise<unknown>[] = []
        const expected: unknown[] = []
        const isOver = new Set<string>()
        for (const { act, run, ms } of acts) {
          if (act === 'wait') await sleep(ms)
          else if (act !== 'book') {
            // A run that was booked or discarded does not begin again: its id is its own.
            if (act !== 'start' || !isOver.has(run)) world[act](run)
            if (act === 'discard') isOver.add(run)
          } else if (!isOver.has(run)) {
            isOver.add(run)
            const hours = expected.length + 0.5
            expected.push(booked(run, hours))
            books.push(world.book(run, hours))
          }
          await sleep(Math.min(ms, 10))
        }
        await Promise.all(books)
        for (const run of ['a', 'b', 'c', 'd']) world.timers.discard(recordKey(run))
        world.wake()
        await world.settled()
        await sleep(1000)
        expect(world.entries().sort(byKey)).toEqual(expected.sort((a, b) => byKey(a as never, b as never)))
        expect([...world.marks.keys()]).toEqual([])
        await world.close()
      },
    )
    await fastForward(fc.assert(property, { numRuns: 150 }))
  })
})
