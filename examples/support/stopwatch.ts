/**
 * Measures how long runs take, independently of any trace.
 *
 * @module
 */
import { seconds } from './ledger.ts'

/** A run as the stopwatch saw it. */
export interface TimedRun {
  readonly name: string
  readonly ms: number
  readonly failed: boolean
}

/** Runs and measures; a failure is an outcome like any other. Prints a line when the run is over. */
export async function runTimed(name: string, run: () => PromiseLike<unknown>): Promise<TimedRun> {
  const startMs = performance.now()
  let failure: unknown
  try {
    await run()
  } catch (error) {
    failure = error
  }
  const ms = performance.now() - startMs
  const end =
    failure === undefined ? 'done' : `failed as scripted: ${failure instanceof Error ? failure.message : failure}`
  console.info(`  ${name.padEnd(16)} ${seconds(ms).padStart(6)}   ${end}`)
  return { name, ms, failed: failure !== undefined }
}
