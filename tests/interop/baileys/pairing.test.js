// Both libraries are linked by a code that the phone's user types.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { belongsTo, message } from './seen.js'
import { World } from './world.js'

describe('pairing by code', { concurrency: false }, () => {
  const world = new World({ correspondent: { library: 'wa', devices: 1 } })
  before(() => world.start())
  after(() => world.stop())

  for (const library of ['Baileys', 'wa']) {
    test(`${library} is linked by the code that it shows`, async () => {
      const account = `${library}, its code`
      const device = world.add(account, library)
      await device.pairByCode(code => world.server.enterCode(device.phone, code))
      await linked(device)
    })

    test(`${library} is linked by a code that its user chose`, async () => {
      const device = world.add(`${library}, own code`, library)
      const typed = []
      const type = code => {
        typed.push(code.replace('-', ''))
        return world.server.enterCode(device.phone, code)
      }
      await device.pairByCode(type, 'WAWABA1L')
      assert.deepEqual(typed, ['WAWABA1L'])
      await linked(device)
    })

    test(`${library} is linked by the right code after a wrong one`, async () => {
      const device = world.add(`${library}, wrong code`, library)
      await device.pairByCode(async code => {
        const wrong = (code[0] === 'A' ? 'B' : 'A') + code.slice(1)
        await assert.rejects(world.server.enterCode(device.phone, wrong), /422/)
        await world.server.enterCode(device.phone, code)
      })
      await linked(device)
    })

    test(`${library} joins a device that was linked by QR code`, async () => {
      const account = `${library}, both ways`
      const first = world.add(account, library)
      await first.pair()
      const second = world.add(account, library)
      await second.pairByCode(code => world.server.enterCode(second.phone, code))
      assert.deepEqual(second.account, first.account)
      assert.notEqual(second.me.jid, first.me.jid)
      const [id] = await first.send(world.account('correspondent').jid, 'is my other device here?')
      assert.ok((await message(second, id)).fromMe)
    })
  }

  /** The device is one of the phone's account, and talks to others. */
  async function linked(device) {
    const { jid, lid } = await world.server.phone(device.phone)
    assert.deepEqual(device.account, { jid, lid })
    const [other] = world.sides.correspondent
    const [there] = await device.send(other.account.jid, `linked: ${device.name}`)
    const { sender } = await message(other, there)
    assert.ok(belongsTo(device.account, sender), `it is from ${sender}`)
    const [back] = await other.send(device.account.jid, 'welcome')
    assert.equal((await message(device, back)).text, 'welcome')
  }
})
