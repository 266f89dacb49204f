/**
 * The table of dialects. The order decides where two of them recognise the same span.
 *
 * @module
 */
import type { Dialect } from '../dialect.ts'
import { aiSdk } from './ai-sdk.ts'
import { semconv, semconvWithoutOperation } from './semconv.ts'

/** Every dialect, in order of precedence. A new one is one file and one line here. */
export const DIALECTS: readonly Dialect[] = [semconv, aiSdk, semconvWithoutOperation]
