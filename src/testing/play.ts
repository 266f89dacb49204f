/**
 * Plays the faults that requests have drawn: what the caller meets, and whether and when the write is made.
 *
 * @module
 */
import type { ServerResponse } from 'node:http'
import { type DrawnFault, type FaultPlan, isWrite } from './faults.ts'
import { type Call, errorReply, htmlReply, jsonReply, relay, send, sendHalf } from './http.ts'
import type { SandboxFault, SandboxFaultKind } from './types.ts'

/** What faults are played on. */
export interface Stage {
  /** Checks the call and does what it asks for. False when it was refused. */
  write(call: Call): boolean
  /** Lets nothing listen on the port for so many milliseconds, and cuts all connections. */
  leavePort(ms: number): void
}

type Act = (response: ServerResponse, plan: FaultPlan, stage: Stage) => void

/** What the caller meets. */
const ACTS: Readonly<Record<SandboxFaultKind, Act>> = {
  refuse: (_, { refuseMs }, stage) => stage.leavePort(refuseMs),
  // A socket's own time limit: it cuts the connection, is gone with it, and keeps no process alive.
  stall: ({ socket }, { stallMs }) => socket?.setTimeout(stallMs),
  'rate-limit': (response, plan) => send(response, errorReply(429, 'Too many requests', retryAfter(plan))),
  unavailable: (response, plan) => send(response, errorReply(503, 'Down for maintenance', retryAfter(plan))),
  error: (response) => send(response, errorReply(500, 'Something went wrong')),
  'bad-gateway': (response) => relay(response, htmlReply(502, '502', 'Bad gateway')),
  timeout: (response) => relay(response, htmlReply(504, '504', 'Gateway timeout')),
  reset: ({ socket }) => socket?.resetAndDestroy(),
  truncate: (response) => sendHalf(response, jsonReply({ id: 'cmnever', notes: 'nobody gets to read this far' })),
  lie: (response) => relay(response, htmlReply(200, 'Sign in', 'Please sign in to go on.')),
}

/** Faults that turn the caller away, so that nothing is ever written. */
const NEVER_WRITES: ReadonlySet<SandboxFaultKind> = new Set(['refuse', 'rate-limit', 'unavailable'])

/** Plays faults and keeps account of them. */
export class FaultPlayer {
  readonly #plan: FaultPlan
  readonly #stage: Stage
  readonly #late = new Set<NodeJS.Timeout>()
  #played: (SandboxFault & { committed: boolean })[] = []

  constructor(plan: FaultPlan, stage: Stage) {
    this.#plan = plan
    this.#stage = stage
  }

  /** Answers the call with the fault, or leaves it unanswered; makes the write before it, later or never. */
  play({ kind, moment }: DrawnFault, call: Call, response: ServerResponse): void {
    const fault = { method: call.method, path: call.path + call.search, kind, moment, committed: false }
    const write = () => {
      fault.committed = this.#stage.write(call)
    }
    const writes = isWrite(call.method) && !NEVER_WRITES.has(kind)
    this.#played.push(fault)
    if (writes && moment === 'after') write()
    ACTS[kind](response, this.#plan, this.#stage)
    if (writes && moment === 'late') this.#later(write)
  }

  /** What was played, the oldest first. */
  played(): readonly SandboxFault[] {
    return this.#played
  }

  /** Forgets what was played; late writes that are still to come are not made. */
  clear(): void {
    for (const timer of this.#late) clearTimeout(timer)
    this.#late.clear()
    this.#played = []
  }

  #later(write: () => void): void {
    const timer = setTimeout(() => {
      this.#late.delete(timer)
      write()
    }, this.#plan.lateMs)
    this.#late.add(timer)
  }
}

function retryAfter({ retryAfterS }: FaultPlan): Readonly<Record<string, string>> {
  return { 'Retry-After': String(retryAfterS) }
}
