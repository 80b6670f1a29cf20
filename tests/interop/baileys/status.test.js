// Status posts of either library: for whom they are, and who saw them.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { heard, message } from './seen.js'
import { World } from './world.js'

const STATUS = 'status@broadcast'
const DIRECTIONS = [
  ['Baileys', 'wa'],
  ['wa', 'Baileys'],
]

describe('status posts', { concurrency: false }, () => {
  const world = new World({ Baileys: { devices: 2 }, wa: { devices: 2 }, stranger: { library: 'wa', devices: 1 } })
  before(() => world.start())
  after(() => world.stop())

  for (const [author, viewer] of DIRECTIONS) {
    test(`of ${author}, seen by ${viewer} and nobody else`, async () => {
      const [poster, ...others] = world.sides[author]
      const ids = []
      // The second goes without keys for who has them.
      for (const text of [`high water, says ${author}`, `low water, says ${author}`]) {
        const { id } = await poster.do('post_status', { value: text, members: [world.account(viewer).lid] })
        ids.push(id)
        for (const device of [...world.sides[viewer], ...others]) {
          const seen = await message(device, id)
          assert.deepEqual([seen.chat, seen.text ?? seen.content.text], [STATUS, text], device.name)
        }
      }
      // Baileys keeps receipts of status posts apart.
      if (author === 'wa') {
        await world.sides[viewer][0].read(...await Promise.all(ids.map(id => message(world.sides[viewer][0], id))))
        await heard(poster, 'read', ids)
      }
      // What comes after them shows that nothing came before.
      const [later] = await poster.send(world.account('stranger').lid, 'just for you')
      await message(world.sides.stranger[0], later)
      const chats = world.sides.stranger[0].journal.all(({ kind }) => kind === 'message').map(({ chat }) => chat)
      assert.ok(!chats.includes(STATUS))
    })
  }
})
