// The server under test, and the phones inside it.
import { Program, program } from './process.js'
import { DEADLINE_MS, within } from './journal.js'

export class Server {
  /** Starts the server on a free port and waits for the line that tells where. */
  static async start() {
    const path = await program('WA_TEST_SERVER_BIN')
    const server = new Server()
    const announced = new Promise((resolve, reject) => {
      server.program = new Program('the test server', path, ['--listen', '127.0.0.1:0', '--json'], resolve, reject)
    })
    try {
      const { url, root_key: rootKey, admin } = JSON.parse(await within('the first line of the test server', announced))
      return Object.assign(server, { url, rootKey, admin })
    } catch (error) {
      await server.stop().catch(() => {})
      throw new Error(`the test server did not start: ${error.message}\n${server}`, { cause: error })
    }
  }

  /** Lets the phone of the client that shows this code scan it. The client's push name chose the phone. */
  async scan(qr) {
    const answer = await fetch(`${this.admin}/admin/mock-phone/scan-qr`, {
      method: 'POST',
      body: qr,
      signal: AbortSignal.timeout(DEADLINE_MS),
    })
    if (!answer.ok) throw new Error(`the phone did not scan: ${answer.status} ${await answer.text()}`)
  }

  async stop() {
    await this.program.stop('SIGTERM')
  }

  toString() {
    return `  test server, log:\n${this.program.log}`
  }
}
