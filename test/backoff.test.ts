/** Rule: pauses grow with each failure up to a bound, and a server's own wish goes before them. */
import { describe, expect, it } from 'vitest'
import { backoffMs, pauseMs } from '../src/delivery/backoff.ts'
import { Gate } from '../src/delivery/gate.ts'
import { busy, refused } from './helpers/delivery.ts'

const least = () => 0
const most = () => 1

describe('a back-off', () => {
  it('doubles from one second to the maximum', () => {
    expect([0, 1, 2, 3, 4, 5000].map((n) => backoffMs(n, 10_000, most))).toEqual([
      1000, 2000, 4000, 8000, 10_000, 10_000,
    ])
  })

  it('is never less than half of that', () => {
    expect([0, 1, 2].map((n) => backoffMs(n, 10_000, least))).toEqual([500, 1000, 2000])
    expect(backoffMs(0, 100, least)).toBe(50)
  })
})

describe('a pause', () => {
  const pauseAfter = (outcome: ReturnType<typeof busy>, failures: number) => {
    if (outcome.type !== 'retryable' && outcome.type !== 'unauthorized') throw new Error('not a pause')
    return pauseMs(outcome, failures, 60_000, most)
  }

  it('is what the server asked for, also beyond the longest back-off', () => {
    expect(pauseAfter(busy(3_600_000), 9)).toBe(3_600_000)
  })

  it('is a back-off when the server did not say, or says "at once" again and again', () => {
    expect(pauseAfter(busy(), 1)).toBe(2000)
    expect(pauseAfter(busy(0), 0)).toBe(0)
    expect(pauseAfter(busy(0), 1)).toBe(2000)
  })

  it('after refused credentials is a minute, then doubles up to 15 minutes', () => {
    expect([0, 1, 2, 3, 4, 99].map((n) => pauseAfter(refused(401), n) / 60_000)).toEqual([1, 2, 4, 8, 15, 15])
  })
})

describe('the gate', () => {
  const growing = (failures: number) => 1000 * (failures + 1)

  it('is closed for the pause, then lets one request pass at a time until one got through', () => {
    const gate = new Gate()
    expect([gate.waitMs(0), gate.slots(4)]).toEqual([0, 4])
    expect(gate.close('busy', 0, growing)).toBe(true)
    expect([gate.waitMs(400), gate.waitMs(1000), gate.slots(4)]).toEqual([600, 0, 1])
    gate.open(1000)
    expect(gate.slots(4)).toBe(4)
  })

  it('counts one failure for all requests that were under way when it closed', () => {
    const gate = new Gate()
    gate.close('busy', 0, growing)
    expect(gate.close('busy', 10, growing)).toBe(false)
    expect(gate.waitMs(10)).toBe(1000)
    gate.close('busy', 1010, growing)
    expect(gate.waitMs(1010)).toBe(2000)
  })

  it('is neither shortened by a shorter wish nor opened by a late success', () => {
    const gate = new Gate()
    gate.close('busy', 0, () => 5000)
    gate.close('busy', 1, () => 10)
    gate.open(2)
    expect([gate.waitMs(2), gate.slots(4)]).toEqual([4998, 1])
  })

  it('starts to count anew after it was open, and for another cause', () => {
    const gate = new Gate()
    gate.close('busy', 0, growing)
    gate.close('busy', 1000, growing)
    gate.close('401', 3000, growing)
    expect(gate.waitMs(3000)).toBe(1000)
    gate.open(4000)
    expect(gate.close('401', 4000, growing)).toBe(true)
    expect(gate.waitMs(4000)).toBe(1000)
  })

  it('never closes for more than a day', () => {
    const gate = new Gate()
    gate.close('busy', 0, () => 1e15)
    expect(gate.waitMs(0)).toBe(86_400_000)
  })
})
