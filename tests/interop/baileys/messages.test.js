// Baileys and our client, two linked devices each, talk over our test server.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { belongsTo, heard, message, numbered, seenOnce } from './seen.js'
import { World } from './world.js'

const DIRECTIONS = [
  ['Baileys', 'wa'],
  ['wa', 'Baileys'],
]

describe('Baileys and wa', { concurrency: false }, () => {
  const world = new World({ Baileys: { devices: 2 }, wa: { devices: 2 } })
  before(() => world.start())
  after(() => world.stop())

  for (const side of ['Baileys', 'wa']) {
    test(`two ${side} devices with one push name are linked to one account`, () => {
      const [first, second] = world.sides[side]
      assert.deepEqual(first.account, second.account)
      assert.notEqual(first.me.jid, second.me.jid)
      assert.notEqual(first.me.lid, second.me.lid)
    })
  }

  test('the two libraries are linked to different accounts', () => {
    assert.notEqual(world.account('Baileys').jid, world.account('wa').jid)
    assert.notEqual(world.account('Baileys').lid, world.account('wa').lid)
  })

  for (const [from, to] of DIRECTIONS) {
    describe(`from ${from} to ${to}`, { concurrency: false }, () => {
      for (const number of [0, 1]) {
        test(`plain text from device ${number + 1} reaches every device of both accounts`, () =>
          deliver(from, to, { number }, `plain text from ${from} ${number + 1}`))
      }

      for (const address of ['jid', 'lid']) {
        test(`an account is reached by its ${address === 'jid' ? 'phone number' : 'LID'}`, () =>
          deliver(from, to, { address }, `to your ${address}`))
      }

      test('emoji arrive unharmed', () =>
        deliver(from, to, {}, '👩\u200d👩\u200d👧\u200d👦 🏳️\u200d🌈 👍🏽 🇵🇹 e\u0301 \u200f\u05e9\u05dc\u05d5\u05dd\u200e 漢字'))

      test('a text of 60 KB arrives whole', () => deliver(from, to, {}, longText(60 * 1024)))

      test('ten messages in a row arrive in their order', () => deliver(from, to, {}, ...numbered(10, `${from} counts`)))

      test('messages sent while every other device is offline arrive in their order', async () => {
        const [sender] = world.sides[from]
        const texts = numbered(3, `while you were away, ${from}`)
        const others = world.devices.filter(device => device !== sender)
        const ids = await world.without(others, () => sender.send(world.account(to).jid, ...texts))
        await seen(from, to, sender, ids, texts)
      })

      // With one device on each side, as Baileys merges the receipts of several devices that come at the same moment.
      test('the sender hears that a message was delivered, and then that it was read', () =>
        oneToOne(from, to, [`did you get this, ${to}?`], async (sender, reader, send) => {
          const [id] = await send()
          await heard(sender, 'delivered', [id])
          await reader.read(await message(reader, id))
          await heard(sender, 'read', [id])
        }))

      test('the sender hears of every message that is read together with others', () =>
        oneToOne(from, to, numbered(3, `read these at once, ${to}`), async (sender, reader, send) => {
          const ids = await send()
          await heard(sender, 'delivered', ids)
          await reader.read(...(await Promise.all(ids.map(id => message(reader, id)))))
          await heard(sender, 'read', ids)
        }))
    })
  }

  // Only this way round: a backlog may be receipted as "inactive", and Baileys takes no notice of such a receipt.
  test('a message to an offline Baileys device is delivered when that comes back', () =>
    oneToOne('wa', 'Baileys', ['are you there?'], async (sender, reader, send) => {
      const [id] = await world.without([reader], send)
      await heard(sender, 'delivered', [id])
    }))

  test('no device was shown a message twice, or one that it could not decrypt', () => {
    for (const device of world.devices) {
      seenOnce(device)
      assert.deepEqual(device.journal.all(({ kind }) => kind === 'undecryptable'), [], `${device.name} could not decrypt these`)
    }
  })

  /** Sends the texts from one device and checks that all the others see them. */
  async function deliver(from, to, { number = 0, address = 'jid' }, ...texts) {
    const sender = world.sides[from][number]
    const ids = await sender.send(world.account(to)[address], ...texts)
    await seen(from, to, sender, ids, texts)
  }

  /**
   * Runs `body` with the first device of either side and what sends it these texts, while the second devices are
   * offline. Those then have to catch up: a Baileys device that is cut off in the middle of its backlog loses it.
   */
  async function oneToOne(from, to, texts, body) {
    const [sender, echoed] = world.sides[from]
    const [reader, second] = world.sides[to]
    let ids
    const send = async () => (ids = await sender.send(world.account(to).jid, ...texts))
    await world.without([echoed, second], () => body(sender, reader, send))
    await seen(from, to, sender, ids, texts)
  }

  /** Every device but the sender sees these texts, in this order, in the right chat and with the right sender. */
  async function seen(from, to, sender, ids, texts) {
    const check = async (device, own) => {
      const entries = await Promise.all(ids.map(id => message(device, id)))
      entries.forEach(({ id, text, fromMe, chat, sender: author = null }, at) => {
        assertText(text, texts[at], `${device.name}, ${id}`)
        assert.equal(fromMe, own, `${device.name}, ${id}: is it from me?`)
        const other = world.account(own ? to : from)
        assert.ok(author === null || belongsTo(world.account(from), author), `${device.name}, ${id}: it is from ${author}`)
        assert.ok(belongsTo(other, chat), `${device.name}, ${id}: the chat is ${chat}, not one with ${other.jid} or ${other.lid}`)
      })
      const order = device.journal.all(({ kind, id }) => kind === 'message' && ids.includes(id)).map(({ id }) => id)
      assert.deepEqual(order, ids, `the order on ${device.name}`)
    }
    const echoed = world.sides[from].filter(device => device !== sender)
    await Promise.all([...echoed.map(device => check(device, true)), ...world.sides[to].map(device => check(device, false))])
  }
})

/** Like assert.equal, but a difference in a long text is told in one line. */
function assertText(actual, expected, where) {
  if (actual === expected) return
  const units = Array.from({ length: expected.length }, (_, at) => at)
  const at = units.find(unit => actual[unit] !== expected[unit]) ?? expected.length
  assert.fail(`${where}: the text has ${actual.length} units instead of ${expected.length} and differs from unit ${at} on`)
}

/** Exactly so many bytes of UTF-8, no two parts of it alike. */
function longText(bytes) {
  let text = ''
  let size = 0
  for (let line = 0; size < bytes; line++) {
    const next = `${line}: åß∂ƒ漢字😀\n`
    const length = Buffer.byteLength(next)
    if (size + length > bytes) return text + '.'.repeat(bytes - size)
    text += next
    size += length
  }
  return text
}
