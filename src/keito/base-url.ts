/**
 * Where the API is, made from the base URL that a user gives.
 *
 * @module
 */
import { ConfigError } from '../errors.ts'

/** Keito's public service. */
export const DEFAULT_BASE_URL = 'https://app.keito.ai'

const API_PATH = '/api/v2'
const LOOPBACK = /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/
const NAME = 'baseUrl (KEITO_API_URL)'

/**
 * The root of Keito's v2 API, without a slash at its end. The base URL may end with `/` or with `/api/v2`, and may have
 * a path in front of it, such as that of a gateway.
 *
 * @param baseUrl An absolute URL: https, or http on a loopback host, because the API key travels in each request.
 * @throws {ConfigError} When it is anything else, or holds credentials, a query or a fragment. The message repeats
 * nothing that could be a secret.
 */
export function apiRoot(baseUrl: string): string {
  const url = parsed(baseUrl)
  if (url.username !== '' || url.password !== '') {
    throw new ConfigError(`${NAME} must not hold a user name or password; use apiKey (KEITO_API_KEY)`)
  }
  if (url.search !== '' || url.hash !== '') throw new ConfigError(`${NAME} must not have a query or a fragment`)
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && LOOPBACK.test(url.hostname))) {
    throw new ConfigError(
      `${NAME} must be an https URL, or http on localhost, because it carries the API key; got ${url.protocol}//${url.host}`,
    )
  }
  const path = url.pathname.replace(/\/+$/, '')
  return url.origin + (path.endsWith(API_PATH) ? path : path + API_PATH)
}

function parsed(baseUrl: unknown): URL {
  try {
    if (typeof baseUrl === 'string') return new URL(baseUrl)
  } catch {
    // Reported below. The text is not repeated: it may be a key in the wrong variable.
  }
  throw new ConfigError(`${NAME} must be an absolute URL such as ${DEFAULT_BASE_URL}; got something else`)
}
