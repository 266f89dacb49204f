/** Rule: a sampler that keeps a share of all traces is noticed by the ids it lets through, and nothing else is. */
import { randomBytes } from 'node:crypto'
import { ROOT_CONTEXT } from '@opentelemetry/api'
import { RandomIdGenerator, TraceIdRatioBasedSampler } from '@opentelemetry/sdk-trace-base'
import fc from 'fast-check'
import * as v1 from 'otel-sdk-v1'
import { describe, expect, it } from 'vitest'
import { ratioInEnv, SamplingWatch } from '../src/otel/sampling.ts'
import type { Log } from '../src/telemetry/log.ts'
import { createSamplingReport } from '../src/telemetry/sampling-report.ts'

/** The number of traces that a watch remembers at most. */
const MOST = 256

interface Verdict {
  readonly ratio: number | undefined
  /** Traces that were seen when it was told. */
  readonly after: number
}

function watch(idOf: (trace: number) => string, traces = MOST): Verdict {
  const watched = new SamplingWatch()
  for (let i = 1; i <= traces; i++) {
    const ratio = watched.note(idOf(i))
    if (ratio !== undefined) return { ratio, after: i }
  }
  return { ratio: undefined, after: traces }
}

/** Random ids from a seed. */
function seeded(seed: number): () => string {
  let state = seed >>> 0
  const next = () => {
    state = (state + 0x9e3779b9) >>> 0
    let z = state
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b)
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35)
    return ((z ^ (z >>> 16)) >>> 0).toString(16).padStart(8, '0')
  }
  return () => next() + next() + next() + next()
}

type Keeps = (traceId: string) => boolean

/** The next id that a sampler keeps. */
const kept = (random: () => string, keeps: Keeps) => () => {
  for (;;) {
    const id = random()
    if (keeps(id)) return id
  }
}

const SAMPLERS: Readonly<Record<string, (ratio: number) => Keeps>> = {
  'TraceIdRatioBasedSampler of OTel JS 1.30': (ratio) => {
    const sampler = new v1.TraceIdRatioBasedSampler(ratio)
    return (id) => sampler.shouldSample(ROOT_CONTEXT, id).decision === 2
  },
  'TraceIdRatioBasedSampler of OTel JS 2.x': (ratio) => {
    const sampler = new TraceIdRatioBasedSampler(ratio)
    return (id) => sampler.shouldSample(ROOT_CONTEXT, id).decision === 2
  },
  'consistent probability sampling': (ratio) => {
    const threshold = BigInt(Math.round((1 - ratio) * 2 ** 56))
    return (id) => BigInt(`0x${id.slice(18)}`) >= threshold
  },
}

describe.each(Object.entries(SAMPLERS))('%s', (_, samplerOf) => {
  // The odds that ids of n sampled traces show less than ratio ** n are none; what may put it off is that n random
  // ids happen not to look random: 1e-9 for 40 traces, 1e-73 for 256. So much for the odds of a miss below 0.9.
  it.each([
    [0.01, 20],
    [0.1, 30],
    [0.5, 60],
    [0.9, MOST],
  ])('at %d is noticed within %i traces, with about that ratio', (ratio, traces) => {
    const keeps = samplerOf(ratio)
    for (let seed = 1; seed <= 20; seed++) {
      const { ratio: found, after } = watch(kept(seeded(seed * 7919), keeps))
      expect(found, `seed ${seed}`).toBeDefined()
      expect(after).toBeLessThanOrEqual(traces)
      expect(found).toBeGreaterThan(ratio / 3)
      expect(found).toBeLessThanOrEqual(ratio * 1.125)
    }
  })

  it('is estimated right on average', () => {
    const keeps = samplerOf(0.01)
    const found = Array.from({ length: 150 }, (_, seed) => watch(kept(seeded(seed * 104_729), keeps)).ratio ?? 0)
    expect(found.reduce((sum, ratio) => sum + ratio) / found.length).toBeCloseTo(0.01, 3)
  })

  it('is noticed with the ids of X-Ray, which begin with the time', () => {
    const random = seeded(5)
    const ids = kept(() => `69211${'abc'}${random().slice(8)}`, samplerOf(0.1))
    expect(watch(ids).ratio).toBeCloseTo(0.1, 1)
  })

  it('is not noticed when it keeps all', () => {
    expect(watch(kept(seeded(3), samplerOf(1)), 5000).ratio).toBeUndefined()
  })
})

describe('ids that no sampler has chosen', () => {
  it.each([
    ['of OTel JS 2.x', () => new RandomIdGenerator().generateTraceId()],
    ['of OTel JS 1.30', () => new v1.RandomIdGenerator().generateTraceId()],
    ['of the system', () => randomBytes(16).toString('hex')],
  ])('100,000 random ones %s raise no alarm, in watches of 256 each', (_, random) => {
    for (let i = 0; i < 100_000 / MOST; i++) expect(watch(random).ratio).toBeUndefined()
  })

  it('of any seed raise no alarm', () => {
    for (let seed = 1; seed <= 400; seed++) expect(watch(seeded(seed)).ratio, `seed ${seed}`).toBeUndefined()
  })

  const hex = (value: number | bigint, digits: number) => value.toString(16).padStart(digits, '0').slice(-digits)
  const random32 = () => randomBytes(4).toString('hex')
  it.each<[string, (trace: number) => string]>([
    ['sequential', (i) => hex(i, 32)],
    ['sequential from the front', (i) => hex(i, 8).padEnd(32, '0')],
    ['sequential in large steps', (i) => hex(i * 2 ** 24, 8).repeat(4)],
    ['sequential in each chunk', (i) => hex(i, 8) + hex(i + 1, 8) + hex(i + 2, 8) + hex(i + 3, 8)],
    ['one digit repeated', (i) => hex(i % 16 || 1, 1).repeat(32)],
    ['a number repeated', () => random32().repeat(4)],
    ['a number of 64 bits repeated', () => randomBytes(8).toString('hex').repeat(2)],
    [
      'two numbers, each and its opposite',
      () => {
        const [a, b] = [randomBytes(4).readUInt32BE(), randomBytes(4).readUInt32BE()]
        return hex(a, 8) + hex(~a >>> 0, 8) + hex(b, 8) + hex(~b >>> 0, 8)
      },
    ],
    ['X-Ray', (i) => hex(1_763_859_000 + i, 8) + randomBytes(12).toString('hex')],
    [
      'UUID v7',
      (i) =>
        `${hex(1_763_859_000_000 + i * 20, 12)}7${random32().slice(0, 3)}9${randomBytes(8).toString('hex').slice(1)}`,
    ],
    [
      'UUID v4',
      () => `${randomBytes(6).toString('hex')}4${random32().slice(0, 3)}9${randomBytes(8).toString('hex').slice(1)}`,
    ],
    ['64 random bits', () => randomBytes(8).toString('hex').padStart(32, '0')],
    ['a small random number', () => hex(randomBytes(4).readUInt32BE(), 32)],
    ['a time and 64 random bits', (i) => hex(1_763_859_000 + i, 8) + '0'.repeat(8) + randomBytes(8).toString('hex')],
    ['a time in nanoseconds', (i) => hex(1_763_859_000_000_000_000n + BigInt(i) * 1_234_567n, 32)],
    ['31 bits in each chunk', () => [0, 1, 2, 3].map(() => hex(randomBytes(4).readUInt32BE() >>> 1, 8)).join('')],
    ['the same again and again', () => 'c0ffee00'.repeat(4)],
  ])('%s: none', (_, idOf) => {
    expect(watch(idOf, 5000).ratio).toBeUndefined()
  })

  it('any run of numbers in any step: none', () => {
    const id = fc.tuple(fc.bigInt(1n, 2n ** 100n), fc.bigInt(1n, 2n ** 24n))
    fc.assert(fc.property(id, ([first, step]) => watch((i) => hex(first + BigInt(i) * step, 32)).ratio === undefined))
  })

  it.each([['', '0'.repeat(32), 'x'.repeat(32), 'f'.repeat(31), 'f'.repeat(33)]])(
    'text that is no trace id says nothing',
    (...texts) => {
      const watched = new SamplingWatch()
      for (const text of texts) expect(watched.note(text)).toBeUndefined()
      expect(watched.note(undefined as unknown as string)).toBeUndefined()
    },
  )
})

describe('a watch', () => {
  const at1Percent = () => kept(seeded(11), SAMPLERS['TraceIdRatioBasedSampler of OTel JS 2.x']?.(0.01) ?? (() => true))

  it('tells once and never again', () => {
    const ids = at1Percent()
    const watched = new SamplingWatch()
    const told = Array.from({ length: 1000 }, () => watched.note(ids())).filter((ratio) => ratio !== undefined)
    expect(told).toHaveLength(1)
  })

  it('counts traces, not spans', () => {
    const ids = at1Percent()
    const few = Array.from({ length: 6 }, ids)
    const watched = new SamplingWatch()
    for (let i = 0; i < 2000; i++) expect(watched.note(few[i % few.length] ?? '')).toBeUndefined()
    expect(watch(ids).ratio).toBeDefined()
  })

  it('stops for good after 256 traces without a finding', () => {
    // At this ratio it would take about 290 traces to be sure.
    const ids = kept(seeded(2), SAMPLERS['TraceIdRatioBasedSampler of OTel JS 2.x']?.(0.915) ?? (() => true))
    expect(watch(ids, 5000).ratio).toBeUndefined()
  })

  it('reads upper-case ids, too', () => {
    const ids = at1Percent()
    expect(watch(() => ids().toUpperCase()).ratio).toBeCloseTo(0.01, 2)
  })
})

describe('the ratio in the environment', () => {
  it.each<[string | undefined, string | undefined, number | undefined]>([
    ['traceidratio', '0.1', 0.1],
    ['parentbased_traceidratio', '0.25', 0.25],
    [' parentbased_traceidratio ', ' 0.25 ', 0.25],
    ['traceidratio', '0', 0],
    ['traceidratio', '1', undefined],
    ['traceidratio', '1.5', undefined],
    ['traceidratio', '-0.1', undefined],
    ['traceidratio', 'ten percent', undefined],
    ['traceidratio', '', undefined],
    ['traceidratio', ' ', undefined],
    ['traceidratio', undefined, undefined],
    ['parentbased_always_on', '0.1', undefined],
    ['always_on', '0.1', undefined],
    [undefined, '0.1', undefined],
    ['', '', undefined],
  ])('of the sampler %j with the argument %j is %s', (sampler, argument, ratio) => {
    expect(ratioInEnv({ OTEL_TRACES_SAMPLER: sampler, OTEL_TRACES_SAMPLER_ARG: argument })).toBe(ratio)
  })

  it('of an empty environment is none', () => {
    expect(ratioInEnv({})).toBeUndefined()
  })
})

describe('the report', () => {
  it.each([
    [0.5, '50'],
    [0.125, '13'],
    [0.1, '10'],
    [0.0968, '10'],
    [0.01, '1'],
    [0.005, '0.5'],
    [0.000_02, '0.002'],
  ])('says of a ratio of %s that about %s percent are let through, as people write it', (ratio, percent) => {
    const messages: string[] = []
    const log: Log = { report: (_code, _cause, message) => messages.push(message) }
    const env = { OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: String(ratio) }
    createSamplingReport(log, env)('a'.repeat(32))
    expect(messages).toEqual([expect.stringContaining(`only about ${percent} % of traces`)])
  })
})
