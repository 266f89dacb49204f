/** Rule: any client of the documented shape delivers as the built-in one does: it resolves or throws, we read outcomes. */
import { context } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { BasicTracerProvider } from '@opentelemetry/sdk-trace-base'
import { describe, expect, it } from 'vitest'
import type { KeitoClient } from '../src/keito/client.ts'
import { KeitoRestClient } from '../src/keito/rest-client.ts'
import { outcomesOf } from '../src/keito/sdk-adapter.ts'
import { expense, timeEntry } from './helpers/delivery.ts'

const clientOf = (create: (body: unknown) => Promise<unknown>): KeitoClient => ({
  timeEntries: { create },
  expenses: { create },
})
const outcomeOf = (create: (body: unknown) => Promise<unknown>) =>
  outcomesOf(clientOf(create)).timeEntries.create(timeEntry('a').body)

it('a client that already answers with outcomes is used as it is', () => {
  const client = new KeitoRestClient({ apiKey: 'kto_x', accountId: 'acct-1' })
  expect(outcomesOf(client)).toBe(client)
})

describe('a call that resolves', () => {
  it('is accepted with the id of the stored record', async () => {
    expect(await outcomeOf(async () => ({ id: 'te-1', hours: 0.5 }))).toEqual({
      type: 'accepted',
      value: { id: 'te-1', hours: 0.5 },
    })
  })

  it.each([[undefined], [null], ['ok'], [{}], [{ id: null }]])('with %o is accepted without an id', async (value) => {
    expect(await outcomeOf(async () => value)).toEqual({ type: 'accepted', value: { id: '' } })
  })
})

describe('a call that throws', () => {
  it.each([
    [{ status: 401 }, 'unauthorized'],
    [{ status: 422 }, 'rejected'],
    [{ status: 429, retryAfter: 2 }, 'retryable'],
    [{ status: 500 }, 'ambiguous'],
    [{ code: 'ECONNREFUSED' }, 'retryable'],
    [{ code: 'ECONNRESET' }, 'ambiguous'],
    [{}, 'ambiguous'],
  ])('with %o is %s', async (fields, type) => {
    const reject = async () => {
      throw Object.assign(new Error('sdk'), fields)
    }
    expect(await outcomeOf(reject)).toMatchObject({ type })
  })

  it('before it gives a promise is read the same way', async () => {
    const thrower = () => {
      throw Object.assign(new Error('sdk'), { status: 400 })
    }
    expect(await outcomeOf(thrower)).toMatchObject({ type: 'rejected', status: 400 })
  })
})

describe('a call', () => {
  it('reaches the method of its kind, as a method of its object', async () => {
    class Resource {
      readonly bodies: unknown[] = []
      async create(body: unknown) {
        this.bodies.push(body)
        return { id: `${this.bodies.length}` }
      }
    }
    const client = { timeEntries: new Resource(), expenses: new Resource() }
    const { timeEntries, expenses } = outcomesOf(client)
    await timeEntries.create(timeEntry('a').body)
    await expenses.create(expense('b').body)
    expect(client.timeEntries.bodies).toEqual([timeEntry('a').body])
    expect(client.expenses.bodies).toEqual([expense('b').body])
  })

  it('is not traced, neither through the adapter nor through the built-in client', async () => {
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
    const tracer = new BasicTracerProvider().getTracer('test')
    const recorded: boolean[] = []
    const note = () => recorded.push(tracer.startSpan('request').isRecording())
    const fetch = async () => {
      note()
      return Response.json({ id: 'te-1' })
    }
    await outcomeOf(async () => note())
    await new KeitoRestClient({ apiKey: 'kto_x', accountId: 'acct-1', fetch }).expenses.create(expense('b').body)
    note()
    context.disable()
    expect(recorded).toEqual([false, false, true])
  })
})
