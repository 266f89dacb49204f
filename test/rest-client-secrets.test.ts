/** Rule: the API key goes to Keito over a safe connection and nowhere else: into no message, dump or error. */
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { ConfigError } from '../src/errors.ts'
import { KeitoRestClient, type KeitoRestClientOptions } from '../src/keito/rest-client.ts'
import { timeEntry } from './helpers/delivery.ts'

const apiKey = 'kto_secret-0123456789'
const refusal = (options: object): string => {
  try {
    new KeitoRestClient({ apiKey, accountId: 'acct-1', ...options } as KeitoRestClientOptions)
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError)
    return String(error)
  }
  return 'accepted'
}

describe('the key', () => {
  it('is not shown by any dump of the client', () => {
    const client = new KeitoRestClient({ apiKey, accountId: 'acct-1' })
    const dumps = [
      inspect(client, { showHidden: true, depth: 9, getters: true }),
      JSON.stringify(client),
      String(client),
      Object.entries(client).join(),
      JSON.stringify(Object.getOwnPropertyDescriptors(client)),
    ]
    expect(dumps.join('\n')).not.toContain('secret')
  })

  it.each([
    ['v2', { error: 'unauthorized', error_description: `Bearer ${apiKey} is invalid` }],
    ['v1', { error: { code: 'bad', message: apiKey, field: apiKey } }],
    ['unknown JSON', { key: apiKey }],
    ['text at the bound', `${'x'.repeat(250)} ${apiKey} ${apiKey}`],
  ])('is not in a reason though the server sends it back (%s)', async (_, body) => {
    for (const status of [200, 400, 401, 403, 429, 500, 302]) {
      const reply = typeof body === 'string' ? body : JSON.stringify(body)
      const fetch = async () => new Response(reply, { status })
      const client = new KeitoRestClient({ apiKey, accountId: 'acct-1', fetch })
      expect(JSON.stringify(await client.timeEntries.create(timeEntry('a').body))).not.toContain('kto_')
    }
  })

  it('is not in a reason though fetch throws it', async () => {
    const fetch = async () => {
      throw new TypeError(`invalid header: Bearer ${apiKey}`)
    }
    const client = new KeitoRestClient({ apiKey, accountId: 'acct-1', fetch })
    const outcome = await client.timeEntries.create(timeEntry('a').body)
    expect(outcome).toEqual({ type: 'ambiguous', reason: 'invalid header: Bearer [API key]' })
  })
})

describe('credentials', () => {
  it.each([
    ['apiKey', 'KEITO_API_KEY'],
    ['accountId', 'KEITO_ACCOUNT_ID'],
  ])('%s must be there and fit for a header; the refusal names %s and repeats nothing', (name, variable) => {
    for (const value of [
      undefined,
      '',
      7,
      'kto_secret\n',
      ' kto_secret',
      'kto secret',
      'kto_secret\u0000',
      'kto_sécret',
    ]) {
      const words = refusal({ [name]: value })
      expect(words).toContain(`${name} (${variable})`)
      expect(words).not.toMatch(/s[eé]cret|kto/)
    }
  })
})

describe('the base URL', () => {
  it.each([
    'https://app.keito.ai',
    'https://gateway.example/keito/',
    'http://localhost:3000',
    'http://127.0.0.1:3000',
    'http://127.8.9.1',
    'http://[::1]:3000/api/v2',
  ])('%s is accepted', (baseUrl) => {
    expect(refusal({ baseUrl })).toBe('accepted')
  })

  it.each([
    ['http beyond loopback', 'http://app.keito.ai'],
    ['http to a host that only looks like loopback', 'http://localhost.example'],
    ['http to a host that begins like loopback', 'http://127.0.0.1.example'],
    ['another protocol', 'ftp://app.keito.ai'],
    ['a path', '/api/v2'],
    ['a bare host', 'app.keito.ai'],
    ['a host and port that read as a protocol', 'localhost:3000'],
    ['nothing', ''],
    ['no text', 7],
    ['a user name', 'https://user@app.keito.ai'],
    ['a password', 'https://user:secret@app.keito.ai'],
    ['a query', 'https://app.keito.ai/?key=secret'],
    ['a fragment', 'https://app.keito.ai/#secret'],
    ['a key in the wrong variable', 'kto_secret'],
  ])('%s is refused, and the refusal repeats no secret', (_, baseUrl) => {
    const words = refusal({ baseUrl })
    expect(words).toContain('baseUrl (KEITO_API_URL)')
    expect(words).not.toContain('secret')
  })
})

it.each([[0], [-1], [Number.NaN], [2 ** 31], ['10']])('a deadline of %o is refused', (timeoutMs) => {
  expect(refusal({ timeoutMs })).toContain('timeoutMs')
})
