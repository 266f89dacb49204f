/** Rule: what the host gave us may throw; the sender reports it, goes on, and lets no exception or rejection escape. */
import { describe, expect, it } from 'vitest'
import { memoryOutbox } from '../src/delivery/memory-outbox.ts'
import { accepted, aSender, timeEntry } from './helpers/delivery.ts'

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
    const broken = () => {
      throw new Error('disk full')
    }
    const work = aSender(() => accepted(), { outbox: { ...memoryOutboxMethods(), delivered: broken } })
    work.send(timeEntry('a'))
    await settle()
    const dead = aSender(() => accepted(), { outbox: { ...memoryOutboxMethods(), take: broken } })
    dead.send(timeEntry('a'))
    await settle()
    expect(work.reports).toMatchObject([{ code: 'callback', message: 'The option outbox threw: disk full' }])
    expect(dead.reports).toMatchObject([{ code: 'callback' }])
  })
})

/** A memory outbox whose methods can be replaced one by one. */
function memoryOutboxMethods() {
  const outbox = memoryOutbox()
  return {
    add: outbox.add.bind(outbox),
    keepUnassigned: outbox.keepUnassigned.bind(outbox),
    take: outbox.take.bind(outbox),
    putBack: outbox.putBack.bind(outbox),
    delivered: outbox.delivered.bind(outbox),
    hold: outbox.hold.bind(outbox),
    bury: outbox.bury.bind(outbox),
    counts: outbox.counts.bind(outbox),
    held: outbox.held.bind(outbox),
    dead: outbox.dead.bind(outbox),
    unassigned: outbox.unassigned.bind(outbox),
  }
}
