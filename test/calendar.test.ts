/** The day of an instant is the day on a wall calendar in the chosen zone, through DST and year boundaries. */
import { describe, expect, it } from 'vitest'
import { dateOf, dayOf, isTimeZone } from '../src/billing/calendar.ts'
import { at } from './helpers/billing.ts'

describe('the day of an instant', () => {
  it.each([
    ['2026-03-10T23:59:59.999Z', 'UTC', '2026-03-10'],
    ['2026-03-11T00:00:00Z', 'UTC', '2026-03-11'],
    // UTC+5:45
    ['2026-03-10T18:14:59Z', 'Asia/Kathmandu', '2026-03-10'],
    ['2026-03-10T18:15:00Z', 'Asia/Kathmandu', '2026-03-11'],
    // Year boundaries on both sides of UTC
    ['2026-01-01T04:59:59Z', 'America/New_York', '2025-12-31'],
    ['2025-12-31T11:00:00Z', 'Pacific/Auckland', '2026-01-01'],
    // The nights in which New York changes its clocks: UTC-5 until 2026-03-08, UTC-4 until 2026-11-01
    ['2026-03-08T04:59:59Z', 'America/New_York', '2026-03-07'],
    ['2026-03-09T03:59:59Z', 'America/New_York', '2026-03-08'],
    ['2026-03-09T04:00:00Z', 'America/New_York', '2026-03-09'],
    ['2026-11-02T04:59:59Z', 'America/New_York', '2026-11-01'],
    ['2026-11-02T05:00:00Z', 'America/New_York', '2026-11-02'],
    ['2028-02-29T12:00:00Z', 'Europe/Berlin', '2028-02-29'],
  ])('of %s in %s is %s', (instant, zone, day) => {
    expect(dayOf(at(instant), zone)).toBe(day)
  })

  it('is the same whenever the formatter is used again', () => {
    const instant = at('2026-03-10T23:30:00Z')
    const days = ['UTC', 'Asia/Tokyo', 'UTC'].map((zone) => dayOf(instant, zone))
    expect(days).toEqual(['2026-03-10', '2026-03-11', '2026-03-10'])
  })

  it('exists for every instant, however broken the clock', () => {
    expect(dayOf(0n, 'UTC')).toBe('1970-01-01')
    expect(dayOf(-1n, 'UTC')).toMatch(/^\d{4}-\d\d-\d\d$/)
    expect(() => dayOf(10n ** 30n, 'America/New_York')).not.toThrow()
    expect(() => dayOf(-(10n ** 30n), 'America/New_York')).not.toThrow()
    expect(() => dateOf(10n ** 30n).toISOString()).not.toThrow()
  })
})

describe('a time zone', () => {
  it.each(['UTC', 'Europe/London', 'Asia/Kathmandu', 'America/Argentina/Buenos_Aires'])('%s is known', (zone) => {
    expect(isTimeZone(zone)).toBe(true)
  })

  it.each(['', 'Mars/Olympus', 'Europe/London ', 'local'])('"%s" is not known', (zone) => {
    expect(isTimeZone(zone)).toBe(false)
  })
})
