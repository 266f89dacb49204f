/**
 * What the sandbox has stored: time entries and expenses, in the order they came.
 *
 * @module
 */
import type { StoredExpense, StoredTimeEntry } from './types.ts'

/** The state of a sandbox. Records are replaced, never changed, so whoever holds one holds a snapshot. */
export class Ledger {
  readonly #timeEntries = new Map<string, StoredTimeEntry>()
  readonly #expenses = new Map<string, StoredExpense>()
  readonly #approved = new Set<string>()
  #lastNumber = 0

  /** An id that was never given out before; it looks like Keito's, which begin with `cm`. */
  newId(kind: 'entry' | 'expense'): string {
    this.#lastNumber++
    return `cm${kind}${String(this.#lastNumber).padStart(6, '0')}`
  }

  /** Stores a time entry, in place of the one with the same id if there is one. */
  putTimeEntry(entry: StoredTimeEntry): StoredTimeEntry {
    this.#timeEntries.set(entry.id, entry)
    return entry
  }

  /** Forgets a time entry. */
  removeTimeEntry(id: string): void {
    this.#timeEntries.delete(id)
  }

  /** The time entry with this id. */
  timeEntry(id: string): StoredTimeEntry | undefined {
    return this.#timeEntries.get(id)
  }

  /** Makes a time entry unchangeable. */
  lockTimeEntry(id: string, by: 'lock' | 'approval' = 'lock'): void {
    const entry = this.#timeEntries.get(id)
    if (!entry) return
    this.#timeEntries.set(id, { ...entry, is_locked: true })
    if (by === 'approval') this.#approved.add(id)
  }

  /** Whether a time entry is locked because it was approved. */
  isApproved(id: string): boolean {
    return this.#approved.has(id)
  }

  /** The running timer; a user has one at most, and the sandbox has one user. */
  runningTimer(): StoredTimeEntry | undefined {
    return this.timeEntries().find((entry) => entry.is_running)
  }

  /** Stores a new expense. There is no way to change or remove one, as in Keito. */
  addExpense(expense: StoredExpense): StoredExpense {
    this.#expenses.set(expense.id, expense)
    return expense
  }

  /** All time entries, the oldest first. */
  timeEntries(): readonly StoredTimeEntry[] {
    return [...this.#timeEntries.values()]
  }

  /** All expenses, the oldest first. */
  expenses(): readonly StoredExpense[] {
    return [...this.#expenses.values()]
  }

  /** Forgets all records; ids are not given out again. */
  clear(): void {
    this.#timeEntries.clear()
    this.#expenses.clear()
    this.#approved.clear()
  }
}
