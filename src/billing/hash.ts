/**
 * A short hash of a text, to tell texts apart that are too long or too secret to be repeated. It proves nothing.
 *
 * @module
 */

/** FNV-1a, 32 bits, over the UTF-16 units of a text, low byte first; 8 hex digits. */
export function shortHash(text: string): string {
  let hash = 0x811c9dc5
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at)
    hash = Math.imul(hash ^ (unit & 0xff), 0x01000193)
    hash = Math.imul(hash ^ (unit >>> 8), 0x01000193)
  }
  return (hash >>> 0).toString(16).padStart(8, '0')
}
