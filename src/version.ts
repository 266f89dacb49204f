/**
 * The version of this package, as sent in `User-Agent`.
 *
 * @module
 */

/** The version in `package.json`; a test compares the two. */
export const VERSION = '0.1.0'
