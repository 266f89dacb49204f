/** Rule: what the host gave us may throw; the sender reports it, goes on, and lets no exception or rejection escape. */
import { describe, expect, it } from 'vitest'
import { memoryOutbox } from '../src/delivery/memory-outbox.ts'
import { accepted, aSender, busy, invalid, never, timeEntry, unknown } from './helpers/delivery.ts'

const broken = () => {
  throw new Error('disk full')
}
const settle = () => new Promise((resolve) => setImmediate(resolve))

describe('what belongs to somebody else', () => {
  it('may throw in onRecord: that is reported and sending goes on', async () => {
    const work = aSender(() => accepted(), {
      onRecord: () => {
        throw new Error('host bug')
      },
    })
    work.send(timeEntry('a'), timeEntry('b'))
    await settle()
    expect(work.counters.recordsDelivered).toBe(2)
    expect(work.reports).toMatchObject([
      { code: 'callback', message: 'The option onRecord threw: host bug' },
      { code: 'callback' },
    ])
  })

  it('may reject in an async onRecord: that is reported too', async () => {
    const work = aSender(() => accepted(), { onRecord: async () => Promise.reject(new Error('host bug')) })
    work.send(timeEntry('a'))
    await settle()
    expect(work.reports).toMatchObject([{ code: 'callback' }])
  })

  it('may throw in the outbox: that is reported, and no exception escapes', async () => {
    const outcomes = { delivered: accepted(), putBack: busy(), hold: unknown, bury: invalid, take: accepted() }
    for (const method of ['delivered', 'putBack', 'hold', 'bury', 'take'] as const) {
      const work = aSender(() => outcomes[method], { outbox: Object.assign(memoryOutbox(), { [method]: broken }) })
      work.send(timeEntry('a'))
      await settle()
      work.sender.close()
      const told = work.reports.map(({ code, message }) => `${code}: ${message}`)
      expect(new Set(told), method).toEqual(new Set(['callback: The option outbox threw: disk full']))
    }
  })

  it('may throw in the outbox when a record left over is to be looked after', async () => {
    const outbox = Object.assign(memoryOutbox(), { held: broken })
    const work = aSender(() => accepted(), { outbox })
    work.sender.resume()
    work.send(timeEntry('a'))
    await settle()
    expect(work.counters.recordsDelivered).toBe(1)
    expect(work.reports).toMatchObject([{ code: 'callback' }])
  })
})

describe('an outbox that outlives the process', () => {
  it('is told to commit after the records were taken and before they are sent', async () => {
    const steps: string[] = []
    const outbox = memoryOutbox()
    const take = outbox.take.bind(outbox)
    const noted = Object.assign(outbox, {
      take: () => {
        const record = take()
        if (record) steps.push(`take ${record.key}`)
        return record
      },
      commit: () => {
        steps.push('commit')
        return true
      },
    })
    const work = aSender(
      (key) => {
        steps.push(`send ${key}`)
        return accepted()
      },
      { outbox: noted },
    )
    work.send(timeEntry('a'), timeEntry('b'))
    await settle()
    expect(steps.slice(0, 5)).toEqual(['take a', 'take b', 'commit', 'send a', 'send b'])
  })

  it('that another process has taken over sends nothing', async () => {
    const work = aSender(() => accepted(), { outbox: Object.assign(memoryOutbox(), { commit: () => false }) })
    work.send(timeEntry('a'))
    await settle()
    expect(work.sent).toEqual([])
  })

  it('commits when the sender is closed, so that the next process knows what was held', async () => {
    const outbox = memoryOutbox()
    const heldAtCommit: number[] = []
    const work = aSender(() => never(), {
      outbox: Object.assign(outbox, {
        commit: () => {
          heldAtCommit.push(outbox.counts().held)
          return true
        },
      }),
    })
    work.send(timeEntry('a'))
    await settle()
    work.sender.close()
    expect(heldAtCommit.at(-1)).toBe(1)
  })
})
