/**
 * Works until it is killed: agents run side by side, and each span goes to the exporter alone as it ends. Says with a
 * line on stdout, before it does anything else, which span it hands over and which one was acknowledged. On SIGTERM it
 * lets its runs end, and shuts down. Arguments: a seed, and the options of the exporter as JSON.
 */
import { writeSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { ROOT_CONTEXT, trace } from '@opentelemetry/api'
import { BasicTracerProvider } from '@opentelemetry/sdk-trace-base'
import { KeitoSpanExporter } from 'opentelemetry-exporter-keito'

const AGENTS = 3
const START = Date.parse('2026-03-10T09:00:00Z')
/** Only two-sided pauses make the processes differ; what their spans say is of no matter to the clock. */
const PAUSE_MS = 25

const [seed, options] = process.argv.slice(2)
const random = randomFrom(Number(seed))
const upTo = (most) => 1 + Math.floor(random() * most)
const say = (...line) => writeSync(1, `${JSON.stringify(line)}\n`)
let isOver = false
process.once('SIGTERM', () => {
  isOver = true
})

say('starts')
const onError = ({ code, message }) => say('reports', code, message)
const exporter = new KeitoSpanExporter({ ...JSON.parse(options), onError })
const noop = async () => {}
/** The acknowledgement of the exporter itself is what counts, so nothing queues spans in front of it. */
const processor = { onStart: noop, onEnd: handOver, forceFlush: noop, shutdown: noop }
const tracer = new BasicTracerProvider({ spanProcessors: [processor] }).getTracer('child')
await Promise.all(Array.from({ length: AGENTS }, work))
await exporter.shutdown()
say('ends')

async function work() {
  while (!isOver) {
    const agent = { 'gen_ai.operation.name': 'invoke_agent', 'gen_ai.agent.name': 'review-bot' }
    const run = tracer.startSpan('invoke_agent', { startTime: START, attributes: agent })
    for (let calls = upTo(3); calls > 0; calls--) {
      const usage = { 'gen_ai.usage.input_tokens': upTo(3000), 'gen_ai.usage.output_tokens': upTo(900) }
      const attributes = { 'gen_ai.operation.name': 'chat', 'gen_ai.request.model': 'gpt-5', ...usage }
      tracer.startSpan('chat', { startTime: START, attributes }, trace.setSpan(ROOT_CONTEXT, run)).end(START + 1000)
      await pause(upTo(PAUSE_MS))
    }
    run.end(START + 1000 + upTo(90_000))
    await pause(upTo(PAUSE_MS))
  }
}

function handOver(span) {
  const { traceId, spanId } = span.spanContext()
  const { 'gen_ai.usage.input_tokens': input = 0, 'gen_ai.usage.output_tokens': output = 0 } = span.attributes
  const durationMs = Math.round(span.duration[0] * 1e3 + span.duration[1] / 1e6)
  say('hands', { traceId, spanId, isRun: span.parentSpanContext === undefined, input, output, durationMs })
  exporter.export([span], ({ code }) => {
    if (code === 0) say('acked', spanId)
  })
}

/** Numbers from 0 up to 1, the same for the same seed. */
function randomFrom(start) {
  let state = start >>> 0
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}
