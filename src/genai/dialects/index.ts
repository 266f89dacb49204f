/**
 * The table of dialects. The order decides where two of them recognise the same span.
 *
 * @module
 */
import type { Dialect } from '../dialect.ts'
import { adk } from './adk.ts'
import { aiSdk } from './ai-sdk.ts'
import { genkit } from './genkit.ts'
import { langfuse } from './langfuse.ts'
import { langsmith } from './langsmith.ts'
import { mastra } from './mastra.ts'
import { mastraCalls, mastraGenerate, mastraStream } from './mastra-telemetry.ts'
import { openInference } from './openinference.ts'
import { semconv, semconvWithoutOperation } from './semconv.ts'
import { sentry } from './sentry.ts'
import { traceloop } from './traceloop.ts'

/** Every dialect, in order of precedence. A new one is one file and one line here. */
export const DIALECTS: readonly Dialect[] = [
  langsmith,
  semconv,
  aiSdk,
  openInference,
  traceloop,
  langfuse,
  genkit,
  adk,
  mastra,
  mastraGenerate,
  mastraStream,
  mastraCalls,
  sentry,
  semconvWithoutOperation,
]
