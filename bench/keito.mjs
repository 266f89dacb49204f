/** The exporter with a Keito in memory, and one without any: nothing of the network is measured. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileOutbox, KeitoSpanExporter, KeitoSpanProcessor } from 'opentelemetry-exporter-keito'

const IDS = { projectId: 'project', taskId: 'task', expenseCategoryId: 'category' }
const accept = async () => ({ type: 'accepted', value: { id: 'stored' } })

/** A Keito that accepts everything at once. Each is another one: the same spans are not billed twice in one. */
const aClient = () => ({ answers: 'outcomes', timeEntries: { create: accept }, expenses: { create: accept } })

/** An outbox that has nothing to send, so that what stands before the delivery can be measured alone. */
function countingOutbox() {
  let records = 0
  return {
    add: (added) => {
      records += added.length
      return []
    },
    keepUnassigned: () => true,
    take: () => undefined,
    putBack: () => undefined,
    delivered: () => undefined,
    hold: () => undefined,
    bury: () => undefined,
    counts: () => ({ pending: 0, gathered: 0, held: 0, dead: 0, unassigned: 0 }),
    held: () => [],
    dead: () => [],
    unassigned: () => [],
    records: () => records,
  }
}

/** An exporter that reads, remembers, settles and bills, and its outbox, which counts the records. */
export function withoutDelivery() {
  const outbox = countingOutbox()
  return { outbox, exporter: new KeitoSpanExporter({ ...IDS, client: aClient(), outbox }) }
}

/** A processor that reads, remembers, settles and bills. */
export function processorWithoutDelivery() {
  return new KeitoSpanProcessor({ ...IDS, client: aClient(), outbox: countingOutbox() })
}

const UNLIMITED = { requestsPerMinute: 1_000_000, requestsPerDay: 1_000_000 }

/** An exporter that also delivers. */
export function withDelivery() {
  return new KeitoSpanExporter({ ...IDS, client: aClient(), delivery: UNLIMITED })
}

/** A processor that also delivers. */
export function processorWithDelivery() {
  return new KeitoSpanProcessor({ ...IDS, client: aClient(), delivery: UNLIMITED })
}

/** An exporter with an outbox on disk, in a directory that is gone after its shutdown. */
export function onDisk(sync) {
  const directory = mkdtempSync(join(tmpdir(), 'keito-bench-'))
  const exporter = new KeitoSpanExporter({
    ...IDS,
    client: aClient(),
    outbox: fileOutbox({ directory, sync }),
    delivery: { requestsPerMinute: Number.POSITIVE_INFINITY, requestsPerDay: Number.POSITIVE_INFINITY },
  })
  const shutdown = async () => {
    await exporter.shutdown()
    rmSync(directory, { recursive: true })
  }
  return { exporter, shutdown }
}
