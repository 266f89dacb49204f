/**
 * A processor in front of a Keito in memory: where a sandbox over HTTP would be slow, or has to be slow.
 *
 * @module
 */

import { setTimeout as sleep } from 'node:timers/promises'
import type { Tracer } from '@opentelemetry/api'
import { BasicTracerProvider } from '@opentelemetry/sdk-trace-base'
import { onTestFinished } from 'vitest'
import { type KeitoProcessorOptions, KeitoSpanProcessor, type Metadata, type OutcomeClient } from '../../src/index.ts'

/** A Keito that counts what it is told. */
export class CountingKeito {
  readonly sessions = new Set<string>()
  ms = 0
  tokens = 0
  readonly client: OutcomeClient

  /** @param answerMs How long it takes to answer. */
  constructor(answerMs: number) {
    const answer = async () => {
      if (answerMs > 0) await sleep(answerMs, undefined, { ref: false })
      return { type: 'accepted', value: { id: 'cm1' } } as const
    }
    this.client = {
      answers: 'outcomes',
      timeEntries: { create: ({ metadata }) => this.#note(metadata) ?? answer() },
      expenses: { create: ({ metadata }) => this.#note(metadata) ?? answer() },
    }
  }

  #note({ session_id, duration_ms = 0, input_tokens = 0, output_tokens = 0 }: Metadata): undefined {
    this.sessions.add(String(session_id))
    this.ms += Number(duration_ms)
    this.tokens += Number(input_tokens) + Number(output_tokens)
  }
}

/** A processor in a provider of OTel JS 2.x. */
export interface InMemory {
  readonly keito: CountingKeito
  readonly processor: KeitoSpanProcessor
  readonly provider: BasicTracerProvider
  readonly tracer: Tracer
  /** Codes of what was reported. */
  readonly errors: string[]
}

/**
 * Starts one, which is closed when the test has ended. Nothing is due by time, so what is settled was known to be
 * complete.
 */
export function anInMemory(options: KeitoProcessorOptions = {}, answerMs = 0): InMemory {
  const keito = new CountingKeito(answerMs)
  const errors: string[] = []
  const processor = new KeitoSpanProcessor({
    client: keito.client,
    projectId: 'cmproject',
    taskId: 'cmtask',
    expenseCategoryId: 'cmcategory',
    settle: { graceMs: 3_600_000, idleMs: 3_600_000 },
    onError: ({ code }) => errors.push(code),
    ...options,
    delivery: { requestsPerMinute: 1e9, requestsPerDay: 1e9, ...options.delivery },
  })
  const provider = new BasicTracerProvider({ spanProcessors: [processor] })
  const tracer = provider.getTracer('test-agent-framework')
  onTestFinished(() => processor.shutdown())
  return { keito, processor, provider, tracer, errors }
}
