/**
 * Names and sentences as they may leave the process: one line, no invisible characters, a bounded length.
 *
 * @module
 */

/** Control, format, private, unassigned and surrogate code points, but not the controls that are white space. */
const INVISIBLE = /[^\P{C}\t-\r]/gu
const BLANKS = /\s+/gu
/** UTF-16 units looked at per code point that may remain, so that a name of many megabytes costs little. */
const UNITS_PER_CODE_POINT = 20

/**
 * Cleans a text that came from a span or a user: invisible characters are removed, white space (line breaks too)
 * becomes single blanks, and what is longer than the limit is cut. Cleaning a clean text changes nothing.
 *
 * @param text Any string, however long or broken.
 * @param maxCodePoints Longest result, in Unicode code points.
 * @returns The clean text; empty when nothing visible is left.
 */
export function cleanText(text: string, maxCodePoints: number): string {
  const clean = text
    .slice(0, maxCodePoints * UNITS_PER_CODE_POINT)
    .replace(INVISIBLE, '')
    .replace(BLANKS, ' ')
    .trim()
  return clean.length <= maxCodePoints ? clean : [...clean].slice(0, maxCodePoints).join('').trimEnd()
}
