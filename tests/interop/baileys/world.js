// Everything that a test talks to: one server, and two accounts with two devices each.
import { BaileysDevice } from './baileys.js'
import { PeerDevice } from './peer.js'
import { Server } from './server.js'

export class World {
  /** The devices by the library that they run. */
  sides = { Baileys: [], wa: [] }

  /** Starts the server and links the devices, one after the other. */
  async start() {
    this.server = await Server.start()
    const kinds = { Baileys: BaileysDevice, wa: PeerDevice }
    for (const [side, Device] of Object.entries(kinds)) {
      for (const number of [1, 2]) {
        const device = new Device(`${side} ${number}`, `phone of ${side}`, this.server, () => this.toString())
        this.sides[side].push(device)
        await device.pair()
      }
    }
  }

  get devices() {
    return Object.values(this.sides).flat()
  }

  /** The JIDs of the account that these devices share: `jid` by phone number, `lid`. */
  account(side) {
    return this.sides[side][0].account
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
