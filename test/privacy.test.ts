/** Rule: no content leaves: prompts, completions, tool arguments and arbitrary attributes are in no request. */
import { inspect } from 'node:util'
import { ROOT_CONTEXT, trace } from '@opentelemetry/api'
import { expect, it } from 'vitest'
import { startRig } from './helpers/otel.ts'

const SECRET = 'PLANTED-PROMPT-9f2c'

/** Attributes that hold content in one convention or another, and some that nobody knows. */
const CONTENT = [
  'gen_ai.prompt',
  'gen_ai.completion',
  'gen_ai.input.messages',
  'gen_ai.output.messages',
  'gen_ai.system_instructions',
  'gen_ai.tool.call.arguments',
  'gen_ai.tool.call.result',
  'gen_ai.tool.definitions',
  'gen_ai.agent.description',
  'ai.prompt',
  'ai.prompt.messages',
  'ai.prompt.tools',
  'ai.response.text',
  'ai.response.toolCalls',
  'ai.toolCall.args',
  'ai.toolCall.result',
  'ai.telemetry.metadata.note',
  'traceloop.entity.input',
  'traceloop.entity.output',
  'traceloop.association.properties.user',
  'gcp.vertex.agent.llm_request',
  'gcp.vertex.agent.tool_call_args',
  'input.value',
  'output.value',
  'llm.input_messages.0.message.content',
  'langfuse.observation.input',
  'langfuse.observation.output',
  'langfuse.observation.metadata.note',
  'langsmith.metadata.note',
  'genkit:input',
  'genkit:path',
  'agent.stream.argument.0',
  'stream.prompt.messages',
  'sentry.sdk_meta.note',
  'tool.parameters',
  'user.email',
  'http.request.header.authorization',
  'keito.unknown',
]
const planted = Object.fromEntries(CONTENT.map((key) => [key, SECRET]))
const asJson = {
  'ai.response.providerMetadata': JSON.stringify({ anthropic: { note: SECRET, usage: { input_tokens: 5 } } }),
  'genkit:output': JSON.stringify({ message: SECRET, usage: { inputTokens: 9, outputTokens: 3, note: SECRET } }),
  'langfuse.observation.usage_details': JSON.stringify({ input: 9, output: 3, note: SECRET }),
  'langsmith.usage_metadata': JSON.stringify({ input_tokens: 9, output_tokens: 3, note: SECRET }),
  'agent.stream.result': JSON.stringify({ text: SECRET, usage: { inputTokens: 9, outputTokens: 3 } }),
  'gcp.vertex.agent.llm_response': JSON.stringify({ content: SECRET, usageMetadata: { thoughtsTokenCount: 1 } }),
}

it.each([
  [
    'the OpenTelemetry conventions',
    'framework',
    { 'gen_ai.operation.name': 'invoke_agent' },
    { 'gen_ai.operation.name': 'chat' },
    { 'gen_ai.operation.name': 'execute_tool' },
  ],
  [
    'the AI SDK',
    'ai',
    { 'ai.operationId': 'ai.generateText' },
    { 'ai.operationId': 'ai.generateText.doGenerate' },
    { 'ai.operationId': 'ai.toolCall' },
  ],
  [
    'Traceloop',
    'traceloop',
    { 'traceloop.span.kind': 'agent' },
    { 'llm.request.type': 'chat' },
    { 'traceloop.span.kind': 'tool' },
  ],
  [
    'OpenInference',
    '@arizeai/openinference-instrumentation-langchain',
    { 'openinference.span.kind': 'CHAIN' },
    { 'openinference.span.kind': 'LLM' },
    { 'openinference.span.kind': 'TOOL' },
  ],
  [
    'Langfuse',
    'langfuse-sdk',
    { 'langfuse.observation.type': 'agent' },
    { 'langfuse.observation.type': 'generation' },
    { 'langfuse.observation.type': 'tool' },
  ],
  [
    'LangSmith',
    'langsmith',
    { 'langsmith.span.kind': 'chain' },
    { 'langsmith.span.kind': 'llm' },
    { 'langsmith.span.kind': 'tool' },
  ],
  [
    'Genkit',
    'genkit-tracer',
    { 'genkit:type': 'util' },
    { 'genkit:type': 'action', 'genkit:metadata:subtype': 'model' },
    { 'genkit:type': 'action', 'genkit:metadata:subtype': 'tool' },
  ],
  [
    'Mastra',
    'default-tracer',
    { 'mastra.span.type': 'agent_run' },
    { 'mastra.operationId': 'mastra.stream.aisdk.doStream' },
    { 'mastra.operationId': 'mastra.stream.toolCall' },
  ],
  [
    'Sentry',
    '@sentry/node',
    { 'sentry.op': 'gen_ai.invoke_agent' },
    { 'sentry.op': 'gen_ai.chat' },
    { 'sentry.op': 'gen_ai.execute_tool' },
  ],
])('content on spans of %s appears in no request', async (_name, scope, agent, call, tool) => {
  const rig = await startRig({ failedRuns: { time: 'billed', expense: 'billed' } })
  const tracer = rig.provider.getTracer(scope)
  const run = tracer.startSpan('invoke_agent helper', { attributes: { ...planted, ...asJson, ...agent } })
  const inRun = trace.setSpan(ROOT_CONTEXT, run)
  for (const attributes of [call, tool]) {
    const used = { 'gen_ai.request.model': 'm', 'gen_ai.usage.input_tokens': 9, 'gen_ai.usage.output_tokens': 3 }
    const span = tracer.startSpan('step', { attributes: { ...planted, ...asJson, ...used, ...attributes } }, inRun)
    span.addEvent('gen_ai.content.prompt', { 'gen_ai.prompt': SECRET })
    span.recordException(new Error(SECRET))
    span.setStatus({ code: 2, message: SECRET })
    span.end()
  }
  run.recordException(new Error(SECRET))
  run.setStatus({ code: 2, message: SECRET })
  run.end()
  await rig.flush()

  const sent = JSON.stringify(rig.sandbox.requests())
  await rig.close()
  expect(rig.exporter.stats().recordsDelivered).toBe(2)
  expect(sent).toContain('idempotency_key')
  expect(sent).not.toContain(SECRET)
})

it('the API key is in no error, log or dump', async () => {
  const rig = await startRig({ apiKey: 'kto_very_secret_value' })
  expect(inspect(rig.exporter, { depth: 10, showHidden: true })).not.toContain('kto_very_secret_value')
  expect(JSON.stringify(rig.exporter)).not.toContain('kto_very_secret_value')
  await rig.close()
})
