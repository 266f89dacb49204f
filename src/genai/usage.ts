/**
 * Reads the usage of one span and brings it to one meaning: input includes cache, output includes reasoning.
 *
 * @module
 */
import { countOf } from '../otel/attributes.ts'
import { type InputSource, leavesCacheOut } from './cache-convention.ts'
import type { Attributes, Dialect, JsonPlace, ProviderUsage, UsageNames } from './dialect.ts'
import { DIALECTS } from './dialects/index.ts'
import type { FactKind, ReportedUsage } from './fact.ts'
import { at, flatten, isObject, parseJson } from './json.ts'

const FAMILIES: readonly UsageNames[] = DIALECTS.flatMap((dialect) => dialect.usage ?? [])

/** Usage as it was found, and how many of its values made no sense. */
export interface UsageReading {
  readonly usage?: ReportedUsage
  readonly refused: number
}

/** What is known of a span beside its attributes, as far as it bears on its usage. */
export interface UsageContext {
  /** The role of the span; some families mean tokens only on some kinds. */
  readonly kind: FactKind
  /** The emitter of the span. */
  readonly speaker: Dialect
  readonly source: InputSource
}

/** The numbers of one span as the emitter wrote them. */
interface Written {
  readonly input: number
  readonly output: number
  readonly cacheRead: number
  readonly cacheWrite: number
  readonly reasoning: number
  readonly total: number
  readonly uncachedInput: number | undefined
}

/** The usage a span shows. The first family of names with a positive number counts; families are never added up. */
export function readUsage(attributes: Attributes, context: UsageContext): UsageReading {
  const numbers = new Numbers(attributes, context.kind)
  for (const family of FAMILIES) {
    const input = numbers.first(family, 'input') ?? 0
    const output = numbers.first(family, 'output') ?? 0
    // Where input leaves cache out, all of it can have come from the cache.
    const isShown = input > 0 || output > 0 || (family.input.length > 0 && numbers.first(family, 'cacheRead'))
    if (!isShown) continue
    const provider = context.speaker.providerUsage?.(attributes, input, output)
    const written: Written = {
      input,
      output,
      cacheRead: numbers.anywhere('cacheRead') || (provider?.cacheRead ?? 0),
      cacheWrite: numbers.anywhere('cacheWrite') || (provider?.cacheWrite ?? 0),
      reasoning: numbers.anywhere('reasoning') ?? 0,
      total: numbers.first(family, 'total') ?? 0,
      uncachedInput: numbers.anywhere('uncachedInput'),
    }
    return { usage: inclusive(attributes, written, context, provider), refused: numbers.refused }
  }
  return { refused: numbers.refused }
}

type Part = 'input' | 'output' | 'cacheRead' | 'cacheWrite' | 'reasoning' | 'total' | 'uncachedInput'

/** The names of a part in all families that are plain attributes: AI SDK 6 writes gen_ai totals and ai.* details. */
const namesOf = (part: Part): readonly string[] =>
  FAMILIES.filter((family) => !family.json).flatMap((family) => family[part] ?? [])
const ANYWHERE: Readonly<Record<'cacheRead' | 'cacheWrite' | 'reasoning' | 'uncachedInput', readonly string[]>> = {
  cacheRead: namesOf('cacheRead'),
  cacheWrite: namesOf('cacheWrite'),
  reasoning: namesOf('reasoning'),
  uncachedInput: namesOf('uncachedInput'),
}
const IN_JSON = FAMILIES.filter((family) => family.json)

/** Looks counts up in the attributes of one span, and in JSON text that they hold. */
class Numbers {
  readonly #attributes: Attributes
  readonly #kind: FactKind
  #refused: Set<string> | undefined
  /** The families whose JSON text this span has. */
  #inJson: readonly UsageNames[] | undefined
  #parsed: Map<JsonPlace, Attributes> | undefined

  constructor(attributes: Attributes, kind: FactKind) {
    this.#attributes = attributes
    this.#kind = kind
  }

  /** How many names had values that made no sense. */
  get refused(): number {
    return this.#refused?.size ?? 0
  }

  /** The first positive number under the names of a family, else 0 if there is a zero, else undefined. */
  first(family: UsageNames, part: Part): number | undefined {
    const names = family[part]
    if (!names || (family.kinds && !family.kinds.includes(this.#kind))) return undefined
    return this.#firstIn(family.json ? this.#objectAt(family.json) : this.#attributes, names)
  }

  /** The same in all families. */
  anywhere(part: keyof typeof ANYWHERE): number | undefined {
    const plain = this.#firstIn(this.#attributes, ANYWHERE[part])
    if (plain) return plain
    this.#inJson ??= IN_JSON.filter(({ json }) => json && this.#attributes[json.attribute] !== undefined)
    for (const each of this.#inJson) {
      const count = this.first(each, part)
      if (count) return count
    }
    return plain
  }

  #firstIn(source: Attributes, names: readonly string[]): number | undefined {
    let zero: number | undefined
    for (const name of names) {
      const value = source[name]
      if (value === undefined || value === null) continue
      const count = countOf(value)
      if (count === undefined) this.#refuse(name)
      else if (count > 0) return count
      else zero = 0
    }
    return zero
  }

  #refuse(name: string): void {
    this.#refused ??= new Set()
    this.#refused.add(name)
  }

  #objectAt(place: JsonPlace): Attributes {
    const text = this.#attributes[place.attribute]
    if (text === undefined) return NOTHING
    this.#parsed ??= new Map()
    const known = this.#parsed.get(place)
    if (known) return known
    const json = parseJson(text)
    const value = at(json, ...(place.path ?? []))
    // A reply without usage is nothing unusual; text that is no JSON is, and so is usage that is no object.
    if (json === undefined || (value !== undefined && !isObject(value))) this.#refuse(place.attribute)
    const object = flatten(value)
    this.#parsed.set(place, object)
    return object
  }
}

const NOTHING: Attributes = {}

function inclusive(
  attributes: Attributes,
  written: Written,
  { kind, speaker, source }: UsageContext,
  provider: ProviderUsage | undefined,
): ReportedUsage {
  const { input, output, cacheRead, cacheWrite, reasoning, total } = written
  const cache = cacheRead + cacheWrite
  // Langfuse takes both out of both.
  const bothAreExtra = cache > 0 && reasoning > 0 && total === input + output + cache + reasoning
  const leavesOut =
    bothAreExtra ||
    (cache > 0 &&
      (provesCacheLeftOut(written, provider) ?? leavesCacheOut(source, speaker.majorVersionOf?.(attributes))))
  const leftOut = provider?.reasoningLeftOut ?? 0
  const reasoningIsExtra = bothAreExtra || reasoning > output || (reasoning > 0 && total === input + output + reasoning)
  return {
    input: leavesOut ? input + cache : input,
    output: output + (leftOut || (reasoningIsExtra ? reasoning : 0)),
    cacheRead,
    cacheWrite,
    reasoning: leftOut || reasoning,
    rawInput: input,
    scope: speaker.ownUsageOnly && kind === 'agent' ? 'own' : 'subtree',
  }
}

/** Whether the numbers prove that input was written without cache, or with it; undefined when they prove nothing. */
function provesCacheLeftOut(written: Written, provider: ProviderUsage | undefined): boolean | undefined {
  const { input, output, cacheRead, cacheWrite, total, uncachedInput } = written
  const cache = cacheRead + cacheWrite
  if (provider) return provider.inputLeavesCacheOut
  if (uncachedInput !== undefined) return uncachedInput === input
  return cache > input || total === input + cache + output ? true : undefined
}
