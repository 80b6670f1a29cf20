// Who is there, and who is writing.
import { after, before, describe, test } from 'node:test'
import { belongsTo } from './seen.js'
import { World } from './world.js'

const DIRECTIONS = [
  ['Baileys', 'wa'],
  ['wa', 'Baileys'],
]

describe('presence', { concurrency: false }, () => {
  const world = new World({ Baileys: { devices: 1 }, wa: { devices: 1 } })
  before(async () => {
    await world.start()
    // Who never wrote to each other is told nothing.
    for (const [from, to] of DIRECTIONS) {
      const [sender] = world.sides[from]
      const [id] = await sender.send(world.account(to).jid, 'hello')
      await world.sides[to][0].journal.expect(id, entry => entry.kind === 'message' && entry.id === id)
    }
  })
  after(() => world.stop())

  for (const [from, to] of DIRECTIONS) {
    test(`${to} is told when ${from} goes and comes`, async () => {
      const [watched, watching] = [world.sides[from][0], world.sides[to][0]]
      await watching.do('watch', { user: world.account(from).jid })
      await told(watching, 'presence', from, ({ isThere }) => isThere)
      await watched.do('available', { value: false })
      await told(watching, 'presence', from, ({ isThere }) => !isThere)
      await watched.do('available', { value: true })
      await told(watching, 'presence', from, ({ isThere }) => isThere, 2)
    })

    test(`${to} sees ${from} write, record and stop`, async () => {
      const [writing, watching] = [world.sides[from][0], world.sides[to][0]]
      for (const state of ['composing', 'recording', 'paused']) {
        await writing.do('typing', { chat: world.account(to).jid, state })
        await told(watching, 'typing', from, entry => entry.state === state)
      }
    })
  }

  /** The device is told this of an account, for the nth time. */
  function told(device, kind, account, matches, times = 1) {
    const isIt = entry => entry.kind === kind && belongsTo(world.account(account), entry.chat) && matches(entry)
    if (device.journal.all(isIt).length >= times) return
    const what = `${kind} of ${account}`
    return device.journal.expect(what, entry => isIt(entry) && device.journal.all(isIt).length >= times)
  }
})
