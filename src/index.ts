/**
 * OpenTelemetry span processor and exporter that book the work of AI agents in Keito.
 *
 * @module
 */
export type { ExpenseRecord, KeitoRecord, TimeEntryRecord } from './billing/record.ts'
export { type FileOutboxOptions, fileOutbox } from './delivery/file-outbox.ts'
export { type MemoryOutboxOptions, memoryOutbox } from './delivery/memory-outbox.ts'
export type {
  AddOptions,
  AssignOptions,
  ExporterLog,
  HeldRecord,
  KeptRecord,
  Memory,
  MissingId,
  Outbox,
  OutboxCounts,
  OutboxHost,
  Unassigned,
} from './delivery/outbox.ts'
export type { Failure, Outcome } from './delivery/outcome.ts'
export { ConfigError, isKeitoError, KeitoError, type KeitoErrorCode } from './errors.ts'
export { KeitoSpanExporter } from './exporter.ts'
export type { Usage } from './genai/fact.ts'
export type { Attribution } from './genai/hints.ts'
export { billingSampler, type SamplerLike, type SamplingResultLike } from './host/billing-sampler.ts'
export type { RunUsage } from './host/run-usage.ts'
export type { RunSpanLike, TracerLike } from './host/tracer.ts'
export { type AgentRun, type AgentRunConfig, trackAgentRun } from './host/track-agent-run.ts'
export { withKeitoAttribution } from './host/with-attribution.ts'
export type { CallOptions, KeitoClient, OutcomeClient, OutcomeResource } from './keito/client.ts'
export { KeitoRestClient, type KeitoRestClientOptions } from './keito/rest-client.ts'
export type {
  Expense,
  ExpenseCreate,
  ListQuery,
  Metadata,
  MetadataValue,
  StoredRecord,
  TimeEntry,
  TimeEntryCreate,
  TimeEntryUpdate,
} from './keito/types.ts'
export type {
  DeliveryOptions,
  ExpenseOptions,
  FailedRunOptions,
  FailedRunPolicy,
  HourPolicy,
  KeitoExporterOptions,
  KeitoProcessorOptions,
  LiveOptions,
  RecordEvent,
  RollupOptions,
  RoundingMode,
  RoundingOptions,
  RunSummary,
  SettleOptions,
} from './options.ts'
export type { MeterProviderLike } from './otel/meter.ts'
export type {
  ContextLike,
  ExportResultLike,
  HrTimeLike,
  ResourceLike,
  ScopeLike,
  SpanContextLike,
  SpanLike,
} from './otel/span.ts'
export { KeitoSpanProcessor } from './processor.ts'
export type { ModelUsage, RunOutcome, RunTime, Settlement } from './session/settlement.ts'
export type { SessionState, SettledState, SpanState, TwinDecision } from './session/state.ts'
export type { KeitoStats } from './telemetry/stats.ts'
