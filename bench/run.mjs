/** What the exporter costs its host. `npm run bench` prints the table that README.md in this folder explains. */
import { ROOT_CONTEXT } from '@opentelemetry/api'
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { onDisk, processorWithDelivery, processorWithoutDelivery, withDelivery, withoutDelivery } from './keito.mjs'
import { heapBytes, median, timed } from './measure.mjs'
import { aiSdkTrace, httpTrace, SPANS_PER_TRACE, semconvTrace } from './traces.mjs'

if (!globalThis.gc) throw new Error('expected node --expose-gc, as in `npm run bench`')

const TRACES = 1000
const SPANS = TRACES * SPANS_PER_TRACE
const BATCH = 512
const done = () => undefined

/** Ends of spans, in order. */
function collect(makeTrace, traces) {
  const spans = []
  const processor = { onStart() {}, onEnd: (span) => spans.push(span), async forceFlush() {}, async shutdown() {} }
  const tracer = new BasicTracerProvider({ spanProcessors: [processor] }).getTracer('bench')
  for (let n = 0; n < traces; n++) makeTrace(tracer)
  return spans
}

function exportAll(exporter, spans) {
  for (let at = 0; at < spans.length; at += BATCH) exporter.export(spans.slice(at, at + BATCH), done)
}

/** Nanoseconds of `export` per span. */
async function exportCost(makeTrace, start = withoutDelivery) {
  const spans = collect(makeTrace, TRACES)
  const ns = await median(async () => {
    const { exporter, shutdown = () => exporter.shutdown() } = start()
    const took = timed(() => exportAll(exporter, spans))
    await shutdown()
    return took
  })
  return ns / SPANS
}

/** Nanoseconds of `onStart` and `onEnd` per span: what the host waits for. The spans are read later. */
async function hookCost(makeTrace) {
  const spans = collect(makeTrace, TRACES)
  const processor = processorWithoutDelivery()
  const ns = await median(async () => {
    let took = 0
    // No more at once than the processor gathers before it reads them in the host's own time.
    for (let at = 0; at < spans.length; at += 4000) {
      const some = spans.slice(at, at + 4000)
      took += timed(() => {
        for (const span of some) processor.onStart(span, ROOT_CONTEXT)
        for (const span of some) processor.onEnd(span)
      })
      await processor.forceFlush()
    }
    return took
  })
  await processor.shutdown()
  return ns / SPANS
}

/** Nanoseconds per session from a complete trace to its records. */
async function settleCost(makeTrace, recordsPerTrace = 2) {
  const spans = collect(makeTrace, TRACES)
  const ns = await median(async () => {
    const { exporter, outbox } = withoutDelivery()
    exportAll(exporter, spans)
    const flushed = []
    // Settling and billing are synchronous; only the delivery is awaited, and here there is none.
    const took = timed(() => flushed.push(exporter.forceFlush()))
    await Promise.all(flushed)
    const [expected, found] = [recordsPerTrace * TRACES, outbox.records()]
    if (found !== expected) throw new Error(`expected ${expected} records, found ${found}`)
    await exporter.shutdown()
    return took
  })
  return ns / TRACES
}

/** Bytes of heap per trace that waits to be settled, when its spans are gone. */
async function memoryCost(makeTrace) {
  const { exporter } = withoutDelivery()
  const before = await heapBytes()
  for (let round = 0; round < 5; round++) exportAll(exporter, collect(makeTrace, TRACES))
  const bytes = ((await heapBytes()) - before) / (5 * TRACES)
  await exporter.shutdown()
  return bytes
}

/** Nanoseconds per span of everything: making spans, the processors, the exporter and what is delivered. */
async function pipelineCost(makeTrace, newProcessor) {
  const ns = await median(async () => {
    const { processor, flush } = newProcessor()
    const provider = new BasicTracerProvider({ spanProcessors: [processor] })
    const tracer = provider.getTracer('bench')
    const start = process.hrtime.bigint()
    for (let n = 1; n <= TRACES; n++) {
      makeTrace(tracer)
      if (n % 50 === 0) await provider.forceFlush()
    }
    await flush()
    const took = Number(process.hrtime.bigint() - start)
    await provider.shutdown()
    return took
  })
  return ns / SPANS
}

const batched = (newExporter) => () => {
  const exporter = newExporter()
  return { processor: new BatchSpanProcessor(exporter), flush: () => exporter.forceFlush() }
}

const unbatched = () => {
  const processor = processorWithDelivery()
  return { processor, flush: () => processor.forceFlush() }
}

const nullExporter = () => ({
  export: (_, callback) => callback({ code: 0 }),
  async forceFlush() {},
  async shutdown() {},
})

const rows = [
  ['onStart and onEnd, HTTP spans', await hookCost(httpTrace), 'ns per span'],
  ['onStart and onEnd, AI SDK 6 spans', await hookCost(aiSdkTrace), 'ns per span'],
  ['export, HTTP spans', await exportCost(httpTrace), 'ns per span'],
  ['export, AI SDK 6 spans', await exportCost(aiSdkTrace), 'ns per span'],
  ['export, semantic convention spans', await exportCost(semconvTrace), 'ns per span'],
  ['export, HTTP spans, outbox on disk', await exportCost(httpTrace, () => onDisk(true)), 'ns per span'],
  ['export, AI SDK 6 spans, outbox on disk', await exportCost(aiSdkTrace, () => onDisk(true)), 'ns per span'],
  ['export, AI SDK 6 spans, not synced', await exportCost(aiSdkTrace, () => onDisk(false)), 'ns per span'],
  ['settle and bill, HTTP trace (nothing to bill)', await settleCost(httpTrace, 0), 'ns per trace'],
  ['settle and bill, AI SDK 6 session', await settleCost(aiSdkTrace), 'ns per session'],
  ['settle and bill, semantic convention session', await settleCost(semconvTrace), 'ns per session'],
  ['memory, open HTTP trace', await memoryCost(httpTrace), 'bytes per trace'],
  ['memory, open AI SDK 6 session', await memoryCost(aiSdkTrace), 'bytes per session'],
  ['memory, open semantic convention session', await memoryCost(semconvTrace), 'bytes per session'],
  ['pipeline with a null exporter, AI SDK 6', await pipelineCost(aiSdkTrace, batched(nullExporter)), 'ns per span'],
  ['pipeline with this exporter, AI SDK 6', await pipelineCost(aiSdkTrace, batched(withDelivery)), 'ns per span'],
  ['pipeline with the processor, AI SDK 6', await pipelineCost(aiSdkTrace, unbatched), 'ns per span'],
  ['pipeline with a null exporter, HTTP', await pipelineCost(httpTrace, batched(nullExporter)), 'ns per span'],
  ['pipeline with this exporter, HTTP', await pipelineCost(httpTrace, batched(withDelivery)), 'ns per span'],
  ['pipeline with the processor, HTTP', await pipelineCost(httpTrace, unbatched), 'ns per span'],
]

console.info(`Node ${process.versions.node}, ${process.platform} ${process.arch}; ${SPANS_PER_TRACE} spans to a trace`)
for (const [name, figure, unit] of rows) {
  console.info(`${name.padEnd(48)} ${Math.round(figure).toLocaleString('en').padStart(7)} ${unit}`)
}
