// Content as Baileys has it, and as this suite has it (content.js).
import { createCipheriv, hkdfSync, randomBytes } from 'node:crypto'
import { decryptPollVote, downloadMediaMessage, jidNormalizedUser, normalizeMessageContent, proto } from 'baileys'
import { sha256 } from './content.js'

const { Type } = proto.Message.ProtocolMessage

/** What Baileys' `sendMessage` takes for a content. */
export function toBaileys(content) {
  const { kind, bytes, caption, message } = content
  switch (kind) {
    case 'text':
      return { text: content.text, mentions: content.mentions }
    case 'image':
      return { image: bytes, caption, viewOnce: content.view_once }
    case 'video':
      return { video: bytes, caption, gifPlayback: content.style === 'gif', ptv: content.style === 'round' }
    case 'audio':
      return { audio: bytes, mimetype: content.mimetype, ptt: content.voice }
    case 'document':
      return { document: bytes, mimetype: content.mimetype, fileName: content.name }
    case 'sticker':
      return { sticker: bytes }
    case 'location':
      return { location: { degreesLatitude: content.latitude, degreesLongitude: content.longitude, name: content.name } }
    case 'contact':
      return { contacts: { displayName: content.name, contacts: [{ displayName: content.name, vcard: content.vcard }] } }
    case 'poll':
      return { poll: { name: content.question, values: content.options, selectableCount: content.selectable } }
    case 'reaction':
      return { react: { text: content.emoji, key: message.key } }
    case 'edit':
      return { text: content.text, edit: message.key }
    case 'delete':
      return { delete: message.key }
    case 'disappearing':
      return { disappearingMessagesInChat: content.seconds }
    default:
      throw new Error(`Baileys sends no ${kind} here`)
  }
}

/**
 * What a message says; `undefined` for what is not told. Of a file a promise of its hash.
 * @param {(id: string) => object | undefined} known the message of an id
 * @param {object} options how files are fetched
 */
export function fromBaileys(wrapped, me, known, options) {
  const content = normalizeMessageContent(wrapped.message)
  if (!content) return undefined
  const name = Object.keys(content).find(name => name !== 'messageContextInfo' && content[name] && name in KINDS)
  const part = name === undefined ? undefined : content[name]
  const said = name === undefined ? undefined : KINDS[name](part, { wrapped, me, known, options })
  const expires = part?.contextInfo?.expiration
  return said && { ...said, ...(expires && { expires }) }
}

const KINDS = {
  conversation: text => ({ kind: 'text', text }),
  extendedTextMessage: ({ text, contextInfo }) =>
    ({ kind: 'text', text, quoted: contextInfo?.stanzaId, mentions: contextInfo?.mentionedJid ?? [] }),
  imageMessage: ({ caption, viewOnce }, place) => ({
    kind: 'image',
    caption,
    view_once: Boolean(viewOnce || isViewOnce(place.wrapped.message)),
    sha256: downloaded(place),
  }),
  videoMessage: ({ caption, gifPlayback }, place) =>
    ({ kind: 'video', caption, style: gifPlayback ? 'gif' : undefined, sha256: downloaded(place) }),
  ptvMessage: ({ caption }, place) => ({ kind: 'video', caption, style: 'round', sha256: downloaded(place) }),
  audioMessage: ({ mimetype, ptt }, place) => ({ kind: 'audio', mimetype, voice: Boolean(ptt), sha256: downloaded(place) }),
  documentMessage: ({ mimetype, fileName }, place) => ({ kind: 'document', mimetype, name: fileName, sha256: downloaded(place) }),
  stickerMessage: (_, place) => ({ kind: 'sticker', sha256: downloaded(place) }),
  locationMessage: ({ degreesLatitude, degreesLongitude, name }) =>
    ({ kind: 'location', latitude: degreesLatitude, longitude: degreesLongitude, name }),
  contactMessage: ({ displayName, vcard }) => ({ kind: 'contact', name: displayName, vcard }),
  pollCreationMessage: poll,
  pollCreationMessageV2: poll,
  pollCreationMessageV3: poll,
  pollUpdateMessage: (update, { wrapped, me, known }) => {
    const target = update.pollCreationMessageKey.id
    return { kind: 'vote', target, options: votedFor(update.vote, wrapped, known(target), me) }
  },
  reactionMessage: ({ key, text }) => ({ kind: 'reaction', target: key.id, emoji: text ?? '' }),
  protocolMessage: ({ type, key, editedMessage, ephemeralExpiration }) => {
    switch (type) {
      case Type.REVOKE:
        return { kind: 'delete', target: key.id }
      case Type.MESSAGE_EDIT: {
        const { conversation, extendedTextMessage } = normalizeMessageContent(editedMessage)
        return { kind: 'edit', target: key.id, text: conversation || extendedTextMessage?.text }
      }
      case Type.EPHEMERAL_SETTING:
        return { kind: 'disappearing', seconds: ephemeralExpiration ?? 0 }
    }
  },
}

function poll({ name, options, selectableOptionsCount }) {
  return { kind: 'poll', question: name, options: options.map(({ optionName }) => optionName), selectable: selectableOptionsCount }
}

function isViewOnce(message) {
  return Boolean(message?.viewOnceMessage || message?.viewOnceMessageV2)
}

function downloaded({ wrapped, options }) {
  return downloadMediaMessage(wrapped, 'buffer', { options }).then(sha256, error => `not downloaded: ${error.message}`)
}

/** The texts of the options that a vote names. A vote is sealed with the poll's secret, under either kind of address. */
function votedFor(vote, { key }, created, me) {
  const secret = created?.message.messageContextInfo?.messageSecret
  if (!secret) return ['a poll that is not known']
  const voters = key.fromMe ? me : [key.participant, key.participantAlt, key.remoteJid, key.remoteJidAlt]
  const creators = created.key.fromMe ? me : [created.key.participant, created.key.remoteJid, created.key.remoteJidAlt]
  for (const voterJid of addresses(voters)) {
    for (const pollCreatorJid of addresses(creators)) {
      try {
        const ids = { pollCreatorJid, pollMsgId: created.key.id, pollEncKey: secret, voterJid }
        const chosen = decryptPollVote(vote, ids).selectedOptions.map(hash => Buffer.from(hash).toString('hex'))
        return pollOf(created).options.filter(option => chosen.includes(sha256(option)))
      } catch {
        // Sealed under another address.
      }
    }
  }
  return ['a vote that does not open']
}

/** The vote of an account in a poll, as `relayMessage` takes it: Baileys itself does not vote. */
export function vote(created, options, me) {
  const { id, fromMe, participant, remoteJid } = created.key
  const voter = jidNormalizedUser(me[1])
  const creator = fromMe ? voter : jidNormalizedUser(participant || remoteJid)
  const secret = Buffer.from(created.message.messageContextInfo.messageSecret)
  const key = hkdfSync('sha256', secret, '', `${id}${creator}${voter}Poll Vote`, 32)
  const encIv = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', Buffer.from(key), encIv)
  cipher.setAAD(Buffer.from(`${id}\0${voter}`))
  const selectedOptions = options.map(option => Buffer.from(sha256(option), 'hex'))
  const plain = proto.Message.PollVoteMessage.encode({ selectedOptions }).finish()
  const encPayload = Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()])
  const senderTimestampMs = Date.now()
  return { pollUpdateMessage: { pollCreationMessageKey: created.key, vote: { encPayload, encIv }, senderTimestampMs } }
}

function pollOf({ message }) {
  const content = normalizeMessageContent(message)
  return poll(content.pollCreationMessage ?? content.pollCreationMessageV2 ?? content.pollCreationMessageV3)
}

function addresses(jids) {
  return [...new Set(jids.filter(Boolean).map(jid => jidNormalizedUser(jid)))]
}
