/**
 * Where agent runs were booked, for tests of what decides it: a processor whose Keito notes places.
 *
 * @module
 */
import { context, type Tracer } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { resourceFromAttributes } from '@opentelemetry/resources'
import { BasicTracerProvider } from '@opentelemetry/sdk-trace-base'
import {
  type KeitoClient,
  type KeitoProcessorOptions,
  KeitoSpanProcessor,
  type Attribution as Place,
} from '../../src/index.ts'
import { AGENT, CHAT } from './told.ts'

export type { Place }
export type Attributes = Readonly<Record<string, string | boolean>>

/** The attributes or baggage entries that say a place. */
export function attributesOf(place: Place): Attributes {
  const names = {
    projectId: 'keito.project_id',
    taskId: 'keito.task_id',
    expenseCategoryId: 'keito.expense_category_id',
    agentId: 'keito.agent_id',
    billable: 'keito.billable',
    notes: 'keito.notes',
  }
  const told = Object.entries(place).flatMap(([key, value]) => {
    const name = Object.entries(names).find(([known]) => known === key)?.[1]
    return name === undefined || value === undefined ? [] : [[name, value] as const]
  })
  return Object.fromEntries(told)
}

/** Lets contexts follow the flow of the code, until they are disabled. */
export function followContexts(): void {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
}

/** Traces an agent run with a model call in the active context. */
export function traceRun(tracer: Tracer, attributes: Attributes = {}): void {
  tracer.startActiveSpan('invoke_agent', { attributes: { ...AGENT, ...attributes } }, (run) => {
    tracer.startSpan('chat', { attributes: CHAT }).end()
    run.end()
  })
}

export interface Booked {
  /** Places of time entries with their expenses, in the order of their sessions. */
  readonly places: readonly Place[]
  /** Codes of what was reported. */
  readonly errors: readonly string[]
  readonly stats: ReturnType<KeitoSpanProcessor['stats']>
}

/** Runs code with a tracer, and answers where its runs were booked. */
export async function booked(
  work: (tracer: Tracer) => unknown,
  options: KeitoProcessorOptions = {},
  resource: Attributes = {},
): Promise<Booked> {
  const found = new Map<string, Place>()
  const errors: string[] = []
  let ids = 0
  const note = (session: unknown, place: Place) => {
    found.set(String(session), { ...found.get(String(session)), ...place })
    return Promise.resolve({ id: `cm${++ids}` })
  }
  const client: KeitoClient = {
    timeEntries: {
      create: ({ project_id: projectId, task_id: taskId, billable, notes, metadata }) =>
        note(metadata.session_id, { projectId, taskId, billable, notes, agentId: String(metadata.agent_id) }),
    },
    expenses: {
      create: ({ expense_category_id: expenseCategoryId, metadata }) =>
        note(metadata.session_id, { expenseCategoryId }),
    },
  }
  const processor = new KeitoSpanProcessor({
    client,
    projectId: 'cmconfigured',
    taskId: 'cmconfigured',
    expenseCategoryId: 'cmconfigured',
    onError: ({ code }) => errors.push(code),
    ...options,
    delivery: { requestsPerMinute: 1e9, ...options.delivery },
  })
  const provider = new BasicTracerProvider({
    resource: resourceFromAttributes(resource),
    spanProcessors: [processor],
  })
  await work(provider.getTracer('test-agent-framework'))
  await processor.forceFlush()
  const stats = processor.stats()
  await processor.shutdown()
  return { places: [...found.values()], errors: errors.filter((code) => code !== 'undelivered'), stats }
}
