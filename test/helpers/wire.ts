/** A wire to Keito on which single requests, or from a moment on all, come to grief. */

/** What becomes of a request: `lost`, it never arrives; `deaf`, nobody hears its answer; `late`, it arrives when told. */
export type Grief = 'lost' | 'deaf' | 'late'

/** A request as the wire sees it. */
export interface WireRequest {
  readonly method: string
  readonly path: string
  readonly body: string
}

/** A trap that one request will be caught in. */
export interface Trap {
  /** Resolves when a request was caught and, unless it is lost or late, Keito has dealt with it. */
  readonly met: Promise<void>
  /** Lets a late request arrive. */
  release(): Promise<void>
}

/** A wire: give its `fetch` to a client. */
export class Wire {
  /** From now on nothing arrives and nothing is heard. */
  isCut = false
  readonly #traps: { isMeant: (request: WireRequest) => boolean; spring: typeof fetch }[] = []

  /** Catches the first request that is meant. */
  trap(isMeant: (request: WireRequest) => boolean, grief: Grief): Trap {
    let meet = () => {}
    let release = async () => {}
    const met = new Promise<void>((resolve) => {
      meet = resolve
    })
    const spring: typeof fetch = async (input, init = {}) => {
      const { signal, ...rest } = init
      const arrive = async () => {
        await globalThis.fetch(input, rest)
      }
      if (grief === 'deaf') await arrive()
      if (grief === 'late') release = arrive
      meet()
      return never(signal)
    }
    this.#traps.push({ isMeant, spring })
    return { met, release: () => release() }
  }

  readonly fetch: typeof fetch = async (input, init = {}) => {
    if (this.isCut) return never(init.signal)
    const request = {
      method: init.method ?? 'GET',
      path: new URL(String(input)).pathname,
      body: String(init.body ?? ''),
    }
    const i = this.#traps.findIndex(({ isMeant }) => isMeant(request))
    const [trap] = i < 0 ? [] : this.#traps.splice(i, 1)
    if (trap) return trap.spring(input, init)
    const response = await globalThis.fetch(input, init)
    return this.isCut ? never(init.signal) : response
  }
}

/** Waits until nobody waits any more. */
function never(signal: AbortSignal | null | undefined): Promise<never> {
  return new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason), { once: true }))
}
