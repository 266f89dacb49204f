/**
 * OpenTelemetry span exporter that books the work of AI agents in Keito.
 *
 * @module
 */
export type { ExpenseRecord, KeitoRecord, TimeEntryRecord } from './billing/record.ts'
export { type FileOutboxOptions, fileOutbox } from './delivery/file-outbox.ts'
export { type MemoryOutboxOptions, memoryOutbox } from './delivery/memory-outbox.ts'
export type {
  AddOptions,
  ExporterLog,
  HeldRecord,
  KeptRecord,
  Memory,
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
} from './keito/types.ts'
export type {
  DeliveryOptions,
  ExpenseOptions,
  FailedRunOptions,
  FailedRunPolicy,
  HourPolicy,
  KeitoExporterOptions,
  RecordEvent,
  RollupOptions,
  RoundingMode,
  RoundingOptions,
  RunSummary,
  SettleOptions,
} from './options.ts'
export type { MeterProviderLike } from './otel/meter.ts'
export type { ExportResultLike, HrTimeLike, ScopeLike, SpanContextLike, SpanLike } from './otel/span.ts'
export type { ModelUsage, RunOutcome, RunTime, Settlement } from './session/settlement.ts'
export type { SessionState, SettledState, SpanState, TwinDecision } from './session/state.ts'
export type { KeitoStats } from './telemetry/stats.ts'
