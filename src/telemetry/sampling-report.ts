/**
 * Says once that most traces never get here, because a sampler drops them.
 *
 * @module
 */
import { ratioInEnv, SamplingWatch } from '../otel/sampling.ts'
import type { Log } from './log.ts'

/**
 * Makes a function to be told of the trace of each span of ours.
 *
 * @param env The environment, where a sampler that it names is one that spans have passed: in front of an exporter.
 */
export function createSamplingReport(log: Log, env: Parameters<typeof ratioInEnv>[0] = {}): (traceId: string) => void {
  const watch = new SamplingWatch()
  let inEnv = ratioInEnv(env)
  let isSaid = false
  return (traceId) => {
    if (isSaid) return
    const ratio = inEnv ?? watch.note(traceId)
    inEnv = undefined
    if (ratio === undefined) return
    isSaid = true
    log.report('sampled', 'sampled', messageOf(ratio))
  }
}

function messageOf(ratio: number): string {
  const percent = Number((ratio * 100).toPrecision(ratio < 0.1 ? 1 : 2))
  return (
    `A sampler lets only about ${percent} % of traces through; hours and tokens of the others are missing. To bill ` +
    'them all, use KeitoSpanProcessor, and a sampler that records what it does not sample: billingSampler(root), or ' +
    'createAlwaysRecordSampler(root) of @opentelemetry/sdk-trace 2.9 and newer. Traces stay sampled as they are.'
  )
}
