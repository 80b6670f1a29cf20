// Everything that a test talks to: one server, and accounts with linked devices.
import { BaileysDevice } from './baileys.js'
import { PeerDevice } from './peer.js'
import { Server } from './server.js'

const LIBRARIES = { Baileys: BaileysDevice, wa: PeerDevice }

export class World {
  /** The devices by the name of their account. */
  sides = {}

  /** @param {Record<string, {library?: string, devices?: number}>} accounts by name, which is the library's unless said */
  constructor(accounts) {
    this.accounts = accounts
  }

  /** Starts the server and links the devices, one after the other. */
  async start() {
    this.server = await Server.start()
    for (const [name, { library = name, devices }] of Object.entries(this.accounts)) {
      this.sides[name] = []
      for (let number = 1; number <= devices; number++) await this.add(name, library).pair()
    }
  }

  /** One more device of an account, not linked yet. */
  add(account, library = this.accounts[account].library ?? account) {
    const devices = (this.sides[account] ??= [])
    const name = `${account} ${devices.length + 1}`
    const device = new LIBRARIES[library](name, `phone of ${account}`, this.server, () => this.toString())
    devices.push(device)
    return device
  }

  get devices() {
    return Object.values(this.sides).flat()
  }

  /** The JIDs of the account that these devices share: `jid` by phone number, `lid`. */
  account(name) {
    return this.sides[name][0].account
  }

  /** Runs `body` while these devices are offline, and returns what it returns once they are back. */
  async without(devices, body) {
    await Promise.all(devices.map(device => device.disconnect()))
    try {
      return await body()
    } finally {
      await Promise.all(devices.map(device => device.connect()))
    }
  }

  /** Ends everything, whatever state it is in. The server is last. Fails when something did not end well. */
  async stop() {
    const ends = await Promise.allSettled(this.devices.map(device => device.stop()))
    await this.server?.stop()
    const failed = ends.filter(({ status }) => status === 'rejected')
    if (failed.length) throw new AggregateError(failed.map(({ reason }) => reason), failed.map(({ reason }) => reason.message).join('\n'))
  }

  toString() {
    return [...this.devices, this.server ?? '  no server'].join('\n')
  }
}
