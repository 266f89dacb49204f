/**
 * The items of an outbox that cannot be booked yet: each part of a run once.
 *
 * @module
 */
import { recordKeysOf, unknownPartOf } from '../billing/unassigned.ts'
import type { Unassigned } from './outbox.ts'

/** An item, and whether another process had it before, which may have booked it. */
export interface KeptItem {
  readonly item: Unassigned
  readonly isInDoubt: boolean
}

/** Keeps items by their keys, in the order in which they came. */
export class UnassignedItems {
  readonly #isRecordKnown: (key: string) => boolean
  readonly #items = new Map<string, KeptItem>()
  /** Keys of the records that will come of all items. */
  readonly #recordKeys = new Set<string>()

  /** @param isRecordKnown Whether a record with this key is here, or was. */
  constructor(isRecordKnown: (key: string) => boolean) {
    this.#isRecordKnown = isRecordKnown
  }

  get size(): number {
    return this.#items.size
  }

  /** The part of an item that is neither kept nor booked; undefined when all of it is. */
  newPartOf(item: Unassigned): Unassigned | undefined {
    const part = unknownPartOf(item, (key) => this.#recordKeys.has(key) || this.#isRecordKnown(key))
    return part && this.#items.has(part.key) ? undefined : part
  }

  /** Keeps an item of which all is new. */
  keep(item: Unassigned, isInDoubt: boolean): void {
    this.#items.set(item.key, { item, isInDoubt })
    for (const key of recordKeysOf(item.settlement)) this.#recordKeys.add(key)
  }

  /** Takes an item out. */
  remove(key: string): KeptItem | undefined {
    const kept = this.#items.get(key)
    if (!kept) return undefined
    this.#items.delete(key)
    for (const recordKey of recordKeysOf(kept.item.settlement)) this.#recordKeys.delete(recordKey)
    return kept
  }

  /** Lets go of what has been booked meanwhile, as another process has left word. */
  review(): void {
    const kept = [...this.#items.values()]
    this.clear()
    for (const { item, isInDoubt } of kept) {
      const part = this.newPartOf(item)
      if (part) this.keep(part, isInDoubt)
    }
  }

  all(): readonly Unassigned[] {
    return [...this.#items.values()].map(({ item }) => item)
  }

  clear(): void {
    this.#items.clear()
    this.#recordKeys.clear()
  }
}
