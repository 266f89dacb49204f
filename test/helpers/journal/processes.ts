/** Processes that hold journals, and die. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { afterEach } from 'vitest'
import type { Claimed } from '../../../src/delivery/journal/adopt.ts'
import type { FileName } from '../../../src/delivery/journal/file-name.ts'

/** A running process and its open journal. */
export interface Holder {
  readonly name: FileName
  readonly path: string
  /** Has it claim what the dead have left. */
  claim(): Promise<readonly Claimed[]>
  /** Kills it at once, and waits for its end. */
  kill(): Promise<void>
}

const CHILD = fileURLToPath(new URL('./child.ts', import.meta.url))
const running = new Set<ChildProcess>()

afterEach(() => {
  for (const child of running) child.kill('SIGKILL')
  running.clear()
})

/** Starts a process that holds a journal with these payloads. It is killed after the test at the latest. */
export async function aHolder(directory: string, ...payloads: readonly string[]): Promise<Holder> {
  const child = fork(CHILD, [directory, ...payloads], { execArgv: ['--import', 'tsx'] })
  running.add(child)
  const [{ name, path }] = await once(child, 'message')
  return {
    name,
    path,
    async claim() {
      child.send('claim')
      const [claims] = await once(child, 'message')
      return claims
    },
    async kill() {
      child.kill('SIGKILL')
      await once(child, 'exit')
      running.delete(child)
    },
  }
}
