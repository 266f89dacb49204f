/** Rule: any client of the documented shape delivers as the built-in one does: it resolves or throws, we read outcomes. */
import { context } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { BasicTracerProvider } from '@opentelemetry/sdk-trace-base'
import { describe, expect, it } from 'vitest'
import type { KeitoClient } from '../src/keito/client.ts'
import { KeitoRestClient } from '../src/keito/rest-client.ts'
import { outcomesOf } from '../src/keito/sdk-adapter.ts'
import type { ListQuery } from '../src/keito/types.ts'
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

describe('a client that can list', () => {
  const pagesOf = (...pages: readonly unknown[]) => {
    const queries: ListQuery[] = []
    const list = async (query: ListQuery) => {
      queries.push(query)
      return pages[(query.page ?? 1) - 1]
    }
    const create = async () => ({ id: 'x' })
    return { queries, client: outcomesOf({ timeEntries: { create, list }, expenses: { create, list } }) }
  }

  it('gives the records of all pages, in the largest pages there are, each after its turn has come', async () => {
    const { client, queries } = pagesOf(
      { time_entries: [{ id: 1 }], total_pages: 2 },
      { time_entries: [{ id: 'b' }], total_pages: 2 },
    )
    const turns: number[] = []
    const nextPage = async () => {
      turns.push(queries.length)
    }
    const outcome = await client.timeEntries.list?.({ from: '2026-03-01' }, { nextPage })
    expect(outcome).toEqual({ type: 'accepted', value: [{ id: '1' }, { id: 'b' }] })
    expect(queries).toEqual([
      { per_page: 2000, from: '2026-03-01', page: 1 },
      { per_page: 2000, from: '2026-03-01', page: 2 },
    ])
    expect(turns).toEqual([1])
  })

  it.each([
    ['expenses', { expenses: [{ id: 'a' }], total_pages: 1 }],
    ['a bare array', [{ id: 'a' }]],
  ])('may answer with %s', async (_, page) => {
    const { client } = pagesOf(page, [])
    expect(await client.expenses.list?.({})).toEqual({ type: 'accepted', value: [{ id: 'a' }] })
  })

  it.each([
    [{ status: 403 }, 'unauthorized'],
    [{ status: 404 }, 'rejected'],
    [{ status: 500 }, 'ambiguous'],
  ])('and throws %o is %s', async (fields, type) => {
    const list = async () => Promise.reject(Object.assign(new Error('sdk'), fields))
    const create = async () => ({ id: 'x' })
    const client = outcomesOf({ timeEntries: { create, list }, expenses: { create } })
    expect(await client.timeEntries.list?.({})).toMatchObject({ type })
  })

  it('or delete is asked as the object that it is', async () => {
    class Resource {
      readonly deleted: string[] = []
      async create() {
        return { id: 'x' }
      }
      async list() {
        return this.deleted.map((id) => ({ id }))
      }
      async delete(id: string) {
        this.deleted.push(id)
      }
    }
    const timeEntries = new Resource()
    const client = outcomesOf({ timeEntries, expenses: new Resource() })
    expect(await client.timeEntries.delete?.('te-1')).toMatchObject({ type: 'accepted' })
    expect(await client.timeEntries.list?.({})).toEqual({ type: 'accepted', value: [{ id: 'te-1' }] })
  })

  it('is one only where it says so', () => {
    const client = outcomesOf(clientOf(async () => ({ id: 'x' })))
    expect([client.timeEntries.list, client.expenses.list, client.timeEntries.delete]).toEqual([
      undefined,
      undefined,
      undefined,
    ])
  })
})

describe('a client that can change and stop', () => {
  const create = async () => ({ id: 'x' })
  const throws = (fields: object) => async () => Promise.reject(Object.assign(new Error('sdk: not running'), fields))
  const timersOf = (methods: object) => ofEntries({ create, ...methods })
  const ofEntries = (timeEntries: KeitoClient['timeEntries']) =>
    outcomesOf({ timeEntries, expenses: { create } }).timeEntries
  class Entries {
    readonly calls: unknown[] = []
    create = create
    async update(...call: unknown[]) {
      this.calls.push(['update', ...call])
      return { id: call[0], is_running: false }
    }
  }
  class EntriesWithStop extends Entries {
    async stopTimer(...call: unknown[]) {
      this.calls.push(['stopTimer', ...call])
    }
  }

  it('is asked as the object that it is, and has changed what it resolves for', async () => {
    const entries = new Entries()
    const outcome = await ofEntries(entries).update?.('te-1', { hours: 2, billable: false })
    expect(outcome).toMatchObject({ type: 'accepted' })
    expect(entries.calls).toEqual([['update', 'te-1', { hours: 2, billable: false }]])
  })

  it('stops by its own method, else by an update', async () => {
    const [withStop, without] = [new EntriesWithStop(), new Entries()]
    expect(await ofEntries(withStop).stop?.('te-1')).toMatchObject({ type: 'accepted' })
    expect(await ofEntries(without).stop?.('te-1')).toMatchObject({ type: 'accepted' })
    expect(withStop.calls).toEqual([['stopTimer', 'te-1']])
    expect(without.calls).toEqual([['update', 'te-1', { is_running: false }]])
  })

  it.each([
    [{ status: 409 }, 'accepted'],
    [{ status: 400 }, 'accepted'],
    [{ status: 404 }, 'rejected'],
    [{ status: 403 }, 'unauthorized'],
    [{ status: 500 }, 'ambiguous'],
    [{ code: 'ECONNREFUSED' }, 'retryable'],
  ])('has for a stop that throws %o an outcome that is %s', async (fields, type) => {
    expect(await timersOf({ stopTimer: throws(fields) }).stop?.('te-1')).toMatchObject({ type })
    expect(await timersOf({ update: throws(fields) }).stop?.('te-1')).toMatchObject({ type })
  })

  it('has not stopped an entry that still runs after the update', async () => {
    const update = async () => ({ id: 'te-1', is_running: true })
    expect(await timersOf({ update }).stop?.('te-1')).toMatchObject({ type: 'rejected' })
    expect(await timersOf({ update }).update?.('te-1', { hours: 1 })).toMatchObject({ type: 'accepted' })
    const stopped = async () => ({ id: 'te-1', is_running: false })
    expect(await timersOf({ update: stopped }).stop?.('te-1')).toMatchObject({ type: 'accepted' })
  })

  it.each([undefined, null, {}, { id: 'te-1' }, { is_running: 'false' }, 'ok'])(
    'has not stopped an entry by an update that answers %j, which does not say so',
    async (answer) => {
      const { stop, update } = timersOf({ update: async () => answer })
      expect(await stop?.('te-1')).toMatchObject({ type: 'rejected', reason: expect.stringContaining('still runs') })
      expect(await update?.('te-1', { hours: 1 })).toMatchObject({ type: 'accepted' })
    },
  )

  it('has not changed what it throws for, also when that is a conflict', async () => {
    const { update } = timersOf({ update: throws({ status: 409 }) })
    expect(await update?.('te-1', {})).toMatchObject({ type: 'rejected', status: 409 })
  })

  it('is one only where it says so', () => {
    const methodsOf = (methods: object) => {
      const { update, stop } = timersOf(methods)
      return [typeof update, typeof stop]
    }
    expect(methodsOf({})).toEqual(['undefined', 'undefined'])
    expect(methodsOf({ stopTimer: create })).toEqual(['undefined', 'function'])
    expect(methodsOf({ update: create })).toEqual(['function', 'function'])
    expect(methodsOf({ update: 'text', stopTimer: 7 })).toEqual(['undefined', 'undefined'])
  })
})

describe('a client that can delete', () => {
  const removedBy = (remove: () => Promise<unknown>) => {
    const create = async () => ({ id: 'x' })
    const client = outcomesOf({ timeEntries: { create, delete: remove }, expenses: { create } })
    return client.timeEntries.delete?.('te-1')
  }

  it('has deleted what it resolves for, and what is not there', async () => {
    expect(await removedBy(async () => undefined)).toMatchObject({ type: 'accepted' })
    const missing = async () => Promise.reject(Object.assign(new Error('sdk'), { status: 404 }))
    expect(await removedBy(missing)).toMatchObject({ type: 'accepted' })
  })

  it('has not deleted what it throws for otherwise', async () => {
    const refuse = async () => Promise.reject(Object.assign(new Error('sdk'), { status: 409 }))
    expect(await removedBy(refuse)).toMatchObject({ type: 'rejected' })
  })
})
