/**
 * The table of dialects. The order decides where two of them recognise the same span.
 *
 * @module
 */
import type { Dialect } from '../dialect.ts'
import { adk } from './adk.ts'
import { aiSdk } from './ai-sdk.ts'
import { semconv, semconvWithoutOperation } from './semconv.ts'
import { traceloop } from './traceloop.ts'

/** Every dialect, in order of precedence. A new one is one file and one line here. */
export const DIALECTS: readonly Dialect[] = [semconv, traceloop, aiSdk, adk, semconvWithoutOperation]
