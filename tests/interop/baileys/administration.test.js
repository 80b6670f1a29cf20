// Groups as their admins run them: names, settings, admins, links and requests to join.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { belongsTo } from './seen.js'
import { World } from './world.js'

const ACCOUNTS = {
  Baileys: { devices: 1 },
  wa: { devices: 1 },
  'other Baileys': { library: 'Baileys', devices: 1 },
  'other wa': { library: 'wa', devices: 1 },
}

// Who creates the group, who is in it, and who comes by its link.
const GROUPS = [
  ['Baileys', 'wa', 'other wa'],
  ['wa', 'Baileys', 'other Baileys'],
]

describe('administration of groups', { concurrency: false }, () => {
  const world = new World(ACCOUNTS)
  before(() => world.start())
  after(() => world.stop())

  for (const addressing of ['lid', 'pn']) {
    for (const [creator, member, visitor] of GROUPS) {
      describe(`by ${creator}, with ${member}, by ${addressing === 'lid' ? 'LID' : 'phone number'}`, { concurrency: false }, () => {
        before(() => world.server.addressNewGroupsBy(addressing))
        lifeOf(creator, member, visitor)
      })
    }
  }

  function lifeOf(creator, member, visitor) {
    const [admin, other, stranger] = [creator, member, visitor].map(account => () => world.sides[account][0])
    let group
    before(async () => {
      group = (await admin().createGroup('at first', [world.account(member).jid])).jid
      await changed(other(), 'created')
    })

    test('its name, and its description', async () => {
      await sets('subject', 'Crew 🛶')
      await sets('description', 'Every Sunday,\nat seven.')
    })

    test('settings, on and off', async () => {
      for (const setting of ['announcement', 'locked']) {
        await sets(setting, true)
        await sets(setting, false)
      }
    })

    test('only admins write', async () => {
      await sets('announcement', true)
      await assert.rejects(other().send(group, 'may I?'), /forbidden|not-acceptable|admins|refused/i)
      await admin().send(group, 'only I may')
      await sets('announcement', false)
    })

    test('another admin, who changes something, and is one no longer', async () => {
      await admin().do('promote', { group, members: [world.account(member).jid] })
      await whoIs('promoted', other(), member)
      await other().do('locked', { group, value: true })
      await changed(admin(), 'locked', ({ value }) => value === true)
      await admin().do('demote', { group, members: [world.account(member).jid] })
      await whoIs('demoted', other(), member)
      await assert.rejects(other().do('subject', { group, value: 'mine' }))
      await admin().do('locked', { group, value: false })
    })

    test('somebody joins by the link, and leaves', async () => {
      const { link } = await admin().do('invite_link', { group })
      await stranger().do('join', { link })
      await Promise.all([admin(), other()].map(device => whoIs('added', device, visitor)))
      await stranger().do('leave', { group })
      await Promise.all([admin(), other()].map(device => whoIs('removed', device, visitor)))
    })

    test('who would join must ask, and is let in', async () => {
      await sets('approval', true)
      const { link } = await admin().do('invite_link', { group })
      await stranger().do('join', { link })
      // Baileys takes no notice of `membership_approval_request`.
      if (creator === 'wa') await whoIs('requested', admin(), visitor)
      const { users } = await admin().do('requests', { group })
      assert.ok(users.length === 1 && belongsTo(world.account(visitor), users[0]), users.join())
      await admin().do('approve', { group, members: users })
      await whoIs('added', other(), visitor, 2)
    })

    /** The admin sets this; the other is told. */
    async function sets(setting, value) {
      await admin().do(setting, { group, value })
      await changed(other(), setting, entry => entry.value === value)
    }

    const changed = (device, what, matches = () => true) =>
      device.journal.expect(`${what} of ${group}`, entry => entry.kind === what && entry.group === group && matches(entry))

    /** The device is told that this happened to the account, for the nth time. */
    function whoIs(what, device, account, times = 1) {
      const isIt = entry =>
        entry.kind === what && entry.group === group && entry.members.some(jid => jid && belongsTo(world.account(account), jid))
      let count = device.journal.all(isIt).length
      if (count >= times) return
      return device.journal.expect(`${account} ${what}, ${times} times`, entry => isIt(entry) && device.journal.all(isIt).length >= times)
    }
  }
})
