/** Traces as applications make them: real spans of the SDK, eleven to a trace, with attributes of the usual number and size. */
import { ROOT_CONTEXT, SpanKind, trace } from '@opentelemetry/api'

export const SPANS_PER_TRACE = 11
const ROUNDS = 5

/** What agents put on spans is mostly prompts: 2 kB of text that must cost nothing. */
const PROMPT = JSON.stringify([{ role: 'user', content: 'Please review this pull request. '.repeat(60) }])
const RESULT = JSON.stringify({ files: Array.from({ length: 20 }, (_, n) => `src/file-${n}.ts`) })

/** A trace of a web server that has nothing to do with agents: one request that makes ten. */
export function httpTrace(tracer) {
  const attributes = (n) => ({
    'http.request.method': 'GET',
    'http.response.status_code': 200,
    'http.route': '/api/orders/:id',
    'url.full': `https://shop.example/api/orders/${n}?expand=lines`,
    'url.scheme': 'https',
    'url.path': `/api/orders/${n}`,
    'url.query': 'expand=lines',
    'server.address': 'shop.example',
    'server.port': 443,
    'network.protocol.version': '1.1',
    'network.peer.address': '10.0.0.17',
    'user_agent.original': 'node',
  })
  const root = tracer.startSpan('GET /api/orders/:id', { kind: SpanKind.SERVER, attributes: attributes(0) })
  const below = trace.setSpan(ROOT_CONTEXT, root)
  for (let n = 1; n < SPANS_PER_TRACE; n++) {
    tracer.startSpan('GET', { kind: SpanKind.CLIENT, attributes: attributes(n) }, below).end()
  }
  root.end()
}

/** `generateText` of the Vercel AI SDK 6: five model calls, each followed by a call of a tool. */
export function aiSdkTrace(tracer) {
  const model = { 'ai.model.provider': 'openai.chat', 'ai.model.id': 'gpt-5', 'ai.settings.maxRetries': 2 }
  const root = tracer.startSpan('ai.generateText', {
    attributes: { ...aiOperation('ai.generateText'), ...model, 'ai.prompt': PROMPT },
  })
  const below = trace.setSpan(ROOT_CONTEXT, root)
  for (let n = 0; n < ROUNDS; n++) {
    const call = tracer.startSpan(
      'ai.generateText.doGenerate',
      {
        attributes: {
          ...aiOperation('ai.generateText.doGenerate'),
          ...model,
          'ai.request.headers.user-agent': 'ai/6',
          'ai.prompt.messages': PROMPT,
          'ai.prompt.toolChoice': '{"type":"auto"}',
          'gen_ai.system': 'openai.chat',
          'gen_ai.request.model': 'gpt-5',
        },
      },
      below,
    )
    call.setAttributes({
      'ai.response.finishReason': 'tool-calls',
      'ai.response.text': PROMPT,
      'ai.response.id': responseId(call),
      'ai.response.model': 'gpt-5-2026-01-01',
      'ai.response.providerMetadata': '{"openai":{"responseId":"resp_1","serviceTier":"default"}}',
      'ai.response.timestamp': '2026-03-02T10:00:00.000Z',
      ...aiUsage(1),
      'gen_ai.response.finish_reasons': ['tool-calls'],
      'gen_ai.response.id': responseId(call),
      'gen_ai.response.model': 'gpt-5-2026-01-01',
      'gen_ai.usage.input_tokens': 1200,
      'gen_ai.usage.output_tokens': 345,
    })
    call.end()
    const tool = tracer.startSpan(
      'ai.toolCall',
      {
        attributes: {
          ...aiOperation('ai.toolCall'),
          'ai.toolCall.name': 'search',
          'ai.toolCall.id': `call-${n}`,
          'ai.toolCall.args': '{"query":"open orders"}',
        },
      },
      below,
    )
    tool.setAttribute('ai.toolCall.result', RESULT)
    tool.end()
  }
  root.setAttributes({ 'ai.response.finishReason': 'stop', 'ai.response.text': PROMPT, ...aiUsage(ROUNDS) })
  root.end()
}

/** The same work under the names of the OpenTelemetry GenAI conventions. */
export function semconvTrace(tracer) {
  const root = tracer.startSpan('invoke_agent reviewer', {
    attributes: {
      'gen_ai.operation.name': 'invoke_agent',
      'gen_ai.provider.name': 'openai',
      'gen_ai.agent.id': 'asst_1',
      'gen_ai.agent.name': 'reviewer',
      'gen_ai.request.model': 'gpt-5',
      'gen_ai.input.messages': PROMPT,
    },
  })
  const below = trace.setSpan(ROOT_CONTEXT, root)
  for (let n = 0; n < ROUNDS; n++) {
    const call = tracer.startSpan(
      'chat gpt-5',
      {
        kind: SpanKind.CLIENT,
        attributes: {
          'gen_ai.operation.name': 'chat',
          'gen_ai.provider.name': 'openai',
          'gen_ai.request.model': 'gpt-5',
          'gen_ai.request.max_tokens': 4096,
          'gen_ai.request.temperature': 0.2,
          'gen_ai.input.messages': PROMPT,
          'server.address': 'api.openai.com',
          'server.port': 443,
        },
      },
      below,
    )
    call.setAttributes({
      'gen_ai.output.messages': PROMPT,
      'gen_ai.response.id': responseId(call),
      'gen_ai.response.model': 'gpt-5-2026-01-01',
      'gen_ai.response.finish_reasons': ['tool_calls'],
      'gen_ai.usage.input_tokens': 1200,
      'gen_ai.usage.output_tokens': 345,
      'gen_ai.usage.cache_read.input_tokens': 800,
    })
    call.end()
    const tool = tracer.startSpan(
      'execute_tool search',
      {
        attributes: {
          'gen_ai.operation.name': 'execute_tool',
          'gen_ai.tool.name': 'search',
          'gen_ai.tool.call.id': `call-${n}`,
          'gen_ai.tool.type': 'function',
        },
      },
      below,
    )
    tool.setAttribute('gen_ai.tool.call.result', RESULT)
    tool.end()
  }
  root.setAttributes({
    'gen_ai.output.messages': PROMPT,
    'gen_ai.usage.input_tokens': ROUNDS * 1200,
    'gen_ai.usage.output_tokens': ROUNDS * 345,
  })
  root.end()
}

const aiOperation = (id) => ({ 'operation.name': id, 'ai.operationId': id })

const aiUsage = (calls) => ({
  'ai.usage.inputTokens': calls * 1200,
  'ai.usage.inputTokenDetails.noCacheTokens': calls * 400,
  'ai.usage.inputTokenDetails.cacheReadTokens': calls * 800,
  'ai.usage.inputTokenDetails.cacheWriteTokens': 0,
  'ai.usage.outputTokens': calls * 345,
  'ai.usage.outputTokenDetails.textTokens': calls * 300,
  'ai.usage.outputTokenDetails.reasoningTokens': calls * 45,
  'ai.usage.totalTokens': calls * 1545,
  'ai.usage.reasoningTokens': calls * 45,
  'ai.usage.cachedInputTokens': calls * 800,
})

/** Response ids differ from call to call, as those of providers do. */
const responseId = (span) => `resp_${span.spanContext().spanId}`
