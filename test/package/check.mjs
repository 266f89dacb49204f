/**
 * Checks the package as its users get it: packed, installed, imported, required and type-checked. Run it after a build
 * with `npm run check:package`; it needs the npm registry and writes to a temporary directory only.
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { run, runTool } from './command.mjs'
import { checkTarball } from './tarball.mjs'
import { checkOnNode, checkWorld, installCompilers, WORLDS } from './worlds.mjs'

const directory = await mkdtemp(join(tmpdir(), 'keito-package-'))
const failures = []

/** Runs a check, says how it went and how long it took, and goes on with the next. */
async function check(name, act) {
  const startMs = performance.now()
  const seconds = () => `${((performance.now() - startMs) / 1000).toFixed(1)} s`
  try {
    console.info(`ok    ${name}${(await act()) ?? ''} (${seconds()})`)
  } catch (error) {
    failures.push(name)
    console.error(`FAIL  ${name} (${seconds()})\n${error instanceof Error ? error.message : error}\n`)
  }
}

try {
  const packed = await run('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', directory])
  const tarball = join(directory, JSON.parse(packed)[0].filename)
  const worldOf = (world) => join(directory, world)

  await check('tarball', async () => {
    await mkdir(worldOf('unpacked'))
    const { size, files } = await checkTarball(tarball, worldOf('unpacked'))
    return `: ${Math.round(size / 1000)} kB packed, ${files} files in dist`
  })
  await check('publint', async () => void (await runTool('publint', ['run', '--strict', tarball])))
  await check(
    'attw, all four ways to resolve',
    async () => void (await runTool('attw', ['--no-definitely-typed', tarball])),
  )

  const compilers = installCompilers(worldOf('compilers'))
  // Awaited by each world below, which reports it; until then nobody would.
  compilers.catch(() => undefined)
  for (const world of WORLDS) {
    await check(`${world} on Node ${process.versions.node}`, () =>
      checkWorld(world, tarball, worldOf(world), compilers),
    )
  }
  await check('otel-3 on Node 24', () => checkOnNode(24, worldOf('otel-3')))
} finally {
  await rm(directory, { recursive: true, force: true })
}

if (failures.length > 0) {
  console.error(`The package is not fit to publish: ${failures.join(', ')}.`)
  process.exitCode = 1
}
