/**
 * One payload as one line of a journal, and the reading of lines that a crash or a bad disk has touched:
 * `<CRC-32 of the rest, 8 hex digits> <bytes of the payload> <payload>\n`.
 *
 * @module
 */

/** CRC-32 of UTF-8 text or bytes, as `zlib.crc32` has it. */
export type Crc32 = (data: string | Uint8Array) => number

/** What a journal holds. */
export interface Scan {
  /** The payloads of all whole frames, in the order they were written. */
  readonly payloads: readonly string[]
  /** Frames that were written and can no longer be read. */
  readonly damaged: number
  /** Bytes of the last frame, when its write was cut; 0 when the file ends with a whole frame. */
  readonly tornBytes: number
}

const NEWLINE = 0x0a
const SPACE = 0x20
const ZERO = 0x30
const CRC_DIGITS = 8
/** 9,999,999,999 bytes are more than a file that can be read at once. */
const MAX_LENGTH_DIGITS = 10

/**
 * A payload as a frame.
 *
 * @param payload Text without line feeds and without lone surrogates, as `JSON.stringify` makes it.
 * @param crc32 `zlib.crc32`.
 * @throws {TypeError} When the payload has a line feed: it would be lost on reading.
 */
export function frameOf(payload: string, crc32: Crc32): string {
  if (payload.includes('\n')) throw new TypeError('a journal payload must be one line, got one with a line feed')
  const text = `${Buffer.byteLength(payload)} ${payload}`
  return `${crc32(text).toString(16).padStart(CRC_DIGITS, '0')} ${text}\n`
}

/**
 * Reads frames. A damaged byte costs at most the frame that it is in; a frame that the file ends in the middle of is
 * dropped. It never throws, and takes time in proportion to the bytes, whatever they are.
 *
 * A frame that proves itself by its checksum ends where its length says, also when its line feed is lost. Any other one
 * ends at the next line feed: its length cannot be trusted, and payloads have no line feeds.
 *
 * @param bytes The content of a journal.
 * @param crc32 `zlib.crc32`.
 */
export function scan(bytes: Uint8Array, crc32: Crc32): Scan {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const payloads: string[] = []
  let damaged = 0
  let isAfterDamage = false
  let at = 0
  let lineEnd = -1
  while (at < buffer.length) {
    // Looked for once for each line feed, also when frames that have lost theirs stand in a row.
    if (lineEnd < at) lineEnd = nextLineEnd(buffer, at)
    const header = headerAt(buffer, at)
    if (header && header.end <= lineEnd && header.end < buffer.length && isProven(buffer, header, crc32)) {
      payloads.push(buffer.toString('utf8', header.payload, header.end))
      isAfterDamage = false
      at = header.end + 1
      continue
    }
    if (lineEnd === buffer.length) return { payloads, damaged, tornBytes: buffer.length - at }
    // A line without a header, after a damaged one, is the rest of that one: the damage was a line feed in its payload.
    const isRest = !header && isAfterDamage
    const isEmpty = lineEnd === at
    if (!isEmpty && !isRest) damaged++
    isAfterDamage = !isEmpty
    at = lineEnd + 1
  }
  return { payloads, damaged, tornBytes: 0 }
}

/** Where the parts of a frame are, as its header has it. */
interface Header {
  readonly crc: number
  /** Where the text that the checksum is of begins: the length. */
  readonly checked: number
  readonly payload: number
  /** Where the line feed is. */
  readonly end: number
}

/** The header that begins there, or undefined when what is there is none. */
function headerAt(bytes: Buffer, at: number): Header | undefined {
  let crc = 0
  for (let digit = 0; digit < CRC_DIGITS; digit++) {
    const value = hexValue(bytes[at + digit])
    if (value === undefined) return undefined
    crc = crc * 16 + value
  }
  const checked = at + CRC_DIGITS + 1
  if (bytes[checked - 1] !== SPACE) return undefined
  let length = 0
  let payload = checked
  for (; payload < checked + MAX_LENGTH_DIGITS; payload++) {
    const byte = bytes[payload] ?? 0
    if (byte === SPACE) break
    if (byte < ZERO || byte > ZERO + 9) return undefined
    length = length * 10 + byte - ZERO
  }
  if (payload === checked || bytes[payload] !== SPACE) return undefined
  return { crc, checked, payload: payload + 1, end: payload + 1 + length }
}

function hexValue(byte = 0): number | undefined {
  if (byte >= ZERO && byte <= ZERO + 9) return byte - ZERO
  return byte >= 0x61 && byte <= 0x66 ? byte - 0x61 + 10 : undefined
}

function isProven(bytes: Buffer, { crc, checked, end }: Header, crc32: Crc32): boolean {
  return crc32(bytes.subarray(checked, end)) === crc
}

/** Where the next line feed is, or where the bytes end. */
function nextLineEnd(bytes: Buffer, from: number): number {
  const found = bytes.indexOf(NEWLINE, from)
  return found < 0 ? bytes.length : found
}
