/**
 * Ended spans on their way out of the host's hot path: kept for a moment, then handed on in slices. None is dropped.
 *
 * @module
 */
import type { ResourceLike, SpanLike } from './span.ts'

/** How long ended spans are gathered, in milliseconds: what is done once for many of them is done less often. */
const GATHER_MS = 20
/** Spans handed on in one turn of the event loop, so that a burst does not stop the host. */
const SLICE = 512
/** Spans gathered at most. Beyond it they are handed on at once, in the host's own time, instead of being dropped. */
const MAX_GATHERED = 4096
/** Spans gathered at most while attributes of their resource are waited for. */
const MAX_WAITING = 10 * MAX_GATHERED
/** How long attributes of a resource are waited for, in milliseconds. */
const MAX_RESOURCE_MS = 30_000

/** Gathers spans. */
export class EndedSpans {
  readonly #take: (spans: readonly SpanLike[]) => void
  #spans: SpanLike[] = []
  #timer: ReturnType<typeof setTimeout> | undefined
  /** The resource of the first span, and when its attributes are there. */
  #awaited: { readonly resource: ResourceLike; readonly ready: Promise<void> } | undefined
  /** Resources whose attributes have come, or are not waited for any more. */
  readonly #ready = new WeakSet<ResourceLike>()

  /** @param take Takes a slice of spans in. Must not throw. */
  constructor(take: (spans: readonly SpanLike[]) => void) {
    this.#take = take
  }

  /** Takes a span in. */
  push(span: SpanLike): void {
    this.#spans.push(span)
    if (this.#spans.length >= MAX_GATHERED) this.#handOn()
    if (this.#spans.length >= MAX_WAITING) this.#giveUpOnResource()
    this.#wakeIn(GATHER_MS)
  }

  /**
   * Hands on what is there, also what still waits for attributes of its resource when the time is up.
   *
   * @param timeoutMs Longest wait for those attributes, in milliseconds.
   */
  async flush(timeoutMs: number): Promise<void> {
    const endAt = performance.now() + timeoutMs
    // What ends meanwhile is not waited for, or a busy host would never see the end.
    let left = this.#spans.length
    for (;;) {
      const leftMs = endAt - performance.now()
      if (leftMs <= 0) this.#giveUpOnResource()
      left -= this.#handOn(leftMs > 0)
      if (left <= 0 || this.#spans.length === 0) return
      await settledWithin(this.#awaited?.ready, this.#awaited ? leftMs : 0)
    }
  }

  /** Hands on at once what need not wait for its resource. */
  handOnDue(): void {
    while (this.#handOn() > 0);
  }

  /** Stops, and lets go of what is left. Returns how many spans those were. */
  close(): number {
    clearTimeout(this.#timer)
    return this.#spans.splice(0).length
  }

  #wakeIn(ms: number): void {
    if (this.#timer !== undefined || this.#awaited || this.#spans.length === 0) return
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.#handOn()
      this.#wakeIn(0)
    }, ms)
    this.#timer.unref?.()
  }

  /**
   * Hands on one slice. Returns how many spans those were.
   *
   * @param isPatient Whether to stop at the first span whose resource is not ready.
   */
  #handOn(isPatient = true): number {
    if (this.#awaited) return 0
    let count = 0
    for (const span of this.#spans) {
      if (count === SLICE || (isPatient && this.#waitsFor(span))) break
      count++
    }
    if (count > 0) this.#take(this.#spans.splice(0, count))
    return count
  }

  #waitsFor(span: SpanLike): boolean {
    const resource = pendingResourceOf(span)
    if (!resource || this.#ready.has(resource)) return false
    const ready = settledWithin(attributesOf(resource), MAX_RESOURCE_MS, 'unref').then(() => {
      this.#ready.add(resource)
      if (this.#awaited?.resource === resource) this.#awaited = undefined
      this.#wakeIn(0)
    })
    this.#awaited = { resource, ready }
    return true
  }

  #giveUpOnResource(): void {
    if (this.#awaited) this.#ready.add(this.#awaited.resource)
    this.#awaited = undefined
  }
}

/** The resource of a span, when its attributes are not all there. Reading a span must not throw into a timer. */
function pendingResourceOf(span: SpanLike): ResourceLike | undefined {
  try {
    return span.resource.asyncAttributesPending ? span.resource : undefined
  } catch {
    // It is counted as unreadable when it is taken in.
    return undefined
  }
}

async function attributesOf(resource: ResourceLike): Promise<void> {
  try {
    await resource.waitForAsyncAttributes?.()
  } catch {
    // A detector failed; what the others found is in the resource, and the SDK has said so.
  }
}

/** Resolves when a promise does, or when the time is up. Keeps the process alive meanwhile, unless told not to. */
function settledWithin(promise: Promise<void> | undefined, ms: number, unref?: 'unref'): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms)
    if (unref) timer.unref?.()
    void promise?.then(() => {
      clearTimeout(timer)
      resolve()
    })
  })
}
