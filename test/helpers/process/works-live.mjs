/**
 * An application with live timers. Its argument says what it does: `leaves`, it ends in the middle of a run, without a
 * shutdown; `works`, agents run one after the other until it is killed, every other of them until it is shown, and it says
 * with a line on stdout, as JSON, which runs it has handed over, with their milliseconds; `ends`, it shuts down at once. A
 * second argument: options as JSON.
 */
import { writeSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { BasicTracerProvider } from '@opentelemetry/sdk-trace-base'
import { KeitoSpanProcessor } from 'opentelemetry-exporter-keito'

const [what, options = '{}'] = process.argv.slice(2)
const START = Date.parse('2026-03-10T09:00:00Z')
const processor = new KeitoSpanProcessor({ live: { minMs: 0 }, ...JSON.parse(options) })
const provider = new BasicTracerProvider({ spanProcessors: [processor] })
const tracer = provider.getTracer('child')
const attributes = { 'gen_ai.operation.name': 'invoke_agent', 'gen_ai.agent.name': 'review-bot' }
/** No run waits longer than that to be shown: its start may have come to nothing. */
const PATIENCE_MS = 2000
const begin = () => tracer.startSpan('invoke_agent', { startTime: START, attributes })

if (what === 'leaves') {
  begin()
  await pause(500)
}
if (what === 'works') {
  for (let n = 1; ; n++) {
    const shown = processor.stats().timersStarted
    const run = begin()
    const untilMs = performance.now() + (n % 2 === 0 ? PATIENCE_MS : 0)
    while (processor.stats().timersStarted === shown && performance.now() < untilMs) await pause(5)
    await pause(20 + Math.random() * 150)
    const ms = 60_000 + Math.floor(Math.random() * 3_600_000)
    run.end(START + ms)
    while (processor.stats().spansSeen < n) await pause(2)
    const { traceId, spanId } = run.spanContext()
    writeSync(1, `${JSON.stringify([`${traceId}:${spanId}:time:0`, ms])}\n`)
  }
}
if (what === 'ends') await provider.shutdown()
