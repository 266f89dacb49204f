/** Rule: behind a sampler that drops traces, one message says that their hours and tokens are missing; else none does. */
import {
  BasicTracerProvider,
  ParentBasedSampler,
  type Sampler,
  SimpleSpanProcessor,
  TraceIdRatioBasedSampler,
} from '@opentelemetry/sdk-trace-base'
import { afterEach, expect, it, vi } from 'vitest'
import { billingSampler, type KeitoError, KeitoSpanExporter, KeitoSpanProcessor } from '../src/index.ts'
import { traceRun } from './helpers/otel.ts'

afterEach(() => {
  vi.unstubAllEnvs()
  vi.restoreAllMocks()
})

const oneIn = (traces: number): Sampler => new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(1 / traces) })

/** What is said of sampling when agent runs are traced. */
async function saidOf(runs: number, kind: 'exporter' | 'processor', sampler?: Sampler): Promise<readonly string[]> {
  vi.spyOn(console, 'info').mockImplementation(() => undefined)
  const errors: KeitoError[] = []
  const options = {
    dryRun: true,
    projectId: 'cmproject1',
    taskId: 'cmtask1',
    expenseCategoryId: 'cmcategory1',
    onError: (error: KeitoError) => errors.push(error),
  }
  const processor =
    kind === 'processor' ? new KeitoSpanProcessor(options) : new SimpleSpanProcessor(new KeitoSpanExporter(options))
  const provider = new BasicTracerProvider({ spanProcessors: [processor], ...(sampler ? { sampler } : {}) })
  const tracer = provider.getTracer('test-agent-framework')
  for (let i = 0; i < runs; i++) traceRun(tracer, { calls: [{ input: 1000, output: 200 }] })
  await provider.shutdown()
  return errors.filter(({ code }) => code === 'sampled').map(({ message }) => message)
}

it('an exporter behind a ratio sampler says so once, and what to do', async () => {
  const said = await saidOf(1500, 'exporter', oneIn(10))
  expect(said).toHaveLength(1)
  expect(said[0]).toMatch(/about \d+ % of traces.*hours and tokens.*KeitoSpanProcessor.*billingSampler/)
})

it('so does a processor whose sampler does not record what it drops', async () => {
  expect(await saidOf(1500, 'processor', oneIn(10))).toHaveLength(1)
})

it('a processor behind a sampler that records what it does not sample has nothing to say', async () => {
  expect(await saidOf(500, 'processor', billingSampler(oneIn(10)))).toEqual([])
})

it.each(['exporter', 'processor'] as const)('nor has an %s without a sampler', async (kind) => {
  expect(await saidOf(500, kind)).toEqual([])
})

it('an exporter believes the environment with its first span', async () => {
  vi.stubEnv('OTEL_TRACES_SAMPLER', 'parentbased_traceidratio')
  vi.stubEnv('OTEL_TRACES_SAMPLER_ARG', '0.01')
  const said = await saidOf(5, 'exporter', billingSampler(oneIn(1)))
  expect(said).toHaveLength(1)
  expect(said[0]).toContain('about 1 % of traces')
})
