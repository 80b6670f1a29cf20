// The past that a phone gives to a device when it is linked.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { belongsTo, message, numbered } from './seen.js'
import { World } from './world.js'

describe('history', { concurrency: false }, () => {
  const world = new World({ friend: { library: 'wa', devices: 1 } })
  before(() => world.start())
  after(() => world.stop())

  for (const library of ['Baileys', 'wa']) {
    test(`a device of ${library} gets the past from its phone, and then what is new`, async () => {
      const friend = world.account('friend')
      const device = world.add(`${library} account`, library)
      device.takesPast = true
      const texts = numbered(250, `long ago, ${library}`)
      // Baileys takes the past only together with what devices share.
      await world.server.share(device.phone)
      const ids = await world.server.remember(device.phone, friend.jid, 'Our Friend', texts)
      await device.pair()
      const past = await Promise.all(ids.map(id =>
        device.journal.expect(`${id} of the past`, ({ kind, id: of }) => kind === 'past' && of === id)))
      assert.deepEqual(past.map(({ text }) => text), texts)
      for (const { chat } of past) assert.ok(belongsTo(friend, chat), chat)
      const [id] = await world.sides.friend[0].send(device.account.jid, 'and now')
      assert.equal((await message(device, id)).text, 'and now')
    })
  }
})
