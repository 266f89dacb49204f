/**
 * The journals that this process has in use, shared by all copies of the package in it.
 *
 * @module
 */

/** All copies find the same set under this name. */
const KEY = Symbol.for('opentelemetry-exporter-keito.open-journals')

/**
 * The set of what is in use in this process (in this thread): the id of each open journal, which stands for its whole
 * family, and the {@link claimOf} of each claimed file that is not released.
 */
export function openFiles(): Set<string> {
  // Test runners have a global object, and a `process`, for each test file; the module is the same for all of them.
  const holder: object & { [KEY]?: Set<string> } = globalThis.process?.getBuiltinModule?.('node:process') ?? globalThis
  holder[KEY] ??= new Set()
  return holder[KEY]
}

/** What stands for one claimed file, which may be of the same family as another claimed one. */
export function claimOf(id: string, extension: string): string {
  return `${id}.${extension}`
}
