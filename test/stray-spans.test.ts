/** Where the host has no context manager, spans of the AI SDK do not nest: each is a trace, and is billed once all the same. */
import { expect, test } from 'vitest'
import { Desk, runsOf, tokensOf } from './helpers/sessions.ts'
import { aTrace, type FromTo, type TraceBuilder } from './helpers/spans.ts'

const AI = { scope: 'ai' }

function operation(id: string, at: FromTo, attributes: Record<string, unknown>, trace = aTrace(AI)): TraceBuilder {
  return trace.span(id, { 'ai.operationId': id, ...attributes }, { at })
}

const call = (at: FromTo, trace?: TraceBuilder) =>
  operation(
    'ai.generateText.doGenerate',
    at,
    { 'gen_ai.usage.input_tokens': 100, 'gen_ai.usage.output_tokens': 20, 'ai.model.id': 'gpt-4o' },
    trace,
  )
const agent = (sum: number, trace?: TraceBuilder) =>
  operation(
    'ai.generateText',
    [0, 1000],
    {
      'ai.usage.inputTokens': sum * 100,
      'ai.usage.outputTokens': sum * 20,
      'ai.model.id': 'gpt-4o',
      'ai.telemetry.functionId': 'reviewer',
    },
    trace,
  )

function bill(...traces: readonly TraceBuilder[]) {
  const desk = new Desk().take(traces.flatMap((trace) => trace.spans))
  desk.settle()
  return { tokens: tokensOf(desk.settled), runs: runsOf(desk.settled), strayScopes: desk.strayScopes }
}

test('calls are billed as calls, hours as the agent’s, and the agent’s sum not at all', () => {
  expect(bill(call([0, 100]), call([200, 300]), agent(2))).toEqual({
    tokens: { 'gpt-4o': [200, 40] },
    runs: { reviewer: 1000 },
    strayScopes: ['ai'],
  })
})

test('embeddings are billed once', () => {
  const embed = (id: string) => operation(id, [0, 10], { 'ai.usage.tokens': 7, 'ai.model.id': 'embedder' })
  expect(bill(embed('ai.embed.doEmbed'), embed('ai.embed')).tokens).toEqual({ embedder: [7, 0] })
})

test('what still nests is billed as always', () => {
  const nested = agent(1)
  call([0, 100], nested)
  expect(bill(call([0, 100]), nested)).toMatchObject({ tokens: { 'gpt-4o': [200, 40] }, runs: { reviewer: 1000 } })
})

test('a sum is believed where other spans are below it, or its parent is in another process', () => {
  const nested = agent(2)
  nested.tool()
  const remote = aTrace(AI)
  const sum = { 'ai.usage.inputTokens': 300, 'ai.usage.outputTokens': 60, 'ai.model.id': 'gpt-4o' }
  remote.span('agent', { 'ai.operationId': 'ai.generateText', ...sum }, { parent: 'remote' })
  expect(bill(call([0, 100]), nested, remote).tokens).toEqual({ 'gpt-4o': [600, 120] })
})

test('a sum without its calls is believed as long as calls nest', () => {
  const nested = agent(1)
  call([0, 100], nested)
  expect(bill(nested, agent(3))).toMatchObject({ tokens: { 'gpt-4o': [400, 80] }, strayScopes: [] })
})

test('other instrumentations are not concerned', () => {
  const other = aTrace({ scope: 'agent-framework' })
  other.agent('writer', { model: 'gpt-4o', input: 500, output: 50 })
  expect(bill(call([0, 100]), other).tokens).toEqual({ 'gpt-4o': [600, 70] })
})

test('a call whose parent is remote or lost is no stray', () => {
  const [remote, lost] = (['remote', 'missing'] as const).map((parent) => {
    const trace = aTrace(AI)
    trace.span('call', { 'ai.operationId': 'ai.generateText.doGenerate' }, { parent })
    return trace
  })
  expect(bill(...[remote, lost].flatMap((trace) => trace ?? [])).strayScopes).toEqual([])
})
