/**
 * Who owns a journal, and whether that owner still lives.
 *
 * @module
 */
import type { FileName, Owner } from './file-name.ts'
import { codeOf } from './fs-error.ts'
import type { NodeModules } from './node.ts'

/**
 * A file that nobody has touched for so long has no live owner, where no better proof can be had: two minutes. Live
 * owners touch theirs every 30 seconds. Hosts that share a volume need clocks that differ by less.
 */
export const LEASE_MS = 120_000

/** This thread of this process, as the owner of a journal. */
export function thisOwner(node: NodeModules): Owner {
  const { process, threads } = node
  const start = parsedStat(textOf('/proc/self/stat', node) ?? '')?.start
  const bootId = textOf('/proc/sys/kernel/random/boot_id', node)
  const namespace = linkOf('/proc/self/ns/pid', node)
  // Where /proc shows another pid namespace, the pids in it are not those that we know.
  const isOurProc = linkOf('/proc/self', node) === String(process.pid)
  if (isOurProc && start && bootId && namespace) {
    return { place: `p${hashOf([bootId, namespace], node)}`, pid: process.pid, thread: threads.threadId, start }
  }
  const place = `h${hashOf([node.os.hostname(), bootId ?? '', namespace ?? ''], node)}`
  return { place, pid: process.pid, thread: threads.threadId, start: '0' }
}

/**
 * Tells whether the owner of a file lives. In doubt it does: a file that is left alone is adopted later, while one that
 * is taken from a live owner may be delivered twice. Files that this thread has in use are the caller's to know.
 *
 * @param owner Whose file it is.
 * @param ageMs Milliseconds since the file was touched.
 * @param me Who asks.
 */
export function isAlive(owner: Owner, ageMs: number, me: Owner, node: NodeModules): boolean {
  const isLeased = ageMs <= LEASE_MS
  if (owner.place !== me.place) return isLeased
  if (!isRunning(owner, node)) return false
  if (owner.pid === me.pid && owner.thread === me.thread) return false
  // A worker thread may end long before its process does, and says nothing then.
  return owner.thread === 0 || isLeased
}

/** Makes the name of a new journal of this thread. */
export function newFileName(destination: string, node: NodeModules): FileName {
  return { destination, id: node.crypto.randomBytes(6).toString('hex'), ...thisOwner(node) }
}

function isRunning(owner: Owner, node: NodeModules): boolean {
  return owner.place.startsWith('p') ? isInProc(owner, node) : takesSignals(owner, node)
}

/** The states of processes that have ended and are not yet buried. */
const ENDED = new Set(['Z', 'X', 'x'])

function isInProc({ pid, start }: Owner, node: NodeModules): boolean {
  try {
    const stat = parsedStat(node.fs.readFileSync(`/proc/${pid}/stat`, 'utf8'))
    return !stat || (stat.start === start && !ENDED.has(stat.state))
  } catch (error) {
    return !GONE.has(codeOf(error) ?? '')
  }
}

/** What the system says of a pid that no process has. */
const GONE = new Set(['ENOENT', 'ESRCH'])

function takesSignals({ pid }: Owner, node: NodeModules): boolean {
  try {
    return node.process.kill(pid, 0)
  } catch (error) {
    return !GONE.has(codeOf(error) ?? '')
  }
}

/** Fields 3 and 22 of /proc/<pid>/stat. Field 2 is a name in brackets that may itself have blanks and brackets. */
function parsedStat(text: string): { readonly state: string; readonly start: string } | undefined {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  const [state, start] = [fields[0], fields[19]]
  return state && start ? { state, start } : undefined
}

/** The content of a small file, or undefined where it cannot be read: not Linux, or locked down. */
function textOf(path: string, { fs }: NodeModules): string | undefined {
  try {
    return fs.readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

function linkOf(path: string, { fs }: NodeModules): string | undefined {
  try {
    return fs.readlinkSync(path)
  } catch {
    return undefined
  }
}

function hashOf(parts: readonly string[], { crypto }: NodeModules): string {
  return crypto.createHash('sha256').update(parts.join('\n')).digest('hex').slice(0, 12)
}
