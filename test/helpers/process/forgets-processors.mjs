/** Makes processors and forgets them, without a shutdown; tells how many are left. Needs `--expose-gc`. */
import { setTimeout as pause } from 'node:timers/promises'
import { KeitoSpanProcessor } from 'opentelemetry-exporter-keito'

const options = { apiKey: 'kto_sandbox', accountId: 'cmsandbox', projectId: 'p', taskId: 't', expenseCategoryId: 'c' }
const made = Array.from({ length: 100 }, () => new WeakRef(new KeitoSpanProcessor(options)))
for (let round = 0; round < 5; round++) {
  await pause(20)
  globalThis.gc()
}
console.info(JSON.stringify({ left: made.filter((ref) => ref.deref() !== undefined).length }))
