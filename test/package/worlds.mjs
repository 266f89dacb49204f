/** Installs the tarball beside each supported line of OpenTelemetry JS, and uses it there as an application would. */
import { copyFile, cp, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { run, runTool } from './command.mjs'

const FIXTURES = fileURLToPath(new URL('./worlds/', import.meta.url))
/** 3.x asks for a newer Node than this package does; it also works on older ones. */
const INSTALL = ['--engine-strict=false', '--no-audit', '--no-fund']

export const WORLDS = ['otel-1.30', 'otel-2', 'otel-3']

/** Compilers besides this project's own: the oldest that OpenTelemetry JS supports, and the newest. */
const COMPILERS = { 'typescript-5.2': 'npm:typescript@5.2.2', 'typescript-7': 'npm:typescript@7.0.2' }

/**
 * Installs the other compilers.
 *
 * @param {string} directory An empty directory.
 * @returns {Promise<readonly string[]>} Paths of their `tsc`.
 */
export async function installCompilers(directory) {
  await mkdir(directory)
  const specs = Object.entries(COMPILERS).map(([name, spec]) => `${name}@${spec}`)
  await run('npm', ['install', '--prefix', directory, ...INSTALL, ...specs], directory)
  return Object.keys(COMPILERS).map((name) => join(directory, 'node_modules', name, 'bin', 'tsc'))
}

/**
 * @param {string} world Name of the fixture.
 * @param {string} tarball Path of the packed package.
 * @param {string} directory Where the fixture is copied to; does not exist yet.
 * @param {Promise<readonly string[]>} compilers Paths of further `tsc` to check the declarations with.
 */
export async function checkWorld(world, tarball, directory, compilers) {
  await cp(join(FIXTURES, world), directory, { recursive: true })
  for (const shared of ['scenario.cjs', 'tsconfig.json'])
    await copyFile(join(FIXTURES, shared), join(directory, shared))
  await copyFile(join(directory, 'types.mts'), join(directory, 'types.cts'))

  // The optional peer @keito/sdk need not exist for either of the two.
  await run('npm', ['install', ...INSTALL, tarball], directory)
  await run('npm', ['ci', ...INSTALL], directory)

  for (const file of ['smoke.mjs', 'smoke.cjs']) await run(process.execPath, [file], directory)
  await runTool('tsc', ['-p', '.'], directory)
  for (const tsc of await compilers) await run(process.execPath, [tsc, '-p', '.'], directory)
}

/** Runs the smoke tests of a world that has been checked once more, with another version of Node. */
export async function checkOnNode(version, directory) {
  for (const file of ['smoke.mjs', 'smoke.cjs']) {
    await run('npx', ['-y', '-p', `node@${version}`, 'node', file], directory)
  }
}
