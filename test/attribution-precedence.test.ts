/**
 * Rule: of all that says where a run is booked, what is nearest to the run wins, key by key: the `attribution` function,
 * then spans and `withKeitoAttribution` from the inside out, then baggage, the resource, and the configuration.
 */
import { type Context, context, propagation, type Tracer } from '@opentelemetry/api'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { withKeitoAttribution } from '../src/index.ts'
import { attributesOf, booked, followContexts, type Place, traceRun } from './helpers/places.ts'

beforeAll(followContexts)
afterAll(() => context.disable())

/** Strongest first. */
const SOURCES = [
  'the attribution function',
  'attributes of the run',
  'withKeitoAttribution around the run',
  'attributes of the span above it',
  'withKeitoAttribution around that',
  'attributes of the span above that one',
  'withKeitoAttribution around everything',
  'baggage',
  'the resource',
  'the configuration',
] as const
type Source = (typeof SOURCES)[number]
type Told = Partial<Record<Source, Place>>

/** Has each source say its part of one run, and answers where that is booked. */
async function placeBy(told: Told): Promise<Place | undefined> {
  const said = (source: Source): Place => told[source] ?? {}
  const spanOf = (source: Source, tracer: Tracer, inside: () => void) =>
    tracer.startActiveSpan('step', { attributes: attributesOf(said(source)) }, (span) => {
      inside()
      span.end()
    })
  const entries = Object.entries(attributesOf(said('baggage'))).map(([key, value]) => [key, { value: String(value) }])
  const baggage = propagation.createBaggage(Object.fromEntries(entries))
  const { places } = await booked(
    (tracer) =>
      context.with(propagation.setBaggage(context.active(), baggage), () =>
        withKeitoAttribution(said('withKeitoAttribution around everything'), () =>
          spanOf('attributes of the span above that one', tracer, () =>
            withKeitoAttribution(said('withKeitoAttribution around that'), () =>
              spanOf('attributes of the span above it', tracer, () =>
                withKeitoAttribution(said('withKeitoAttribution around the run'), () =>
                  traceRun(tracer, attributesOf(said('attributes of the run'))),
                ),
              ),
            ),
          ),
        ),
      ),
    { ...said('the configuration'), attribution: () => said('the attribution function') } as never,
    attributesOf(said('the resource')),
  )
  expect(places).toHaveLength(1)
  return places[0]
}

const KEYS = ['projectId', 'taskId', 'expenseCategoryId', 'agentId', 'billable', 'notes'] as const
type Key = (typeof KEYS)[number]

/** Free text for an invoice is not taken from baggage, and there is no option for it. */
const sourcesOf = (key: Key): readonly Source[] =>
  key === 'notes' ? SOURCES.filter((source) => source !== 'baggage' && source !== 'the configuration') : SOURCES

/** A value of a key that differs from those of weaker sources. */
const valueBy = (key: Key, source: Source, strongest: Source): string | boolean =>
  key === 'billable' ? source !== strongest : `cm${SOURCES.indexOf(source)}`

describe.each(KEYS)('%s', (key) => {
  it.each(sourcesOf(key))('by %s wins over all that is weaker', async (strongest) => {
    const weaker = sourcesOf(key).slice(sourcesOf(key).indexOf(strongest))
    const told = Object.fromEntries(weaker.map((source) => [source, { [key]: valueBy(key, source, strongest) }]))
    expect(await placeBy(told)).toMatchObject({ [key]: valueBy(key, strongest, strongest) })
  })
})

it('goes key by key: each source may say a part', async () => {
  expect(
    await placeBy({
      'the attribution function': { billable: false },
      'attributes of the run': { notes: 'by the run' },
      'withKeitoAttribution around the run': { agentId: 'around' },
      'attributes of the span above that one': { taskId: 'cmabove' },
      baggage: { projectId: 'cmbaggage' },
      'the resource': { expenseCategoryId: 'cmresource' },
    }),
  ).toMatchObject({
    billable: false,
    notes: 'by the run',
    agentId: 'around',
    taskId: 'cmabove',
    projectId: 'cmbaggage',
    expenseCategoryId: 'cmresource',
  })
})

it('does not carry what was said further out in front of a span in between', async () => {
  expect(
    await placeBy({
      'withKeitoAttribution around the run': { projectId: 'cminner' },
      'attributes of the span above it': { taskId: 'cmspan' },
      'withKeitoAttribution around that': { taskId: 'cmouter' },
    }),
  ).toMatchObject({ projectId: 'cminner', taskId: 'cmspan' })
})

it('is the same for a run that starts after the span above it has ended', async () => {
  const { places } = await booked(async (tracer) => {
    await withKeitoAttribution({ projectId: 'cmaround', taskId: 'cmaround' }, () =>
      tracer.startActiveSpan('request', { attributes: { 'keito.project_id': 'cmrequest' } }, async (request) => {
        request.end()
        await new Promise((resolve) => setTimeout(resolve, 50))
        traceRun(tracer)
      }),
    )
  })
  expect(places).toMatchObject([{ projectId: 'cmrequest', taskId: 'cmaround' }])
})

describe('of random nestings', () => {
  const place = fc.record(
    { projectId: fc.constantFrom('cm1', 'cm2', 'cm3'), taskId: fc.constantFrom('cm4', 'cm5', 'cm6') },
    { requiredKeys: [] },
  )
  const layer = fc.record({ type: fc.constantFrom('span', 'span', 'code', 'code', 'baggage'), place })

  type Layer = { readonly type: string; readonly place: Place }

  function inside(tracer: Tracer, [outer, ...inner]: readonly Layer[], run: Place): void {
    const go = () => inside(tracer, inner, run)
    if (!outer) traceRun(tracer, attributesOf(run))
    else if (outer.type === 'code') withKeitoAttribution(outer.place, go)
    else if (outer.type === 'baggage') context.with(withBaggage(outer.place), go)
    else {
      tracer.startActiveSpan('step', { attributes: attributesOf(outer.place) }, (span) => {
        go()
        span.end()
      })
    }
  }

  /** The active context with more in its baggage. */
  function withBaggage(place: Place): Context {
    const before = propagation.getActiveBaggage() ?? propagation.createBaggage()
    const entries = Object.entries(attributesOf(place))
    const baggage = entries.reduce((all, [key, value]) => all.setEntry(key, { value: String(value) }), before)
    return propagation.setBaggage(context.active(), baggage)
  }

  const nearest = (layers: readonly Layer[], run: Place, key: 'projectId' | 'taskId') => {
    const inOrder = [
      { type: 'span', place: run },
      ...layers.toReversed().filter(({ type }) => type !== 'baggage'),
      ...layers.toReversed().filter(({ type }) => type === 'baggage'),
    ]
    return inOrder.find((each) => each.place[key] !== undefined)?.place[key] ?? 'cmconfigured'
  }

  it('the nearest wins, key by key', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(layer, { maxLength: 6 }), place, async (layers, run) => {
        const { places } = await booked((tracer) => inside(tracer, layers, run))
        expect(places).toMatchObject([
          { projectId: nearest(layers, run, 'projectId'), taskId: nearest(layers, run, 'taskId') },
        ])
      }),
      { numRuns: 500 },
    )
  })
})
