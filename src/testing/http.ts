/**
 * HTTP as the sandbox speaks it: receiving a call, the forms of a reply, sending it.
 *
 * @module
 */
import type { IncomingMessage, ServerResponse } from 'node:http'

/** Largest request body, in bytes; more is refused with 413. Keito states no limit; 1 MB is what Next.js allows. */
const MAX_BODY_BYTES = 1024 * 1024

/** The body of a call. The content type does not matter, as in the real application. */
export type Body =
  | { readonly type: 'none' }
  | { readonly type: 'json'; readonly value: unknown }
  | { readonly type: 'broken'; readonly text: string }
  | { readonly type: 'too_large' }

/** A request that was received in full. */
export interface Call {
  readonly method: string
  readonly path: string
  /** The query with its `?`, as received; empty when there is none. */
  readonly search: string
  /** Scheme and host that the caller used, for links in replies. */
  readonly origin: string
  readonly authorization: string | undefined
  readonly accountId: string | undefined
  readonly body: Body
}

/** What goes back to the caller. */
export interface Reply {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** Thrown while a call is checked: it is answered with this reply and nothing is stored. */
export class Refusal extends Error {
  readonly reply: Reply

  constructor(reply: Reply) {
    super(`refused with status ${reply.status}`)
    this.reply = reply
  }
}

/** Keito puts it on every reply of its own. */
const VERSION_HEADER = { 'X-Keito-API-Version': '2' }

const ERROR_NAMES = {
  400: 'bad request',
  401: 'unauthorized',
  403: 'forbidden',
  404: 'not found',
  409: 'conflict',
  413: 'payload too large',
  429: 'rate limited',
  500: 'internal server error',
  503: 'service unavailable',
} as const

/** Statuses that Keito explains in JSON. */
export type ErrorStatus = keyof typeof ERROR_NAMES

/** An error in Keito's shape, `{ error, error_description }`. */
export function errorReply(status: ErrorStatus, description: string, headers: Reply['headers'] = {}): Reply {
  const reply = jsonReply({ error: ERROR_NAMES[status], error_description: description }, status)
  return { ...reply, headers: { ...reply.headers, ...headers } }
}

/** A refusal with an error in Keito's shape. */
export function refusal(status: ErrorStatus, description: string, headers: Reply['headers'] = {}): Refusal {
  return new Refusal(errorReply(status, description, headers))
}

/** A JSON reply. A successful create is 200 in Keito, not 201. */
export function jsonReply(value: unknown, status = 200): Reply {
  return { status, headers: { 'content-type': 'application/json' }, body: JSON.stringify(value) }
}

/** A reply without a body. */
export function emptyReply(status: number): Reply {
  return { status, headers: {}, body: '' }
}

/** The page that the real web application shows for a route it does not have. It is not JSON. */
export function pageNotFound(): Reply {
  return htmlReply(404, '404', 'This page could not be found.')
}

/** A page for people. */
export function htmlReply(status: number, title: string, content: string): Reply {
  const body = `<!DOCTYPE html><html><head><title>${title}</title></head><body>${content}</body></html>`
  return { status, headers: { 'content-type': 'text/html; charset=utf-8' }, body }
}

/**
 * Receives a request and hands it on once it is complete. A request that breaks off is dropped in silence; the rest
 * of a body that is too large is read and thrown away, so that the caller gets its 413 instead of a reset.
 */
export function receive(message: IncomingMessage, handle: (call: Call) => void): void {
  const chunks: Buffer[] = []
  let bytes = 0
  message.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes <= MAX_BODY_BYTES) chunks.push(chunk)
  })
  message.on('end', () => {
    const target = message.url ?? '/'
    const path = target.split('?', 1)[0] ?? target
    const accountId = message.headers['keito-account-id']
    handle({
      method: message.method ?? 'GET',
      path,
      search: target.slice(path.length),
      origin: `http://${message.headers.host ?? 'localhost'}`,
      authorization: message.headers.authorization,
      accountId: typeof accountId === 'string' ? accountId : undefined,
      body: bytes > MAX_BODY_BYTES ? { type: 'too_large' } : parseBody(Buffer.concat(chunks).toString('utf8')),
    })
  })
}

/** Sends a reply, with the version header that Keito puts on every one. */
export function send(response: ServerResponse, reply: Reply): void {
  relay(response, { ...reply, headers: { ...reply.headers, ...VERSION_HEADER } })
}

/** Sends a reply as a proxy in front of Keito makes it: without Keito's version header. */
export function relay(response: ServerResponse, reply: Reply): void {
  response.writeHead(reply.status, reply.headers)
  response.end(reply.body)
}

/** Announces the whole of a reply with its length, sends half of the body, and cuts the connection. */
export function sendHalf(response: ServerResponse, reply: Reply): void {
  const body = Buffer.from(reply.body)
  response.writeHead(reply.status, { ...reply.headers, ...VERSION_HEADER, 'content-length': body.length })
  response.write(body.subarray(0, body.length / 2), () => response.destroy())
}

function parseBody(text: string): Body {
  if (text === '') return { type: 'none' }
  try {
    return { type: 'json', value: JSON.parse(text) }
  } catch {
    return { type: 'broken', text }
  }
}
