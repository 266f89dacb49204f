/**
 * What every world must do: one agent run with one model call becomes one time entry and one expense, through an exporter,
 * and through a processor although no span is sampled.
 */
const assert = require('node:assert/strict')
const { AsyncLocalStorage } = require('node:async_hooks')

/**
 * @param world.api The `@opentelemetry/api` module.
 * @param world.keito This package.
 * @param world.createProvider Makes a tracer provider of this SDK line, from a span processor and perhaps a sampler.
 * @param world.batch Makes a processor of this SDK line that exports in batches to the given exporter.
 */
module.exports = async function bookOneRunEachWay({ api, keito, createProvider, batch, startKeitoSandbox }) {
  api.context.setGlobalContextManager(contextManager(api))
  await bookOneRun(api, startKeitoSandbox, (options) => {
    const exporter = new keito.KeitoSpanExporter(options)
    return { feed: exporter, provider: createProvider(batch(exporter)) }
  })
  await bookOneRun(api, startKeitoSandbox, (options) => {
    const processor = new keito.KeitoSpanProcessor(options)
    const never = { shouldSample: () => ({ decision: 0 }), toString: () => 'never' }
    return { feed: processor, provider: createProvider(processor, keito.billingSampler(never)) }
  })
}

async function bookOneRun(api, startKeitoSandbox, connect) {
  const sandbox = await startKeitoSandbox()
  const { feed, provider } = connect(sandbox.exporterOptions)
  const tracer = provider.getTracer('smoke')
  const { requests, unwatch } = watchRequests(() => tracer.startSpan('request').isRecording())

  const at = (minute) => new Date(Date.UTC(2026, 2, 2, 10, minute))
  const agent = tracer.startSpan('invoke_agent reviewer', {
    startTime: at(0),
    attributes: { 'gen_ai.operation.name': 'invoke_agent', 'gen_ai.agent.name': 'reviewer' },
  })
  const chat = tracer.startSpan(
    'chat gpt-5',
    {
      startTime: at(1),
      attributes: {
        'gen_ai.operation.name': 'chat',
        'gen_ai.request.model': 'gpt-5',
        'gen_ai.usage.input_tokens': 1200,
        'gen_ai.usage.output_tokens': 345,
      },
    },
    api.trace.setSpan(api.ROOT_CONTEXT, agent),
  )
  chat.end(at(2))
  agent.end(at(36))
  await provider.forceFlush()
  await feed.forceFlush()

  const { traceId } = agent.spanContext()
  const entries = sandbox.timeEntries()
  assert.deepEqual(
    entries.map(({ hours, spent_date, metadata }) => ({ hours, spent_date, session: metadata.session_id })),
    [{ hours: 0.6, spent_date: '2026-03-02', session: traceId }],
  )
  const expenses = sandbox.expenses()
  assert.deepEqual(
    expenses.map(({ metadata: { session_id, model, input_tokens, output_tokens } }) => ({
      ...{ session: session_id, model, input_tokens, output_tokens },
    })),
    [{ session: traceId, model: 'gpt-5', input_tokens: 1200, output_tokens: 345 }],
  )
  assert.deepEqual(requests, [false, false], "the exporter's own two requests must not be recorded as spans")
  assert.equal(tracer.startSpan('control').isRecording(), true)
  const { spansRead, spansUnreadable, recordsDelivered } = feed.stats()
  assert.deepEqual(
    { spansRead, spansUnreadable, recordsDelivered },
    { spansRead: 2, spansUnreadable: 0, recordsDelivered: 2 },
  )

  unwatch()
  await provider.shutdown()
  await sandbox.close()
}

/** Stands where an instrumentation of `fetch` would, and remembers whether its span would have been recorded. */
function watchRequests(isRecorded) {
  const seen = []
  const send = globalThis.fetch
  globalThis.fetch = (...args) => {
    seen.push(isRecorded())
    return send(...args)
  }
  const unwatch = () => {
    globalThis.fetch = send
  }
  return { requests: seen, unwatch }
}

/** Suppression lives in the asynchronous context, so somebody has to carry it; the three lines differ in who does. */
function contextManager({ ROOT_CONTEXT }) {
  const storage = new AsyncLocalStorage()
  return {
    active: () => storage.getStore() ?? ROOT_CONTEXT,
    with: (context, fn, thisArg, ...args) => storage.run(context, () => fn.apply(thisArg, args)),
    bind: (_context, target) => target,
    enable() {
      return this
    },
    disable() {
      return this
    },
  }
}
