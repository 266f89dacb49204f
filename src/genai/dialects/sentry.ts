/**
 * Sentry: its operations, for spans that carry no operation name of the conventions.
 *
 * @module
 */
import { type Dialect, ROLES, type RoleTable, roleIn } from '../dialect.ts'

const OPERATIONS: RoleTable = {
  'gen_ai.invoke_agent': ROLES.agent,
  'gen_ai.chat': ROLES.llm,
  'gen_ai.completions': ROLES.llm,
  'gen_ai.responses': ROLES.llm,
  'gen_ai.messages': ROLES.llm,
  'gen_ai.generate_content': ROLES.llm,
  'gen_ai.generate_text': ROLES.llm,
  'gen_ai.stream_text': ROLES.llm,
  'gen_ai.generate_object': ROLES.llm,
  'gen_ai.stream_object': ROLES.llm,
  'gen_ai.embeddings': ROLES.embedding,
  'gen_ai.embed': ROLES.embedding,
  'gen_ai.embed_many': ROLES.embedding,
  'gen_ai.execute_tool': ROLES.tool,
  'gen_ai.rerank': ROLES.uncounted,
  'gen_ai.create_agent': ROLES.uncounted,
  'gen_ai.handoff': ROLES.other,
}

/** Sentry. */
export const sentry: Dialect = {
  emitter: 'sentry',
  scopes: ['@sentry/node'],
  roleOf: (attributes) => roleIn(OPERATIONS, attributes['sentry.op']),
}
