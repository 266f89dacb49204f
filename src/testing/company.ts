/**
 * The company that the sandbox serves: who books, and what there is to book on.
 *
 * @module
 */
import { ConfigError } from '../errors.ts'
import { refusal } from './http.ts'
import type {
  IdName,
  KeitoSandboxOptions,
  SandboxExpenseCategory,
  SandboxProject,
  SandboxTask,
  SandboxUser,
} from './types.ts'

const PROJECTS: readonly SandboxProject[] = [{ id: 'cmproject1', name: 'Website relaunch' }]
const TASKS: readonly SandboxTask[] = [{ id: 'cmtask1', name: 'Agent work' }]
/** "LLM Usage" is in every Keito workspace; the price is that of the example in Keito's documentation. */
const EXPENSE_CATEGORIES: readonly SandboxExpenseCategory[] = [
  { id: 'cmcategory1', name: 'LLM Usage', unitPrice: 0.003 },
]
const USER: SandboxUser = { id: 'cmagent1', name: 'Sandbox agent' }

/** The client of every project in the sandbox. */
export const CLIENT: IdName = { id: 'cmclient1', name: 'Sandbox client' }

/** A project or task as the list endpoints show it; settings that have no effect here are left out. */
export interface ListedResource extends IdName {
  readonly is_active: boolean
  readonly updated_at: string
  readonly [setting: string]: unknown
}

/** The company of one sandbox. */
export interface Company {
  readonly accountId: string
  readonly user: IdName
  /** The first project, task and category. */
  readonly first: { readonly projectId: string; readonly taskId: string; readonly expenseCategoryId: string }
  /** The body of `GET /api/v2/users/me`. */
  readonly me: unknown
  /** The rows of `GET /api/v2/projects`: all, also those the user is not assigned to. */
  readonly projects: readonly ListedResource[]
  /** The rows of `GET /api/v2/tasks`. */
  readonly tasks: readonly ListedResource[]
  /** The project; refuses with 404 when unknown and 403 when the user is not assigned to it. */
  project(id: string): IdName
  /** The task; refuses with 404 when unknown. */
  task(id: string): IdName
  /** The expense category; refuses with 404 when unknown. */
  expenseCategory(id: string): SandboxExpenseCategory
}

/**
 * Makes the company that the options describe.
 *
 * @throws ConfigError when there is no project, task or category.
 */
export function createCompany(options: KeitoSandboxOptions): Company {
  const projects = options.projects ?? PROJECTS
  const tasks = options.tasks ?? TASKS
  const categories = options.expenseCategories ?? EXPENSE_CATEGORIES
  const user = options.user ?? USER
  const accountId = options.accountId ?? 'cmsandbox'
  const now = new Date().toISOString()
  const times = { created_at: now, updated_at: now }

  return {
    accountId,
    user: { id: user.id, name: user.name },
    first: {
      projectId: firstId('projects', projects),
      taskId: firstId('tasks', tasks),
      expenseCategoryId: firstId('expenseCategories', categories),
    },
    me: {
      id: user.id,
      first_name: user.name,
      last_name: null,
      email: `${user.id}@sandbox.invalid`,
      timezone: 'UTC',
      is_active: true,
      currency: 'GBP',
      roles: ['member'],
      user_type: user.type ?? 'agent',
      company: { id: accountId, name: 'Sandbox company' },
      ...times,
    },
    projects: projects.map(({ id, name }) => ({
      id,
      client: CLIENT,
      name,
      code: null,
      is_active: true,
      is_billable: true,
      ...times,
    })),
    tasks: tasks.map(({ id, name }) => ({
      id,
      name,
      billable_by_default: true,
      is_default: true,
      is_active: true,
      ...times,
    })),
    project(id) {
      const { name, assigned = true } = found('Project', projects, id)
      if (!assigned) throw refusal(403, 'You are not assigned to this project')
      return { id, name }
    },
    task(id) {
      return { id, name: found('Task', tasks, id).name }
    },
    expenseCategory(id) {
      return found('Expense category', categories, id)
    },
  }
}

function firstId(option: string, items: readonly IdName[]): string {
  const [first] = items
  if (first) return first.id
  throw new ConfigError(`${option}: expected at least one { id, name }, found none. Leave it out for the default.`)
}

function found<T extends IdName>(kind: string, items: readonly T[], id: string): T {
  const item = items.find((item) => item.id === id)
  if (item) return item
  throw refusal(404, `${kind} not found`)
}
