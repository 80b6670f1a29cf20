// Messages that arrive spoiled: who cannot read one asks its sender again, and the sender answers.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { message, numbered, seenOnce } from './seen.js'
import { World } from './world.js'

const DIRECTIONS = [
  ['Baileys', 'wa'],
  ['wa', 'Baileys'],
]

describe('retry requests', { concurrency: false }, () => {
  const world = new World({ Baileys: { devices: 2 }, wa: { devices: 2 } })
  before(() => world.start())
  after(() => world.stop())

  for (const [from, to] of DIRECTIONS) {
    describe(`from ${to} to ${from}, in a chat`, { concurrency: false }, () => {
      answered(from, to, () => world.account(to).jid)
    })

    for (const addressing of ['lid', 'pn']) {
      describe(`from ${to} to ${from}, in a group by ${addressing === 'lid' ? 'LID' : 'phone number'}`, { concurrency: false }, () => {
        let group
        before(async () => {
          await world.server.addressNewGroupsBy(addressing)
          const created = await world.sides[from][0].createGroup(`${from} and ${to}`, [world.account(to).jid])
          group = created.jid
        })
        answered(from, to, () => group)
      })
    }
  }

  test('no device was shown a message twice, and none was given up', () => {
    for (const device of world.devices) {
      seenOnce(device)
      assert.deepEqual(device.journal.all(({ kind }) => kind === 'lost'), [], `${device.name} gave these up`)
    }
  })

  /** Messages from the first device of one account; what a device asks for, that one answers. */
  function answered(from, to, chat) {
    test('the first message to a device is asked for', () => spoiled(from, chat(), [world.sides[to][0]], 1))

    test('a message that others follow is asked for', () => spoiled(from, chat(), [world.sides[to][0]], 3))

    test('both devices of the recipient ask', () => spoiled(from, chat(), world.sides[to], 1))

    test("the sender's other device asks", () => spoiled(from, chat(), [world.sides[from][1]], 1))

    test('a sender that is offline answers when it comes back', async () => {
      const [sender] = world.sides[from]
      const [victim] = world.sides[to]
      let ids
      await world.without([victim], async () => {
        await world.server.spoilNextFor(victim)
        ids = await sender.send(chat(), 'read this while I am away')
        await sender.disconnect()
      })
      await unreadable(victim, ids[0])
      await sender.connect()
      await seen(sender, [victim], ids, ['read this while I am away'])
    })
  }

  /** The first of some messages comes spoiled to these devices; all see all of them in the end. */
  async function spoiled(from, chat, victims, count) {
    const [sender] = world.sides[from]
    const texts = numbered(count, `unreadable at first, from ${from}`)
    await Promise.all(victims.map(victim => world.server.spoilNextFor(victim)))
    await seen(sender, victims, await sender.send(chat, ...texts), texts)
  }

  /** All devices but the sender see these, and only the victims could not read the first one. */
  async function seen(sender, victims, ids, texts) {
    await Promise.all(victims.map(victim => unreadable(victim, ids[0])))
    await Promise.all(world.devices.filter(device => device !== sender).map(async device => {
      for (const [at, id] of ids.entries()) {
        const { text, recovered } = await message(device, id)
        assert.equal(text, texts[at], `${device.name}, ${id}`)
        // Only our client tells who sent it again: not the phone, but who was asked.
        const expected = device.tellsRecovery ? (at === 0 && victims.includes(device) ? 'sender' : null) : undefined
        assert.equal(recovered, expected, `${device.name}, ${id}: recovered by`)
      }
      const unread = device.journal.all(({ kind, id }) => kind === 'undecryptable' && ids.includes(id)).map(({ id }) => id)
      assert.deepEqual(unread, victims.includes(device) ? [ids[0]] : [], `what ${device.name} could not read`)
    }))
  }

  function unreadable(device, wanted) {
    return device.journal.expect(`that ${wanted} cannot be read`, ({ kind, id }) => kind === 'undecryptable' && id === wanted)
  }
})
