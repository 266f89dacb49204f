/** Rule: an answer counts as "not stored" only where it proves that; everything else is ambiguous. */
import { describe, expect, it } from 'vitest'
import { outcomeOfStatus } from '../src/delivery/outcome.ts'
import { outcomeOfError } from '../src/delivery/outcome-of-error.ts'

describe('a status', () => {
  it.each([
    [200, 'ambiguous'],
    [301, 'retryable'],
    [307, 'retryable'],
    [400, 'rejected'],
    [401, 'unauthorized'],
    [402, 'rejected'],
    [403, 'unauthorized'],
    [404, 'rejected'],
    [408, 'ambiguous'],
    [409, 'rejected'],
    [410, 'rejected'],
    [413, 'rejected'],
    [415, 'rejected'],
    [418, 'rejected'],
    [422, 'rejected'],
    [429, 'retryable'],
    [500, 'ambiguous'],
    [502, 'ambiguous'],
    [503, 'ambiguous'],
    [504, 'ambiguous'],
    [599, 'ambiguous'],
    [0, 'ambiguous'],
    [Number.NaN, 'ambiguous'],
  ])('%s is %s', (status, type) => {
    expect(outcomeOfStatus(status, 'words')).toMatchObject({ type, reason: expect.stringMatching(/HTTP .*: words$/) })
  })

  it('a 503 with Retry-After was turned away, so it is retryable', () => {
    expect(outcomeOfStatus(503, '', 0)).toMatchObject({ type: 'retryable', afterMs: 0 })
    expect(outcomeOfStatus(500, '', 1000)).toMatchObject({ type: 'ambiguous' })
  })

  it('a 429 carries the wait that was asked for, and none when none was', () => {
    expect(outcomeOfStatus(429, '', 7000)).toMatchObject({ afterMs: 7000 })
    expect(outcomeOfStatus(429, '')).not.toHaveProperty('afterMs')
  })

  it('401 and 403 stay distinguishable, and a redirect names the option to check', () => {
    expect(outcomeOfStatus(401, '')).toMatchObject({ status: 401 })
    expect(outcomeOfStatus(403, '')).toMatchObject({ status: 403 })
    expect(outcomeOfStatus(302, '')).toMatchObject({ reason: expect.stringContaining('KEITO_API_URL') })
  })
})

/** An error as Node and undici make them: a message, fields, perhaps a cause. */
const anError = (fields: object, cause?: unknown) => Object.assign(new Error('fetch failed', { cause }), fields)

describe('a thrown error with a status', () => {
  it('is read as that status, also from statusCode', () => {
    expect(outcomeOfError(anError({ status: 422 }))).toMatchObject({ type: 'rejected', status: 422 })
    expect(outcomeOfError({ statusCode: 401 })).toMatchObject({ type: 'unauthorized', status: 401 })
    expect(outcomeOfError({ status: 'error', statusCode: 404 })).toMatchObject({ type: 'rejected', status: 404 })
  })

  it.each([
    ['seconds as a number', { retryAfter: 3 }, 3000],
    ['seconds as text', { retryAfter: '3' }, 3000],
    ['Headers', { headers: new Headers({ 'Retry-After': '3' }) }, 3000],
    ['a record of headers', { headers: { 'Retry-After': '3' } }, 3000],
    ['zero', { retryAfter: 0 }, 0],
  ])('takes the wait from %s', (_, fields, afterMs) => {
    expect(outcomeOfError({ status: 429, ...fields })).toMatchObject({ type: 'retryable', afterMs })
  })

  it.each([[{}], [{ retryAfter: '3x' }], [{ retryAfter: Number.NaN }], [{ headers: null }], [{ headers: {} }]])(
    'has no wait in %o',
    (fields) => {
      expect(outcomeOfError({ status: 429, ...fields })).not.toHaveProperty('afterMs')
    },
  )

  it('a success that was thrown nevertheless is ambiguous', () => {
    expect(outcomeOfError(anError({ status: 200 }))).toMatchObject({ type: 'ambiguous' })
  })
})

describe('a thrown network error', () => {
  it.each([
    'ECONNREFUSED',
    'ENOTFOUND',
    'EAI_AGAIN',
    'ENETUNREACH',
    'EHOSTUNREACH',
    'UND_ERR_CONNECT_TIMEOUT',
    'CERT_HAS_EXPIRED',
    'ERR_TLS_CERT_ALTNAME_INVALID',
    'DEPTH_ZERO_SELF_SIGNED_CERT',
  ])('%s proves that no connection was made', (code) => {
    expect(outcomeOfError(anError({ code }))).toMatchObject({ type: 'retryable' })
    expect(outcomeOfError(anError({}, anError({ code })))).toMatchObject({ type: 'retryable' })
  })

  it.each(['ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'UND_ERR_SOCKET', 'UND_ERR_HEADERS_TIMEOUT', 'ECONNABORTED'])(
    '%s proves nothing',
    (code) => {
      expect(outcomeOfError(anError({}, anError({ code })))).toMatchObject({ type: 'ambiguous' })
    },
  )

  it('a host that vanished under an open connection proves nothing', () => {
    expect(outcomeOfError(anError({ code: 'EHOSTUNREACH', syscall: 'connect' }))).toMatchObject({ type: 'retryable' })
    expect(outcomeOfError(anError({ code: 'EHOSTUNREACH', syscall: 'read' }))).toMatchObject({ type: 'ambiguous' })
  })

  it('a reset is not made certain by an earlier refusal in its cause', () => {
    const error = anError({ code: 'ECONNRESET' }, anError({ code: 'ECONNREFUSED' }))
    expect(outcomeOfError(error)).toMatchObject({ type: 'ambiguous' })
  })

  it('of several addresses all must have refused', () => {
    const refused = anError({ code: 'ECONNREFUSED' })
    const reset = anError({ code: 'ECONNRESET' })
    const all = Object.assign(new AggregateError([refused, refused]), { code: 'ECONNREFUSED' })
    const some = Object.assign(new AggregateError([refused, reset]), { code: 'ECONNREFUSED' })
    expect(outcomeOfError(anError({}, all))).toMatchObject({ type: 'retryable' })
    expect(outcomeOfError(anError({}, some))).toMatchObject({ type: 'ambiguous' })
  })

  it('the reason tells the whole chain once', () => {
    const cause = Object.assign(new Error('connect ECONNREFUSED ::1'), { code: 'ECONNREFUSED' })
    expect(outcomeOfError(anError({}, cause)).reason).toBe('fetch failed: connect ECONNREFUSED ::1')
  })
})

describe('anything else that may be thrown is ambiguous, and reading it never throws', () => {
  const cyclic: Record<string, unknown> = { message: 'round' }
  cyclic.cause = cyclic
  cyclic.errors = Array.from({ length: 10 }, () => cyclic)
  const hostile = {
    get message() {
      throw new Error('no')
    },
  }
  const revoked = Proxy.revocable({}, {})
  revoked.revoke()

  it.each([
    ['undefined', undefined],
    ['null', null],
    ['text', 'ECONNREFUSED'],
    ['a number', 429],
    ['a symbol', Symbol('x')],
    ['a function', () => 1],
    ['an empty object', {}],
    ['a plain error', new Error('boom')],
    ['a cycle', cyclic],
    ['a getter that throws', hostile],
    ['a revoked proxy', revoked.proxy],
  ])('%s', (_, thrown) => {
    expect(outcomeOfError(thrown)).toMatchObject({ type: 'ambiguous', reason: expect.stringMatching(/./) })
  })
})
