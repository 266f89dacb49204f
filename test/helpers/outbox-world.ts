/**
 * A Keito in memory, and exporters with a file outbox that can be killed: what a dead one leaves is copied to a new
 * directory under the name of a process that is gone, so nothing that it still does is seen.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { afterAll } from 'vitest'
import { FileOutbox, type FileOutboxOptions } from '../../src/delivery/file-outbox.ts'
import { fileNameOf, parsedFileName } from '../../src/delivery/journal/file-name.ts'
import { type NodeModules, requiredNodeModules } from '../../src/delivery/journal/node.ts'
import { openFiles } from '../../src/delivery/journal/open-files.ts'
import {
  type ExpenseCreate,
  type KeitoError,
  type KeitoExporterOptions,
  KeitoSpanExporter,
  type OutcomeClient,
  type TimeEntryCreate,
} from '../../src/index.ts'
import type { SpanLike } from '../../src/otel/span.ts'

/**
 * What becomes of a request: `open`, it is stored and answered; `deaf`, stored, but nobody hears the answer; `cut`, it
 * never arrives, and nobody is told; `down`, turned away for now; `refuses`, refused for good.
 */
export type Wire = 'open' | 'deaf' | 'cut' | 'down' | 'refuses'

/** Keito in memory. */
export class Keito {
  readonly entries: TimeEntryCreate[] = []
  readonly expenses: ExpenseCreate[] = []
  /** Requests that arrived, such as `POST expenses`. */
  readonly requests: string[] = []

  /** A Keito that has what another one has. */
  copy(): Keito {
    const copy = new Keito()
    copy.entries.push(...this.entries)
    copy.expenses.push(...this.expenses)
    return copy
  }

  /** Keys of everything that is stored, sorted. */
  get keys(): readonly string[] {
    return [...this.entries, ...this.expenses].map(({ metadata }) => String(metadata.idempotency_key)).sort()
  }

  /** Milliseconds of the time entries of each session, or of one. */
  msOf(sessionId?: string): number {
    return sumOf(this.#of(this.entries, sessionId), 'duration_ms')
  }

  /** Tokens of the expenses of all sessions, or of one. */
  tokensOf(sessionId?: string): number {
    const expenses = this.#of(this.expenses, sessionId)
    return sumOf(expenses, 'input_tokens') + sumOf(expenses, 'output_tokens')
  }

  /** A client to it over a wire that may change. */
  client(wire: () => Wire): OutcomeClient {
    const resource = <Body extends TimeEntryCreate | ExpenseCreate>(name: string, stored: Body[]) => ({
      create: async (body: Body) => {
        if (wire() === 'cut') return never()
        this.requests.push(`POST ${name}`)
        if (wire() === 'down') return { type: 'retryable', reason: 'HTTP 503', afterMs: 5 } as const
        if (wire() === 'refuses') return { type: 'rejected', status: 422, reason: 'HTTP 422, no such task' } as const
        stored.push(body)
        return wire() === 'deaf' ? never() : ({ type: 'accepted', value: { id: `id-${stored.length}` } } as const)
      },
      list: async () => {
        if (wire() === 'cut' || wire() === 'deaf') return never()
        this.requests.push(`GET ${name}`)
        if (wire() !== 'open') return { type: 'retryable', reason: 'HTTP 503', afterMs: 5 } as const
        return { type: 'accepted', value: stored.map(({ metadata }, i) => ({ id: `id-${i}`, metadata })) } as const
      },
    })
    return {
      answers: 'outcomes',
      timeEntries: resource('time_entries', this.entries),
      expenses: resource('expenses', this.expenses),
    }
  }

  #of<B extends TimeEntryCreate | ExpenseCreate>(bodies: readonly B[], sessionId: string | undefined): readonly B[] {
    return bodies.filter(({ metadata }) => sessionId === undefined || metadata.session_id === sessionId)
  }
}

/** What a process starts with. */
export interface StartOptions extends KeitoExporterOptions {
  readonly wire?: Wire
  readonly file?: Partial<FileOutboxOptions>
  readonly node?: NodeModules
}

/** A place for processes to follow each other in. */
export class World {
  keito = new Keito()
  /** Where the next process looks. */
  directory = aDirectory()

  /** Starts a process on the directory. */
  start({ wire = 'open', file, node, ...options }: StartOptions = {}): Process {
    return new Process(this, wire, file, node, options)
  }
}

/** An exporter as it lives in a process of its own. */
export class Process {
  readonly errors: KeitoError[] = []
  readonly outbox: FileOutbox
  readonly exporter: KeitoSpanExporter
  wire: Wire
  readonly #world: World

  constructor(
    world: World,
    wire: Wire,
    file: Partial<FileOutboxOptions> | undefined,
    node: NodeModules = requiredNodeModules(),
    options: KeitoExporterOptions = {},
  ) {
    this.#world = world
    this.wire = wire
    const bounds = { sync: false, maxBytes: 1e9, maxRecords: 100_000 }
    this.outbox = new FileOutbox({ directory: world.directory, ...bounds, ...file }, node)
    this.exporter = new KeitoSpanExporter({
      client: world.keito.client(() => this.wire),
      baseUrl: 'https://keito.example',
      accountId: 'cmaccount',
      projectId: 'cmproject',
      taskId: 'cmtask',
      expenseCategoryId: 'cmcategory',
      outbox: this.outbox,
      onError: (error) => this.errors.push(error),
      ...options,
      settle: { graceMs: 600_000, ...options.settle },
      delivery: {
        requestsPerMinute: 1e9,
        requestsPerDay: 1e9,
        reconcileAfterMs: 5,
        flushTimeoutMs: 2000,
        shutdownTimeoutMs: 2000,
        ...options.delivery,
      },
    })
  }

  /** Codes of what was reported, in order. */
  get codes(): readonly string[] {
    return this.errors.map(({ code }) => code)
  }

  /** Hands spans over; true when they were acknowledged. */
  take(spans: readonly SpanLike[]): boolean {
    let isAcked = false
    this.exporter.export(spans, ({ code }) => {
      isAcked = code === 0
    })
    return isAcked
  }

  /** Settles the sessions whose root has arrived and starts to send, without waiting for answers. */
  async book(): Promise<void> {
    void this.exporter.forceFlush()
    await setImmediate()
  }

  /** Settles and sends until all is done. */
  async flush(): Promise<void> {
    await this.exporter.forceFlush()
  }

  /** Settles and sends everything, and ends. */
  async end(): Promise<void> {
    await this.exporter.shutdown()
  }

  /** Kills it: nothing it does from now on is seen by anybody. Returns what it left. */
  kill(): string {
    this.wire = 'cut'
    this.#world.directory = corpseOf(this.#world.directory)
    return this.#world.directory
  }
}

/** Copies a directory of outboxes as if all their processes were dead. */
export function corpseOf(directory: string): string {
  const copy = aDirectory()
  for (const file of readdirSync(directory)) {
    const [, extension = ''] = /\.(.+)$/.exec(file) ?? []
    const name = parsedFileName(file, extension)
    if (name) openFiles().delete(name.id)
    const dead = name ? fileNameOf({ ...name, pid: 999_999_999 }, extension) : file
    writeFileSync(join(copy, dead), readFileSync(join(directory, file)))
  }
  return copy
}

/** Paths of the journals in a directory. */
export function journalsIn(directory: string): readonly string[] {
  return filesIn(directory, '.journal')
}

/** Paths of the files in a directory with an ending. */
export function filesIn(directory: string, ending: string): readonly string[] {
  return readdirSync(directory)
    .filter((file) => file.endsWith(ending))
    .map((file) => join(directory, file))
}

let root: string | undefined
let directories = 0
afterAll(() => {
  if (root !== undefined) rmSync(root, { recursive: true, force: true })
})

/** A new, empty directory that is gone after the test file. */
export function aDirectory(): string {
  root ??= mkdtempSync(join(tmpdir(), 'outbox-'))
  const directory = join(root, `${directories++}`)
  mkdirSync(directory, { mode: 0o700 })
  return directory
}

function never(): Promise<never> {
  return new Promise(() => undefined)
}

function sumOf(bodies: readonly (TimeEntryCreate | ExpenseCreate)[], name: string): number {
  return bodies.reduce((sum, { metadata }) => sum + Number(metadata[name] ?? 0), 0)
}
