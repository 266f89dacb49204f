/**
 * Reads a reply of Keito, or of whatever stands in front of it, as an outcome.
 *
 * @module
 */
import { isFields } from '../delivery/fields.ts'
import { ambiguous, type Outcome, outcomeOfStatus } from '../delivery/outcome.ts'
import { outcomeOfError } from '../delivery/outcome-of-error.ts'
import { retryAfterMs } from '../delivery/retry-after.ts'

/** Read of an error's body at most, in bytes. */
const MAX_ERROR_BYTES = 64 * 1024
/** Read of a success's body at most, in bytes: a page of 2,000 records with full metadata and room to spare. */
const MAX_BODY_BYTES = 64 * 1024 * 1024

/**
 * The outcome of a request that was answered: the JSON value of a success, undefined when its body is empty, or what
 * the status and its words prove. Never rejects. A success whose body breaks off or is no JSON is ambiguous; an error's body is only words, so there
 * the status alone decides.
 *
 * @param response The reply, its body unread.
 */
export async function outcomeOfReply(response: Response): Promise<Outcome<unknown>> {
  if (response.ok) {
    return outcomeOfSuccess(response)
  }
  const text = await textOf(response, MAX_ERROR_BYTES).catch(() => '')
  const wait = retryAfterMs(response.headers.get('retry-after'), Date.now())
  return outcomeOfStatus(response.status, descriptionIn(text), wait)
}

async function outcomeOfSuccess(response: Response): Promise<Outcome<unknown>> {
  try {
    const text = await textOf(response, MAX_BODY_BYTES)
    // The answer to a delete. A create or a list that is answered so is ambiguous for what is not in it.
    if (text === '') return { type: 'accepted', value: undefined }
    const value = jsonIn(text)
    return value === undefined
      ? ambiguous(`HTTP ${response.status} with a body that is no JSON`)
      : { type: 'accepted', value }
  } catch (error) {
    return ambiguous(`HTTP ${response.status} with a body that broke off: ${outcomeOfError(error).reason}`)
  }
}

/**
 * What an error body says: Keito's `{error, error_description}`, the older `{error: {code, message, field}}`,
 * `{message}`, the title of an HTML page, or the text itself.
 */
export function descriptionIn(text: string): string {
  if (/^\s*(?:<!doctype|<html)/i.test(text)) {
    const title = /<title[^>]*>([^<]*)/i.exec(text)?.[1]?.trim()
    return title ? `an HTML page, "${title}"` : 'an HTML page'
  }
  const body = jsonIn(text)
  if (!isFields(body)) return text
  const { error } = body
  const said = isFields(error)
    ? [error.code, error.message, isText(error.field) ? `field ${error.field}` : undefined]
    : [error, body.error_description, body.message]
  return said.filter(isText).join(': ') || text
}

/** The beginning of a body, as text; the rest is not read. */
async function textOf(response: Response, maxBytes: number): Promise<string> {
  if (!response.body) return ''
  const reader = response.body.getReader()
  const decoder = new TextDecoder()
  let text = ''
  for (let read = 0; read < maxBytes; ) {
    const { done, value } = await reader.read()
    if (done) return text + decoder.decode()
    text += decoder.decode(value.subarray(0, maxBytes - read), { stream: true })
    read += value.byteLength
  }
  // Not awaited: a connection that will not close must not hold up the outcome.
  reader.cancel().catch(() => undefined)
  return text
}

function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}
