/**
 * The name of a file beside the journal says whose it is, so that a claim is one rename and needs no lock.
 *
 * @module
 */

/** The thread of a process that writes a journal. */
export interface Owner {
  /** Where its pid means something: `p` (a Linux pid namespace of one boot) or `h` (a host), and 12 hex digits. */
  readonly place: string
  readonly pid: number
  /** `threadId`: 0 is the main thread. */
  readonly thread: number
  /** When the process started, in clock ticks since the boot; `0` where that is unknown. */
  readonly start: string
}

/** What the name of a journal, or of a file of its family, says. */
export interface FileName extends Owner {
  /** 8 hex digits: where the content is to be sent. A process adopts journals of its own destination only. */
  readonly destination: string
  /** 12 hex digits: the journal itself. It is the same in all files of its family, and stays when it is adopted. */
  readonly id: string
}

/** The extension of journals. Other files of the family have others, such as `dead.jsonl`. */
export const JOURNAL = 'journal'

const NAME =
  /^keito-v1-([0-9a-f]{8})-([0-9a-f]{12})-([ph][0-9a-f]{12})-([1-9]\d{0,9})(?:t([1-9]\d{0,9}))?-(\d{1,20})\.(.+)$/

/**
 * The file name for a journal or a file of its family:
 * `keito-v1-<destination>-<id>-<place>-<pid>[t<thread>]-<start>.<extension>`.
 *
 * @param name What it is to say.
 * @param extension Without a leading dot. @default 'journal'
 */
export function fileNameOf(name: FileName, extension: string = JOURNAL): string {
  const { destination, id, place, pid, thread, start } = name
  return `keito-v1-${destination}-${id}-${place}-${pid}${thread === 0 ? '' : `t${thread}`}-${start}.${extension}`
}

/**
 * Reads a file name.
 *
 * @param file A name without its directory.
 * @param extension Without a leading dot. @default 'journal'
 * @returns Undefined for names of others, of other versions, and with another extension.
 */
export function parsedFileName(file: string, extension: string = JOURNAL): FileName | undefined {
  const [, destination, id, place, pid, thread, start, found] = NAME.exec(file) ?? []
  if (!destination || !id || !place || !start || found !== extension) return undefined
  return { destination, id, place, pid: Number(pid), thread: Number(thread ?? 0), start }
}
