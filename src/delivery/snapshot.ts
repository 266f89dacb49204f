/**
 * What of an outbox is worth keeping, written as operations, and the way back: taking over what a process has left.
 *
 * @module
 */
import type { KeitoRecord } from '../billing/record.ts'
import { rollUp } from '../billing/rollup.ts'
import type { Op } from './journal-ops.ts'
import type { Memory } from './outbox.ts'
import type { RecordState, RecordStates } from './record-states.ts'
import type { Replay } from './replay.ts'

/** Why records are held that a dead process has left: nobody can be sure that Keito does not have them. */
export const LEFT_BEHIND = 'a process ended before it was sent'
/** Why records are held whose request a dead process had made. */
export const SENT_BEFORE = 'a process ended before Keito had answered'

/** Ids and keys in one operation at most. */
const CHUNK = 1000

/** The frames that a journal needs to hold, and no more, to come to the same again. */
export function* framesOf(states: RecordStates, memory: Memory): Generator<readonly Op[]> {
  for (const keys of chunksOf(states.goneKeys())) yield [['gone', keys]]
  for (const state of states.states()) yield opsOf(state)
  for (const item of states.unassigned.all()) yield [['unassigned', item]]
  // Before the sessions: one may be over for another process, and not for this one.
  for (const ids of chunksOf(memory.forgotten)) yield [['forgotten', ids]]
  for (const { traceId, spans, ledger, twins } of memory.sessions) {
    yield [
      ['spans', traceId, spans],
      ['settled', traceId, { ledger, twins }],
    ]
  }
  for (const mark of memory.timers) yield [['timer', mark]]
  for (const [key, remainder] of memory.carry) yield [['carry', key, remainder]]
}

/**
 * Takes over the records that dead processes have left. None of them is sent before it was looked up in Keito: a
 * journal may be damaged, or older than what its process did at last.
 *
 * @param sentBefore Gets the keys of records that were sent and are lost themselves.
 */
export function takeOver(left: readonly Replay[], states: RecordStates, sentBefore: Set<string>): void {
  // First of all journals: a record that is in two of them may be gone in one.
  for (const { goneKeys } of left) for (const key of goneKeys) if (!states.isHere(key)) states.finish(key)
  const gathered: KeitoRecord[] = []
  for (const replay of left) {
    for (const state of replay.records) {
      if (states.knows(state.record.key)) continue
      if (state.state === 'gathered') gathered.push(state.record)
      else takeOverOne(state, states)
    }
    for (const key of replay.sentKeys) if (!states.knows(key)) sentBefore.add(key)
  }
  // Merged among themselves, as their process may have done at last: so what it has booked is found.
  for (const { record, keys } of rollUp(gathered)) {
    const wasSent = sentBefore.delete(record.key)
    if (states.knows(record.key)) continue
    for (const key of keys) states.finish(key)
    states.addHeld(record, wasSent ? SENT_BEFORE : LEFT_BEHIND, wasSent)
  }
  // Last of all: one that is kept here or there may have been booked by somebody else.
  const { unassigned } = states
  unassigned.review()
  for (const item of left.flatMap((replay) => replay.unassigned)) {
    const part = unassigned.newPartOf(item)
    if (part) unassigned.keep(part, true)
  }
}

function takeOverOne(state: Exclude<RecordState, { state: 'gathered' }>, states: RecordStates): void {
  const { record } = state
  if (state.state === 'held') states.addHeld(record, state.reason, state.wasSent)
  else if (state.state === 'sent') states.addHeld(record, SENT_BEFORE, true)
  else states.addHeld(record, LEFT_BEHIND, false)
}

function opsOf(state: RecordState): readonly Op[] {
  const { record } = state
  switch (state.state) {
    case 'waiting':
      return [['add', record]]
    case 'gathered':
      return [['gather', record]]
    case 'sent':
      return [
        ['add', record],
        ['take', record.key],
      ]
    case 'held':
      return [['held', record, state.reason, state.wasSent]]
  }
}

function* chunksOf(items: Iterable<string>): Generator<readonly string[]> {
  let chunk: string[] = []
  for (const item of items) {
    chunk.push(item)
    if (chunk.length < CHUNK) continue
    yield chunk
    chunk = []
  }
  if (chunk.length > 0) yield chunk
}
