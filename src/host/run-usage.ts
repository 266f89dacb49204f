/**
 * The tokens of one model call as a host reports them by hand, and the attributes of the span that carries them.
 *
 * @module
 */
import { USAGE_REPORTED } from '../genai/fact.ts'
import { countOf, textOf } from '../otel/attributes.ts'

/**
 * The tokens of one model call, for `AgentRun.usage`. A total of several calls is recorded as one call; it is recognised
 * as their sum where the calls were traced as well.
 */
export interface RunUsage {
  /**
   * Input tokens, those read from and written to the cache included. Anthropic reports them apart: add its
   * `cache_read_input_tokens` and `cache_creation_input_tokens` to its `input_tokens`.
   */
  readonly input: number
  /** Output tokens, those of reasoning included. */
  readonly output: number
  /** The model that answered. @default the model of the run */
  readonly model?: string | undefined
  /** Its provider, as OpenTelemetry names it: `openai`, `anthropic`, `gcp.gemini`... @default the provider of the run */
  readonly provider?: string | undefined
  /** How many of the input tokens were read from the provider's cache. */
  readonly cacheRead?: number | undefined
  /** How many of the input tokens were written to the provider's cache. */
  readonly cacheWrite?: number | undefined
  /** How many of the output tokens were spent on reasoning. */
  readonly reasoning?: number | undefined
}

/** What a call says where its own usage says nothing. */
export interface UsageDefaults {
  readonly model?: string | undefined
  readonly provider?: string | undefined
}

/** A usage as it was read: what is wrong with it, and what a span of it says. */
export interface UsageReading {
  readonly model: string | undefined
  /** Undefined when the usage cannot be recorded: half a count would pass for a whole one. */
  readonly attributes: Readonly<Record<string, string | number | boolean>> | undefined
  /** Fields that hold no count of tokens, each with the kind of value it holds. Never the value itself. */
  readonly problems: readonly string[]
}

const TOTALS = {
  input: 'gen_ai.usage.input_tokens',
  output: 'gen_ai.usage.output_tokens',
} as const

/** Parts of the totals; a call can do without them. */
const PARTS = {
  cacheRead: 'gen_ai.usage.cache_read.input_tokens',
  cacheWrite: 'gen_ai.usage.cache_write.input_tokens',
  reasoning: 'gen_ai.usage.reasoning.output_tokens',
} as const

/** Reads what a host reports, which may be anything. */
export function readRunUsage(used: RunUsage, defaults: UsageDefaults): UsageReading {
  const model = textOf(used.model) ?? textOf(defaults.model)
  const provider = textOf(used.provider) ?? textOf(defaults.provider)
  const attributes: Record<string, string | number | boolean> = {
    'gen_ai.operation.name': 'chat',
    [USAGE_REPORTED]: true,
  }
  if (model !== undefined) attributes['gen_ai.request.model'] = model
  if (provider !== undefined) attributes['gen_ai.provider.name'] = provider

  const problems: string[] = []
  const take = (field: string, name: string, value: unknown) => {
    const count = typeof value === 'number' ? countOf(value) : undefined
    if (count === undefined) problems.push(`${field} is ${kindOf(value)}`)
    else attributes[name] = count
  }
  for (const field of keysOf(TOTALS)) take(field, TOTALS[field], used[field])
  const isRecordable = problems.length === 0
  for (const field of keysOf(PARTS)) {
    const value: unknown = used[field]
    if (value !== undefined && value !== null) take(field, PARTS[field], value)
  }
  return { model, attributes: isRecordable ? attributes : undefined, problems }
}

function keysOf<K extends string>(table: Readonly<Record<K, string>>): readonly K[] {
  return Object.keys(table) as K[]
}

function kindOf(value: unknown): string {
  if (value === undefined || value === null) return 'missing'
  if (typeof value !== 'number') return `no number but a ${typeof value}`
  if (Number.isNaN(value)) return 'NaN'
  return value < 0 ? 'negative' : 'too large'
}
