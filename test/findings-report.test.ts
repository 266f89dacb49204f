/** Two instrumentations that record the same calls are named once, with the way to switch one of them off. */
import { expect, test } from 'vitest'
import { KeitoSpanExporter, type SpanLike } from '../src/index.ts'
import { createFindingsReport } from '../src/telemetry/findings-report.ts'
import { Desk } from './helpers/sessions.ts'
import { aTrace } from './helpers/spans.ts'

const FRAMEWORK = 'agent-framework'
const CALL = { input: 100, output: 20, at: [0, 100] } as const

/** The messages of an exporter that these spans are sent to. */
async function messagesOf(...batches: readonly (readonly SpanLike[])[]): Promise<readonly string[]> {
  const messages: string[] = []
  const exporter = new KeitoSpanExporter({
    client: { timeEntries: { create: async () => ({}) }, expenses: { create: async () => ({}) } },
    projectId: 'prj',
    taskId: 'tsk',
    expenseCategoryId: 'cat',
    onError: ({ code, message }) => messages.push(`${code}: ${message}`),
  })
  for (const batch of batches) {
    exporter.export(batch, () => undefined)
    await exporter.forceFlush()
  }
  await exporter.shutdown()
  return messages
}

/** A run with one call that the framework and the client both recorded, as siblings. */
function recordedTwice(client = 'client'): readonly SpanLike[] {
  const run = aTrace().agent('reviewer')
  run.chat(CALL)
  run.chat({ ...CALL, at: [1, 99], scope: client })
  return run.spans
}

/** The same, with the client's record below the framework's. */
function recordedInside(): readonly SpanLike[] {
  const run = aTrace().agent('reviewer')
  run.chat(CALL).chat({ ...CALL, at: [1, 99], scope: 'client' })
  return run.spans
}

test.each([
  ['beside each other', recordedTwice],
  ['inside each other', recordedInside],
])('records %s are reported with both scopes', async (_, spans) => {
  const [message, ...others] = await messagesOf(spans())
  expect(others).toEqual([])
  expect(message).toContain(`duplicate: The instrumentations '${FRAMEWORK}' and 'client' record the same model calls.`)
  expect(message).toContain(`set ignoreScopes: ['client']`)
})

test('a pair is reported once, however many calls it records', async () => {
  expect(await messagesOf(recordedTwice(), recordedTwice(), recordedInside())).toHaveLength(1)
})

test('a pair is reported once, whichever of them is the outer one', async () => {
  const run = aTrace().agent('reviewer')
  run.chat({ ...CALL, scope: 'client' }).chat({ ...CALL, at: [1, 99] })
  expect(await messagesOf(recordedInside(), run.spans)).toHaveLength(1)
})

test('the one to spare is the one nearer to the provider, also where its record is the one that is billed', async () => {
  const [framework, request] = [aTrace({ scope: 'framework' }), aTrace({ scope: 'http' }).http()]
  framework.chat({ ...CALL, at: [0, 100] })
  request.chat({ ...CALL, at: [1, 99], scope: 'client' })
  const [message] = await messagesOf([...framework.spans, ...request.spans])
  expect(message).toContain(`set ignoreScopes: ['client']`)
})

test('an instrumentation that makes the runs is not the one to spare, although its record is the shorter one', async () => {
  const run = aTrace().agent('reviewer')
  run.chat({ ...CALL, at: [1, 99] })
  run.chat({ ...CALL, at: [0, 100], scope: 'client' })
  const [message] = await messagesOf(run.spans)
  expect(message).toContain(`set ignoreScopes: ['client']`)
})

test('a hundred pairs are reported, and no more', () => {
  const reported: string[] = []
  const findings = createFindingsReport({ report: (_, cause) => reported.push(cause) })
  for (let n = 0; n < 120; n++) findings.onDuplicate({ outer: 'framework', inner: `client ${n}` })
  expect(reported).toHaveLength(100)
})

test('each pair is reported', async () => {
  expect(await messagesOf(recordedTwice('one'), recordedTwice('two'))).toHaveLength(2)
})

test('an instrumentation with a switch of its own is reported with that switch', async () => {
  const [message] = await messagesOf(recordedTwice('com.anthropic.sdk.typescript'))
  expect(message).toContain('ANTHROPIC_OPEN_TELEMETRY=false')
})

test('a scope whose name is no name cannot forge a line of the log', async () => {
  const [message] = await messagesOf(recordedTwice('client\n2026-03-10 ERROR all is lost'))
  expect(message).not.toContain('\n')
})

test('a framework that repeats its own calls is no second instrumentation', () => {
  const run = aTrace().agent('reviewer', { input: 100, output: 20 })
  run.chat(CALL).chat({ ...CALL, at: [1, 99] })
  expect(desk(run.spans).duplicates).toEqual([])
})

test('with the search switched off, nothing is reported', () => {
  expect(desk(recordedTwice(), false).duplicates).toEqual([])
})

function desk(spans: readonly SpanLike[], detectDuplicates = true): Desk {
  const desk = new Desk({ detectDuplicates }).take(spans)
  desk.settle()
  return desk
}

test('spans that do not nest are reported once, with what to register', async () => {
  const stray = () => aTrace({ scope: 'ai' }).span('call', { 'ai.operationId': 'ai.generateText.doGenerate' }).spans
  const messages = await messagesOf(stray(), stray())
  expect(messages).toHaveLength(1)
  expect(messages[0]).toMatch(/^context: Spans of 'ai' do not nest: .*setGlobalContextManager/)
})
