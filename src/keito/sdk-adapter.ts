/**
 * Lets any client of the documented shape take the place of the built-in one.
 *
 * @module
 */
import type { Outcome } from '../delivery/outcome.ts'
import { outcomeOfError } from '../delivery/outcome-of-error.ts'
import { withTracingSuppressed } from '../otel/suppress.ts'
import type { KeitoClient, OutcomeClient } from './client.ts'
import { storedRecord } from './stored.ts'
import type { StoredRecord } from './types.ts'

/**
 * The client as one that answers with outcomes.
 *
 * A call that resolves says that the record was stored, so it is accepted, with an empty id when the client gives none.
 * A call that throws is read by its HTTP status or error code, and is ambiguous when it has neither. The client must
 * not repeat requests by itself: construct an SDK with `maxRetries: 0`, because a repeat after a time-out bills twice.
 *
 * @param client Either port; one that already answers with outcomes is returned as it is.
 */
export function outcomesOf(client: KeitoClient | OutcomeClient): OutcomeClient {
  if ('answers' in client && client.answers === 'outcomes') return client
  return {
    answers: 'outcomes',
    timeEntries: { create: (body) => outcomeOfCall(() => client.timeEntries.create(body)) },
    expenses: { create: (body) => outcomeOfCall(() => client.expenses.create(body)) },
  }
}

async function outcomeOfCall(call: () => Promise<unknown>): Promise<Outcome<StoredRecord>> {
  try {
    const value = await withTracingSuppressed(call)
    return { type: 'accepted', value: storedRecord(value) ?? { id: '' } }
  } catch (error) {
    return outcomeOfError(error)
  }
}
