/** The hour policy decides what of a run counts: all of it, or the time in which a model or a tool was at work. */
import { describe, expect, test } from 'vitest'
import { entryCountOf, MAX_ENTRY_NS } from '../src/session/hours.ts'
import { msOf, settle } from './helpers/sessions.ts'
import { aTrace, type TraceBuilder } from './helpers/spans.ts'

/** A run of 10 s with a wait for a human from 4 s to 9 s. */
function approval() {
  const run = aTrace().agent('reviewer', { at: [0, 10_000] })
  run.chat({ at: [0, 2000] })
  run.tool('search', { at: [1000, 3000] }).embeddings({ at: [1000, 2500] })
  run.step({ at: [3000, 9500] })
  run.agent('inner', { at: [3000, 4000] }).chat({ at: [3500, 4000] })
  run.chat({ at: [9000, 10_500] })
  return run
}

describe('hours', () => {
  test('wall: the run, from start to end', () => {
    expect(msOf(settle([approval()], { hours: 'wall' }))).toBe(10_000)
  })

  test('active: the union of model calls, embeddings and tools within the run', () => {
    expect(msOf(settle([approval()], { hours: 'active' }))).toBe(3000 + 500 + 1000)
  })

  test('active: a run without any is a run of no time', () => {
    expect(settle([aTrace().agent('idle', { at: [0, 10_000] })], { hours: 'active' })).toMatchObject([
      { time: { durationNs: 0n, index: 0 } },
    ])
  })

  test('active is never more than wall', () => {
    const run = aTrace().agent('reviewer', { at: [0, 1000] })
    run.chat({ at: [-5000, 9000] })
    expect(msOf(settle([run], { hours: 'active' }))).toBe(1000)
  })
})

describe('active: calls that the host reported, which begin with their run', () => {
  const REPORTED = { input: 10, output: 1, attributes: { 'keito.usage.reported': true } }
  const active = (run: TraceBuilder) => msOf(settle([run], { hours: 'active' }))

  test('add nothing to what was traced, be it calls or tools', () => {
    const run = aTrace().agent('reviewer', { at: [0, 10_000] })
    run.chat({ ...REPORTED, at: [0, 9000] })
    run.tool('search', { at: [1000, 1500] })
    expect(active(run)).toBe(500)
    run.chat({ at: [4000, 4100] })
    expect(active(run)).toBe(600)
  })

  test('count up to the last one where nothing else is known', () => {
    const run = aTrace().agent('reviewer', { at: [0, 10_000] })
    run.chat({ ...REPORTED, at: [0, 3000] })
    run.chat({ ...REPORTED, at: [0, 7000] })
    run.step({ at: [0, 9500] })
    expect(active(run)).toBe(7000)
  })
})

test('a time entry holds at most 24 hours', () => {
  expect(entryCountOf(0n)).toBe(1)
  expect(entryCountOf(MAX_ENTRY_NS)).toBe(1)
  expect(entryCountOf(MAX_ENTRY_NS + 1n)).toBe(2)
  expect(entryCountOf(3n * MAX_ENTRY_NS)).toBe(3)
})
