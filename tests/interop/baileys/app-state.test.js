// What the devices of one account share: a Baileys device, one of ours, and their phone.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { belongsTo } from './seen.js'
import { World } from './world.js'

describe('shared state', { concurrency: false }, () => {
  const world = new World({ friend: { library: 'wa', devices: 1 } })
  let ours, theirs, friend
  before(async () => {
    await world.start()
    friend = world.account('friend')
    ours = world.add('account', 'wa')
    await world.server.share(ours.phone)
    await ours.pair()
    theirs = world.add('account', 'Baileys')
    await theirs.pair()
    // Baileys changes nothing before its phone has given it the keys, which comes after the login.
    await theirs.journal.expect('the keys of shared state', ({ kind }) => kind === 'keys')
  })
  after(() => world.stop())

  for (const [from, to] of [['Baileys', 'wa'], ['wa', 'Baileys']]) {
    const [writer, reader] = [from, to].map(library => () => (library === 'wa' ? ours : theirs))
    for (const what of ['pin', 'mute', 'archive']) {
      test(`${to} sees that ${from} set and took back: ${what}`, async () => {
        for (const value of [true, false]) {
          await writer().do(what, { chat: friend.jid, value })
          await told(reader(), what, friend, value)
        }
      })
    }

    test(`${to} sees the name that ${from} gives the account`, async () => {
      await writer().do('push_name', { value: `named by ${from}` })
      await told(reader(), 'push_name', null, `named by ${from}`)
    })
  }

  test('both see what the phone changed', async () => {
    await world.server.share(ours.phone, { contact: { number: friend.jid, name: 'Our Friend' } })
    await world.server.share(ours.phone, { pin: { chat: friend.jid, value: true } })
    for (const device of [ours, theirs]) {
      await told(device, 'contact', friend, 'Our Friend')
      await told(device, 'pin', friend, true)
    }
  })

  test('changes of both at once are kept', async () => {
    await Promise.all([ours.do('mute', { chat: friend.jid, value: true }), theirs.do('pin', { chat: friend.jid, value: false })])
    await told(theirs, 'mute', friend, true)
    await told(ours, 'pin', friend, false)
  })

  /** The last thing that the device is told of this, now or later. */
  async function told(device, what, account, value) {
    const isOfIt = entry => entry.kind === 'state' && entry.what === what && (!account || belongsTo(account, entry.of))
    const last = () => device.journal.all(isOfIt).at(-1)
    if (last()?.value === value) return
    await device.journal.expect(`${what}: ${value}`, entry => isOfIt(entry) && last()?.value === value)
    assert.equal(last().value, value)
  }
})
