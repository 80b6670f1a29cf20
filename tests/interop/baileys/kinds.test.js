// Messages of every kind, in both directions: what they say, their files, and what they do to earlier messages.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { asSeen, assertSays } from './content.js'
import { belongsTo, message, seenOnce } from './seen.js'
import { World } from './world.js'

const DIRECTIONS = [
  ['Baileys', 'wa'],
  ['wa', 'Baileys'],
]

const VCARD = 'BEGIN:VCARD\nVERSION:3.0\nFN:Ana Sousa\nTEL;type=CELL;waid=351910000001:+351 910 000 001\nEND:VCARD'

// Files of odd sizes; no library looks into them.
const KINDS = {
  'a text that mentions somebody': world => ({ kind: 'text', text: '@ look', mentions: [world.account('wa').lid] }),
  'a picture': () => ({ kind: 'image', caption: 'the harbour', view_once: false, bytes: randomBytes(70_001) }),
  'a picture to be viewed once': () => ({ kind: 'image', caption: 'once', view_once: true, bytes: randomBytes(1_000) }),
  'a film': () => ({ kind: 'video', caption: 'waves', bytes: randomBytes(200_003) }),
  'a repeating film': () => ({ kind: 'video', style: 'gif', caption: 'again', bytes: randomBytes(4_096) }),
  'a round film': () => ({ kind: 'video', style: 'round', bytes: randomBytes(15) }),
  'a sound': () => ({ kind: 'audio', mimetype: 'audio/mp4', voice: false, bytes: randomBytes(16) }),
  'a voice note': () => ({ kind: 'audio', mimetype: 'audio/ogg; codecs=opus', voice: true, bytes: randomBytes(33) }),
  'a file': () => ({ kind: 'document', mimetype: 'application/pdf', name: 'tide table.pdf', bytes: randomBytes(1_048_577) }),
  'a sticker': () => ({ kind: 'sticker', bytes: randomBytes(3_000) }),
  'a place': () => ({ kind: 'location', latitude: 38.6916, longitude: -9.216, name: 'Torre de Belém' }),
  'a contact': () => ({ kind: 'contact', name: 'Ana Sousa', vcard: VCARD }),
  'a text that disappears': () => ({ kind: 'text', text: 'gone tomorrow', expires: 86_400 }),
}

describe('kinds of messages', { concurrency: false }, () => {
  const world = new World({ Baileys: { devices: 2 }, wa: { devices: 2 } })
  const groups = {}
  before(async () => {
    await world.start()
    for (const addressing of ['lid', 'pn']) {
      await world.server.addressNewGroupsBy(addressing)
      const created = await world.sides.Baileys[0].createGroup(`by ${addressing}`, [world.account('wa').jid])
      groups[addressing] = created.jid
    }
  })
  after(() => world.stop())

  for (const [from, to] of DIRECTIONS) {
    describe(`from ${from} to ${to}`, { concurrency: false }, () => {
      const chat = () => world.account(to).jid
      for (const [name, make] of Object.entries(KINDS)) test(name, () => says(from, chat(), make(world)))
      describe('in the chat', { concurrency: false }, () => aboutOthers(from, to, chat))
      for (const addressing of ['lid', 'pn']) {
        const group = () => groups[addressing]
        describe(`in a group by ${addressing === 'lid' ? 'LID' : 'phone number'}`, { concurrency: false }, () => {
          test('a picture', () => says(from, group(), { kind: 'image', caption: 'for all', bytes: randomBytes(70_001) }))
          aboutOthers(from, to, group)
        })
      }
      test('messages of a chat are to disappear, and then no longer', async () => {
        await says(from, chat(), { kind: 'disappearing', seconds: 604_800 })
        await says(from, chat(), { kind: 'disappearing', seconds: 0 })
      })
    })
  }

  test('no device was shown a message twice, or one that it could not decrypt', () => {
    for (const device of world.devices) {
      seenOnce(device)
      assert.deepEqual(device.journal.all(({ kind }) => kind === 'undecryptable'), [], `${device.name} could not decrypt these`)
    }
  })

  /** What is said about earlier messages: answers, reactions, edits, deletions, votes. */
  function aboutOthers(from, to, chat) {
    test('an answer quotes what it answers', async () => {
      const question = await asked('shall we?')
      await says(from, chat(), { kind: 'text', text: 'we shall', quoted: question })
    })

    test('a reaction, another one, and none', async () => {
      const liked = await asked('new boots')
      for (const emoji of ['👍🏽', '❤️', '']) await says(from, chat(), { kind: 'reaction', message: liked, emoji })
    })

    test('an edit of an own message', async () => {
      const typo = await says(from, chat(), { kind: 'text', text: 'tomorow' })
      await says(from, chat(), { kind: 'edit', message: { id: typo }, text: 'tomorrow' })
    })

    test('the deletion of an own message', async () => {
      const wrong = await says(from, chat(), { kind: 'text', text: 'wrong chat' })
      await says(from, chat(), { kind: 'delete', message: { id: wrong } })
    })

    test('votes in a poll of the other', async () => {
      const options = ['north', 'south', 'either way']
      const id = await says(to, answering(to, chat), { kind: 'poll', question: 'Which pier?', options, selectable: 2 })
      const poll = await message(world.sides[from][0], id)
      for (const chosen of [['south'], ['north', 'either way'], []]) {
        await says(from, chat(), { kind: 'vote', message: poll, options: chosen })
      }
    })

    /** Something that `to` writes into this chat, as the first device of `from` saw it. */
    async function asked(text) {
      const id = await says(to, answering(to, chat), { kind: 'text', text })
      return message(world.sides[from][0], id)
    }
  }

  /** The same chat from the other side. */
  function answering(account, chat) {
    const [[from]] = DIRECTIONS.filter(([, to]) => to === account)
    return chat().endsWith('@g.us') ? chat() : world.account(from).jid
  }

  /** The first device of an account sends this to a chat; every other device sees it there, from the right account. */
  async function says(account, chat, content) {
    const [sender] = world.sides[account]
    const id = await sender.post(chat, content)
    await Promise.all(world.devices.filter(device => device !== sender).map(async device => {
      const where = `${device.name}, ${content.kind} ${id}`
      const entry = await message(device, id)
      await assertSays(entry, asSeen(content), where)
      assert.equal(entry.fromMe, world.sides[account].includes(device), `${where}: is it from me?`)
      if (entry.sender) assert.ok(belongsTo(world.account(account), entry.sender), `${where}: it is from ${entry.sender}`)
      if (chat.endsWith('@g.us')) assert.equal(entry.chat, chat, where)
    }))
    return id
  }
})
