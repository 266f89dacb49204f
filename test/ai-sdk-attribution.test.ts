/**
 * Rule: the AI SDK makes its spans itself, so what a host says about where work is booked comes in its telemetry metadata,
 * under the names of the attributes. Nothing else of the metadata is read.
 */
import { context } from '@opentelemetry/api'
import { generateText, type TelemetrySettings } from 'ai'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { mockModel } from '../examples/support/mock-model.ts'
import { readHints } from '../src/genai/hints.ts'
import { attributesOf, booked, followContexts, type Place } from './helpers/places.ts'

beforeAll(followContexts)
afterAll(() => context.disable())

const EVERYTHING: Place = {
  projectId: 'cmtenant',
  taskId: 'cmtask',
  expenseCategoryId: 'cmtokens',
  agentId: 'guide',
  billable: false,
  notes: 'Answers to guests',
}

/** Where a call of the AI SDK is booked. */
const placeOf = async (metadata: TelemetrySettings['metadata'], around: Readonly<Record<string, string>> = {}) => {
  const { places } = await booked((tracer) =>
    tracer.startActiveSpan('POST /chat', { attributes: around }, async (span) => {
      const model = mockModel('openai/gpt-4o', [{ latencyMs: 0, input: 1000, output: 100 }])
      const telemetry = { isEnabled: true, functionId: 'faq', tracer, ...(metadata ? { metadata } : {}) }
      await generateText({ model, prompt: 'Hello', experimental_telemetry: telemetry })
      span.end()
    }),
  )
  return places
}

describe('metadata of the AI SDK', () => {
  it('says where a run is booked, by each of the names', async () => {
    expect(await placeOf(attributesOf(EVERYTHING))).toEqual([EVERYTHING])
  })

  it('wins over the span above, because it is on the span of the run', async () => {
    const metadata = attributesOf({ projectId: 'cmtenant' })
    const above = { 'keito.project_id': 'cmabove', 'keito.task_id': 'cmabove' }
    expect(await placeOf(metadata, above)).toMatchObject([{ projectId: 'cmtenant', taskId: 'cmabove' }])
  })

  it('with an id that is none leaves the run unassigned', async () => {
    const [place] = await placeOf(attributesOf({ projectId: 'two words' }))
    expect(place?.projectId).toBeUndefined()
  })

  it('is not looked at for anything else', async () => {
    const [place] = await placeOf({ project_id: 'cmtenant', userId: 'guest-7', 'keito.secret': 'x' })
    expect(place?.projectId).toBe('cmconfigured')
  })
})

describe('the attributes that version 7 writes for its runtime context', () => {
  const carried = (prefix: string, place: Place) =>
    Object.fromEntries(Object.entries(attributesOf(place)).map(([name, value]) => [prefix + name, value]))
  const V7 = { 'gen_ai.operation.name': 'invoke_agent' }

  it('are read like those of the metadata', () => {
    expect(readHints({ ...V7, ...carried('ai.settings.context.', EVERYTHING) })?.hints).toEqual(EVERYTHING)
  })

  it('count only where the span itself says nothing, key by key', () => {
    const both = { ...carried('ai.settings.context.', EVERYTHING), 'keito.project_id': 'cmown' }
    expect(readHints({ ...V7, ...both })?.hints).toEqual({ ...EVERYTHING, projectId: 'cmown' })
  })

  it('mean nothing on a span that is none of the AI SDK', () => {
    expect(readHints(carried('ai.settings.context.', EVERYTHING))).toBeUndefined()
  })
})
