/**
 * Reconciliation: finds out whether Keito has stored a record whose request was not answered clearly.
 *
 * Keito has no idempotency key, so a POST that may have been stored must not be repeated blindly. The reconciler waits
 * out a late commit, lists what Keito has of that day and project from agents, and looks for the record's key. One list
 * answers for all records of that day and project, because lists count against the rate limit like any request.
 *
 * @module
 */
import type { KeitoRecord } from '../billing/record.ts'
import type { StoredRecord } from '../keito/types.ts'
import type { DeliveryOptions } from '../options.ts'
import { backoffMs } from './backoff.ts'
import { type Doubt, type DoubtGroup, Doubts } from './doubts.ts'
import type { Failure, Outcome } from './outcome.ts'

/** How long until a list is asked for again that Keito refused, or that shows nothing of a call that goes on and on. */
const RARE_LIST_MS = 900_000

/**
 * What a look into Keito showed.
 *
 * - `found`: Keito has the record.
 * - `absent`: Keito does not have it, so it is to be sent.
 * - `unknown`: Keito does not let us look, so the record stays held.
 * - `checked`: the record was known to be stored; this was the second look, which shows whether it is there twice.
 */
export interface Finding {
  readonly verdict: 'found' | 'absent' | 'unknown' | 'checked'
  readonly record: KeitoRecord
  /** What Keito has under the record's key, the oldest first. */
  readonly stored: readonly StoredRecord[]
}

/** What a {@link Reconciler} goes by. */
export interface ReconcilerRules {
  readonly settings: Readonly<Required<DeliveryOptions>>
  /** Number from 0 to 1. */
  readonly random: () => number
}

/** Keeps the doubts and interprets lists. It makes no request and has no clock. */
export class Reconciler {
  readonly #doubts = new Doubts()
  readonly #rules: ReconcilerRules
  /** Keys of records that were sent again after a list did not show them. */
  readonly #repeated = new Set<string>()

  constructor(rules: ReconcilerRules) {
    this.#rules = rules
  }

  /**
   * Keito may have stored this record.
   *
   * @param wasSent Whether a request was made, whose commit may still come.
   */
  doubt(record: KeitoRecord, wasSent: boolean, now: number): void {
    const readyAt = wasSent ? now + this.#rules.settings.reconcileAfterMs : now
    this.#doubts.add({ record, readyAt, wasSent })
  }

  /** Keito has stored this record. If it was sent more than once, it is looked at again later. */
  delivered(record: KeitoRecord, now: number): void {
    this.#doubts.resolve(record)
    if (this.#repeated.delete(record.key)) this.#doubts.watch(record, now + this.#rules.settings.recheckAfterMs)
  }

  /** Keito has refused this record: there is nothing left to look for. */
  rejected(record: KeitoRecord): void {
    this.#repeated.delete(record.key)
  }

  /** The copies of this record are known: it need not be looked at again. */
  unwatch(record: KeitoRecord): void {
    this.#doubts.unwatch(record)
  }

  /** Whether a record waits to be looked up. */
  isInDoubt(record: KeitoRecord): boolean {
    return this.#doubts.has(record)
  }

  /** When the next list is due, in milliseconds of the sender's clock; `Infinity` when none is. */
  nextAt(now: number): number {
    return this.#doubts.next(now)?.at ?? Number.POSITIVE_INFINITY
  }

  /** When the next list is due that decides about a record that waits for it; `Infinity` when none is. */
  nextDoubtAt(now: number): number {
    return this.#doubts.nextDoubtAt(now)
  }

  /** The list that is due now, which counts as under way until {@link conclude} is called. */
  begin(now: number): DoubtGroup | undefined {
    const next = this.#doubts.next(now)
    if (!next || next.at > now) return undefined
    next.group.isListed = true
    return next.group
  }

  /**
   * What a list says about each record that was ready when it was asked for.
   *
   * @param startedAt When the list was asked for, in milliseconds of the sender's clock.
   * @param freeAt When requests may be made again, on the same clock.
   * @param isUnanswered Whether a request for the key is still under way in the client, in spite of its deadline.
   */
  conclude(
    group: DoubtGroup,
    startedAt: number,
    freeAt: number,
    list: Outcome<readonly StoredRecord[]>,
    isUnanswered: (key: string) => boolean,
  ): readonly Finding[] {
    group.isListed = false
    if (list.type !== 'accepted') return this.#postpone(group, freeAt, list)
    group.failures = 0
    // Until then more doubts come together for the next list.
    group.notBefore = freeAt + this.#rules.settings.reconcileAfterMs
    const rows = byKey(list.value)
    const storedOf = (record: KeitoRecord) => (rows.get(record.key) ?? []).filter((row) => hasSameFigures(record, row))
    const isReady = ({ readyAt }: Doubt) => readyAt <= startedAt
    const findings: Finding[] = []
    for (const doubt of [...group.doubts.values()].filter(isReady)) {
      const { record, wasSent } = doubt
      const stored = storedOf(record)
      if (stored.length === 0 && isUnanswered(record.key)) {
        this.#doubts.add({ ...doubt, readyAt: freeAt + RARE_LIST_MS })
        continue
      }
      this.#doubts.resolve(record)
      if (stored.length === 0 && wasSent) this.#repeated.add(record.key)
      findings.push({ verdict: stored.length > 0 ? 'found' : 'absent', record, stored })
    }
    for (const { record } of [...group.watched.values()].filter(isReady)) {
      this.#doubts.unwatch(record)
      findings.push({ verdict: 'checked', record, stored: storedOf(record) })
    }
    return findings
  }

  /**
   * The list failed, and is asked for again later. Where Keito refuses it, nobody can tell: what was sent stays held, and
   * what was most likely not sent is sent.
   */
  #postpone(group: DoubtGroup, freeAt: number, failure: Failure): readonly Finding[] {
    const { settings, random } = this.#rules
    const isRefused = failure.type === 'rejected' || (failure.type === 'unauthorized' && failure.status === 403)
    if (!isRefused) {
      group.notBefore = freeAt + backoffMs(group.failures++, settings.maxBackoffMs, random)
      return []
    }
    group.notBefore = freeAt + RARE_LIST_MS
    for (const { record } of [...group.watched.values()]) this.#doubts.unwatch(record)
    return [...group.doubts.values()].map(({ record, wasSent }) => {
      if (!wasSent) this.#doubts.resolve(record)
      return { verdict: wasSent ? 'unknown' : 'absent', record, stored: [] }
    })
  }
}

/** What tells the halves of a session apart that two processes have billed under the same key. */
const FIGURES = ['duration_ms', 'input_tokens', 'output_tokens'] as const

/** Whether a stored record can be this one. A figure that cannot be read proves nothing. */
function hasSameFigures({ body }: KeitoRecord, { metadata }: StoredRecord): boolean {
  return FIGURES.every((name) => {
    const [ours, theirs] = [body.metadata[name], metadata?.[name]]
    return typeof ours !== 'number' || typeof theirs !== 'number' || ours === theirs
  })
}

function byKey(rows: readonly StoredRecord[]): ReadonlyMap<unknown, readonly StoredRecord[]> {
  const stored = new Map<unknown, StoredRecord[]>()
  for (const row of rows) {
    const key = row.metadata?.idempotency_key
    const same = stored.get(key)
    if (same) same.push(row)
    else stored.set(key, [row])
  }
  for (const same of stored.values()) same.sort(oldestFirst)
  return stored
}

function oldestFirst(a: StoredRecord, b: StoredRecord): number {
  const [x, y] = [String(a.created_at ?? ''), String(b.created_at ?? '')]
  return x < y ? -1 : x > y ? 1 : a.id < b.id ? -1 : 1
}
