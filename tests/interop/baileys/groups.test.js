// Groups of both libraries' accounts, created by either, with members who come and go.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { belongsTo, message, numbered, seenOnce } from './seen.js'
import { World } from './world.js'

const ACCOUNTS = {
  Baileys: { devices: 2 },
  wa: { devices: 2 },
  'other Baileys': { library: 'Baileys', devices: 1 },
  'other wa': { library: 'wa', devices: 1 },
}

// Who creates the group, who else is in it, and who is added, removed, and added again.
const GROUPS = [
  ['Baileys', ['wa', 'other wa'], 'other Baileys'],
  ['Baileys', ['wa', 'other Baileys'], 'other wa'],
  ['wa', ['Baileys', 'other Baileys'], 'other wa'],
  ['wa', ['Baileys', 'other wa'], 'other Baileys'],
]

describe('groups of Baileys and wa', { concurrency: false }, () => {
  const world = new World(ACCOUNTS)
  before(() => world.start())
  after(() => world.stop())

  for (const addressing of ['lid', 'pn']) {
    describe(`addressed by ${addressing === 'lid' ? 'LID' : 'phone number'}`, { concurrency: false }, () => {
      before(() => world.server.addressNewGroupsBy(addressing))
      for (const [creator, others, guest] of GROUPS) {
        describe(`created by ${creator} with ${others.join(' and ')}`, { concurrency: false }, () => lifeOf(addressing, creator, others, guest))
      }
    })
  }

  test('no device was shown a message twice, or one that it could not decrypt', () => {
    for (const device of world.devices) {
      seenOnce(device)
      assert.deepEqual(device.journal.all(({ kind }) => kind === 'undecryptable'), [], `${device.name} could not decrypt these`)
    }
  })

  /** The tests of one group, in their order. */
  function lifeOf(addressing, creator, others, guest) {
    const three = [creator, ...others]
    let group

    test('its members hear of it', async () => {
      const created = await world.sides[creator][0].createGroup(`made by ${creator}`, others.map(name => world.account(name).jid))
      assert.equal(created.addressing, addressing)
      group = created.jid
      await Promise.all(devices(...others).map(device => told(device, 'created', others)))
    })

    for (const account of three) {
      test(`what ${account} writes reaches every device`, () => deliver(account, three, `${account} says hello`))
    }

    for (const account of three) {
      test(`three messages in a row of ${account} arrive in their order`, () => deliver(account, three, ...numbered(3, `${account} counts`)))
    }

    for (const library of ['Baileys', 'wa']) {
      test(`every device of ${library} writes`, async () => {
        for (const sender of world.sides[library]) await deliverFrom(sender, library, three, `from ${sender.name}`)
      })

      test(`what ${library} writes while all others are offline reaches them when they come back`, async () => {
        const [sender] = world.sides[library]
        const texts = numbered(3, `while you were away, ${library}`)
        const away = devices(...three).filter(device => device !== sender)
        const ids = await world.without(away, () => sender.send(group, ...texts))
        await seen(sender, library, three, ids, texts)
      })
    }

    test(`${guest} is added, and writes and reads`, async () => {
      await world.sides[creator][0].addToGroup(group, world.account(guest).jid)
      await Promise.all(devices(...others).map(device => told(device, 'added', [guest])))
      await everyoneWrites([...three, guest], 'with our guest')
    })

    test(`${guest} is removed, and neither reads nor writes any more`, async () => {
      await world.sides[creator][0].removeFromGroup(group, world.account(guest).jid)
      await Promise.all(devices(...others).map(device => told(device, 'removed', [guest])))
      const ids = await everyoneWrites(three, 'without our guest')
      // What the server had for the guest before this has arrived with it.
      const [last] = await world.sides[creator][0].send(world.account(guest).jid, 'you missed something')
      for (const device of world.sides[guest]) {
        await message(device, last)
        assert.deepEqual(device.journal.all(({ id }) => ids.includes(id)), [], `${device.name} saw these`)
        await assert.rejects(device.send(group, 'may I?'), /forbidden|not a member/)
      }
    })

    test(`${guest} is added again, and reads only what is new`, async () => {
      await world.sides[creator][0].addToGroup(group, world.account(guest).jid)
      await Promise.all(devices(...others).map(device => told(device, 'added', [guest], 2)))
      await everyoneWrites([...three, guest], 'welcome back')
    })

    if (addressing === 'pn') {
      test('it is turned to LIDs, and goes on', async () => {
        await world.server.turnGroup(group, 'lid')
        await everyoneWrites([...three, guest], 'by LID now')
      })
    }

    const deliver = (account, members, ...texts) => deliverFrom(world.sides[account][0], account, members, ...texts)

    async function deliverFrom(sender, account, members, ...texts) {
      const ids = await sender.send(group, ...texts)
      await seen(sender, account, members, ids, texts)
      return ids
    }

    /** One message of every account, each seen by all before the next; returns their ids. */
    async function everyoneWrites(members, text) {
      const ids = []
      for (const account of members) ids.push(...(await deliver(account, members, `${text}: ${account}`)))
      return ids
    }

    /** Every device of the members but the sender sees these texts, in this order, in this group, from this account. */
    async function seen(sender, account, members, ids, texts) {
      const check = async device => {
        const entries = await Promise.all(ids.map(id => message(device, id)))
        entries.forEach(({ id, text, fromMe, chat, sender: author }, at) => {
          const where = `${device.name}, ${id}`
          assert.equal(text, texts[at], where)
          assert.equal(chat, group, where)
          assert.equal(fromMe, world.sides[account].includes(device), `${where}: is it from me?`)
          assert.ok(belongsTo(world.account(account), author), `${where}: it is from ${author}`)
        })
        const order = device.journal.all(({ kind, id }) => kind === 'message' && ids.includes(id)).map(({ id }) => id)
        assert.deepEqual(order, ids, `the order on ${device.name}`)
      }
      await Promise.all(devices(...members).filter(device => device !== sender).map(check))
    }

    /** The device hears of a change of the group, for the first time or a later one, about these accounts. */
    async function told(device, kind, accounts, times = 1) {
      let left = times
      const entry = await device.journal.expect(`that ${accounts} ${kind}`, entry => entry.kind === kind && entry.group === group && --left === 0)
      for (const account of accounts) {
        assert.ok(entry.members.some(member => belongsTo(world.account(account), member)), `${device.name}: ${entry.members} has no ${account}`)
      }
    }
  }

  function devices(...accounts) {
    return accounts.flatMap(account => world.sides[account])
  }
})
