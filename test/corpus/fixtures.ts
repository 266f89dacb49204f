/**
 * The recordings that the tests run.
 *
 * @module
 */
import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'
import { emitterOf, scenariosIn } from './scenario.ts'

/** The folder of the recordings. */
export const FIXTURES = fileURLToPath(new URL('../fixtures/corpus/', import.meta.url))

/** Every recorded scenario, by where it is and what it is called. */
export const fixtures = scenariosIn(FIXTURES).map((path) => ({ path, name: `${emitterOf(path)}/${basename(path)}` }))
