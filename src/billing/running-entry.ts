/**
 * The time entry that runs in Keito while an agent run is under way: the "agent session" of Keito's guide.
 *
 * @module
 */
import type { RunTimer } from '../delivery/timer.ts'
import type { Settings } from '../options.ts'
import type { Settlement } from '../session/settlement.ts'
import { resolveAttribution } from './attribution.ts'
import { dayOf } from './calendar.ts'
import { timeEntryKey, timerKey } from './key.ts'
import { boundedMetadata, cleanName } from './metadata.ts'
import { runningNote } from './notes.ts'

/**
 * The timer of a run that has begun; undefined when nobody says yet where its time is booked.
 *
 * Its metadata holds only keys that the final entry has too, because Keito merges the one over the other.
 *
 * @param begun The run as it is known so far, without time and tokens.
 */
export function runningEntryOf(begun: Settlement, settings: Settings): RunTimer | undefined {
  const resolution = resolveAttribution(begun, settings)
  if (resolution.type === 'failed') return undefined
  const { projectId, taskId, agentId, billable, notes } = resolution.booking
  if (projectId === undefined || taskId === undefined) return undefined
  const { sessionId, runId } = begun
  const key = timerKey(sessionId, runId)
  return {
    key,
    recordKey: timeEntryKey(sessionId, runId, 0),
    body: {
      project_id: projectId,
      task_id: taskId,
      spent_date: dayOf(begun.startNs, settings.timeZone),
      hours: 0,
      notes: notes ?? runningNote(cleanName(begun.agentName) ?? agentId),
      billable,
      is_running: true,
      source: 'agent',
      metadata: boundedMetadata(
        { agent_id: agentId, session_id: sessionId, idempotency_key: key },
        { agent_type: settings.agentType ?? begun.emitter, run_id: runId },
      ),
    },
  }
}
