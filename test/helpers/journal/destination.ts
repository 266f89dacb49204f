/** The destination of all journals in tests, unless a test is about destinations. */
export const DESTINATION = '0123abcd'
