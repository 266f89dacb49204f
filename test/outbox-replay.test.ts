/**
 * Rule: whatever an outbox was told, and after whatever byte of its journal the process is killed, the next one comes to
 * what had been written by then: nothing of it is lost, and what was done stays done.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { timeEntryKey } from '../src/billing/key.ts'
import type { KeitoRecord } from '../src/billing/record.ts'
import { rollUp } from '../src/billing/rollup.ts'
import { FileOutbox } from '../src/delivery/file-outbox.ts'
import { requiredNodeModules } from '../src/delivery/journal/node.ts'
import type { Memory, OutboxHost, Unassigned } from '../src/delivery/outbox.ts'
import type { SettledState } from '../src/session/state.ts'
import { aSettlement, TRACE_ID } from './helpers/billing.ts'
import { expense, timeEntry } from './helpers/delivery.ts'
import { aDirectory, corpseOf, journalsIn } from './helpers/outbox-world.ts'

/** What a record is to the next process: to be looked up, whether or not a request was made, or still to be merged. */
type Fate = 'unsent' | 'sent' | 'gathered'

/** What should be known. */
interface Known {
  readonly records: Map<string, Fate>
  readonly gone: Set<string>
  readonly spans: Map<string, string[]>
  readonly settled: Map<string, number>
  readonly forgotten: Set<string>
  readonly carry: Map<string, bigint>
  readonly unassigned: Map<string, Unassigned>
}

const nothing = (): Known => ({
  records: new Map(),
  gone: new Set(),
  spans: new Map(),
  settled: new Map(),
  forgotten: new Set(),
  carry: new Map(),
  unassigned: new Map(),
})

const recordOf = (key: string): KeitoRecord => (key.endsWith('e') ? expense(key) : timeEntry(key))
const settledOf = (entries: number): SettledState => ({
  ledger: { time: new Map([['run', { intervals: [{ startNs: 1n, endNs: 2n ** 62n }], entries }]]), models: new Map() },
  twins: [{ spanId: 'a', ownerTraceId: 'b', ownerSpanId: 'c' }],
})
/** A run of some days that cannot be booked yet. */
const unassignedOf = (runId: string): Unassigned => ({
  key: timeEntryKey(TRACE_ID, runId, 0),
  settlement: aSettlement({ runId, time: { durationNs: 2n ** 48n, index: 0 } }),
  missing: ['taskId'],
})

/** An outbox, and beside it what it should know: each step is told to both. */
class Subject {
  readonly directory = aDirectory()
  readonly outbox = new FileOutbox(
    { directory: this.directory, sync: false, maxBytes: 1e9, maxRecords: 1e5 },
    requiredNodeModules(),
  )
  readonly known = nothing()
  /** What was known after so many entries of the journal. */
  readonly history: Known[] = [nothing()]
  readonly #waiting: string[] = []
  readonly #inFlight: string[] = []
  readonly #dead: string[] = []
  /** Where records stand in the order; what is put back goes to its place. */
  readonly #places = new Map<string, number>()
  #count = 0
  #isDirty = false

  constructor() {
    this.outbox.open(aHost(() => this.#memory()))
  }

  /** One step; some need a record in a certain state, and do nothing without. */
  readonly steps = {
    add: () => this.#keep((record) => this.outbox.add([record]), 'unsent'),
    addInDoubt: () => {
      const key = this.#keep((record) => this.outbox.add([record], { lookUpFirst: true }), 'unsent')
      this.#waiting.splice(this.#waiting.indexOf(key), 1)
    },
    gather: () => this.#keep((record) => this.outbox.gather([record]), 'gathered'),
    merge: () => {
      const keys = [...this.known.records].flatMap(([key, fate]) => (fate === 'gathered' ? [key] : []))
      if (keys.length === 0) return
      const [only = ''] = keys
      // One that was gathered alone is merged to itself.
      const record = keys.length === 1 ? recordOf(only) : expense(`${this.#count++}merged`)
      this.outbox.merge(keys, record)
      for (const key of keys) this.#finish(key)
      this.#queue(record.key)
    },
    take: () => {
      const record = this.outbox.take()
      expect(record?.key).toBe(this.#waiting[0])
      if (record) this.#move(record.key, 'sent', this.#waiting, this.#inFlight)
    },
    putBack: (pick: number) => this.#land(pick, (key) => this.outbox.putBack(key), 'unsent'),
    hold: (pick: number) => this.#land(pick, (key) => this.outbox.hold(key, 'HTTP 502'), 'sent'),
    delivered: (pick: number) => this.#land(pick, (key) => this.outbox.delivered(key)),
    bury: (pick: number) => {
      const key = this.#land(pick, (key) => this.outbox.bury(key, 'HTTP 422'))
      if (key !== undefined) this.#dead.push(key)
    },
    redeliver: () => {
      expect(this.outbox.redeliver()).toBe(this.#dead.length)
      for (const key of this.#dead.splice(0)) {
        this.known.gone.delete(key)
        this.#queue(key)
      }
      this.#sealed()
    },
    unassigned: () => {
      const item = unassignedOf(`run-${this.#count++}`)
      expect(this.outbox.keepUnassigned(item)).toBe(true)
      this.known.unassigned.set(item.key, item)
      this.#isDirty = true
    },
    assign: (pick: number) => {
      const keys = [...this.known.unassigned.keys()]
      const key = keys[pick % keys.length]
      if (key === undefined) return
      const rest = pick % 2 ? [unassignedOf(`rest-${this.#count++}`)] : []
      const gather = pick % 3 === 0
      const records = Array.from({ length: pick % 4 }, () => recordOf(`${this.#count++}e`))
      this.outbox.assign(key, records, { gather, rest })
      this.known.unassigned.delete(key)
      for (const record of records) {
        if (gather) this.known.records.set(record.key, 'gathered')
        else this.#queue(record.key)
      }
      for (const item of rest) this.known.unassigned.set(item.key, item)
      this.#isDirty = true
    },
    spans: (pick: number) => {
      const [traceId, spanId] = [`trace-${pick % 5}`, `span-${this.#count++}`]
      // Spans of a session that is over are late, and never come here.
      if (this.known.forgotten.has(traceId)) return
      this.outbox.log.spans(traceId, [{ spanId, parentId: undefined, hints: { projectId: 'cm1' } }])
      this.known.spans.set(traceId, [...(this.known.spans.get(traceId) ?? []), spanId])
      this.#isDirty = true
    },
    settled: (pick: number) => {
      const traceId = `trace-${pick % 5}`
      if (!this.known.spans.has(traceId)) return
      this.outbox.log.settled(traceId, settledOf(pick))
      this.known.settled.set(traceId, pick)
      this.#isDirty = true
    },
    forgotten: (pick: number) => {
      const traceId = `trace-${pick % 5}`
      if (!this.known.spans.delete(traceId)) return
      this.outbox.log.forgotten(traceId)
      this.known.settled.delete(traceId)
      this.known.forgotten.add(traceId)
      this.#isDirty = true
    },
    carried: (pick: number) => {
      const [key, remainder] = [`key-${pick % 3}`, BigInt((pick % 7) - 3) * 2n ** 60n]
      this.outbox.log.carried(key, remainder)
      if (remainder === 0n) this.known.carry.delete(key)
      else this.known.carry.set(key, remainder)
      this.#isDirty = true
    },
    seal: () => {
      this.outbox.log.seal()
      this.#sealed()
    },
    commit: () => {
      expect(this.outbox.commit()).toBe(true)
      this.#sealed()
    },
  }

  #sealed(): void {
    if (this.#isDirty) this.history.push(structuredClone(this.known))
    this.#isDirty = false
  }

  #keep(keep: (record: KeitoRecord) => readonly KeitoRecord[], fate: Fate): string {
    const key = `${this.#count++}${fate === 'gathered' || this.#count % 2 ? 'e' : 't'}`
    expect(keep(recordOf(key))).toEqual([])
    if (fate === 'unsent') this.#queue(key)
    this.known.records.set(key, fate)
    this.#isDirty = true
    return key
  }

  #queue(key: string): void {
    this.known.records.set(key, 'unsent')
    this.#waiting.push(key)
    this.#places.delete(key)
    this.#places.set(key, this.#count++)
    this.#isDirty = true
  }

  #move(key: string, fate: Fate, from: string[], to: string[]): void {
    from.splice(from.indexOf(key), 1)
    to.push(key)
    this.known.records.set(key, fate)
    this.#isDirty = true
  }

  #land(pick: number, land: (key: string) => void, fate?: Fate): string | undefined {
    const key = this.#inFlight[pick % this.#inFlight.length]
    if (key === undefined) return undefined
    land(key)
    if (fate === 'unsent') {
      this.#move(key, fate, this.#inFlight, this.#waiting)
      this.#waiting.sort((a, b) => Number(this.#places.get(a)) - Number(this.#places.get(b)))
      return key
    }
    this.#inFlight.splice(this.#inFlight.indexOf(key), 1)
    if (fate) this.known.records.set(key, fate)
    else this.#finish(key)
    this.#isDirty = true
    return key
  }

  #finish(key: string): void {
    this.known.records.delete(key)
    this.known.gone.add(key)
  }

  #memory(): Memory {
    const { spans, settled, forgotten, carry } = this.known
    const sessions = [...spans].map(([traceId, spanIds]) => ({
      traceId,
      spans: spanIds.map((spanId) => ({ spanId, parentId: undefined, hints: { projectId: 'cm1' } })),
      ...settledOf(settled.get(traceId) ?? 0),
    }))
    return { sessions, forgotten: [...forgotten], carry: [...carry], timers: [] }
  }
}

function aHost(snapshot: () => Memory, restored: Memory[] = [], reported: string[] = []): OutboxHost {
  return {
    destination: '0123abcd',
    canLookUp: true,
    report: (code) => reported.push(code),
    wake: () => undefined,
    snapshot,
    restore: (memory) => restored.push(memory),
    abandon: () => expect.unreachable(),
  }
}

/** What the next process knows. */
function successorOf(directory: string) {
  const outbox = new FileOutbox({ directory, sync: false, maxBytes: 1e9, maxRecords: 1e5 }, requiredNodeModules())
  const restored: Memory[] = []
  const reported: string[] = []
  const empty: Memory = { sessions: [], forgotten: [], carry: [], timers: [] }
  outbox.open(aHost(() => restored[0] ?? empty, restored, reported))
  const { sessions, forgotten, carry } = restored[0] ?? empty
  return {
    reported,
    /** Whether a record is refused as one that is here or was. */
    refuses: (key: string) => {
      const before = outbox.counts()
      outbox.add([recordOf(key)])
      return before.pending === outbox.counts().pending
    },
    known: {
      records: new Map<string, Fate>([
        ...outbox.held().map(({ record, wasSent }) => [record.key, wasSent ? 'sent' : 'unsent'] as const),
      ]),
      spans: new Map(sessions.map(({ traceId, spans }) => [traceId, spans.map(({ spanId }) => spanId)])),
      settled: new Map(
        sessions.flatMap(({ traceId, ledger }) => {
          const entries = ledger.time.get('run')?.entries
          return entries === undefined ? [] : [[traceId, entries] as const]
        }),
      ),
      forgotten: new Set(forgotten),
      carry: new Map(carry),
      unassigned: new Map(outbox.unassigned().map((item) => [item.key, item])),
    },
    close: () => outbox.close(),
  }
}

const STEPS = Object.keys(new Subject().steps) as (keyof Subject['steps'])[]
const aPlan = fc.array(fc.tuple(fc.constantFrom(...STEPS), fc.nat({ max: 1000 })), { minLength: 20, maxLength: 80 })

/** What was gathered is merged by whoever takes it over, and looked up like the rest. */
function takenOver({ records, gone, ...known }: Known): Known {
  const gathered = [...records].flatMap(([key, fate]) => (fate === 'gathered' ? [recordOf(key)] : []))
  const others = [...records].filter(([, fate]) => fate !== 'gathered')
  const merged = rollUp(gathered).map(({ record }) => [record.key, 'unsent'] as const)
  return {
    ...known,
    records: new Map([...others, ...merged]),
    gone: new Set([...gone, ...gathered.map(({ key }) => key)]),
  }
}

function expectSuccessor(directory: string, left: Known, isCut = false) {
  const { gone, ...known } = takenOver(left)
  const successor = successorOf(directory)
  expect(successor.known).toEqual(known)
  for (const key of [...gone, ...known.records.keys()]) expect(successor.refuses(key), key).toBe(true)
  expect(successor.reported.filter((code) => code !== 'interrupted')).toEqual(isCut ? ['outbox'] : [])
  successor.close()
}

function play(plan: readonly (readonly [keyof Subject['steps'], number])[]): Subject {
  const subject = new Subject()
  for (const [step, pick] of plan) subject.steps[step](pick)
  subject.steps.commit()
  return subject
}

it('a kill after any byte leaves what was written by then, entry by entry', () => {
  fc.assert(
    fc.property(aPlan, fc.nat(), (plan, cut) => {
      const { directory, history } = play(plan)
      const dead = corpseOf(directory)
      const [path = ''] = journalsIn(dead)
      const journal = readFileSync(path)
      const left = journal.subarray(0, cut % (journal.length + 1))
      writeFileSync(path, left)
      const entries = left.filter((byte) => byte === 0x0a).length
      expect(history.length - 1).toBe(journal.filter((byte) => byte === 0x0a).length)
      expectSuccessor(dead, history[entries] ?? nothing(), left.length > 0 && left.at(-1) !== 0x0a)
    }),
    { numRuns: 150 },
  )
})

it('a kill after a successor has taken over leaves the same, however often', () => {
  fc.assert(
    fc.property(aPlan, fc.integer({ min: 1, max: 3 }), (plan, times) => {
      const { directory, known } = play(plan)
      let dead = corpseOf(directory)
      for (let i = 0; i < times; i++) {
        successorOf(dead)
        dead = corpseOf(dead)
      }
      const settled = new Map([...known.spans.keys()].map((traceId) => [traceId, known.settled.get(traceId)]))
      const written = [...settled].flatMap(([id, entries]) => (entries === undefined ? [] : [[id, entries] as const]))
      expectSuccessor(dead, { ...known, settled: new Map(written) })
    }),
    { numRuns: 60 },
  )
})

it('a shutdown in order leaves the same as a kill at its end', () => {
  fc.assert(
    fc.property(aPlan, (plan) => {
      const { outbox, directory, known } = play(plan)
      outbox.close()
      const settled = new Map([...known.spans.keys()].map((traceId) => [traceId, known.settled.get(traceId) ?? 0]))
      expectSuccessor(corpseOf(directory), { ...known, settled })
    }),
    { numRuns: 60 },
  )
})

it('a journal that two processes have absorbed one after the other is gone on from once', () => {
  const { directory, known, steps } = play([
    ['add', 0],
    ['unassigned', 0],
    ['carried', 1],
  ])
  steps.commit()
  const dead = corpseOf(directory)
  const [path = ''] = journalsIn(dead)
  const journal = readFileSync(path)
  successorOf(dead)
  const later = corpseOf(dead)
  // As if the first successor had been killed before it removed what it had taken over.
  writeFileSync(join(later, basename(path)), journal)
  expectSuccessor(later, known)
})
