/** Reads one span into a fact, for tests that are about one span. */
import type { SpanFact, Usage } from '../../src/genai/fact.ts'
import { readFact } from '../../src/genai/read.ts'
import { aSpan, type SpanOptions } from './spans.ts'

type Attributes = SpanOptions['attributes']

/** The fact of a span with these attributes; undefined when it is none of ours. */
export function factOf(attributes: Attributes, options: Parameters<typeof aSpan>[1] = {}): SpanFact | undefined {
  const reading = readFact(aSpan(attributes, options))
  if (reading === 'unreadable') throw new Error('a test span must be readable')
  return reading?.fact
}

/** Values that were refused while reading. */
export function refusedOf(attributes: Attributes): number {
  const reading = readFact(aSpan(attributes))
  return reading && reading !== 'unreadable' ? reading.refused : 0
}

/** The five numbers of a span's usage. */
export function usageOf(attributes: Attributes, options: Parameters<typeof aSpan>[1] = {}): Usage | undefined {
  const usage = factOf(attributes, options)?.usage
  if (!usage) return undefined
  const { input, output, cacheRead, cacheWrite, reasoning } = usage
  return { input, output, cacheRead, cacheWrite, reasoning }
}
