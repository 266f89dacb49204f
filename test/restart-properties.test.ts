/** A process that is killed at any moment, any number of times, loses nothing, and nothing is billed by two of them. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { jsonOf, type Op, opsIn } from '../src/delivery/journal-ops.ts'
import { Replay } from '../src/delivery/replay.ts'
import type { SpanLike } from '../src/otel/span.ts'
import type { SettleScope } from '../src/session/completion.ts'
import type { Settlement } from '../src/session/settlement.ts'
import type { StoreRules } from '../src/session/store.ts'
import { build, plans } from './helpers/random-trace.ts'
import { expectNotAbove, RULES, type Schedule, schedules, shuffled, totalOf } from './helpers/schedules.ts'
import { Desk, msOf, tokensOf } from './helpers/sessions.ts'
import { aTrace } from './helpers/spans.ts'

const RUNS = { numRuns: 300 }

/** A process that writes down what it does with its sessions, as the exporter does, and can be gone on from. */
class WritingProcess {
  readonly desk: Desk
  readonly #payloads: string[] = []

  constructor(left?: Replay, rules: Partial<StoreRules> = RULES) {
    this.desk = new Desk({ ...rules, isWritten: true })
    if (!left) return
    const { sessions, forgotten } = left.memory
    this.desk.store.restore(sessions, forgotten, 0)
    for (const { traceId, spans, ...state } of this.desk.store.states()) {
      this.#write(['spans', traceId, spans], ['settled', traceId, state])
    }
    // They are in the states.
    for (const _ of this.desk.store.unwritten.takeSpans());
  }

  take(spans: readonly SpanLike[], nowMs: number): void {
    this.desk.take(spans, nowMs)
    for (const [traceId, states] of this.desk.store.unwritten.takeSpans()) this.#write(['spans', traceId, states])
  }

  settle(scope: SettleScope, nowMs: number): void {
    this.desk.settle(scope, nowMs)
    for (const traceId of this.desk.store.unwritten.takeSettled()) {
      const state = this.desk.store.settledState(traceId)
      if (state) this.#write(['settled', traceId, state])
    }
    const forgotten = this.desk.store.unwritten.takeForgotten()
    if (forgotten.length > 0) this.#write(['forgotten', forgotten])
  }

  /** What it leaves when it is killed now, read from what it has written. */
  left(): Replay {
    const replay = new Replay()
    for (const payload of this.#payloads) {
      const ops = opsIn(payload)
      if (!ops) throw new Error(`expected operations, found ${payload.slice(0, 80)}`)
      for (const op of ops) replay.apply(op)
    }
    return replay
  }

  #write(...ops: readonly Op[]): void {
    this.#payloads.push(`[${ops.map(jsonOf).join(',')}]`)
  }
}

/** Like billing in pieces, with a kill and a restart behind some of them. */
function billWithKills(
  spans: readonly SpanLike[],
  { seed, stops }: Schedule,
  kills: readonly boolean[],
): readonly Settlement[] {
  let process = new WritingProcess()
  const settled: Settlement[] = []
  const rest = [...shuffled(spans, seed)]
  const settleAt = (scope: SettleScope, nowMs: number) => {
    const before = process.desk.settled.length
    process.settle(scope, nowMs)
    settled.push(...process.desk.settled.slice(before))
  }
  let nowMs = 0
  for (const [i, { after, scope }] of stops.entries()) {
    process.take(rest.splice(0, after), nowMs)
    if (kills[2 * i]) process = new WritingProcess(process.left())
    nowMs += 3000
    settleAt(scope, nowMs)
    if (kills[2 * i + 1]) process = new WritingProcess(process.left())
  }
  process.take(rest, nowMs)
  settleAt('all', nowMs)
  return settled
}

const killings = fc.array(fc.boolean(), { maxLength: 12 })

describe('a trace that arrives in pieces at processes that are killed', () => {
  test('is billed exactly once when all of it has come', () => {
    fc.assert(
      fc.property(plans({}), schedules, killings, (plan, schedule, kills) => {
        const trace = build(plan)
        const settled = billWithKills(trace.spans, schedule, kills)
        expect(totalOf(settled)).toEqual(trace.tokens)
        expect(msOf(settled)).toBe(trace.runMs)
      }),
      RUNS,
    )
  })

  test('is billed exactly once when calls are recorded in other traces too, and spans come in the order they end', () => {
    fc.assert(
      fc.property(plans({ elsewhere: true }), schedules, killings, (plan, { stops }, kills) => {
        const trace = build(plan)
        const settled = billWithKills(trace.spans, { seed: 0, stops }, kills)
        expect(totalOf(settled)).toEqual(trace.tokens)
        expect(msOf(settled)).toBe(trace.runMs)
      }),
      RUNS,
    )
  })

  test('is never billed above the truth when some calls hide their usage', () => {
    fc.assert(
      fc.property(plans({ silent: true }), schedules, killings, (plan, schedule, kills) => {
        const trace = build(plan)
        expectNotAbove(billWithKills(trace.spans, schedule, kills), trace)
      }),
      RUNS,
    )
  })

  test('gives every settlement of a run its own number, over all processes', () => {
    fc.assert(
      fc.property(plans({ silent: true }), schedules, killings, (plan, schedule, kills) => {
        const keys = billWithKills(build(plan).spans, schedule, kills).flatMap(({ sessionId, runId, time, models }) => [
          ...(time ? [`${sessionId} ${runId} time ${time.index}`] : []),
          ...models.map(({ model, index }) => `${sessionId} ${runId} ${model} ${index}`),
        ])
        expect(new Set(keys).size).toBe(keys.length)
      }),
      RUNS,
    )
  })
})

describe('a run that was cut off', () => {
  const MODEL = 'gpt-4o'
  /** An agent whose span never came, with two calls and a complete agent inside it. */
  function cutOff() {
    const trace = aTrace()
    const agent = trace.agent('reviewer', { at: [0, 10_000] })
    agent.chat({ at: [1000, 2000], model: MODEL, input: 100, output: 10 })
    agent.chat({ at: [4000, 6000], model: MODEL, input: 200, output: 20 })
    const known = trace.spans.filter((span) => span !== agent.ended)
    return { root: agent.ended, known, trace }
  }

  function restarted(known: readonly SpanLike[], rules: Partial<StoreRules> = {}): WritingProcess {
    const first = new WritingProcess(undefined, rules)
    first.take(known, 0)
    return new WritingProcess(first.left(), rules)
  }

  test('is interrupted when its span never comes: its tokens, and the time that is known', () => {
    const { known } = cutOff()
    const { desk } = restarted(known, { keepsFailedTime: true })
    expect(desk.settle('due', 600_000)).toMatchObject([
      { outcome: 'interrupted', runId: 'session', models: [{ usage: { input: 300, output: 30 } }] },
    ])
    expect(msOf(desk.settled)).toBe(5000)
  })

  test('waits for its span as long as any session does', () => {
    const { known } = cutOff()
    const { desk } = restarted(known)
    expect(desk.settle('due', 599_999)).toEqual([])
    expect(desk.settle('rooted', 599_999)).toEqual([])
  })

  test('counts its calls only under the policy active', () => {
    const { known } = cutOff()
    const { desk } = restarted(known, { keepsFailedTime: true, hours: 'active' })
    desk.settle()
    expect(msOf(desk.settled)).toBe(3000)
  })

  test('is completed when its span comes: as if nothing had happened', () => {
    const { known, root } = cutOff()
    const { desk } = restarted(known)
    if (!root) throw new Error('the agent has ended')
    desk.take([root])
    expect(desk.settle('due', 3000)).toMatchObject([{ outcome: 'ok', agentName: 'reviewer' }])
    expect(msOf(desk.settled)).toBe(10_000)
    expect(tokensOf(desk.settled)).toEqual({ [MODEL]: [300, 30] })
  })

  test('is completed by an addition when its span comes after it was booked as interrupted', () => {
    const { known, root } = cutOff()
    const { desk } = restarted(known, { keepsFailedTime: true })
    if (!root) throw new Error('the agent has ended')
    desk.settle('due', 600_000)
    desk.take([root], 600_001)
    desk.settle('due', 700_000)
    expect(msOf(desk.settled)).toBe(10_000)
    expect(tokensOf(desk.settled)).toEqual({ [MODEL]: [300, 30] })
  })

  test('does not bill the minutes of a run inside it again', () => {
    const trace = aTrace()
    const outer = trace.agent('outer', { at: [0, 10_000] })
    outer.chat({ at: [0, 1000], model: MODEL, input: 100, output: 10 })
    outer.agent('inner', { at: [2000, 5000] }).chat({ at: [2000, 3000], model: MODEL, input: 7, output: 1 })
    outer.chat({ at: [8000, 9000], model: MODEL, input: 200, output: 20 })
    const { desk } = restarted(
      trace.spans.filter((span) => span !== outer.ended),
      { keepsFailedTime: true },
    )
    desk.settle()
    expect(desk.settled.map(({ outcome }) => outcome)).toEqual(['ok', 'interrupted'])
    expect(msOf(desk.settled)).toBe(9000)
    expect(tokensOf(desk.settled)).toEqual({ [MODEL]: [307, 31] })
  })

  test('whose root has come is not interrupted, though a span in its middle is lost', () => {
    const trace = aTrace()
    const root = trace.http({ at: [0, 10_000] })
    const lost = root.step({ at: [0, 9000] })
    lost.chat({ at: [0, 1000], model: MODEL, input: 100, output: 10 })
    const { desk } = restarted(trace.spans.filter((span) => span !== lost.ended))
    expect(desk.settle()).toMatchObject([{ outcome: 'ok' }])
  })
})
