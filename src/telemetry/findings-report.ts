/**
 * Says what is amiss with the host's instrumentation, where it costs the host time or the bill its detail: two
 * instrumentations that record the same calls, and spans that do not nest.
 *
 * @module
 */
import type { Findings } from '../session/instrumentations.ts'
import type { Log } from './log.ts'
import { oneLine } from './one-line.ts'

/** Pairs that are remembered as reported; nobody runs more instrumentations than that. */
const MAX_PAIRS = 100

/** Instrumentations that are switched off in a way of their own. */
const SWITCHES: Readonly<Record<string, string>> = {
  'com.anthropic.sdk.typescript': 'set ANTHROPIC_OPEN_TELEMETRY=false',
}

/** Reports each pair of instrumentations, and each scope whose spans do not nest, once. */
export function createFindingsReport(log: Log): Findings {
  const reported = new Set<string>()
  return {
    onDuplicate(pair) {
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
    },
    onStray(scope) {
      log.report(
        'context',
        scope,
        `Spans of '${oneLine(scope)}' do not nest: a model call has no parent, though it is always made inside an ` +
          'agent. Its tokens are billed, but apart from the hours of its agent, and an agent inside an agent is billed ' +
          'as a run of its own. Register a context manager, e.g. context.setGlobalContextManager(new ' +
          'AsyncLocalStorageContextManager().enable()), and see that @opentelemetry/api is installed once.',
      )
    },
  }
}
