/**
 * The faults of the sandbox as options and as draws: which request meets which fault, the same for the same seed.
 *
 * @module
 */
import { ConfigError } from '../errors.ts'
import { oneOf, type Rule } from './rules.ts'
import type { SandboxFaultKind, SandboxFaultMoment, SandboxFaults, SandboxFaultTarget } from './types.ts'

type OneOrMore<T> = readonly [T, ...T[]]

/** The options, checked and complete. */
export interface FaultPlan extends Required<SandboxFaults> {
  readonly kinds: OneOrMore<SandboxFaultKind>
  readonly moments: OneOrMore<SandboxFaultMoment>
}

/** What a request has drawn. */
export interface DrawnFault {
  readonly kind: SandboxFaultKind
  readonly moment: SandboxFaultMoment
}

const DEFAULTS: FaultPlan = {
  seed: 1,
  rate: 0.3,
  kinds: [
    'refuse',
    'stall',
    'rate-limit',
    'unavailable',
    'error',
    'bad-gateway',
    'timeout',
    'reset',
    'truncate',
    'lie',
  ],
  moments: ['before', 'after', 'late'],
  on: 'all',
  most: Number.POSITIVE_INFINITY,
  lateMs: 50,
  stallMs: 60_000,
  retryAfterS: 1,
  refuseMs: 50,
}

/** Longest wait that timers take, in milliseconds. */
const MAX_TIMER_MS = 2 ** 31 - 1

const TARGETS = oneOf('all', 'writes')

const RULES: { readonly [K in keyof FaultPlan]: Rule<FaultPlan[K]> } = {
  seed: { expected: 'a whole number', accepts: (value): value is number => Number.isSafeInteger(value) },
  rate: {
    expected: 'a number from 0 to 1',
    accepts: (value): value is number => typeof value === 'number' && value >= 0 && value <= 1,
  },
  kinds: listOf(...DEFAULTS.kinds),
  moments: listOf(...DEFAULTS.moments),
  on: {
    expected: `a function, or ${TARGETS.expected}`,
    accepts: (value): value is FaultPlan['on'] => TARGETS.accepts(value) || typeof value === 'function',
  },
  most: {
    expected: 'a whole number from 0, or Infinity',
    accepts: (value): value is number => value === Number.POSITIVE_INFINITY || isWhole(value, 0),
  },
  lateMs: wholeFrom(0, MAX_TIMER_MS),
  stallMs: wholeFrom(1, MAX_TIMER_MS),
  retryAfterS: wholeFrom(0),
  refuseMs: wholeFrom(0, MAX_TIMER_MS),
}

/**
 * Checks the faults that were asked for and fills in the defaults.
 *
 * @param options Absent for a sandbox that never fails.
 * @throws ConfigError when an option is wrong or none of `SandboxFaults`; it names the option.
 */
export function readFaults(options: SandboxFaults = { rate: 0 }): FaultPlan {
  if (typeof options !== 'object' || options === null) throw wrong('faults', 'an object', options)
  const given = Object.entries(options).filter(([_, value]) => value !== undefined)
  for (const [name, value] of given) {
    if (!isOption(name)) throw wrong('faults', `no other options than ${Object.keys(RULES).join(', ')}`, name)
    const { expected, accepts } = RULES[name]
    if (!accepts(value)) throw wrong(`faults.${name}`, expected, value)
  }
  return { ...DEFAULTS, ...Object.fromEntries(given) }
}

/**
 * Lets requests draw their faults. Each takes three numbers from the generator whether it meets a fault or not, so
 * that another `rate` makes more or fewer requests fail, but not in another way.
 */
export class FaultDraws {
  readonly #plan: FaultPlan
  readonly #random: () => number
  #left: number

  constructor(plan: FaultPlan) {
    this.#plan = plan
    this.#random = randomFrom(plan.seed)
    this.#left = plan.most
  }

  /** The fault that the next request meets, if it meets one. */
  next({
    method,
    path = '',
  }: Pick<SandboxFaultTarget, 'method'> & Partial<SandboxFaultTarget>): DrawnFault | undefined {
    const { rate, kinds, moments, on } = this.#plan
    const isTarget = typeof on === 'function' ? on({ method, path }) : on === 'all' || isWrite(method)
    if (!isTarget) return undefined
    const [chance, kind, moment] = [this.#random(), pick(kinds, this.#random()), pick(moments, this.#random())]
    if (chance >= rate || this.#left === 0) return undefined
    this.#left--
    return { kind, moment }
  }

  /** Lets no request meet a fault from now on. */
  end(): void {
    this.#left = 0
  }
}

/** Whether a call with this method is meant to change something. */
export function isWrite(method: string): boolean {
  return method !== 'GET'
}

/**
 * Numbers from 0 up to but not including 1: a counter in steps of the golden ratio, of which each state is scrambled
 * by the last steps of the MurmurHash3 function. Enough for dice, not for secrets.
 */
function randomFrom(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x9e3779b9) | 0
    const once = Math.imul(state ^ (state >>> 16), 0x85ebca6b)
    const twice = Math.imul(once ^ (once >>> 13), 0xc2b2ae35)
    return ((twice ^ (twice >>> 16)) >>> 0) / 2 ** 32
  }
}

function pick<T>(items: OneOrMore<T>, chance: number): T {
  return items[Math.floor(chance * items.length)] ?? items[0]
}

function isOption(name: string): name is keyof FaultPlan {
  return Object.hasOwn(RULES, name)
}

function isWhole(value: unknown, min: number, max = Number.MAX_SAFE_INTEGER): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= min && value <= max
}

function wholeFrom(min: number, max = Number.MAX_SAFE_INTEGER): Rule<number> {
  const expected = `a whole number from ${min} to ${max}`
  return { expected, accepts: (value): value is number => isWhole(value, min, max) }
}

function listOf<T extends string>(...words: readonly T[]): Rule<OneOrMore<T>> {
  const word = oneOf(...words)
  return {
    expected: `a list of at least ${word.expected}`,
    accepts: (value): value is OneOrMore<T> => Array.isArray(value) && value.length > 0 && value.every(word.accepts),
  }
}

function wrong(name: string, expected: string, found: unknown): ConfigError {
  return new ConfigError(`${name}: expected ${expected}; found ${describe(found)}.`)
}

function describe(value: unknown): string {
  if (Array.isArray(value))
    return `[${value.map((item) => (Array.isArray(item) ? 'a list' : describe(item))).join(', ')}]`
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 40))
  return typeof value === 'object' && value !== null ? 'an object' : String(value)
}
