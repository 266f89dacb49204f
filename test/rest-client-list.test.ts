/** Rule: a list is complete or it is not called accepted, because "not in the list" means that a record is sent again. */
import { describe, expect, it } from 'vitest'
import { KeitoRestClient } from '../src/keito/rest-client.ts'

/** A client of a list whose pages are given by number, counted from 1; and the queries it made. */
const aList = (pageOf: (page: number) => unknown) => {
  const queries: string[] = []
  const fetch: typeof globalThis.fetch = async (input) => {
    const url = new URL(String(input))
    queries.push(url.pathname + url.search)
    const body = pageOf(Number(url.searchParams.get('page')))
    return body instanceof Response ? body : Response.json(body)
  }
  return { client: new KeitoRestClient({ apiKey: 'kto_x', accountId: 'acct-1', fetch }), queries }
}
const rows = (...ids: readonly (string | number)[]) =>
  ids.map((id) => ({ id, metadata: { idempotency_key: `k${id}` } }))

describe('a list', () => {
  it('is asked for in the largest pages, with the filters given', async () => {
    const { client, queries } = aList(() => ({ time_entries: rows('a'), total_pages: 1 }))
    const outcome = await client.timeEntries.list({ from: '2026-03-01', to: '2026-03-01', source: 'agent' })
    expect(outcome).toEqual({ type: 'accepted', value: rows('a') })
    expect(queries).toEqual(['/api/v2/time_entries?per_page=2000&from=2026-03-01&to=2026-03-01&source=agent&page=1'])
  })

  it('holds the records of all pages, each once, though rows shift between pages', async () => {
    const pages = [rows('a', 'b'), rows('b', 'c'), rows('d')]
    const { client, queries } = aList((page) => ({ expenses: pages[page - 1], total_pages: 3, total_entries: 4 }))
    const outcome = await client.expenses.list({})
    expect(outcome).toEqual({ type: 'accepted', value: rows('a', 'b', 'c', 'd') })
    expect(queries.length).toBe(3)
  })

  it('that comes out short over several pages is ambiguous', async () => {
    const { client } = aList((page) => ({ expenses: rows(page), total_pages: 2, total_entries: 3 }))
    expect(await client.expenses.list({})).toMatchObject({
      type: 'ambiguous',
      reason: expect.stringContaining('2 of 3'),
    })
  })

  it('without a count of pages is read until a page brings nothing new', async () => {
    const pages = [rows('a', 'b'), rows('c'), []]
    const counted = aList((page) => ({ expenses: pages[page - 1] }))
    expect(await counted.client.expenses.list({})).toMatchObject({ value: rows('a', 'b', 'c') })
    const same = aList(() => ({ expenses: rows('a') }))
    expect(await same.client.expenses.list({})).toMatchObject({ value: rows('a') })
    expect(same.queries.length).toBe(2)
  })

  it.each([
    ['a bare array', rows('a')],
    ['data', { data: rows('a'), total_pages: 1 }],
    ['rows that are none', { time_entries: [null, 'x', {}, ...rows('a')], total_pages: 1 }],
  ])('may come as %s', async (_, body) => {
    expect(await aList(() => body).client.timeEntries.list({})).toEqual({ type: 'accepted', value: rows('a') })
  })

  it('has ids as text', async () => {
    const { client } = aList(() => ({ time_entries: rows(7), total_pages: 1 }))
    expect(await client.timeEntries.list({})).toMatchObject({ value: [{ id: '7' }] })
  })

  it.each([[{}], [{ time_entries: null }], [null], ['text']])('is ambiguous when it is no list: %o', async (body) => {
    expect(await aList(() => body).client.timeEntries.list({})).toMatchObject({ type: 'ambiguous' })
  })

  it('that never ends is ambiguous', async () => {
    const { client, queries } = aList((page) => ({ time_entries: rows(page), total_pages: 1e9 }))
    expect(await client.timeEntries.list({})).toMatchObject({ type: 'ambiguous' })
    expect(queries.length).toBe(100)
  })

  it('waits for its turn before each page but the first', async () => {
    const steps: string[] = []
    const { client } = aList((page) => {
      steps.push(`page ${page}`)
      return { expenses: rows(page), total_pages: 3 }
    })
    const nextPage = async () => {
      steps.push('wait')
    }
    await client.expenses.list({}, { nextPage })
    expect(steps).toEqual(['page 1', 'wait', 'page 2', 'wait', 'page 3'])
  })

  it('asks for no page before its turn has come', async () => {
    const { client, queries } = aList((page) => ({ expenses: rows(page), total_pages: 2 }))
    void client.expenses.list({}, { nextPage: () => new Promise(() => undefined) })
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(queries.length).toBe(1)
  })

  it('that is aborted while it waits for a page is not accepted', async () => {
    const fetch: typeof globalThis.fetch = async (_, init) => {
      init?.signal?.throwIfAborted()
      return Response.json({ expenses: rows('a'), total_pages: 2 })
    }
    const client = new KeitoRestClient({ apiKey: 'kto_x', accountId: 'acct-1', fetch })
    const controller = new AbortController()
    const nextPage = async () => controller.abort()
    const outcome = await client.expenses.list({}, { signal: controller.signal, nextPage })
    expect(outcome).toMatchObject({ type: 'ambiguous' })
  })

  it('fails as its first failing page', async () => {
    const { client } = aList((page) =>
      page === 1
        ? { time_entries: rows('a'), total_pages: 2 }
        : Response.json({ error: 'slow down' }, { status: 429, headers: { 'Retry-After': '9' } }),
    )
    expect(await client.timeEntries.list({})).toMatchObject({ type: 'retryable', afterMs: 9000 })
  })
})
