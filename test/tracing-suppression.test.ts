/** Rule: nothing that runs inside `withTracingSuppressed` makes a recorded span, in any version of the SDK. */
import { context, ROOT_CONTEXT } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { BasicTracerProvider } from '@opentelemetry/sdk-trace-base'
import { BasicTracerProvider as BasicTracerProviderV1 } from 'otel-sdk-v1'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { attempt } from '../src/delivery/attempt.ts'
import { receiptFrom } from '../src/delivery/requests.ts'
import { withTracingSuppressed } from '../src/otel/suppress.ts'
import { accepted } from './helpers/delivery.ts'

beforeAll(() => {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
})
afterAll(() => context.disable())

const versions = [
  ['1.x', new BasicTracerProviderV1().getTracer('test')],
  ['2.x', new BasicTracerProvider().getTracer('test')],
] as const

describe.each(versions)('with the SDK %s', (_, tracer) => {
  const isRecorded = () => tracer.startSpan('request').isRecording()

  it('a span is recorded outside and not recorded inside', () => {
    expect(isRecorded()).toBe(true)
    expect(withTracingSuppressed(isRecorded)).toBe(false)
    expect(isRecorded()).toBe(true)
  })

  it('suppression holds after an await and inside a timer', async () => {
    const seen = await withTracingSuppressed(async () => {
      await Promise.resolve()
      const afterAwait = isRecorded()
      const inTimer = await new Promise((resolve) => setTimeout(() => resolve(isRecorded()), 1))
      return [afterAwait, inTimer]
    })
    expect(seen).toEqual([false, false])
  })
})

it("the sender's requests are not recorded, whichever client makes them", async () => {
  const tracer = new BasicTracerProvider().getTracer('test')
  const isRecorded = () => tracer.startSpan('request').isRecording()
  const recorded: boolean[] = []
  const call = async () => {
    recorded.push(isRecorded())
    await Promise.resolve()
    recorded.push(isRecorded())
    return accepted()
  }
  await attempt(call, { timeoutMs: 1000, controller: new AbortController(), read: receiptFrom })
  recorded.push(isRecorded())
  expect(recorded).toEqual([false, false, true])
})

it('what the function returns or throws is passed on', () => {
  expect(withTracingSuppressed(() => 7)).toBe(7)
  expect(() => withTracingSuppressed(() => JSON.parse('{'))).toThrow(SyntaxError)
})

it('other values of the active context stay visible', () => {
  const key = Symbol('tenant')
  context.with(ROOT_CONTEXT.setValue(key, 'acme'), () => {
    expect(withTracingSuppressed(() => context.active().getValue(key))).toBe('acme')
  })
})
