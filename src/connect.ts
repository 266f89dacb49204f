/**
 * The parts of delivery that options bring along or describe: the client that sends, and the outbox.
 *
 * @module
 */
import { memoryOutbox } from './delivery/memory-outbox.ts'
import type { Outbox } from './delivery/outbox.ts'
import type { SenderParts } from './delivery/sender.ts'
import { ConfigError } from './errors.ts'
import { dryRunClient } from './keito/dry-run-client.ts'
import { KeitoRestClient } from './keito/rest-client.ts'
import { outcomesOf } from './keito/sdk-adapter.ts'
import type { KeitoExporterOptions, Settings } from './options.ts'
import { callable, type Env, fromEnv, isDryRun } from './resolve-options.ts'

/** What a sender needs to know of the other side. */
export type Connection = Pick<SenderParts, 'client' | 'settings' | 'onRecord'>

/**
 * Connects to Keito: through the client that the user gave, else over REST, or, in a dry run, to the console.
 *
 * @throws {ConfigError} When the client has not the documented shape, or credentials are missing or wrong.
 */
export function connect(options: KeitoExporterOptions, settings: Settings, env: Env): Connection {
  const onRecord = callable(options.onRecord, 'onRecord')
  const given = givenClient(options)
  if (!isDryRun(options, env)) {
    return { client: given ?? restClient(options, settings, env), settings: settings.delivery, onRecord }
  }
  return {
    client: dryRunClient(),
    // No server is asked, so no server's limit slows it down.
    settings: { ...settings.delivery, requestsPerMinute: Number.POSITIVE_INFINITY },
    onRecord: onRecord && ((event) => onRecord({ ...event, status: 'printed' })),
  }
}

/**
 * The outbox that the user gave, else one in memory.
 *
 * @throws {ConfigError} When it is no outbox.
 */
export function outboxOf(outbox: Outbox | undefined): Outbox {
  if (outbox === undefined) return memoryOutbox()
  if (typeof outbox?.add === 'function' && typeof outbox.take === 'function') return outbox
  throw new ConfigError('outbox must be an outbox, such as memoryOutbox() makes, but has no methods add and take')
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
