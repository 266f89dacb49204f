/**
 * Lets every span be billed where a host samples its traces.
 *
 * @module
 */
import { ConfigError } from '../errors.ts'

/** What a sampler answers: 0 not recorded, 1 recorded, 2 recorded and sampled, in every version of OTel JS. */
export interface SamplingResultLike {
  decision: number
  attributes?: object
  traceState?: object
}

/** A sampler; the `Sampler` of every supported SDK is assignable to it, and it to that when it answers the same. */
export interface SamplerLike<R extends SamplingResultLike = SamplingResultLike> {
  shouldSample(
    context: unknown,
    traceId: string,
    spanName: string,
    spanKind: number,
    attributes: object,
    links: unknown[],
  ): R
  toString(): string
}

const NOT_RECORD = 0
const RECORD = 1

/**
 * Wraps a sampler so that every span is recorded, and those are sampled that it samples. Exporters of traces see what
 * they saw before, because batch and simple processors pass on sampled spans only; `KeitoSpanProcessor` sees all.
 *
 * It has to be the outermost sampler: inside a `ParentBasedSampler` only the roots of traces would reach it. OTel JS has
 * the same from 2.9 on as `createAlwaysRecordSampler` of `@opentelemetry/sdk-trace`.
 *
 * @param root The sampler that decides what is sampled. What it throws is passed on.
 * @returns A sampler for the tracer provider.
 * @throws {ConfigError} When `root` is no sampler.
 *
 * @example
 * ```ts
 * new BasicTracerProvider({
 *   sampler: billingSampler(new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(0.01) })),
 *   spanProcessors: [new BatchSpanProcessor(traceExporter), new KeitoSpanProcessor()],
 * })
 * ```
 */
export function billingSampler<R extends SamplingResultLike>(root: SamplerLike<R>): SamplerLike<R> {
  if (typeof root?.shouldSample !== 'function') {
    throw new ConfigError(`billingSampler: expected a sampler of OpenTelemetry, found ${typeof root}.`)
  }
  return {
    shouldSample(...span) {
      const result = root.shouldSample(...span)
      if (result.decision !== NOT_RECORD) return result
      // Named, because a result may be an object with accessors.
      return { ...result, attributes: result.attributes, traceState: result.traceState, decision: RECORD }
    },
    toString: () => `BillingSampler{${root.toString()}}`,
  }
}
