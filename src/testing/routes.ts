/**
 * The routes of the sandbox: which endpoint answers which call.
 *
 * @module
 */
import type { Company } from './company.ts'
import { expenseEndpoints } from './expenses.ts'
import { type Call, emptyReply, jsonReply, pageNotFound, Refusal, type Reply } from './http.ts'
import type { Ledger } from './ledger.ts'
import { PROJECT_FILTERS, prepareList, TASK_FILTERS } from './lists.ts'
import { timeEntryEndpoints } from './time-entries.ts'

/**
 * Does what the call asks for and says so. Everything that can refuse the call has been checked just before, so it is
 * to be called in the same turn: whatever delays a call must do so before the check or after this.
 */
export type Commit = () => Reply

/**
 * Checks a call without changing anything, and returns what is left to do.
 *
 * @param id The id in the path; empty for a path without one.
 * @throws Refusal when the call breaks a rule.
 */
export type Prepare = (call: Call, id: string) => Commit

/** The routes of one sandbox. */
export interface Router {
  /** Whether there is an endpoint at this path, with whatever method. */
  knows(path: string): boolean
  /** Finds the endpoint for a call and lets it check the call; refuses a call without an endpoint. */
  readonly prepare: (call: Call) => Commit
}

/**
 * Makes the router of one sandbox. A path that Keito does not have gets the web application's HTML page (there is
 * no `/expenses/{id}`); a path that it has, with another method, gets an empty 405.
 */
export function createRouter(company: Company, ledger: Ledger): Router {
  const timeEntries = timeEntryEndpoints(company, ledger)
  const expenses = expenseEndpoints(company, ledger)

  const routes: readonly (readonly [method: string, path: RegExp, prepare: Prepare])[] = [
    ['GET', pathOf('/time_entries'), timeEntries.list],
    ['POST', pathOf('/time_entries'), timeEntries.create],
    ['PATCH', pathOf('/time_entries/{id}'), timeEntries.update],
    ['DELETE', pathOf('/time_entries/{id}'), timeEntries.remove],
    ['PATCH', pathOf('/time_entries/{id}/stop'), timeEntries.stop],
    ['PATCH', pathOf('/time_entries/{id}/restart'), timeEntries.restart],
    ['GET', pathOf('/expenses'), expenses.list],
    ['POST', pathOf('/expenses'), expenses.create],
    ['GET', pathOf('/users/me'), () => () => jsonReply(company.me)],
    ['GET', pathOf('/projects'), (call) => prepareList(call, 'projects', PROJECT_FILTERS, () => company.projects)],
    ['GET', pathOf('/tasks'), (call) => prepareList(call, 'tasks', TASK_FILTERS, () => company.tasks)],
  ]

  const knows = (path: string) => routes.some(([_, known]) => known.test(path))

  return {
    knows,
    prepare(call) {
      for (const [method, path, prepare] of routes) {
        const match = method === call.method && path.exec(call.path)
        if (match) return prepare(call, match[1] ?? '')
      }
      throw new Refusal(knows(call.path) ? emptyReply(405) : pageNotFound())
    },
  }
}

function pathOf(template: string): RegExp {
  return new RegExp(`^/api/v2${template.replace('{id}', '([^/]+)')}$`)
}
