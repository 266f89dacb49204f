/**
 * Lets any client of the documented shape take the place of the built-in one.
 *
 * @module
 */
import type { Outcome } from '../delivery/outcome.ts'
import { outcomeOfError } from '../delivery/outcome-of-error.ts'
import { withTracingSuppressed } from '../otel/suppress.ts'
import type { CallOptions, KeitoClient, OutcomeClient, OutcomeResource } from './client.ts'
import { outcomeOfDelete } from './deleted.ts'
import { allPages, PAGE_SIZE } from './pages.ts'
import { outcomeOfStop, outcomeOfStopByUpdate } from './stopped.ts'
import { storedRecord } from './stored.ts'
import type { ListQuery, StoredRecord, TimeEntryUpdate } from './types.ts'

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
  const { timeEntries, expenses } = client
  return {
    answers: 'outcomes',
    timeEntries: {
      create: (body) => createdBy(() => timeEntries.create(body)),
      ...lister('time_entries', timeEntries),
      ...(timeEntries.delete ? { delete: deleter((id) => timeEntries.delete?.(id)) } : {}),
      ...timerMethods(timeEntries),
    },
    expenses: { create: (body) => createdBy(() => expenses.create(body)), ...lister('expenses', expenses) },
  }
}

/** The client's list, page by page, where it has one. Without, doubts about its records cannot be resolved. */
function lister<Stored extends StoredRecord>(
  key: string,
  resource: { list?(query: ListQuery): Promise<unknown> },
): Pick<OutcomeResource<never, Stored>, 'list'> {
  if (typeof resource.list !== 'function') return {}
  return {
    list: (query: ListQuery, options?: CallOptions) =>
      allPages<Stored>(
        key,
        (page) => outcomeOfCall(async () => resource.list?.({ per_page: PAGE_SIZE, ...query, page })),
        options?.nextPage,
      ),
  }
}

function deleter(call: (id: string) => unknown) {
  return async (id: string) => outcomeOfDelete(await outcomeOfCall(async () => call(id)))
}

/** Changing entries and stopping timers, where the client can. Keito's SDK has a method of its own for the stop. */
function timerMethods(timeEntries: KeitoClient['timeEntries']): Pick<OutcomeClient['timeEntries'], 'update' | 'stop'> {
  const canUpdate = typeof timeEntries.update === 'function'
  const update = {
    update: (id: string, body: TimeEntryUpdate) => outcomeOfCall(async () => timeEntries.update?.(id, body)),
  }
  const stop = async (id: string) => outcomeOfStop(await outcomeOfCall(async () => timeEntries.stopTimer?.(id)))
  const stopByUpdate = async (id: string) =>
    outcomeOfStopByUpdate(await outcomeOfCall(async () => timeEntries.update?.(id, { is_running: false })))
  if (typeof timeEntries.stopTimer === 'function') return canUpdate ? { ...update, stop } : { stop }
  return canUpdate ? { ...update, stop: stopByUpdate } : {}
}

async function createdBy(call: () => Promise<unknown>): Promise<Outcome<StoredRecord>> {
  const outcome = await outcomeOfCall(call)
  return outcome.type === 'accepted' ? { type: 'accepted', value: storedRecord(outcome.value) ?? { id: '' } } : outcome
}

async function outcomeOfCall(call: () => Promise<unknown>): Promise<Outcome<unknown>> {
  try {
    return { type: 'accepted', value: await withTracingSuppressed(call) }
  } catch (error) {
    return outcomeOfError(error)
  }
}
