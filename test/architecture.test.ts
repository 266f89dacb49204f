/** Rule: data flows one way through the folders, files are small, no SDK is imported, and every public name is explained. */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import { describe, expect, it } from 'vitest'

const src = fileURLToPath(new URL('../src', import.meta.url))
const files = readdirSync(src, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => ({ name: name.replaceAll('\\', '/'), text: readFileSync(join(src, name), 'utf8') }))

/** A folder imports values only from folders before it. */
const STAGES = ['otel', 'genai', 'session', 'billing', 'delivery', 'keito']
/** The files that wire the stages together. */
const COMPOSERS = new Set([
  'index.ts',
  'exporter.ts',
  'pipeline.ts',
  'processor.ts',
  'intake.ts',
  'feeds.ts',
  'live.ts',
  'booker.ts',
  'quarantine.ts',
  'connect.ts',
  'resolve-options.ts',
  'options.ts',
])

interface Import {
  readonly from: string
  readonly isType: boolean
}

function importsOf({ name, text }: { name: string; text: string }): readonly Import[] {
  const source = ts.createSourceFile(name, text, ts.ScriptTarget.ES2022)
  return source.statements.flatMap((statement) => {
    if (!ts.isImportDeclaration(statement) && !ts.isExportDeclaration(statement)) return []
    const { moduleSpecifier } = statement
    if (!moduleSpecifier || !ts.isStringLiteral(moduleSpecifier)) return []
    const isType = ts.isImportDeclaration(statement)
      ? statement.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword
      : statement.isTypeOnly
    return [{ from: moduleSpecifier.text, isType: isType ?? false }]
  })
}

const stageOf = (path: string) => STAGES.indexOf(path.split('/')[0] ?? '')

describe.each(files)('src/$name', (file) => {
  it('has at most 300 lines and opens with what it is about', () => {
    expect(file.text.split('\n').length).toBeLessThanOrEqual(300)
    expect(file.text).toMatch(/^\/\*\*\n \* \S[\s\S]*?@module\n \*\/\n/)
  })

  it('imports values only from the stages before it, and nothing of an OpenTelemetry SDK', () => {
    for (const { from, isType } of importsOf(file)) {
      if (!from.startsWith('.')) {
        const isNodeAllowed = file.name.startsWith('testing/') || (isType && file.name.startsWith('delivery/journal/'))
        const isAllowed = from === '@opentelemetry/api' || (from.startsWith('node:') && isNodeAllowed)
        expect(isAllowed, `${file.name} imports ${from}`).toBe(true)
        continue
      }
      const target = relative(src, join(src, dirname(file.name), from)).replaceAll('\\', '/')
      if (isType || COMPOSERS.has(file.name)) continue
      expect(COMPOSERS.has(target), `${file.name} imports values of ${target}`).toBe(false)
      const [own, other] = [stageOf(file.name), stageOf(target)]
      if (own >= 0 && other >= 0) expect(other, `${file.name} imports ${target}`).toBeLessThanOrEqual(own)
    }
  })
})

describe('the public surface', () => {
  const entries = ['index.ts', 'testing/index.ts'].map((name) => join(src, name))
  const program = ts.createProgram(entries, {
    allowImportingTsExtensions: true,
    noEmit: true,
    module: ts.ModuleKind.NodeNext,
    target: ts.ScriptTarget.ES2022,
    skipLibCheck: true,
    types: ['node'],
  })
  const checker = program.getTypeChecker()
  const names = entries.flatMap((entry) => {
    const file = program.getSourceFile(entry)
    const module = file && checker.getSymbolAtLocation(file)
    return module ? checker.getExportsOfModule(module) : []
  })

  it.each(names.map((symbol) => [symbol.name, symbol] as const))('%s says what it is', (_name, symbol) => {
    const target = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol
    expect(ts.displayPartsToString(target.getDocumentationComment(checker)).length).toBeGreaterThan(15)
    const undocumented = [...(target.members?.values() ?? [])]
      .filter((member) => member.flags & ts.SymbolFlags.Method && !member.name.startsWith('#'))
      .filter((member) => member.getDocumentationComment(checker).length === 0)
    if (target.flags & ts.SymbolFlags.Class) expect(undocumented.map((member) => member.name)).toEqual([])
  })
})
