// Channels of either library: followed, posted to, reacted to.
import { randomBytes } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { asSeen, assertSays } from './content.js'
import { message } from './seen.js'
import { World } from './world.js'

const DIRECTIONS = [
  ['Baileys', 'wa'],
  ['wa', 'Baileys'],
]

describe('channels', { concurrency: false }, () => {
  const world = new World({ Baileys: { devices: 1 }, wa: { devices: 1 } })
  before(() => world.start())
  after(() => world.stop())

  for (const [owner, follower] of DIRECTIONS) {
    describe(`of ${owner}, followed by ${follower}`, { concurrency: false }, () => {
      let channel
      let post

      test('it is made, and followed', async () => {
        ;({ channel } = await world.sides[owner][0].do('create_channel', { name: `tides by ${owner}` }))
        await world.sides[follower][0].do('follow', { channel })
      })

      test('a post', async () => {
        const content = { kind: 'text', text: 'High water at 06:12' }
        const id = await world.sides[owner][0].post(channel, content)
        post = await message(world.sides[follower][0], id)
        await assertSays(post, asSeen(content), id)
      })

      // Baileys takes no notice of `live_updates`.
      if (owner === 'wa') test('a reaction to it', async () => {
        await world.sides[owner][0].do('live_updates', { channel })
        await world.sides[follower][0].do('react_to_post', { channel, post: 100, emoji: '🌊' })
        await world.sides[owner][0].journal.expect(`the reaction to ${post.id}`, ({ kind, channel: of, reactions }) =>
          kind === 'post' && of === channel && reactions.includes('🌊'))
      })
    })
  }
})
