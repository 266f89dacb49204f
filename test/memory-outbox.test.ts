/** Rule: the outbox hands out each accepted record in order, once at a time, and forgets none that is not settled. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { memoryOutbox } from '../src/delivery/memory-outbox.ts'
import type { Outbox, Unassigned } from '../src/delivery/outbox.ts'
import { ConfigError } from '../src/errors.ts'
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

  it('holds for any sequence of steps, as in a plain sorted list', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.constantFrom('add', 'take', 'back', 'done'), fc.nat()), { maxLength: 200 }),
        (steps) => {
          const outbox = memoryOutbox()
          const waiting: number[] = []
          const inFlight: number[] = []
          let next = 0
          for (const [step, pick] of steps) {
            const picked = inFlight[pick % Math.max(1, inFlight.length)]
            if (step === 'add') {
              outbox.add([timeEntry(String(next))])
              waiting.push(next++)
            } else if (step === 'take') {
              const expected = waiting.sort((a, b) => a - b).shift()
              expect(outbox.take()?.key).toBe(expected === undefined ? undefined : String(expected))
              if (expected !== undefined) inFlight.push(expected)
            } else if (picked !== undefined) {
              inFlight.splice(inFlight.indexOf(picked), 1)
              if (step === 'back') waiting.push(picked)
              if (step === 'back') outbox.putBack(String(picked))
              else outbox.delivered(String(picked))
            }
            expect(outbox.counts().pending).toBe(waiting.length + inFlight.length)
          }
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
    expect(outbox.counts()).toEqual({ pending: 1, held: 0, dead: 0, unassigned: 0 })
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
    expect(outbox.held()).toEqual([{ record: timeEntry('a'), reason: 'HTTP 502' }])
    expect(outbox.dead()).toEqual([{ record: timeEntry('b'), reason: 'HTTP 400' }])
    expect(outbox.counts()).toEqual({ pending: 0, held: 1, dead: 1, unassigned: 0 })
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
    expect(outbox.counts()).toEqual({ pending: 0, held: 0, dead: 0, unassigned: 1 })
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
    expect(outbox.keepUnassigned(unassigned)).toBe(false)
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
