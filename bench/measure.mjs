/**
 * Measures something several times and gives the median. Garbage is collected when the engine likes, as in a host
 * process: a forced collection before each run also throws optimised code away, and doubles the figures.
 */

const WARM_UPS = 5
const RUNS = 25

/**
 * @param {() => Promise<number> | number} once Does the work and gives the nanoseconds that the part of interest took.
 * @returns {Promise<number>} The median.
 */
export async function median(once) {
  const took = []
  for (let run = 0; run < WARM_UPS + RUNS; run++) {
    const ns = await once()
    if (run >= WARM_UPS) took.push(ns)
  }
  return took.sort((a, b) => a - b)[RUNS >> 1]
}

/** Nanoseconds that synchronous work takes. */
export function timed(work) {
  const start = process.hrtime.bigint()
  work()
  return Number(process.hrtime.bigint() - start)
}

/** Bytes of heap in use when all garbage is gone. */
export async function heapBytes() {
  for (let round = 0; round < 3; round++) {
    globalThis.gc?.()
    await new Promise((resolve) => setImmediate(resolve))
  }
  return process.memoryUsage().heapUsed
}
