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
      const line = JSON.parse(await within('the first line of the test server', announced))
      const { url, root_key: rootKey, admin, media_certificate: mediaCertificate, media_hosts: mediaHosts } = line
      return Object.assign(server, { url, rootKey, admin, mediaCertificate, mediaHosts })
    } catch (error) {
      await server.stop().catch(() => {})
      throw new Error(`the test server did not start: ${error.message}\n${server}`, { cause: error })
    }
  }

  /** Lets the phone of the client that shows this code scan it. The client's push name chose the phone. */
  async scan(qr) {
    await this.#post('mock-phone/scan-qr', qr)
  }

  /** The phone of this name: its `number`, and its account's `jid` and `lid`. */
  phone(name) {
    return this.#ask('mock-phone', { phone: name })
  }

  /** Types a pairing code on the phone of this name; returns when the companion that shows it is linked. */
  async enterCode(phone, code) {
    await this.#ask('mock-phone/enter-code', { phone, code })
  }

  /** The phone of this name shares the account's state with new companions; it may pin a chat, or name a contact. */
  async share(phone, change = {}) {
    await this.#ask('mock-phone/app-state', { phone, ...change })
  }

  /** Devices that are linked from now on get these texts of a chat from their phone; returns their ids. */
  async remember(phone, chat, name, texts) {
    return (await this.#ask('mock-phone/past', { phone, chat, name, texts })).ids
  }

  /** How the members of groups that are created from now on are addressed: `pn` or `lid`. */
  async addressNewGroupsBy(addressing) {
    await this.#ask('groups', { addressing })
  }

  /** Turns a group to the other kind of addresses; nobody is told. */
  async turnGroup(group, addressing) {
    await this.#ask('groups', { group, addressing })
  }

  /** Spoils the ciphertexts of the next message to this device, on its way to this device alone. */
  async spoilNextFor({ me }) {
    const script = { direction: 'to-client', tag: 'message', act: 'garble' }
    await this.#ask('faults', { device: me.jid, scripts: [script] })
  }

  async #ask(call, body) {
    return (await this.#post(call, JSON.stringify(body))).json()
  }

  async #post(call, body) {
    const answer = await fetch(`${this.admin}/admin/${call}`, {
      method: 'POST',
      body,
      signal: AbortSignal.timeout(DEADLINE_MS),
    })
    if (!answer.ok) throw new Error(`${call}: the server answered ${answer.status} ${await answer.text()}`)
    return answer
  }

  async stop() {
    await this.program.stop('SIGTERM')
  }

  toString() {
    return `  test server, log:\n${this.program.log}`
  }
}
