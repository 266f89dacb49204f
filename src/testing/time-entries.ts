/**
 * The time entry endpoints: create, list, update, delete, and the timer.
 *
 * @module
 */
import type { Company } from './company.ts'
import { TIME_ENTRY_CREATE, TIME_ENTRY_RESTART, TIME_ENTRY_STOP, TIME_ENTRY_UPDATE } from './fields.ts'
import { emptyReply, jsonReply, refusal } from './http.ts'
import type { Ledger } from './ledger.ts'
import { newestFirst, prepareList, TIME_ENTRY_FILTERS } from './lists.ts'
import type { Prepare } from './routes.ts'
import {
  fitsMetadata,
  MAX_METADATA_BYTES,
  type MetadataObject,
  readFields,
  readOptionalFields,
  type Values,
} from './rules.ts'
import type { StoredTimeEntry } from './types.ts'

type Endpoint = 'create' | 'list' | 'update' | 'remove' | 'stop' | 'restart'

const MS_PER_HOUR = 3_600_000

/** Makes the time entry endpoints of one sandbox. */
export function timeEntryEndpoints(company: Company, ledger: Ledger): Readonly<Record<Endpoint, Prepare>> {
  return {
    create(call) {
      const fields = readFields(call.body, TIME_ENTRY_CREATE)
      const isRunning = fields.is_running ?? false
      if (fields.hours === undefined && !isRunning) throw refusal(400, 'hours is required unless is_running is true')
      const project = company.project(fields.project_id)
      const task = company.task(fields.task_id)
      if (fields.user_id !== undefined && fields.user_id !== company.user.id) {
        throw refusal(403, 'Only managers can book for another user')
      }
      const timerStart = isRunning ? timerStartOf(fields) : null
      if (isRunning) refuseSecondTimer(ledger, fields.replace_running)

      return () => {
        const now = new Date().toISOString()
        if (isRunning) stopTimer(ledger, now)
        const entry = ledger.putTimeEntry({
          id: ledger.newId('entry'),
          user_id: company.user.id,
          user: company.user,
          project_id: project.id,
          project,
          task_id: task.id,
          task,
          spent_date: fields.spent_date,
          hours: toTwoDecimals(fields.hours ?? 0),
          notes: fields.notes ?? null,
          billable: fields.billable ?? true,
          is_running: isRunning,
          timer_started_at: timerStart,
          started_time: fields.started_time ?? null,
          ended_time: fields.ended_time ?? null,
          is_locked: false,
          is_closed: false,
          is_billed: false,
          budgeted: false,
          billable_rate: null,
          cost_rate: null,
          source: fields.source ?? 'api',
          metadata: fields.metadata ?? null,
          created_at: now,
          updated_at: now,
        })
        return jsonReply(entry)
      }
    },

    list: (call) => prepareList(call, 'time_entries', TIME_ENTRY_FILTERS, () => newestFirst(ledger.timeEntries())),

    update(call, id) {
      const entry = changeable(ledger, id)
      const fields = readFields(call.body, TIME_ENTRY_UPDATE)
      const project = fields.project_id === undefined ? entry.project : company.project(fields.project_id)
      const task = fields.task_id === undefined ? entry.task : company.task(fields.task_id)
      const metadata = mergedMetadata(entry.metadata, fields.metadata)

      return () => {
        const updated = ledger.putTimeEntry({
          ...entry,
          project_id: project.id,
          project,
          task_id: task.id,
          task,
          spent_date: fields.spent_date ?? entry.spent_date,
          hours: fields.hours === undefined ? entry.hours : toTwoDecimals(fields.hours),
          notes: fields.notes === undefined ? entry.notes : fields.notes,
          billable: fields.billable ?? entry.billable,
          started_time: fields.started_time === undefined ? entry.started_time : fields.started_time,
          ended_time: fields.ended_time === undefined ? entry.ended_time : fields.ended_time,
          metadata,
          updated_at: new Date().toISOString(),
        })
        return jsonReply(updated)
      }
    },

    remove(_, id) {
      if (ledger.isApproved(id)) throw refusal(409, 'Time entry is approved')
      changeable(ledger, id)
      return () => {
        ledger.removeTimeEntry(id)
        return emptyReply(204)
      }
    },

    stop(call, id) {
      const entry = changeable(ledger, id)
      const { notes = entry.notes } = readOptionalFields(call.body, TIME_ENTRY_STOP)
      if (!entry.is_running) throw refusal(409, 'Time entry is not running')
      return () => jsonReply(ledger.putTimeEntry({ ...stopped(entry, new Date().toISOString()), notes }))
    },

    restart(call, id) {
      const entry = changeable(ledger, id)
      const fields = readOptionalFields(call.body, TIME_ENTRY_RESTART)
      if (entry.is_running) throw refusal(409, 'Time entry is already running')
      refuseSecondTimer(ledger, fields.replace_running)
      return () => {
        const now = new Date().toISOString()
        stopTimer(ledger, now)
        const restarted = ledger.putTimeEntry({ ...entry, is_running: true, timer_started_at: now, updated_at: now })
        return jsonReply(restarted)
      }
    },
  }
}

function existing(ledger: Ledger, id: string): StoredTimeEntry {
  const entry = ledger.timeEntry(id)
  if (entry) return entry
  throw refusal(404, 'Time entry not found')
}

/** A time entry that may be changed: Keito refuses all changes of one that is locked or approved. */
function changeable(ledger: Ledger, id: string): StoredTimeEntry {
  const entry = existing(ledger, id)
  if (entry.is_locked) throw refusal(403, 'Time entry is locked')
  return entry
}

/** When a new timer began: at `started_time` of its day (the sandbox's workspace is in UTC), else now. */
function timerStartOf(fields: Values<typeof TIME_ENTRY_CREATE>): string {
  const now = new Date().toISOString()
  if (fields.started_time === undefined) return now
  const start = `${fields.spent_date}T${fields.started_time}:00.000Z`
  if (start > now) throw refusal(400, 'started_time of a timer must not be in the future')
  return start
}

function refuseSecondTimer(ledger: Ledger, replaceRunning = false): void {
  if (!replaceRunning && ledger.runningTimer()) throw refusal(409, 'Another timer is already running')
}

function stopTimer(ledger: Ledger, now: string): void {
  const running = ledger.runningTimer()
  if (running) ledger.putTimeEntry(stopped(running, now))
}

function stopped(entry: StoredTimeEntry, now: string): StoredTimeEntry {
  const elapsedMs = Date.parse(now) - Date.parse(entry.timer_started_at ?? now)
  const hours = toTwoDecimals(Math.min(24, entry.hours + elapsedMs / MS_PER_HOUR))
  return { ...entry, hours, is_running: false, timer_started_at: null, updated_at: now }
}

/** Metadata after an update: new top-level keys over the old ones; null clears; the cap holds for the result. */
function mergedMetadata(
  current: MetadataObject | null,
  update: MetadataObject | null | undefined,
): MetadataObject | null {
  if (update === undefined) return current
  if (update === null) return null
  const merged = { ...current, ...update }
  if (fitsMetadata(merged)) return merged
  throw refusal(400, `metadata must be at most ${MAX_METADATA_BYTES} bytes of JSON after it is merged`)
}

/**
 * Hours as they are stored. Keito states no precision; its CLI rounds to 0.01 h, "API precision" by the name of its
 * test. The tiny addend makes halves go up that binary fractions put just below (1.005 becomes 1.01).
 */
function toTwoDecimals(hours: number): number {
  return Math.round(hours * 100 + 1e-9) / 100
}
