/**
 * Tells that spans come from sampled traces only: then the hours and tokens of all other traces are missing.
 *
 * @module
 */

/** Distinct traces that are looked at, at most. A ratio up to 0.9 shows within that many. */
const MAX_TRACES = 256
/** Fewer traces than this prove nothing about how ids are made. */
const MIN_TRACES = 8
/**
 * How small the odds must be that ids without a sampler look like this. It is asked for each trace and each kind of
 * sampler; over a whole watch that adds up to about 120 times the odds of once, and stays below 1e-9.
 */
const LOG_ODDS = Math.log(1e-9 / 128)

/** A trace id as four unsigned numbers of 32 bits. */
type Chunks = readonly [number, number, number, number]

/**
 * What samplers compare with their ratio, in (0, 1]: evenly spread over all random ids, never above the ratio for those
 * that were sampled.
 */
const PLACES: readonly ((chunks: Chunks) => number)[] = [
  // TraceIdRatioBasedSampler of OTel JS 1.x to 3.x: all chunks combined.
  (chunks) => (xorOf(chunks) + 1) / 2 ** 32,
  // Consistent probability sampling: the last 56 bits, the highest are kept.
  ([, , c, d]) => 1 - ((c % 2 ** 24) * 2 ** 32 + d) / 2 ** 56,
]

/**
 * Chunks that are combined into numbers which, when ids are random, are spread over all 32 bits, sampled or not: each
 * one, and each two. One may be something else, such as the time in ids of X-Ray. Where two are, or one chunk repeats
 * another, ids are not made at random.
 */
const COLUMNS: readonly (readonly number[])[] = [[0], [1], [2], [3], [0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]]

/** How far random numbers lie apart at least, with odds of 1e-9 against it among 40 of them; of few it is worth waiting. */
const SPREAD = 2 ** 31

/**
 * Looks at the ids of traces that arrive, until it has seen enough of them.
 *
 * A sampler that goes by the trace id leaves a mark: a number that is made of the id never lies above the ratio. Of `n`
 * random ids that happens by chance with odds of `highest ** n`. Ids that are not made at random say nothing.
 */
export class SamplingWatch {
  /** Undefined as soon as there is nothing more to find out. */
  #seen: Set<string> | undefined = new Set()
  readonly #highest = PLACES.map(() => 0)
  readonly #lowestOf = COLUMNS.map(() => 2 ** 32)
  readonly #highestOf = COLUMNS.map(() => 0)

  /**
   * Takes in the trace id of a span.
   *
   * @returns The estimated share of traces that are sampled, 0 to 1, once: when it is certain that not all are.
   */
  note(traceId: string): number | undefined {
    const seen = this.#seen
    if (!seen || seen.has(traceId)) return undefined
    const chunks = chunksOf(traceId)
    if (!chunks) return undefined
    seen.add(traceId)
    this.#take(chunks)
    const ratio = this.#ratioAfter(seen.size)
    if (ratio !== undefined || seen.size >= MAX_TRACES) this.#seen = undefined
    return ratio
  }

  #take(chunks: Chunks): void {
    for (const [at, placeOf] of PLACES.entries()) {
      this.#highest[at] = Math.max(this.#highest[at] ?? 0, placeOf(chunks))
    }
    for (const [at, column] of COLUMNS.entries()) {
      const value = xorOf(column.map((chunk) => chunks[chunk] ?? 0))
      this.#lowestOf[at] = Math.min(this.#lowestOf[at] ?? value, value)
      this.#highestOf[at] = Math.max(this.#highestOf[at] ?? value, value)
    }
  }

  #ratioAfter(traces: number): number | undefined {
    const highest = Math.min(...this.#highest)
    const isChance = traces * Math.log(highest) >= LOG_ODDS
    if (isChance || !this.#looksRandom(traces)) return undefined
    // The highest of n numbers that are spread over 0 to r is r * n / (n + 1) on average.
    return Math.min(1, (highest * (traces + 1)) / traces)
  }

  #looksRandom(traces: number): boolean {
    if (traces < MIN_TRACES) return false
    const narrow = COLUMNS.filter((_, at) => (this.#highestOf[at] ?? 0) - (this.#lowestOf[at] ?? 0) < SPREAD)
    return narrow.length <= 1
  }
}

function chunksOf(traceId: string): Chunks | undefined {
  if (!/^[\da-f]{32}$/i.test(traceId)) return undefined
  const chunk = (at: number) => Number.parseInt(traceId.slice(at, at + 8), 16)
  return [chunk(0), chunk(8), chunk(16), chunk(24)]
}

function xorOf(numbers: readonly number[]): number {
  return numbers.reduce((all, one) => all ^ one, 0) >>> 0
}

const RATIO_SAMPLERS: ReadonlySet<string | undefined> = new Set(['traceidratio', 'parentbased_traceidratio'])

/**
 * The ratio that the environment has the SDK sample by, 0 to below 1; undefined when it names no ratio sampler, or one
 * that keeps all. It is read as OTel JS reads it: a ratio that makes no sense is 1 there.
 *
 * @param env Environment variables by name.
 */
export function ratioInEnv(env: Readonly<Record<string, string | undefined>>): number | undefined {
  if (!RATIO_SAMPLERS.has(env.OTEL_TRACES_SAMPLER?.trim())) return undefined
  const text = env.OTEL_TRACES_SAMPLER_ARG?.trim()
  const ratio = text ? Number(text) : 1
  return ratio >= 0 && ratio < 1 ? ratio : undefined
}
