/** Rule: the outbox hands out each accepted record in order, once at a time, and forgets none that is not settled. */
import fc from 'fast-check'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { recordKeysOf, unassignedOf } from '../src/billing/unassigned.ts'
import { memoryOutbox } from '../src/delivery/memory-outbox.ts'
import type { Outbox, Unassigned } from '../src/delivery/outbox.ts'
import { ConfigError } from '../src/errors.ts'
import { aRunOf, aRunWith, hours, tokensOf } from './helpers/billing.ts'
import { expense, timeEntry } from './helpers/delivery.ts'

const anOutboxOf = (...keys: readonly string[]) => {
  const outbox = memoryOutbox()
  outbox.add(keys.map(timeEntry))
  return outbox
}
const takeAll = (outbox: Outbox) => {
  const keys: string[] = []
  for (let record = outbox.take(); record; record = outbox.take()) keys.push(record.key)
  return keys
}
const unassigned: Unassigned = {
  key: 'kept',
  missing: ['projectId'],
  settlement: {
    sessionId: 'a'.repeat(32),
    runId: 'session',
    emitter: 'test',
    outcome: 'ok',
    startNs: 0n,
    endNs: 1n,
    llmCalls: 0,
    toolCalls: 0,
    models: [],
    allModels: [],
    attribution: {},
  },
}

describe('order', () => {
  it('is first in, first out', () => {
    const outbox = anOutboxOf('a', 'b', 'c')
    outbox.add([expense('d')])
    expect(takeAll(outbox)).toEqual(['a', 'b', 'c', 'd'])
    expect(outbox.take()).toBeUndefined()
  })

  it('a record that is put back keeps its place, whatever the order of returns', () => {
    const outbox = anOutboxOf('a', 'b', 'c', 'd', 'e')
    for (const _ of 'abc') outbox.take()
    for (const key of ['b', 'c', 'a']) outbox.putBack(key)
    expect(takeAll(outbox)).toEqual(['a', 'b', 'c', 'd', 'e'])
  })

  it('a record that is released keeps its place as well', () => {
    const outbox = anOutboxOf('a', 'b', 'c', 'd')
    for (const _ of 'abc') outbox.take()
    outbox.hold('a', 'HTTP 502')
    outbox.hold('b', 'HTTP 502')
    outbox.putBack('c')
    outbox.release('b')
    outbox.release('a')
    expect(outbox.held()).toEqual([])
    expect(takeAll(outbox)).toEqual(['a', 'b', 'c', 'd'])
  })

  it('holds for any sequence of steps, as in a plain sorted list', () => {
    const step = fc.constantFrom('add', 'take', 'back', 'done', 'hold', 'release', 'found')
    fc.assert(
      fc.property(fc.array(fc.tuple(step, fc.nat()), { maxLength: 200 }), (steps) => {
        const outbox = memoryOutbox()
        const waiting: number[] = []
        const inFlight: number[] = []
        const held: number[] = []
        let next = 0
        for (const [step, pick] of steps) {
          const picked = inFlight[pick % Math.max(1, inFlight.length)]
          const pickedHeld = held[pick % Math.max(1, held.length)]
          if (step === 'add') {
            outbox.add([timeEntry(String(next))])
            waiting.push(next++)
          } else if (step === 'take') {
            const expected = waiting.sort((a, b) => a - b).shift()
            expect(outbox.take()?.key).toBe(expected === undefined ? undefined : String(expected))
            if (expected !== undefined) inFlight.push(expected)
          } else if (step === 'release' || step === 'found') {
            if (pickedHeld === undefined) continue
            held.splice(held.indexOf(pickedHeld), 1)
            if (step === 'release') waiting.push(pickedHeld)
            if (step === 'release') outbox.release(String(pickedHeld))
            else outbox.delivered(String(pickedHeld))
          } else if (picked !== undefined) {
            inFlight.splice(inFlight.indexOf(picked), 1)
            if (step === 'back') waiting.push(picked)
            if (step === 'hold') held.push(picked)
            if (step === 'back') outbox.putBack(String(picked))
            else if (step === 'hold') outbox.hold(String(picked), 'HTTP 502')
            else outbox.delivered(String(picked))
          }
          const { pending, held: heldCount } = outbox.counts()
          expect([pending, heldCount]).toEqual([waiting.length + inFlight.length, held.length])
        }
      }),
    )
  })

  it('records that are released in any order, some before and some after others were taken, come in theirs', () => {
    const keys = Array.from({ length: 30 }, (_, i) => String(i))
    const inOrder = (some: readonly string[]) => some.toSorted((a, b) => Number(a) - Number(b))
    fc.assert(
      fc.property(
        fc.shuffledSubarray(keys),
        fc.nat({ max: 30 }),
        fc.nat({ max: 30 }),
        fc.boolean(),
        (held, cut, takes, isHeldByUs) => {
          const outbox = anOutboxOf(...keys)
          for (const _ of keys) outbox.take()
          for (const key of held) if (isHeldByUs) outbox.hold(key, 'HTTP 502')
          const back = (key: string) => (isHeldByUs ? outbox.release(key) : outbox.putBack(key))
          const [first, second] = [held.slice(0, cut), held.slice(cut)]
          first.forEach(back)
          const taken = first.slice(0, takes).flatMap(() => outbox.take()?.key ?? [])
          expect(taken).toEqual(inOrder(first).slice(0, takes))
          second.forEach(back)
          outbox.add([timeEntry('30')])
          const rest = inOrder([...inOrder(first).slice(takes), ...second])
          expect(takeAll(outbox)).toEqual([...rest, '30'])
        },
      ),
    )
  })

  it('100,000 records pass in no time that grows with their square', () => {
    const outbox = memoryOutbox()
    outbox.add(Array.from({ length: 100_000 }, (_, i) => timeEntry(String(i))))
    const started = performance.now()
    const keys = takeAll(outbox)
    for (const key of keys) outbox.delivered(key)
    expect(keys.length).toBe(100_000)
    expect(outbox.counts().pending).toBe(0)
    expect(performance.now() - started).toBeLessThan(5000)
  })
})

describe('a key', () => {
  it('is accepted once, while its record waits, is in flight, held, dead or was delivered', () => {
    const outbox = anOutboxOf('waiting', 'flying', 'held', 'dead', 'delivered')
    for (const _ of '12345') outbox.take()
    outbox.putBack('waiting')
    outbox.hold('held', 'HTTP 502')
    outbox.bury('dead', 'HTTP 400')
    outbox.delivered('delivered')
    const before = outbox.counts()
    outbox.add(['waiting', 'flying', 'held', 'dead', 'delivered', 'waiting'].map(timeEntry))
    expect(outbox.counts()).toEqual(before)
    expect(takeAll(outbox)).toEqual(['waiting'])
  })

  it('is accepted once when it comes twice in one call', () => {
    expect(takeAll(anOutboxOf('a', 'a'))).toEqual(['a'])
  })

  it('that is not in flight cannot be settled', () => {
    const outbox = anOutboxOf('a')
    for (const key of ['a', 'stranger']) {
      outbox.delivered(key)
      outbox.hold(key, 'no')
      outbox.bury(key, 'no')
      outbox.putBack(key)
    }
    expect(outbox.counts()).toMatchObject({ pending: 1, held: 0, dead: 0, unassigned: 0 })
    expect(takeAll(outbox)).toEqual(['a'])
  })
})

describe('what cannot be sent', () => {
  it('is kept with its reason', () => {
    const outbox = anOutboxOf('a', 'b')
    outbox.take()
    outbox.take()
    outbox.hold('a', 'HTTP 502')
    outbox.bury('b', 'HTTP 400')
    expect(outbox.held()).toEqual([{ record: timeEntry('a'), reason: 'HTTP 502', wasSent: true }])
    expect(outbox.dead()).toEqual([{ record: timeEntry('b'), reason: 'HTTP 400' }])
    expect(outbox.counts()).toEqual({ pending: 0, gathered: 0, held: 1, dead: 1, unassigned: 0 })
  })

  it('the newest 1,000 dead letters are kept, and the keys of older ones are not accepted again', () => {
    const outbox = memoryOutbox()
    outbox.add(Array.from({ length: 1002 }, (_, i) => timeEntry(String(i))))
    for (const key of takeAll(outbox)) outbox.bury(key, 'HTTP 400')
    expect(outbox.dead().length).toBe(1000)
    expect(outbox.dead()[0]?.record.key).toBe('2')
    outbox.add([timeEntry('0')])
    expect(outbox.counts().pending).toBe(0)
  })

  it('without a project is kept apart', () => {
    const outbox = memoryOutbox()
    expect(outbox.keepUnassigned(unassigned)).toBe(true)
    expect(outbox.unassigned()).toEqual([unassigned])
    expect(outbox.counts()).toEqual({ pending: 0, gathered: 0, held: 0, dead: 0, unassigned: 1 })
  })
})

describe('a gathered record', () => {
  it('is counted and shown, and waits for nothing but its merger', () => {
    const outbox = memoryOutbox()
    expect(outbox.gather([timeEntry('a'), timeEntry('b'), timeEntry('a')])).toEqual([])
    expect(outbox.gathered()).toEqual([timeEntry('a'), timeEntry('b')])
    expect(outbox.counts()).toMatchObject({ pending: 0, gathered: 2 })
    expect(outbox.take()).toBeUndefined()
  })

  it('gives way to the record that it was merged into, which waits at the end of the order', () => {
    const outbox = anOutboxOf('first')
    outbox.gather([timeEntry('a'), timeEntry('b'), timeEntry('c')])
    outbox.merge(['a', 'b'], timeEntry('ab'))
    expect(outbox.gathered()).toEqual([timeEntry('c')])
    expect(outbox.counts()).toMatchObject({ pending: 2, gathered: 1 })
    expect(takeAll(outbox)).toEqual(['first', 'ab'])
  })

  it('that was alone is itself what is sent', () => {
    const outbox = memoryOutbox()
    outbox.gather([timeEntry('a')])
    outbox.merge(['a'], timeEntry('a'))
    expect(takeAll(outbox)).toEqual(['a'])
    outbox.delivered('a')
    expect(outbox.counts()).toMatchObject({ pending: 0, gathered: 0 })
  })

  it('is taken in once, before and after it was merged, and not when it waits or was delivered', () => {
    const outbox = anOutboxOf('waits', 'gone')
    for (const _ of '12') outbox.take()
    outbox.putBack('waits')
    outbox.delivered('gone')
    outbox.gather([timeEntry('a')])
    outbox.gather(['a', 'waits', 'gone'].map(timeEntry))
    outbox.add([timeEntry('a')])
    outbox.merge(['a'], timeEntry('merged'))
    outbox.gather([timeEntry('a')])
    outbox.add([timeEntry('a')])
    expect(outbox.counts()).toMatchObject({ pending: 2, gathered: 0 })
  })

  it('counts towards the bound', () => {
    const outbox = memoryOutbox({ maxRecords: 2 })
    expect(outbox.gather(['a', 'b', 'c'].map(timeEntry))).toEqual([timeEntry('c')])
    expect(outbox.add([timeEntry('d')])).toEqual([timeEntry('d')])
    outbox.merge(['a', 'b'], timeEntry('ab'))
    expect(outbox.add([timeEntry('d')])).toEqual([])
  })
})

describe('dead letters that are redelivered', () => {
  it('wait again, the oldest first and after what waits, and are dead no more', () => {
    const outbox = anOutboxOf('a', 'b', 'c')
    for (const key of takeAll(outbox).slice(0, 2)) outbox.bury(key, 'HTTP 404')
    outbox.putBack('c')
    expect(outbox.redeliver()).toBe(2)
    expect(outbox.dead()).toEqual([])
    expect(outbox.counts()).toMatchObject({ pending: 3, dead: 0 })
    expect(takeAll(outbox)).toEqual(['c', 'a', 'b'])
    expect(outbox.redeliver()).toBe(0)
  })

  it('are not taken in a second time', () => {
    const outbox = anOutboxOf('a')
    outbox.take()
    outbox.bury('a', 'HTTP 404')
    outbox.redeliver()
    outbox.add([timeEntry('a')])
    expect(takeAll(outbox)).toEqual(['a'])
    outbox.delivered('a')
    outbox.add([timeEntry('a')])
    expect(outbox.counts().pending).toBe(0)
  })

  it('are sent without further ado by the exporter that the outbox belongs to', () => {
    const outbox = anOutboxOf('a')
    const wake = vi.fn()
    const nothing = () => undefined
    const snapshot = () => ({ sessions: [], forgotten: [], carry: [], timers: [] })
    outbox.open?.({
      destination: '',
      canLookUp: true,
      report: nothing,
      wake,
      snapshot,
      restore: nothing,
      abandon: nothing,
    })
    outbox.take()
    outbox.bury('a', 'HTTP 404')
    outbox.redeliver()
    expect(wake).toHaveBeenCalledOnce()
  })
})

describe('the age of the oldest record', () => {
  afterEach(() => {
    vi.useRealTimers()
  })

  it('is that of the oldest which waits, is in flight or gathered, whatever it has been through', () => {
    vi.useFakeTimers({ now: 1000 })
    const outbox = memoryOutbox()
    const oldestAt = () => outbox.counts().oldestAt
    expect(oldestAt()).toBeUndefined()
    outbox.add([timeEntry('a')])
    vi.setSystemTime(2000)
    outbox.gather([timeEntry('g')])
    vi.setSystemTime(3000)
    outbox.add([timeEntry('b')])
    expect(oldestAt()).toBe(1000)
    outbox.take()
    expect(oldestAt()).toBe(1000)
    outbox.hold('a', 'HTTP 502')
    expect(oldestAt()).toBe(2000)
    outbox.release('a')
    expect(oldestAt()).toBe(1000)
    outbox.take()
    outbox.delivered('a')
    vi.setSystemTime(4000)
    outbox.merge(['g'], timeEntry('merged'))
    expect(oldestAt()).toBe(3000)
  })
})

describe('the bound', () => {
  it('counts records that wait, are in flight, held or unassigned, and gives back what is over it', () => {
    const outbox = memoryOutbox({ maxRecords: 3 })
    outbox.add([timeEntry('a'), timeEntry('b')])
    outbox.take()
    outbox.hold('a', 'HTTP 502')
    outbox.take()
    expect(outbox.keepUnassigned(unassigned)).toBe(true)
    expect(outbox.keepUnassigned({ ...unassigned, key: 'another' })).toBe(false)
    const refused = [timeEntry('c'), timeEntry('d')]
    expect(outbox.add([timeEntry('a'), ...refused])).toEqual(refused)
    outbox.delivered('b')
    expect(outbox.add(refused)).toEqual([timeEntry('d')])
  })

  it('does not count dead letters', () => {
    const outbox = memoryOutbox({ maxRecords: 1 })
    outbox.add([timeEntry('a')])
    outbox.take()
    outbox.bury('a', 'HTTP 400')
    expect(outbox.add([timeEntry('b')])).toEqual([])
  })

  it('the keys of the last 10,000 delivered records are remembered, older ones forgotten at some point', () => {
    const outbox = memoryOutbox()
    for (let i = 0; i < 25_000; i++) {
      outbox.add([timeEntry(String(i))])
      outbox.take()
      outbox.delivered(String(i))
    }
    outbox.add([timeEntry('0'), timeEntry('15000'), timeEntry('24999')])
    expect(takeAll(outbox)).toEqual(['0'])
  })

  it.each([[0], [-1], [1.5], [Number.NaN], [Number.POSITIVE_INFINITY]])('of %s is refused', (maxRecords) => {
    expect(() => memoryOutbox({ maxRecords })).toThrow(ConfigError)
  })
})

describe('what cannot be booked', () => {
  const RUN = { sessionId: 'a'.repeat(32), runId: 'run' }
  const [opus, sonnet] = [tokensOf('opus', { input: 1 }), tokensOf('sonnet', { input: 1 })]
  const whole = unassignedOf(aRunOf(hours(30), { ...RUN, models: [opus, sonnet] }), [])
  const time = unassignedOf(aRunOf(hours(30), RUN), ['taskId'])
  const tokens = unassignedOf({ ...aRunWith(opus, sonnet), ...RUN }, ['expenseCategoryId'])
  const keysOf = (outbox: Outbox) => outbox.unassigned().flatMap(({ settlement }) => recordKeysOf(settlement))
  const [first = '', second = '', ofOpus = '', ofSonnet = ''] = recordKeysOf(whole.settlement)

  it('is kept part by part, each once, whatever comes first', () => {
    fc.assert(
      fc.property(fc.shuffledSubarray([whole, whole, time, time, tokens, tokens], { minLength: 3 }), (items) => {
        const outbox = memoryOutbox()
        for (const item of items) expect(outbox.keepUnassigned(item)).toBe(true)
        const all = new Set(items.flatMap(({ settlement }) => recordKeysOf(settlement)))
        expect(keysOf(outbox).toSorted()).toEqual([...all].toSorted())
        expect(outbox.counts().unassigned).toBe(outbox.unassigned().length)
      }),
    )
  })

  it('is not kept once its record is there, or was', () => {
    const outbox = anOutboxOf(first, second, ofOpus)
    outbox.take()
    outbox.delivered(first)
    outbox.keepUnassigned(whole)
    expect(keysOf(outbox)).toEqual([ofSonnet])
    expect(outbox.unassigned()).toMatchObject([{ key: ofSonnet, missing: [] }])
  })

  it('is kept with all of its time while an entry of it is missing', () => {
    const outbox = anOutboxOf(first, ofOpus, ofSonnet)
    outbox.keepUnassigned(whole)
    expect(keysOf(outbox)).toEqual([first, second])
  })

  it('that is known already is not refused when there is no room', () => {
    const outbox = memoryOutbox({ maxRecords: 1 })
    outbox.keepUnassigned(time)
    expect(outbox.keepUnassigned(time)).toBe(true)
    expect(outbox.keepUnassigned(tokens)).toBe(false)
  })

  it('is replaced by its records and what is left of it, also beyond the bound', () => {
    const outbox = memoryOutbox({ maxRecords: 1 })
    outbox.keepUnassigned(whole)
    outbox.assign(whole.key, [expense(ofOpus), expense(ofSonnet)], { rest: [time] })
    expect(outbox.unassigned()).toEqual([time])
    expect(takeAll(outbox)).toEqual([ofOpus, ofSonnet])
    outbox.assign(time.key, [timeEntry(first), timeEntry(second)])
    expect(outbox.unassigned()).toEqual([])
    expect(takeAll(outbox)).toEqual([first, second])
  })

  it('is booked once, and not when it is not there', () => {
    const outbox = anOutboxOf(first)
    outbox.keepUnassigned(time)
    for (let i = 0; i < 2; i++) outbox.assign(time.key, [timeEntry(first), timeEntry(second)])
    outbox.assign('stranger', [timeEntry('stranger')], { rest: [tokens] })
    expect(outbox.counts()).toMatchObject({ pending: 2, unassigned: 0 })
    expect(takeAll(outbox)).toEqual([first, second])
  })

  it('leaves no rest that was booked in another way', () => {
    const outbox = memoryOutbox()
    outbox.keepUnassigned(whole)
    outbox.add([timeEntry(first), timeEntry(second)])
    outbox.assign(whole.key, [expense(ofOpus), expense(ofSonnet)], { rest: [time] })
    expect(outbox.unassigned()).toEqual([])
  })

  it('may be kept anew once it was taken out, as long as it is not booked', () => {
    const outbox = memoryOutbox()
    outbox.keepUnassigned(time)
    outbox.assign(time.key, [])
    expect(outbox.counts().unassigned).toBe(0)
    outbox.keepUnassigned(time)
    expect(outbox.unassigned()).toEqual([time])
  })

  it('is gathered for a rollup when that is asked for', () => {
    const outbox = memoryOutbox()
    outbox.keepUnassigned(time)
    outbox.assign(time.key, [timeEntry(first)], { gather: true })
    expect(outbox.gathered()).toEqual([timeEntry(first)])
    expect(outbox.take()).toBeUndefined()
  })
})
