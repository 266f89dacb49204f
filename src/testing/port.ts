/**
 * The port of the sandbox: taken at the start, left for a while when a fault wants it so, and given back at the end.
 *
 * @module
 */
import { once } from 'node:events'
import type { Server } from 'node:http'

const HOST = '127.0.0.1'

/** Milliseconds between two attempts to come back to a port that somebody took meanwhile. */
const RETRY_MS = 10

/** A port of the loopback interface, with the server that listens there. */
export class Port {
  readonly #server: Server
  #absence: Promise<void> | undefined
  #closed: Promise<void> | undefined
  #wake = () => {}

  constructor(server: Server) {
    this.#server = server
  }

  /** Whether the server is to be heard: it has neither left nor closed. */
  get isOpen(): boolean {
    return this.#absence === undefined && this.#closed === undefined
  }

  /**
   * Begins to listen on a free port.
   *
   * @returns The base URL, e.g. `http://127.0.0.1:49321`.
   */
  async take(): Promise<string> {
    await listen(this.#server, 0)
    return `http://${HOST}:${numberOf(this.#server)}`
  }

  /**
   * Cuts all connections and lets nothing listen on the port for so many milliseconds, longer if it is not free then.
   * Does nothing when it has left already or is closed.
   */
  leave(ms: number): void {
    if (this.isOpen) this.#absence = this.#leaveAndReturn(numberOf(this.#server), ms)
  }

  /** Stops listening for good and cuts all connections. May be called again. */
  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    this.#wake()
    await this.#absence
    await stop(this.#server)
  }

  async #leaveAndReturn(number: number, ms: number): Promise<void> {
    await stop(this.#server)
    await this.#sleep(ms)
    while (!this.#closed && !(await isBack(this.#server, number))) await this.#sleep(RETRY_MS)
    this.#absence = undefined
  }

  /** Waits, but no longer than until `close`. */
  #sleep(ms: number): Promise<void> {
    if (this.#closed) return Promise.resolve()
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms)
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }
}

async function listen(server: Server, number: number): Promise<void> {
  server.listen(number, HOST)
  await once(server, 'listening')
}

function isBack(server: Server, number: number): Promise<boolean> {
  return listen(server, number).then(
    () => true,
    () => false,
  )
}

function stop(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}

function numberOf(server: Server): number {
  const address = server.address()
  if (address !== null && typeof address === 'object') return address.port
  throw new Error(`expected the sandbox to listen on a port, found ${String(address)}`)
}
