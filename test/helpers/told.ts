/**
 * Attributes of the spans that tests trace by hand, and what Keito was told of them.
 *
 * @module
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { ROOT_CONTEXT, type Span, trace } from '@opentelemetry/api'
import { expect, vi } from 'vitest'
import type { KeitoSandbox } from '../../src/testing/index.ts'

/** An agent at work. */
export const AGENT = { 'gen_ai.operation.name': 'invoke_agent', 'gen_ai.agent.name': 'review-bot' }

/** A model call of 1,000 input and 200 output tokens. */
export const CHAT = {
  'gen_ai.operation.name': 'chat',
  'gen_ai.request.model': 'claude-opus-4-6',
  'gen_ai.usage.input_tokens': 1000,
  'gen_ai.usage.output_tokens': 200,
}

/** A request that is served. */
export const HTTP = { 'http.request.method': 'GET' }

/** When the spans of these tests start. */
export const START = Date.parse('2026-11-20T10:00:00Z')

/** Seconds after that, as a time for a span. */
export const at = (seconds: number) => START + seconds * 1000

/** The context of a span, in which its children start. */
export const below = (span: Span) => trace.setSpan(ROOT_CONTEXT, span)

/** What the sandbox has been told: milliseconds of time entries by agent, and all tokens. */
export function toldTo(sandbox: KeitoSandbox) {
  const ms: Record<string, number> = {}
  for (const { metadata } of sandbox.timeEntries()) {
    const agent = String(metadata?.agent_id)
    ms[agent] = (ms[agent] ?? 0) + Number(metadata?.duration_ms)
  }
  const tokens = sandbox
    .expenses()
    .map(({ metadata }) => [Number(metadata?.input_tokens), Number(metadata?.output_tokens)] as const)
    .reduce(([input, output], [i, o]) => [input + i, output + o], [0, 0])
  return { ms, tokens }
}

/** Waits until the sandbox has been told this. */
export async function untilTold(sandbox: KeitoSandbox, what: Partial<ReturnType<typeof toldTo>>): Promise<void> {
  await vi.waitFor(() => expect(toldTo(sandbox)).toEqual({ ...toldTo(sandbox), ...what }), 10_000)
}

/** Resolves to `late` when a promise takes longer than this many milliseconds. */
export function within<T>(ms: number, promise: Promise<T>): Promise<T | 'late'> {
  return Promise.race([promise, sleep(ms, 'late' as const)])
}
