/** Runs a program to its end and gives its output; a program that fails ends the check with all that it printed. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const execute = promisify(execFile)

/** Programs that hang must not hang the check with them. */
const TIMEOUT_MS = 120_000

/**
 * @param {string} program
 * @param {readonly string[]} args
 * @param {string} [cwd]
 * @returns {Promise<string>} What it printed to stdout.
 */
export async function run(program, args, cwd = process.cwd()) {
  try {
    const { stdout } = await execute(program, args, { cwd, timeout: TIMEOUT_MS, maxBuffer: 64 * 2 ** 20 })
    return stdout
  } catch (error) {
    const { stdout = '', stderr = '', code, signal } = error
    throw new Error(`${program} ${args.join(' ')}\nended with ${signal ?? code}\n${stdout}${stderr}`)
  }
}

/** Runs a command line tool of this project's devDependencies. */
export function runTool(name, args, cwd) {
  return run(new URL(`../../node_modules/.bin/${name}`, import.meta.url).pathname, args, cwd)
}
