/**
 * Usage that a host reported by hand, held against what was traced in the same run. A report is the weakest witness:
 * nobody knows whether it speaks of one call, or is the sum of several that were traced as well. Where its numbers add
 * up to those of traced calls it is left out; where they do not, it speaks of calls that nothing else shows.
 *
 * @module
 */
import type { ReportedUsage, SpanFact } from '../genai/fact.ts'
import { ROUNDING_NS } from '../otel/time.ts'
import { type CallSum, CallSums, callSumOf } from './call-sums.ts'
import type { Claim } from './claim.ts'
import type { TwinView } from './duplicates.ts'
import { groupBy } from './group-by.ts'
import { isBoundary } from './kinds.ts'
import { modelOf, uncachedInputOf } from './merge.ts'
import { isAbove, type Node } from './tree.ts'
import { mayBeOneModel, sameNumbers } from './twin-pairs.ts'

/**
 * Leaves out reports that repeat traced calls, those aside that are the twin of one call (counting rule L3).
 *
 * @param claims All claims of a session.
 * @param twins Which of its calls were recorded more than once.
 */
export function withoutReportedSums(claims: readonly Claim[], twins: TwinView): readonly Claim[] {
  if (!claims.some(({ node }) => node.fact.isReported)) return claims
  const isReport = ({ node, source }: Claim) => source === 'llm' && twins.recordsOf(node.fact).every(isReported)
  const reports = claims.filter(isReport)
  if (reports.length === 0) return claims
  const traced = claims.filter((claim) => claim.source !== 'embedding' && !isReport(claim))
  if (traced.length === 0) return claims

  const explained = new Set(traced.filter(({ node }) => twins.recordsOf(node.fact).some(isReported)))
  const repeats = new Set<Claim>()
  for (const run of innermostFirst(reports)) {
    const within = (claim: Claim) => !run || isAbove(run, claim.node)
    const comparison = new Comparison(run, traced.filter(within), explained)
    const own = reports.filter(({ node }) => node.parent === run)
    for (const repeat of comparison.repeatsOneByOne(own)) repeats.add(repeat)
    const left = reports.filter((report) => within(report) && !repeats.has(report))
    for (const repeat of comparison.repeatsTogether(left)) repeats.add(repeat)
  }
  return repeats.size === 0 ? claims : claims.filter((claim) => !repeats.has(claim))
}

function isReported(fact: SpanFact): boolean {
  return fact.isReported
}

/** The runs that were reported on, those within others first; undefined for reports whose run has not arrived. */
function innermostFirst(reports: readonly Claim[]): readonly (Node | undefined)[] {
  const runs = new Set(reports.map(({ node }) => node.parent))
  const depths = new Map([...runs].map((run) => [run, depthOf(run)]))
  return [...runs].sort((a, b) => (depths.get(b) ?? 0) - (depths.get(a) ?? 0))
}

function depthOf(node: Node | undefined): number {
  let depth = 0
  for (let at = node; at; at = at.parent) depth++
  return depth
}

/** Compares the reports of one run with the traced calls in it. */
class Comparison {
  readonly #calls: readonly Claim[]
  /** Calls that a report is known to speak of, of all runs. */
  readonly #explained: Set<Claim>
  /** What lies below each span, by each number that a report of it can have as its input. */
  readonly #sumsByInput = new Map<number, CallSum[]>()
  /** When each report came, the last first; also of those that are twins. */
  readonly #momentsNs: readonly bigint[]
  readonly #all: Pool
  /** Calls that no report is known to speak of. */
  #open: Pool

  constructor(run: Node | undefined, calls: readonly Claim[], explained: Set<Claim>) {
    this.#calls = calls
    this.#explained = explained
    for (const sum of sumsOfSpans(run, calls)) {
      for (const input of inputsOf(sum.usage)) push(this.#sumsByInput, input, sum)
    }
    const reported = run?.children.filter(({ fact }) => fact.isReported) ?? []
    this.#momentsNs = reported.map(({ fact }) => fact.endNs).sort((a, b) => Number(b - a))
    this.#all = new Pool(calls)
    this.#open = this.#makeOpen()
  }

  /** Reports that speak of all calls so far, of those since the report before, or of those below one span. */
  *repeatsOneByOne(reports: readonly Claim[]): Generator<Claim> {
    for (const report of reports.toSorted((a, b) => Number(endOf([a]) - endOf([b])))) {
      if (this.#explain([report])) yield report
    }
  }

  /** Reports that only together come to the sum of calls: totals of work at the same time, parts of a framework's sum. */
  repeatsTogether(reports: readonly Claim[]): readonly Claim[] {
    const choices = [reports, ...groupBy(reports, modelNameOf).values()]
    return choices.flatMap((some) => (some.length > 1 && this.#explain(some) ? some : []))
  }

  /** Whether the reports repeat calls; if so, the calls are theirs. */
  #explain(reports: readonly Claim[]): boolean {
    const sum = callSumOf(reports)
    const fits = ({ calls, usage }: CallSum) =>
      sameNumbers(sum.usage, usage, Math.max(calls.length, reports.length)) && this.#areOf(reports, calls)
    const found = this.#windowsFor(reports).find(fits) ?? this.#sumsAt(inputsOf(sum.usage)).find(fits)
    const isNews = found?.calls.some((call) => !this.#explained.has(call))
    for (const call of found?.calls ?? []) this.#explained.add(call)
    if (isNews) this.#open = this.#makeOpen()
    return found !== undefined
  }

  #sumsAt(inputs: Iterable<number>): readonly CallSum[] {
    return [...inputs].flatMap((input) => this.#sumsByInput.get(input) ?? [])
  }

  /** What the calls so far come to, and those since the report before. */
  #windowsFor(reports: readonly Claim[]): readonly CallSum[] {
    const endNs = endOf(reports)
    const beforeNs = reports.length === 1 ? this.#momentsNs.find((momentNs) => momentNs < endNs) : undefined
    const fromNs = beforeNs === undefined ? [0n] : [0n, beforeNs]
    return [this.#all, this.#open]
      .flatMap((pool) => [pool.ofAnyModel, pool.ofModelsOf(reports)])
      .flatMap((calls) => fromNs.map((from) => calls.between(from, endNs + ROUNDING_NS)))
  }

  /**
   * Whether the reports can speak of these calls: all of them began within the time of the reports. More calls than
   * reports that add up exactly are a sum, whatever name it goes by. Otherwise they must fit as twins do: they are of the
   * same model, and no report speaks of them yet.
   */
  #areOf(reports: readonly Claim[], calls: readonly Claim[]): boolean {
    const [fromNs, untilNs] = [startOf(reports) - ROUNDING_NS, endOf(reports) + ROUNDING_NS]
    if (calls.some(({ node }) => node.fact.startNs < fromNs || node.fact.startNs > untilNs)) return false
    if (calls.length > reports.length) return true
    return calls.length > 0 && calls.every((call) => !this.#explained.has(call) && isOfModelsOf(reports, call))
  }

  #makeOpen(): Pool {
    const open = this.#calls.filter((call) => !this.#explained.has(call))
    return open.length === this.#calls.length ? this.#all : new Pool(open)
  }
}

/** Calls that a report may be the sum of, also those of one model only. */
class Pool {
  readonly #calls: readonly Claim[]
  readonly #byModel = new Map<string | undefined, CallSums>()
  readonly ofAnyModel: CallSums

  constructor(calls: readonly Claim[]) {
    this.#calls = calls
    this.ofAnyModel = new CallSums(calls)
  }

  /** Those that may be of the models that all the reports name. */
  ofModelsOf(reports: readonly Claim[]): CallSums {
    const names = new Set(reports.map(modelNameOf))
    const [name] = names
    if (names.size !== 1 || name === undefined) return this.ofAnyModel
    const known = this.#byModel.get(name)
    const sums = known ?? new CallSums(this.#calls.filter((call) => isOfModelsOf(reports, call)))
    this.#byModel.set(name, sums)
    return sums
  }
}

/** What lies below each span of a run comes to: all of it, and without what agents nested in it did. */
function sumsOfSpans(run: Node | undefined, calls: readonly Claim[]): readonly CallSum[] {
  const all = new Map<Node, Claim[]>()
  const own = new Map<Node, Claim[]>()
  for (const call of calls) {
    let isOwn = true
    for (let at: Node | undefined = call.node; at && at !== run; at = at.parent) {
      push(all, at, call)
      if (isOwn) push(own, at, call)
      if (isBoundary(at.fact.kind) && at.fact.kind !== 'tool') isOwn = false
    }
    if (isOwn && run) push(own, run, call)
  }
  const isNews = (node: Node, some: readonly Claim[]) => some.length !== all.get(node)?.length
  const ownOnly = [...own].filter(([node, some]) => isNews(node, some)).map(([, some]) => some)
  return [...all.values(), ...ownOnly].map(callSumOf)
}

/** With what goes to the cache and comes from it, and without. */
function inputsOf(usage: ReportedUsage): ReadonlySet<number> {
  return new Set([usage.input, usage.rawInput, uncachedInputOf(usage)])
}

function push<K, T>(lists: Map<K, T[]>, key: K, item: T): void {
  const list = lists.get(key)
  if (list) list.push(item)
  else lists.set(key, [item])
}

function isOfModelsOf(reports: readonly Claim[], call: Claim): boolean {
  return reports.every((report) => mayBeOneModel(report.node.fact, call.node.fact))
}

function modelNameOf({ node }: Claim): string | undefined {
  return modelOf(node.fact)
}

function startOf(claims: readonly Claim[]): bigint {
  return claims.reduce((start, { node }) => (node.fact.startNs < start ? node.fact.startNs : start), endOf(claims))
}

function endOf(claims: readonly Claim[]): bigint {
  return claims.reduce((end, { node }) => (node.fact.endNs > end ? node.fact.endNs : end), 0n)
}
