/**
 * Walks the pages of a list.
 *
 * @module
 */

import { isFields } from '../delivery/fields.ts'
import { ambiguous, type Outcome } from '../delivery/outcome.ts'
import { storedRecord } from './stored.ts'
import type { StoredRecord } from './types.ts'

/** The largest page that Keito gives; lists count against the rate limit. */
export const PAGE_SIZE = 2000
/** Pages read at most. A list that goes on is not complete, and is not passed off as such. */
const MAX_PAGES = 100

/**
 * All records of a list. Pages are counted by offset and shift while others write, so records are told apart by id,
 * and a list of several pages that comes out short is ambiguous: whoever looks for a record there must not conclude
 * that it is missing.
 *
 * @param key The field of the reply that holds the records, `time_entries` or `expenses`.
 * @param pageOf Asks for one page, counted from 1.
 * @param nextPage Awaited before each page but the first.
 * @returns The records, or the first failure.
 */
export async function allPages<Stored extends StoredRecord>(
  key: string,
  pageOf: (page: number) => Promise<Outcome<unknown>>,
  nextPage?: () => Promise<void>,
): Promise<Outcome<readonly Stored[]>> {
  const records = new Map<string, Stored>()
  for (let page = 1; page <= MAX_PAGES; page++) {
    if (page > 1) await nextPage?.()
    const reply = await pageOf(page)
    if (reply.type !== 'accepted') return reply
    const rows = rowsIn(reply.value, key)
    if (!rows) return ambiguous(`a list without an array named ${key}`)

    const known = records.size
    for (const row of rows) {
      const record = storedRecord<Stored>(row)
      if (record) records.set(record.id, record)
    }
    const pages = countIn(reply.value, 'total_pages')
    const isLast = pages === undefined ? records.size === known : page >= pages
    if (!isLast) continue
    const total = countIn(reply.value, 'total_entries')
    if (page > 1 && total !== undefined && records.size < total) {
      return ambiguous(`the list changed while it was read: ${records.size} of ${total} records seen`)
    }
    return { type: 'accepted', value: [...records.values()] }
  }
  return ambiguous(`a list of more than ${MAX_PAGES} pages`)
}

function rowsIn(body: unknown, key: string): readonly unknown[] | undefined {
  const rows = isFields(body) && !Array.isArray(body) ? (body[key] ?? body.data) : body
  return Array.isArray(rows) ? rows : undefined
}

function countIn(body: unknown, key: string): number | undefined {
  const count = isFields(body) ? body[key] : undefined
  return typeof count === 'number' && count >= 0 ? count : undefined
}
