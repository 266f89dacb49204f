/**
 * A model that needs no network: it answers from a script, takes its time, and counts the usage it has returned.
 *
 * @module
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { simulateReadableStream } from 'ai'
import { MockLanguageModelV3 } from 'ai/test'

/** One answer of the model: a text, a wish to call a tool, or a failure. */
export interface Reply {
  /** How long the model thinks, in milliseconds. @default 50 */
  readonly latencyMs?: number
  /** Tokens of the prompt, those from the cache included. @default 0 */
  readonly input?: number
  /** How many of them came from the cache. @default 0 */
  readonly cached?: number
  /** Tokens of the answer. @default 0 */
  readonly output?: number
  /** @default 'Done.' */
  readonly text?: string
  /** Name of the tool that it wants called, without arguments. */
  readonly tool?: string
  /** It fails with this message and returns no usage. */
  readonly error?: string
}

/** What models have really returned, counted where they return it: the truth that a ledger can be held against. */
export class UsageMeter {
  calls = 0
  input = 0
  output = 0

  /** Input and output tokens together. */
  get tokens(): number {
    return this.input + this.output
  }
}

/**
 * Makes a model of the AI SDK that plays a script, one reply for each call.
 *
 * @param modelId `provider/model`, e.g. `openai/gpt-4o-mini`.
 * @param meter Counts what the model returns.
 */
export function mockModel(modelId: string, script: readonly Reply[], meter: UsageMeter = new UsageMeter()) {
  const [provider = '', name = ''] = modelId.split('/')
  const replies = script.values()

  const answer = async () => {
    const {
      latencyMs = 50,
      input = 0,
      cached = 0,
      output = 0,
      text = 'Done.',
      tool,
      error,
    } = replies.next().value ?? {}
    await sleep(latencyMs)
    if (error) throw new Error(error)
    meter.calls++
    meter.input += input
    meter.output += output
    const id = `call_${meter.calls}`
    return {
      text,
      toolCall: tool ? ({ type: 'tool-call', toolCallId: id, toolName: tool, input: '{}' } as const) : undefined,
      finishReason: { unified: tool ? 'tool-calls' : 'stop', raw: undefined } as const,
      usage: {
        inputTokens: { total: input, noCache: input - cached, cacheRead: cached, cacheWrite: 0 },
        outputTokens: { total: output, text: output, reasoning: 0 },
      },
    }
  }

  return new MockLanguageModelV3({
    provider,
    modelId: name,
    doGenerate: async () => {
      const { text, toolCall, finishReason, usage } = await answer()
      return { content: [toolCall ?? { type: 'text', text }], finishReason, usage, warnings: [] }
    },
    doStream: async () => {
      const { text, toolCall, finishReason, usage } = await answer()
      const words = text.split(/(?<= )/).map((delta) => ({ type: 'text-delta', id: 'text', delta }) as const)
      const content = [{ type: 'text-start', id: 'text' }, ...words, { type: 'text-end', id: 'text' }] as const
      const finish = { type: 'finish', finishReason, usage } as const
      return {
        stream: simulateReadableStream({ chunks: [...(toolCall ? [toolCall] : content), finish], chunkDelayInMs: 20 }),
      }
    },
  })
}
