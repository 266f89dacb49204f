/**
 * Rule: what was written whole is read back, in order; a cut or a damaged byte costs at most the frame that it hits, and
 * nothing is read that was not written.
 */
import { crc32 } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Crc32, frameOf, scan } from '../src/delivery/journal/frame.ts'
import { framesOf } from './helpers/journal/directory.ts'

const read = (content: string | Uint8Array) => scan(Buffer.from(content), crc32)
const whole = (...payloads: readonly string[]) => ({ payloads, damaged: 0, tornBytes: 0 })

/** Text as records have it: any code point, quotes, none at all, long ones; no line feed. */
const aPayload = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }).map((text) => text.replaceAll('\n', ' ')),
  fc.json({ maxDepth: 2 }).map((json) => json.replaceAll('\n', ' ')),
  fc.nat(3000).map((length) => 'long'.repeat(length)),
  fc.constantFrom('', '"', '\\n', '\r', '\0', 'ä€😀', ' '),
)
const somePayloads = fc.array(aPayload, { maxLength: 12 })

/** How many frames end at or before a byte. */
function wholeAt(payloads: readonly string[], size: number): number {
  let end = 0
  return payloads.filter((payload) => {
    end += Buffer.byteLength(framesOf(payload))
    return end <= size
  }).length
}

function flipped(content: Buffer, bit: number): Buffer {
  const copy = Buffer.from(content)
  copy[bit >> 3] = (copy[bit >> 3] ?? 0) ^ (1 << (bit & 7))
  return copy
}

/** Whether the second is the first without at most one item. */
function lacksAtMostOne(all: readonly string[], found: readonly string[]): boolean {
  if (found.length === all.length) return all.every((payload, n) => payload === found[n])
  if (found.length !== all.length - 1) return false
  const gap = all.findIndex((payload, n) => payload !== found[n])
  return all.toSpliced(gap, 1).every((payload, n) => payload === found[n])
}

describe('a frame', () => {
  it('is one line: the checksum of what follows, the length in bytes, the payload', () => {
    expect(frameOf('{"a":"ä"}', crc32)).toBe(`${crc32('10 {"a":"ä"}').toString(16).padStart(8, '0')} 10 {"a":"ä"}\n`)
  })

  it('has eight digits of checksum, however small the checksum is', () => {
    expect(frameOf('x', () => 0xab)).toBe('000000ab 1 x\n')
  })

  it('takes no line feed, which would be read as its end', () => {
    expect(() => frameOf('{\n}', crc32)).toThrow(
      new TypeError('a journal payload must be one line, got one with a line feed'),
    )
  })
})

describe('reading', () => {
  it('gives back any payloads in their order', () => {
    fc.assert(
      fc.property(somePayloads, (payloads) => {
        expect(read(framesOf(...payloads))).toEqual(whole(...payloads))
      }),
    )
  })

  it('reads the part of a larger buffer that it is given', () => {
    const frames = Buffer.from(framesOf('a', 'b', 'c'))
    const [first, second] = [framesOf('a').length, framesOf('a', 'b').length]
    expect(scan(new Uint8Array(frames.buffer, frames.byteOffset + first, second - first), crc32)).toEqual(whole('b'))
  })

  it('a file cut anywhere keeps exactly the frames that were whole, and counts the bytes of the torn one', () => {
    fc.assert(
      fc.property(somePayloads, fc.nat(), (payloads, cut) => {
        const frames = Buffer.from(framesOf(...payloads))
        const size = cut % (frames.length + 1)
        const kept = payloads.slice(0, wholeAt(payloads, size))
        const tornBytes = size - Buffer.byteLength(framesOf(...kept))
        expect(read(frames.subarray(0, size))).toEqual({ payloads: kept, damaged: 0, tornBytes })
      }),
    )
  })

  it('cut at each single byte', () => {
    const payloads = ['{"a":1}', '', 'ä€😀', 'last']
    const frames = Buffer.from(framesOf(...payloads))
    for (let size = 0; size <= frames.length; size++) {
      expect(read(frames.subarray(0, size)).payloads).toEqual(payloads.slice(0, wholeAt(payloads, size)))
    }
  })
})

describe('one flipped bit', () => {
  it('anywhere costs at most the frame that it hits', () => {
    fc.assert(
      fc.property(fc.array(aPayload, { minLength: 1, maxLength: 12 }), fc.nat(), (payloads, pick) => {
        const frames = Buffer.from(framesOf(...payloads))
        const found = read(flipped(frames, pick % (frames.length * 8)))
        expect(lacksAtMostOne(payloads, found.payloads)).toBe(true)
        expect(found.damaged).toBe(payloads.length - found.payloads.length)
        expect(found.tornBytes).toBe(0)
      }),
      { numRuns: 1000 },
    )
  })

  it('of each single bit of three frames', () => {
    // Payloads with characters that one bit turns into a line feed or a digit, and frames of equal length.
    const payloads = ['{"a":"*J"}', '{"b":"*J"}', '{"c":"*J"}']
    const frames = Buffer.from(framesOf(...payloads))
    for (let bit = 0; bit < frames.length * 8; bit++) {
      const found = read(flipped(frames, bit))
      expect(lacksAtMostOne(payloads, found.payloads), `bit ${bit}`).toBe(true)
      expect(found.damaged, `bit ${bit}`).toBe(3 - found.payloads.length)
    }
  })

  it('in the length does not let a frame end where a later one ends', () => {
    // One bit makes 70 of 30, and 70 bytes on is the line feed of the second frame.
    const frames = framesOf('a'.repeat(30), 'b'.repeat(27)).replace(' 30 ', ' 70 ')
    expect(frames.indexOf('\n', frames.indexOf('b'.repeat(27)))).toBe(frames.indexOf('aaa') + 70)
    expect(read(frames + framesOf('c'))).toEqual({ payloads: ['b'.repeat(27), 'c'], damaged: 1, tornBytes: 0 })
  })

  it('in a line feed costs nothing: the checksum proves the frame, and the next one starts where it ends', () => {
    const lost = framesOf('a').replace('\n', '\x0b')
    expect(read(lost + framesOf('b'))).toEqual(whole('a', 'b'))
    expect(read(lost)).toEqual(whole('a'))
    expect(read(lost + lost + framesOf('b', 'c'))).toEqual(whole('a', 'a', 'b', 'c'))
  })
})

describe('damage is counted by frames', () => {
  const bad = (payload: string) => framesOf(payload).replace(payload, payload.replace('x', 'y'))

  it('two damaged frames side by side are two', () => {
    expect(read(bad('1x') + bad('2x') + framesOf('3'))).toEqual({ payloads: ['3'], damaged: 2, tornBytes: 0 })
  })

  it('a frame that falls apart into lines is one', () => {
    const apart = framesOf('1*2*3').replaceAll('*', '\n')
    expect(read(framesOf('a') + apart + framesOf('b'))).toEqual({ payloads: ['a', 'b'], damaged: 1, tornBytes: 0 })
  })

  it('the next damage after a whole frame counts again', () => {
    const noise = 'noise\n'
    expect(read(noise + framesOf('a') + noise).damaged).toBe(2)
  })

  it('an empty line is none: it ends the torn part of a failed write', () => {
    expect(read(`${framesOf('a')}\n${framesOf('b')}\n`)).toEqual(whole('a', 'b'))
    expect(read('\nnoise\n').damaged).toBe(1)
  })

  it('a torn part in the middle takes nothing with it', () => {
    const torn = framesOf('some payload').slice(0, 15)
    expect(read(`${torn}\n${framesOf('b', 'c')}`)).toEqual({ payloads: ['b', 'c'], damaged: 1, tornBytes: 0 })
  })
})

describe('garbage', () => {
  const headers = fc.constantFrom(
    '00000000 0 \n',
    '00000000 9999999999 ',
    'ffffffff 99999999999 x\n',
    '\n',
    ' ',
    '0',
    'deadbeef ',
  )

  it('never throws, and yields nothing that was not written', () => {
    const pieces = fc.array(
      fc.oneof(
        fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)),
        headers.map((text) => Buffer.from(text)),
      ),
    )
    fc.assert(
      fc.property(pieces, (garbage) => {
        expect(read(Buffer.concat(garbage)).payloads).toEqual([])
      }),
    )
  })

  it.each([
    ['a letter in the length', 'deadbeef 1a x\n'],
    ['no length', 'deadbeef  x\n'],
    ['no blank before the length', 'deadbeef_1 x\n'],
    ['capital digits', framesOf('x').toUpperCase()],
    ['a length too long for any file', 'deadbeef 00000000001 x\n'],
  ])('%s makes no frame', (_name, line) => {
    const always: Crc32 = () => 0xdeadbeef
    expect(scan(Buffer.from(line), always)).toEqual({ payloads: [], damaged: 1, tornBytes: 0 })
  })

  it.each([
    ['lines that claim to be longer than the file', '00000000 9999999 \n'],
    ['lines that claim to be long', '00000000 100000 \n'],
    ['frames that have all lost their line feed', framesOf('x').trim().concat('\0')],
    ['headers without an end', '00000000 9999999 '],
    ['empty lines', '\n'],
  ])('%s: each byte is looked at a bounded number of times', (_name, piece) => {
    let checked = 0
    const counting: Crc32 = (data) => {
      checked += data.length
      return crc32(data)
    }
    const bytes = Buffer.from(piece.repeat(20_000))
    const searches = searchedBytes(bytes, () => scan(bytes, counting))
    expect(checked).toBeLessThanOrEqual(bytes.length)
    expect(searches).toBeLessThanOrEqual(bytes.length * 2)
  })
})

/** The bytes that line feeds were looked for in, at most, while a function ran. */
function searchedBytes(bytes: Buffer, fn: () => void): number {
  let searched = 0
  const indexOf = Buffer.prototype.indexOf
  Buffer.prototype.indexOf = function (this: Buffer, value: number, from: number) {
    const found = indexOf.call(this, value, from)
    searched += (found < 0 ? bytes.length : found) - from + 1
    return found
  } as typeof indexOf
  try {
    fn()
  } finally {
    Buffer.prototype.indexOf = indexOf
  }
  return searched
}
