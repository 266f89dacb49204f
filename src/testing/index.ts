/**
 * `opentelemetry-exporter-keito/testing`: a Keito to run examples and tests against, on this machine.
 *
 * @module
 */
export { startKeitoSandbox } from './sandbox.ts'
export type {
  ExpenseSource,
  IdName,
  KeitoSandbox,
  KeitoSandboxOptions,
  SandboxExpenseCategory,
  SandboxExporterOptions,
  SandboxFault,
  SandboxFaultKind,
  SandboxFaultMoment,
  SandboxFaults,
  SandboxFaultTarget,
  SandboxProject,
  SandboxRequest,
  SandboxTask,
  SandboxUser,
  StoredBase,
  StoredExpense,
  StoredTimeEntry,
  TimeEntrySource,
} from './types.ts'
