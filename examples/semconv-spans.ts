// Any traced code can be booked: it only has to write spans with OpenTelemetry's GenAI names, as here by hand.
// A dry run prints what would be booked and needs no account; KEITO_DRY_RUN=1 does the same without a change of code.
// Run: npx tsx examples/semconv-spans.ts
import { setTimeout as sleep } from 'node:timers/promises'
import { context } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { BasicTracerProvider } from '@opentelemetry/sdk-trace-base'
import { KeitoSpanProcessor } from 'opentelemetry-exporter-keito'

const processor = new KeitoSpanProcessor({
  dryRun: true,
  projectId: 'cm-website',
  taskId: 'cm-review',
  expenseCategoryId: 'cm-llm-usage',
})
const provider = new BasicTracerProvider({ spanProcessors: [processor] })
context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
const tracer = provider.getTracer('my-agents')

/** An agent run: the outermost `invoke_agent` span is what becomes a time entry. */
await span('invoke_agent review-bot', { 'gen_ai.agent.name': 'review-bot' }, async () => {
  await chat(1_840, 212)
  await span('execute_tool read_diff', { 'gen_ai.tool.name': 'read_diff' }, () => sleep(30))
  await chat(6_412, 1_105)
})

await provider.shutdown()
const { recordsDelivered } = processor.stats()
console.info(`${recordsDelivered} records printed, nothing sent`)

/** A model call: its tokens become an LLM expense. */
async function chat(inputTokens: number, outputTokens: number): Promise<void> {
  const usage = { 'gen_ai.usage.input_tokens': inputTokens, 'gen_ai.usage.output_tokens': outputTokens }
  const model = { 'gen_ai.provider.name': 'anthropic', 'gen_ai.request.model': 'claude-opus-4-6' }
  await span('chat claude-opus-4-6', { ...model, ...usage }, () => sleep(60))
}

/** Runs work in a span; the first word of the name is its GenAI operation. */
function span<T>(name: string, attributes: Record<string, string | number>, work: () => Promise<T>) {
  const [operation = ''] = name.split(' ')
  const all = { 'gen_ai.operation.name': operation, ...attributes }
  return tracer.startActiveSpan(name, { attributes: all }, async (active) => {
    try {
      return await work()
    } finally {
      active.end()
    }
  })
}
