/** What the tarball holds: nothing that does not belong in it, nothing bundled that must be shared, and not too much. */
import assert from 'node:assert/strict'
import { readdir, readFile, stat } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import ts from 'typescript'
import { run } from './command.mjs'

/** Packed bytes. The package had 260 kB when this was set; much more is an accident. */
const MAX_PACKED_BYTES = 360_000

const TOP_LEVEL = ['CHANGELOG.md', 'LICENSE', 'README.md', 'dist', 'package.json']
const DIST_FILE = /\.(mjs|cjs|d\.mts|d\.cts)$/
/** Found wherever the code of `@opentelemetry/api` is: the name of the global that all its copies share. */
const API_CODE = 'opentelemetry.js.api'

/**
 * @param {string} tarball Path of the packed package.
 * @param {string} directory An empty directory to unpack it into.
 */
export async function checkTarball(tarball, directory) {
  const { size } = await stat(tarball)
  assert.ok(size <= MAX_PACKED_BYTES, `the tarball must be at most ${MAX_PACKED_BYTES} bytes, but is ${size}`)

  await run('tar', ['-xzf', tarball, '-C', directory])
  const root = join(directory, 'package')
  assert.deepEqual((await readdir(root)).sort(), TOP_LEVEL)

  const dist = join(root, 'dist')
  const names = (await readdir(dist, { recursive: true })).sort()
  for (const name of names) assert.match(name, DIST_FILE, `dist/${name} does not belong in the package`)
  const texts = new Map()
  for (const name of names) texts.set(name, await readFile(join(dist, name), 'utf8'))
  for (const [name, text] of texts) {
    assert.ok(!text.includes('sourceMappingURL'), `dist/${name} points to a source map, and none is shipped`)
    assert.ok(!text.includes(API_CODE), `dist/${name} bundles @opentelemetry/api, which must be the host's own`)
  }

  const outside = (entry) => [...importsFrom(entry, texts)].sort()
  for (const format of ['mjs', 'cjs']) {
    assert.deepEqual(outside(`index.${format}`), ['@opentelemetry/api'])
    assert.deepEqual(outside(`testing.${format}`), ['node:events', 'node:http'])
  }
  for (const declarations of ['index.d.mts', 'index.d.cts', 'testing.d.mts', 'testing.d.cts']) {
    assert.deepEqual(outside(declarations), [], `${declarations} must not name a package; see src/otel/span.ts`)
  }
  return { size, files: names.length }
}

/** The modules outside of dist that a file imports, itself or through other files of dist. */
function importsFrom(entry, texts, seen = new Set()) {
  const found = new Set()
  if (seen.has(entry)) return found
  seen.add(entry)
  const text = texts.get(entry)
  assert.ok(text !== undefined, `dist/${entry} is imported but missing`)
  for (const { fileName } of ts.preProcessFile(text, true, true).importedFiles) {
    if (!fileName.startsWith('.')) found.add(fileName)
    else {
      const target = relative('.', join(dirname(entry), fileName))
      for (const name of importsFrom(fileOf(entry, target), texts, seen)) found.add(name)
    }
  }
  return found
}

/** Declarations import each other by the names of the JavaScript that they describe. */
function fileOf(importer, target) {
  return /\.d\.[mc]ts$/.test(importer) ? target.replace(/(?<!\.d)\.([mc])js$/, '.d.$1ts') : target
}
