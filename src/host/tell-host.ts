/**
 * Tells the host what became of a run that it tracks by hand.
 *
 * @module
 */
import { diag } from '@opentelemetry/api'

/** Warns through `diag`. Never throws. */
export function tellHost(what: string): void {
  try {
    diag.createComponentLogger({ namespace: 'opentelemetry-exporter-keito' }).warn(`trackAgentRun: ${what}`)
  } catch {
    // The host's own logger failed; there is nobody left to tell.
  }
}
