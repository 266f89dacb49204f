/**
 * The time of a run as time entries: exact nanoseconds become rounded hours, at most 24 in one entry.
 *
 * @module
 */
import type { Settings } from '../options.ts'
import { entryCountOf, MAX_ENTRY_NS } from '../session/hours.ts'
import type { RunTime, Settlement } from '../session/settlement.ts'
import { SESSION_RUN_ID } from '../session/settlement.ts'
import type { Booking } from './attribution.ts'
import { dateOf, dayOf } from './calendar.ts'
import { isBillable } from './failed-runs.ts'
import { timeEntryKey } from './key.ts'
import { boundedMetadata, cleanName } from './metadata.ts'
import { timeEntryNote } from './notes.ts'
import type { TimeEntryRecord } from './record.ts'
import { type CarryBook, roundQuantity } from './rounding.ts'

const NS_PER_HOUR = 3_600_000_000_000
/** Hours are sent with six decimals at most. */
const NS_PER_MICROHOUR = 3_600_000n

/** A booking whose project and task are known. */
export interface TimeBooking extends Booking {
  readonly projectId: string
  readonly taskId: string
}

/** A part of a run's time that goes into one entry. */
interface Slice {
  readonly n: number
  readonly startNs: bigint
  readonly durationNs: bigint
  readonly hours: number
}

/**
 * The time entries of a settlement, none when it has no time. A run that rounds to 0 hours is still on record. What
 * rounding leaves over goes to the next entry of the same project, task, agent and billable flag.
 */
export function timeEntriesOf(
  settlement: Settlement,
  booking: TimeBooking,
  settings: Settings,
  carry: CarryBook,
): readonly TimeEntryRecord[] {
  if (!settlement.time) return []
  const billable = isBillable(booking.billable, settlement.outcome, settings.failedRuns.time)
  const carryKey = JSON.stringify(['time', booking.projectId, booking.taskId, booking.agentId, billable])
  return slicesOf(settlement, settlement.time, settings.rounding, carry, carryKey).map((slice) => ({
    kind: 'time_entry',
    key: timeEntryKey(settlement.sessionId, settlement.runId, slice.n),
    sessionId: settlement.sessionId,
    body: {
      project_id: booking.projectId,
      task_id: booking.taskId,
      spent_date: dayOf(slice.startNs, settings.timeZone),
      hours: slice.hours,
      notes: booking.notes ?? sentenceOf(settlement, booking),
      billable,
      is_running: false,
      source: 'agent',
      metadata: metadataOf(settlement, slice, booking, settings),
    },
  }))
}

/**
 * Cuts the exact duration into pieces of 24 hours and rounds each, the carry flowing through them. The session stage
 * numbers later additions by `entryCountOf`, so the number of pieces depends on the duration alone.
 */
function slicesOf(
  settlement: Settlement,
  time: RunTime,
  rounding: Settings['rounding'],
  carry: CarryBook,
  carryKey: string,
): readonly Slice[] {
  const stepNs = BigInt(Math.round(rounding.step * NS_PER_HOUR))
  let remainder = carry.remainderOf(carryKey)
  const slices = Array.from({ length: entryCountOf(time.durationNs) }, (_, i) => {
    const offsetNs = BigInt(i) * MAX_ENTRY_NS
    const durationNs = earlier(time.durationNs - offsetNs, MAX_ENTRY_NS)
    const rounded = roundQuantity(durationNs, stepNs, rounding.mode, remainder)
    const wantedNs = rounded.steps * stepNs
    // A carry can lift a full day over 24 hours, and a step like 1/60 has no short decimal: what is not booked here
    // flows on, like every other remainder.
    const microhours = (earlier(wantedNs, MAX_ENTRY_NS) + NS_PER_MICROHOUR / 2n) / NS_PER_MICROHOUR
    remainder = rounded.remainder + wantedNs - microhours * NS_PER_MICROHOUR
    const startNs = earlier(settlement.startNs + offsetNs, settlement.endNs)
    return { n: time.index + i, startNs, durationNs, hours: Number(microhours) / 1_000_000 }
  })
  if (rounding.mode === 'carry') carry.keep(carryKey, remainder)
  return slices
}

function metadataOf(settlement: Settlement, slice: Slice, booking: TimeBooking, settings: Settings) {
  const { allModels, runId } = settlement
  return boundedMetadata(
    {
      agent_id: booking.agentId,
      session_id: settlement.sessionId,
      model: allModels[0],
      idempotency_key: timeEntryKey(settlement.sessionId, runId, slice.n),
    },
    {
      agent_type: settings.agentType ?? settlement.emitter,
      models: allModels.length > 1 ? allModels : undefined,
      agent_name: settlement.agentName,
      run_id: runId === SESSION_RUN_ID ? undefined : runId,
      started_at: dateOf(settlement.startNs).toISOString(),
      ended_at: dateOf(settlement.endNs).toISOString(),
      // At most 14 digits, so the quotient prints as the exact decimal and the entries of a run add up.
      duration_ms: Number(slice.durationNs) / 1_000_000,
      llm_calls: settlement.llmCalls,
      tool_calls: settlement.toolCalls,
      service_name: settlement.serviceName,
      outcome: settlement.outcome,
    },
  )
}

function sentenceOf(settlement: Settlement, booking: TimeBooking): string {
  const agent = cleanName(settlement.agentName) ?? booking.agentId
  return timeEntryNote(agent, settlement.llmCalls, settlement.toolCalls, settlement.outcome)
}

function earlier(a: bigint, b: bigint): bigint {
  return a < b ? a : b
}
