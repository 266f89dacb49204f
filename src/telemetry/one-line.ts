/**
 * Makes foreign text fit for a log line.
 *
 * @module
 */

const MAX_LENGTH = 300
/** Read of a longer text at most; what a server or a foreign client says has no bound of its own. */
const MAX_READ = 4096

/**
 * The beginning of a text as one line of at most 300 characters, without control characters. So a server's words can
 * neither forge log lines nor fill a log.
 *
 * @param text What somebody else said.
 */
export function oneLine(text: string): string {
  const line = text
    .slice(0, MAX_READ)
    .replace(/[\s\p{C}]+/gu, ' ')
    .trim()
  return line.length > MAX_LENGTH ? `${line.slice(0, MAX_LENGTH - 1)}…` : line
}
