/** Lets hours pass in minutes for tests over real sockets, which fake timers would leave behind. */
import { vi } from 'vitest'

/**
 * Makes `Date.now`, `performance.now` and `setTimeout` run so many times as fast, for everything in this process. What
 * Node times by itself, such as the limits of its sockets, keeps to the real clock.
 *
 * @returns Ends it.
 */
export function speedUp(factor: number): () => void {
  const { setTimeout: realTimeout, performance } = globalThis
  const [realNow, realDate] = [performance.now.bind(performance), Date.now]
  const [startNow, startDate] = [realNow(), realDate()]
  const elapsed = () => (realNow() - startNow) * factor
  const sooner: (...args: Parameters<typeof setTimeout>) => unknown = (act, ms, ...args) =>
    realTimeout(act, (ms ?? 0) / factor, ...args)
  const spies = [
    vi.spyOn(performance, 'now').mockImplementation(() => startNow + elapsed()),
    vi.spyOn(Date, 'now').mockImplementation(() => startDate + elapsed()),
    vi.spyOn(globalThis, 'setTimeout').mockImplementation(sooner as typeof setTimeout),
  ]
  return () => {
    for (const spy of spies) spy.mockRestore()
  }
}
