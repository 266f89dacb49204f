/**
 * The parts of delivery that options bring along or describe: the client that sends, and the outbox.
 *
 * @module
 */
import { shortHash } from './billing/hash.ts'
import { fileOutbox } from './delivery/file-outbox.ts'
import { memoryOutbox } from './delivery/memory-outbox.ts'
import type { Outbox } from './delivery/outbox.ts'
import type { SenderParts } from './delivery/sender.ts'
import { ConfigError } from './errors.ts'
import { apiRoot, DEFAULT_BASE_URL } from './keito/base-url.ts'
import { dryRunClient } from './keito/dry-run-client.ts'
import { KeitoRestClient } from './keito/rest-client.ts'
import { outcomesOf } from './keito/sdk-adapter.ts'
import type { KeitoExporterOptions, Settings } from './options.ts'
import { callable, type Env, fromEnv, isDryRun } from './resolve-options.ts'

/** What is needed to send, and where to. */
export interface Connection extends Pick<SenderParts, 'client' | 'settings' | 'onRecord'> {
  readonly outbox: Outbox
  /** Tells this account and server from others, in 8 hex digits. */
  readonly account: string
  /** Whether records are printed and not sent. */
  readonly isDryRun: boolean
  /** Where records go: the client that the user gave, else the account. */
  readonly destination: unknown
}

/**
 * Connects to Keito: through the client that the user gave, else over REST, or, in a dry run, to the console.
 *
 * @throws {ConfigError} When the client has not the documented shape, credentials are missing or wrong, or the outbox
 *   is none.
 */
export function connect(options: KeitoExporterOptions, settings: Settings, env: Env): Connection {
  const onRecord = callable(options.onRecord, 'onRecord')
  const given = givenClient(options)
  const account = accountOf(options, env)
  // Whose account a client sends to is known only when it is said beside it.
  const destination: unknown = options.accountId === undefined ? (options.client ?? account) : account
  const outbox = outboxOf(options, env)
  if (!isDryRun(options, env)) {
    const client = given ?? restClient(options, settings, env)
    return { client, outbox, account, isDryRun: false, destination, settings: settings.delivery, onRecord }
  }
  const { POSITIVE_INFINITY } = Number
  return {
    client: dryRunClient(),
    // What waits on disk is for Keito, and not to be printed and forgotten.
    outbox: memoryOutbox(),
    account,
    isDryRun: true,
    // It books nothing, so it takes nothing away from one that does.
    destination: {},
    // No server is asked, so no server's limit slows it down.
    settings: { ...settings.delivery, requestsPerMinute: POSITIVE_INFINITY, requestsPerDay: POSITIVE_INFINITY },
    onRecord: onRecord && ((event) => onRecord({ ...event, status: 'printed' })),
  }
}

/** The outbox that the user gave, else one in the directory that the environment names, else one in memory. */
function outboxOf({ outbox }: KeitoExporterOptions, env: Env): Outbox {
  if (outbox === undefined) {
    const directory = fromEnv(undefined, env, 'KEITO_OUTBOX_DIR')
    return directory === undefined ? memoryOutbox() : fileOutbox({ directory })
  }
  if (typeof outbox?.add === 'function' && typeof outbox.take === 'function') return outbox
  throw new ConfigError(
    'outbox must be an outbox, such as fileOutbox() or memoryOutbox() makes, but has no methods add and take',
  )
}

/** Of a client that the user gave, nothing is known but what the options and the environment say beside it. */
function accountOf(options: KeitoExporterOptions, env: Env): string {
  const baseUrl = fromEnv(options.baseUrl, env, 'KEITO_API_URL') ?? DEFAULT_BASE_URL
  return shortHash(JSON.stringify([rootOf(baseUrl), fromEnv(options.accountId, env, 'KEITO_ACCOUNT_ID') ?? '']))
}

/** The same for every way to write a URL. A wrong one is refused where it is used. */
function rootOf(baseUrl: string): string {
  try {
    return apiRoot(baseUrl)
  } catch {
    return baseUrl
  }
}

function givenClient({ client }: KeitoExporterOptions): SenderParts['client'] | undefined {
  if (client === undefined) return undefined
  if (canCreate(client?.timeEntries) && canCreate(client?.expenses)) return outcomesOf(client)
  throw new ConfigError('client must be a Keito client with timeEntries.create and expenses.create, but has not both')
}

function canCreate(resource: { readonly create?: unknown } | undefined): boolean {
  return typeof resource?.create === 'function'
}

function restClient(options: KeitoExporterOptions, settings: Settings, env: Env): KeitoRestClient {
  return new KeitoRestClient({
    apiKey: fromEnv(options.apiKey, env, 'KEITO_API_KEY') ?? '',
    accountId: fromEnv(options.accountId, env, 'KEITO_ACCOUNT_ID') ?? '',
    baseUrl: fromEnv(options.baseUrl, env, 'KEITO_API_URL'),
    timeoutMs: settings.delivery.timeoutMs,
  })
}
