/**
 * Says that two instrumentations record the same calls. They are billed once, but each costs the host its time, and
 * one of them can be switched off.
 *
 * @module
 */
import type { ScopePair } from '../session/usage.ts'
import type { Log } from './log.ts'
import { oneLine } from './one-line.ts'

/** Pairs that are remembered as reported; nobody runs more instrumentations than that. */
const MAX_PAIRS = 100

/** Instrumentations that are switched off in a way of their own. */
const SWITCHES: Readonly<Record<string, string>> = {
  'com.anthropic.sdk.typescript': 'set ANTHROPIC_OPEN_TELEMETRY=false',
}

/** Makes a function that reports each pair of instrumentations once. */
export function createDuplicateReport(log: Log): (pair: ScopePair) => void {
  const reported = new Set<string>()
  return (pair) => {
    const [outer, inner] = [oneLine(pair.outer), oneLine(pair.inner)]
    const cause = [outer, inner].sort().join(' ')
    if (reported.has(cause) || reported.size >= MAX_PAIRS) return
    reported.add(cause)
    const how = SWITCHES[inner] ?? 'leave it out where you register instrumentations'
    log.report(
      'duplicate',
      cause,
      `The instrumentations '${outer}' and '${inner}' record the same model calls. Each call is billed once, but one ` +
        `of them is enough. To switch '${inner}' off, ${how}; to have its spans passed over by this exporter only, ` +
        `set ignoreScopes: ['${inner}'].`,
    )
  }
}
