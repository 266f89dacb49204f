/**
 * The records that have to be looked up in Keito, in groups that one list answers, and when each list is due.
 *
 * @module
 */
import type { KeitoRecord } from '../billing/record.ts'

/** Records remembered at most for a second look; beyond it, no more get one. */
const MAX_WATCHED = 10_000
/** Groups remembered, empty ones included; those know when their list was last asked for. */
const MAX_GROUPS = 1000

/** Records of one kind, day and project: what one list of Keito shows. */
export interface DoubtGroup {
  readonly kind: KeitoRecord['kind']
  readonly day: string
  readonly projectId: string
  /** Records that Keito may have, and when a late commit of theirs must have happened, by key. */
  readonly doubts: Map<string, Doubt>
  /** Records that were sent again and then stored, and when to see whether the first request was stored after all. */
  readonly watched: Map<string, Doubt>
  /** No list before this time. */
  notBefore: number
  /** Lists in a row that failed. */
  failures: number
  /** Whether a list is under way. */
  isListed: boolean
}

/** A record to look up. */
export interface Doubt {
  readonly record: KeitoRecord
  /** Not before this time, in milliseconds of the sender's clock. */
  readonly readyAt: number
  /** Whether a request for it was made: false after a crash, where nobody can be sure that none was. */
  readonly wasSent: boolean
}

/** Groups doubts by the list that answers them. */
export class Doubts {
  readonly #groups = new Map<string, DoubtGroup>()
  #watched = 0

  /** Notes that Keito may have a record. */
  add(doubt: Doubt): void {
    const { doubts } = this.#groupOf(doubt.record)
    doubts.delete(doubt.record.key)
    doubts.set(doubt.record.key, doubt)
  }

  /** Notes that a record which was sent more than once is to be looked at again, in case Keito has it twice. */
  watch(record: KeitoRecord, readyAt: number): void {
    if (this.#watched >= MAX_WATCHED) return
    const { watched } = this.#groupOf(record)
    if (!watched.has(record.key)) this.#watched++
    watched.set(record.key, { record, readyAt, wasSent: true })
  }

  /** Whether a record is in doubt. */
  has(record: KeitoRecord): boolean {
    return this.#groups.get(idOf(record))?.doubts.has(record.key) ?? false
  }

  /** Forgets a doubt, because it was resolved. */
  resolve(record: KeitoRecord): void {
    this.#groups.get(idOf(record))?.doubts.delete(record.key)
  }

  /** Forgets that a record is to be looked at again. */
  unwatch(record: KeitoRecord): void {
    if (this.#groups.get(idOf(record))?.watched.delete(record.key)) this.#watched--
  }

  /** The group whose list is due next, and when, in milliseconds of the sender's clock. */
  next(now: number): { readonly group: DoubtGroup; readonly at: number } | undefined {
    let next: { readonly group: DoubtGroup; readonly at: number } | undefined
    for (const group of this.#groups.values()) {
      if (group.isListed) continue
      const at = Math.max(group.notBefore, Math.min(firstReadyAt(group.doubts, now), firstReadyAt(group.watched, now)))
      if (at < (next?.at ?? Number.POSITIVE_INFINITY)) next = { group, at }
    }
    return next
  }

  /** When the next list is due that resolves a doubt; second looks do not count. `Infinity` when none is. */
  nextDoubtAt(now: number): number {
    let next = Number.POSITIVE_INFINITY
    for (const { doubts, notBefore, isListed } of this.#groups.values()) {
      if (!isListed) next = Math.min(next, Math.max(notBefore, firstReadyAt(doubts, now)))
    }
    return next
  }

  #groupOf(record: KeitoRecord): DoubtGroup {
    const id = idOf(record)
    const known = this.#groups.get(id)
    if (known) return known
    if (this.#groups.size >= MAX_GROUPS) this.#forgetEmpty()
    const { project_id, spent_date } = record.body
    const group: DoubtGroup = {
      kind: record.kind,
      day: spent_date,
      projectId: project_id,
      doubts: new Map(),
      watched: new Map(),
      notBefore: 0,
      failures: 0,
      isListed: false,
    }
    this.#groups.set(id, group)
    return group
  }

  #forgetEmpty(): void {
    for (const [id, { doubts, watched, isListed }] of this.#groups) {
      if (doubts.size === 0 && watched.size === 0 && !isListed) this.#groups.delete(id)
    }
  }
}

function idOf({ kind, body }: KeitoRecord): string {
  return JSON.stringify([kind, body.spent_date, body.project_id])
}

/** When the first of them is ready; the first that is ready already will do. */
function firstReadyAt(doubts: ReadonlyMap<string, Doubt>, now: number): number {
  let first = Number.POSITIVE_INFINITY
  for (const { readyAt } of doubts.values()) {
    if (readyAt <= now) return readyAt
    first = Math.min(first, readyAt)
  }
  return first
}
