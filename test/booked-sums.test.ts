/** However work is cut into runs, what is booked adds up to what was done within half a step, and no entry is absurd. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { bill } from '../src/billing/bill.ts'
import { CarryBook } from '../src/billing/rounding.ts'
import type { RoundingMode } from '../src/options.ts'
import { entryCountOf } from '../src/session/hours.ts'
import { aRunOf, aRunWith, hours, minutes, someSettings, tokensOf } from './helpers/billing.ts'

const NS_PER_MICROHOUR = 3_600_000n
const durations = fc.array(fc.oneof(fc.bigInt({ min: 0n, max: minutes(2) }), fc.bigInt({ min: 0n, max: hours(100) })), {
  maxLength: 40,
})
const steps = fc.oneof(
  fc.constantFrom(0.001, 0.01, 0.1, 0.25, 1, 7, 24, 1 / 60),
  fc.double({ min: 0.001, max: 24, noNaN: true }),
)
const modes = fc.constantFrom<RoundingMode>('carry', 'nearest', 'up')

function hoursBooked(durationsNs: readonly bigint[], step: number, mode: RoundingMode): number[][] {
  const carry = new CarryBook()
  const settings = someSettings({ rounding: { step, mode } })
  return durationsNs.map((durationNs) =>
    bill(aRunOf(durationNs), settings, carry).records.flatMap((record) =>
      record.kind === 'time_entry' ? [record.body.hours] : [],
    ),
  )
}

it('the hours of any sequence of runs add up to their durations within half a step', () => {
  fc.assert(
    fc.property(durations, steps, (durationsNs, step) => {
      const booked = hoursBooked(durationsNs, step, 'carry').flat()
      const bookedNs = booked.reduce((sum, entry) => sum + BigInt(Math.round(entry * 1e6)) * NS_PER_MICROHOUR, 0n)
      const exactNs = durationsNs.reduce((sum, durationNs) => sum + durationNs, 0n)
      // Hours have six decimals, so a step that has more can be missed by half a millionth of an hour besides.
      const toleranceNs = BigInt(Math.round(step * 3.6e12)) / 2n + NS_PER_MICROHOUR / 2n + 1n
      expect(bookedNs - exactNs).toBeLessThanOrEqual(toleranceNs)
      expect(exactNs - bookedNs).toBeLessThanOrEqual(toleranceNs)
    }),
  )
})

it('every entry has 0 to 24 hours with six decimals at most, in every mode, and there are as many as foretold', () => {
  fc.assert(
    fc.property(durations, steps, modes, (durationsNs, step, mode) => {
      const booked = hoursBooked(durationsNs, step, mode)
      expect(booked.map((entries) => entries.length)).toEqual(durationsNs.map(entryCountOf))
      for (const entry of booked.flat()) {
        expect(entry).toBeGreaterThanOrEqual(0)
        expect(entry).toBeLessThanOrEqual(24)
        expect(String(entry)).toMatch(/^\d+(\.\d{1,6})?$/)
      }
    }),
  )
})

it('the exact durations in metadata add up to the run to the nanosecond', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: hours(200) }), (durationNs) => {
      const { records } = bill(aRunOf(durationNs), someSettings(), new CarryBook())
      const sumNs = records.reduce((sum, { body }) => {
        const [whole = '', fraction = ''] = String(body.metadata.duration_ms).split('.')
        expect(fraction.length).toBeLessThanOrEqual(6)
        return sum + BigInt(whole + fraction.padEnd(6, '0'))
      }, 0n)
      expect(sumNs).toBe(durationNs)
    }),
  )
})

it('the units of any sequence of calls add up to their tokens within half a unit', () => {
  const calls = fc.array(fc.record({ input: fc.nat({ max: 3_000_000 }), output: fc.nat({ max: 2000 }) }), {
    maxLength: 60,
  })
  fc.assert(
    fc.property(calls, fc.integer({ min: 1, max: 1_000_000 }), (usages, unitTokens) => {
      const carry = new CarryBook()
      let units = 0
      let tokens = 0
      for (const usage of usages) {
        const { records } = bill(aRunWith(tokensOf('m', usage)), someSettings({ unitTokens }), carry)
        const body = records[0]?.kind === 'expense' ? records[0].body : undefined
        expect(body?.units === undefined ? body?.total_cost === 0 : body.units >= 1).toBe(true)
        expect(Number.isInteger(body?.units ?? 0)).toBe(true)
        units += body?.units ?? 0
        tokens += usage.input + usage.output
      }
      expect(Math.abs(units * unitTokens - tokens)).toBeLessThanOrEqual(unitTokens / 2)
    }),
  )
})
