// One linked device that runs Baileys: the released package, through its public face only.
import { makeWASocket, DisconnectReason, initAuthCreds, jidNormalizedUser, proto, WA_CERT_DETAILS } from 'baileys'
import https from 'node:https'
import pino from 'pino'
import { Agent, buildConnector } from 'undici'
import { fromBaileys, toBaileys, vote } from './baileys-content.js'
import { Journal, Tail, within } from './journal.js'

const { Status, StubType } = proto.WebMessageInfo

// Baileys' words for what happens in groups, and ours.
const MEMBERSHIP = { add: 'added', remove: 'removed', promote: 'promoted', demote: 'demoted' }
const SETTINGS = {
  subject: 'subject',
  desc: 'description',
  announce: 'announcement',
  restrict: 'locked',
  joinApprovalMode: 'approval',
  ephemeralDuration: 'expiration',
}

// The Signal library inside Baileys prints whole sessions, keys included. Nothing here uses the console.
for (const method of ['log', 'info', 'warn', 'error']) console[method] = () => {}

export class BaileysDevice {
  #server
  /** Fetches from the media hosts. */
  #dispatcher
  #socket
  #state = { creds: initAuthCreds(), keys: memoryKeys() }
  /** The messages that were sent and seen, by id. */
  #messages = new Map()
  #leaving = false
  /** Links this device when the server offers a QR code. */
  #link = qr => this.#server.scan(qr)

  /** Whether it takes the past from its phone. */
  takesPast = false

  /** @param {string} phone the push name that chooses the phone: equal names are devices of one account */
  constructor(name, phone, server, dump) {
    this.name = name
    this.phone = phone
    this.stanzas = new Tail()
    this.journal = new Journal(name, dump)
    this.#server = server
    const [host] = server.mediaHosts
    const [hostname, port] = host.split(':')
    const connect = buildConnector({ ca: server.mediaCertificate })
    // What names no host is asked of the one that Baileys knows: it, too, is here.
    const here = (options, done) => connect({ ...options, host, hostname, port, servername: undefined }, done)
    this.#dispatcher = new Agent({ connect: here })
    // Baileys has one trust root per process, the same for every socket.
    WA_CERT_DETAILS.PUBLIC_KEY = Buffer.from(server.rootKey, 'hex')
  }

  /** Shows a code, has it linking, restarts as asked and logs in. */
  async pair() {
    await this.connect()
  }

  /**
   * Asks for a code, or for this one, and has it typed; restarts as asked and logs in.
   * @param {(code: string) => Promise<void>} type types a code on the phone
   */
  async pairByCode(type, code) {
    const { number } = await this.#server.phone(this.phone)
    this.#link = async () => type(await this.#socket.requestPairingCode(number, code))
    await this.connect()
  }

  /** Connects; returns when logged in and the backlog is complete. */
  async connect() {
    this.#leaving = false
    try {
      await within(`${this.name} logging in`, this.#open())
    } catch (error) {
      throw new Error(`${error.message}\n${this.journal.dump()}`, { cause: error })
    }
  }

  async disconnect() {
    this.#leaving = true
    await this.#socket?.end(undefined)
  }

  async stop() {
    await this.disconnect()
  }

  /** This device's own JIDs: with the device number, by phone number and by LID. */
  get me() {
    const { id, lid } = this.#state.creds.me
    return { jid: id, lid }
  }

  /** The account's JIDs, without a device number. */
  get account() {
    return { jid: jidNormalizedUser(this.me.jid), lid: jidNormalizedUser(this.me.lid) }
  }

  /** Sends the texts one right after the other; returns their ids when the server has accepted them all. */
  async send(to, ...texts) {
    const ids = []
    for (const text of texts) ids.push(this.#keep(await this.#socket.sendMessage(to, { text })))
    for (const id of ids) await this.#accepted(id)
    return ids
  }

  /** Sends what content.js describes; returns its id when the server has accepted it. */
  async post(to, content) {
    const id = await this.#post(to, content)
    await this.#accepted(id)
    return id
  }

  async #post(to, content) {
    const [message, quoted] = [content.message, content.quoted].map(entry => entry && this.#messages.get(entry.id))
    if (content.kind === 'vote') return this.#socket.relayMessage(to, vote(message, content.options, [this.me.jid, this.me.lid]), {})
    const settings = { quoted, ephemeralExpiration: content.expires }
    return this.#keep(await this.#socket.sendMessage(to, toBaileys({ ...content, message }), settings))
  }

  #keep(message) {
    this.#messages.set(message.key.id, message)
    return message.key.id
  }

  async #accepted(id) {
    const ack = await this.journal.expect(`the server's ack of ${id}`, entry => entry.kind === 'ack' && entry.id === id)
    if (ack.error) throw new Error(`${this.name}: the server refused ${id} with ${ack.error}`)
  }

  /** Tells the sender that these messages, entries of the journal, were read. */
  async read(...messages) {
    await this.#socket.readMessages(messages.map(({ key }) => key))
  }

  /** Creates a group with these accounts; returns its `jid` and how its members are addressed. */
  async createGroup(subject, members) {
    const { id: jid, addressingMode: addressing } = await this.#socket.groupCreate(subject, members)
    return { jid, addressing }
  }

  async addToGroup(group, member) {
    await this.#change(group, member, 'add')
  }

  async removeFromGroup(group, member) {
    await this.#change(group, member, 'remove')
  }

  /** Does something to groups, channels or presence; the acts are those of the peer. */
  async do(act, { group, channel, chat, user, members, value, link, post, emoji, name, state }) {
    const socket = this.#socket
    switch (act) {
      case 'subject':
        return socket.groupUpdateSubject(group, value)
      case 'description':
        return socket.groupUpdateDescription(group, value)
      case 'announcement':
        return socket.groupSettingUpdate(group, value ? 'announcement' : 'not_announcement')
      case 'locked':
        return socket.groupSettingUpdate(group, value ? 'locked' : 'unlocked')
      case 'approval':
        return socket.groupJoinApprovalMode(group, value ? 'on' : 'off')
      case 'expiration':
        return socket.groupToggleEphemeral(group, value)
      case 'promote':
      case 'demote':
        for (const member of members) await this.#change(group, member, act)
        return
      case 'invite_link':
        return { link: `https://chat.whatsapp.com/${await socket.groupInviteCode(group)}` }
      case 'join':
        return socket.groupAcceptInvite(link.split('/').pop())
      case 'requests':
        return { users: (await socket.groupRequestParticipantsList(group)).map(({ jid }) => jid) }
      case 'approve':
        return socket.groupRequestParticipantsUpdate(group, members, 'approve')
      case 'leave':
        return socket.groupLeave(group)
      case 'available':
        return socket.sendPresenceUpdate(value ? 'available' : 'unavailable')
      case 'watch':
        return socket.presenceSubscribe(user)
      case 'typing':
        return socket.sendPresenceUpdate(state, chat)
      case 'pin':
        return socket.chatModify({ pin: value }, chat)
      case 'mute':
        return socket.chatModify({ mute: value ? Date.now() + 8 * 3600 * 1000 : null }, chat)
      case 'archive':
        return socket.chatModify({ archive: value, lastMessages: [] }, chat)
      case 'push_name':
        return socket.updateProfileName(value)
      case 'create_channel':
        return { channel: (await socket.newsletterCreate(name)).id }
      case 'follow':
        return socket.newsletterFollow(channel)
      case 'live_updates':
        return socket.subscribeNewsletterUpdates(channel)
      case 'react_to_post':
        return socket.newsletterReactMessage(channel, String(post), emoji)
      case 'post_status': {
        // Its own other devices see it only when they are named.
        const settings = { statusJidList: [...members, this.account.lid] }
        const id = this.#keep(await socket.sendMessage('status@broadcast', { text: value }, settings))
        await this.#accepted(id)
        return { id }
      }
      default:
        throw new Error(`Baileys does no ${act} here`)
    }
  }

  async #change(group, member, action) {
    const [{ status }] = await this.#socket.groupParticipantsUpdate(group, [member], action)
    if (status !== '200') throw new Error(`${this.name}: ${action} was refused with ${status}`)
  }

  toString() {
    return `  ${this.name} saw:\n${this.journal}\n  ${this.name}, last stanzas:\n${this.stanzas}`
  }

  #open() {
    const { creds } = this.#state
    // A linked phone tells its name by app state, which this suite does without. Baileys becomes "available",
    // and sends plain delivery receipts, only when it knows a name.
    if (creds.me) creds.me.name ??= this.phone
    return new Promise((resolve, reject) => {
      const socket = makeWASocket({
        waWebSocketUrl: this.#server.url,
        auth: this.#state,
        logger: this.#logger(),
        pushName: this.phone,
        // Without this, backlog of a first login is held back for 20 s while it waits for history from the phone.
        shouldSyncHistoryMessage: () => this.takesPast,
        options: { dispatcher: this.#dispatcher },
        getMessage: async ({ id }) => this.#messages.get(id)?.message,
        fetchAgent: new https.Agent({ ca: this.#server.mediaCertificate }),
      })
      this.#socket = socket
      let open = false
      let drained = false
      let linking = false
      socket.ev.on('creds.update', update => {
        Object.assign(creds, update)
        if (update.myAppStateKeyId) this.journal.write({ kind: 'keys' })
        if (update.me?.name) this.journal.write({ kind: 'state', what: 'push_name', value: update.me.name })
      })
      socket.ev.on('messages.upsert', ({ messages }) => messages.forEach(message => this.#note(message)))
      socket.ev.on('messages.update', updates => updates.forEach(({ key, update }) => this.#noteStatus(key, update.status)))
      socket.ev.on('groups.upsert', groups =>
        groups.forEach(({ id, participants }) => this.#noteGroup('created', id, participants)))
      socket.ev.on('group-participants.update', ({ id, participants, action }) =>
        this.#noteGroup(MEMBERSHIP[action], id, participants))
      socket.ev.on('groups.update', updates => updates.forEach(update => this.#noteSettings(update)))
      socket.ev.on('group.join-request', ({ id, action, participant, participantPn }) => {
        if (action === 'created') this.journal.write({ kind: 'requested', group: id, members: [participant, participantPn] })
      })
      socket.ev.on('messaging-history.set', ({ messages }) =>
        messages.forEach(({ key, message }) =>
          this.journal.write({ kind: 'past', id: key.id, chat: key.remoteJid, text: message?.conversation })))
      socket.ev.on('chats.update', updates => updates.forEach(update => this.#noteChat(update)))
      socket.ev.on('contacts.upsert', contacts =>
        contacts.forEach(({ id, name }) => this.journal.write({ kind: 'state', what: 'contact', of: id, value: name })))
      socket.ev.on('presence.update', ({ id, presences }) => this.#notePresence(id, presences))
      socket.ev.on('newsletter.reaction', ({ id, server_id: post, reaction }) =>
        this.journal.write({ kind: 'post', channel: id, post: Number(post), reactions: [reaction.code] }))
      socket.ws.on('CB:ack,class:message', ({ attrs }) => this.journal.write({ kind: 'ack', id: attrs.id, error: attrs.error }))
      socket.ev.on('connection.update', ({ connection, qr, receivedPendingNotifications, lastDisconnect }) => {
        if (qr && !linking) {
          linking = true
          this.#link(qr).catch(reject)
        }
        open ||= connection === 'open'
        drained ||= receivedPendingNotifications === true
        if (open && drained) resolve()
        if (connection !== 'close') return
        const error = lastDisconnect?.error
        if (error?.output?.statusCode === DisconnectReason.restartRequired) return this.#open().then(resolve, reject)
        if (this.#leaving) return
        const closed = new Error(`${this.name}: connection closed: ${error?.message}`, { cause: error })
        reject(closed)
        if (open) this.journal.close(closed)
      })
    })
  }

  #note({ key, message, messageStubType, messageStubParameters, status }) {
    if (messageStubType === StubType.CIPHERTEXT) {
      this.journal.write({ kind: 'undecryptable', id: key.id, reason: messageStubParameters?.[0] })
    }
    const me = [this.me.jid, this.me.lid]
    const content = fromBaileys({ key, message }, me, id => this.#messages.get(id), { dispatcher: this.#dispatcher })
    if (content) {
      this.#messages.set(key.id, { key, message })
      const { id, fromMe, remoteJid: chat, participant } = key
      // Only in groups does it tell who wrote.
      const sender = participant || undefined
      this.journal.write({ kind: 'message', id, fromMe: Boolean(fromMe), chat, sender, text: content.text, content, key })
    }
    // Receipts that came while events were held back are merged into the message.
    this.#noteStatus(key, status)
  }

  #noteStatus({ id, fromMe }, status) {
    if (!fromMe) return
    if (status >= Status.DELIVERY_ACK) this.journal.write({ kind: 'delivered', id })
    if (status >= Status.READ) this.journal.write({ kind: 'read', id })
  }

  #noteGroup(kind, group, participants) {
    const members = participants.flatMap(({ id, lid, phoneNumber }) => [id, lid, phoneNumber]).filter(Boolean)
    this.journal.write({ kind, group, members })
  }

  #noteSettings({ id: group, ...update }) {
    for (const [name, kind] of Object.entries(SETTINGS)) {
      if (name in update) this.journal.write({ kind, group, value: update[name] })
    }
  }

  #noteChat({ id: of, ...update }) {
    const note = (what, value) => this.journal.write({ kind: 'state', what, of, value })
    if ('pinned' in update) note('pin', Boolean(update.pinned))
    if ('muteEndTime' in update) note('mute', Boolean(update.muteEndTime))
    if ('archived' in update) note('archive', update.archived)
  }

  #notePresence(chat, presences) {
    for (const [sender, { lastKnownPresence }] of Object.entries(presences)) {
      const state = { composing: 'composing', recording: 'recording', available: 'paused' }[lastKnownPresence]
      // It tells that somebody stopped typing by the word for being there.
      this.journal.write({ kind: 'presence', chat, isThere: lastKnownPresence === 'available' })
      if (state) this.journal.write({ kind: 'typing', chat, sender, state })
    }
  }

  #logger() {
    const write = record => {
      const { xml, msg, err, error, trace } = JSON.parse(record)
      if (xml) this.stanzas.add(`${msg === 'recv xml' ? '<-' : '->'} ${readable(xml)}`)
      else if (err || error || trace) this.stanzas.add(`!! ${msg ?? ''} ${(err ?? error)?.message ?? trace ?? ''}`)
    }
    return pino({ level: 'trace' }, { write })
  }
}

/** One stanza in one line, with binary content as its length. */
function readable(xml) {
  return xml.replace(/\b[0-9a-f]{16,}\b/g, hex => `[${hex.length / 2} bytes]`).replace(/\s+/g, ' ').replaceAll(' >', '>')
}

/** Baileys' key store, in memory. */
function memoryKeys() {
  const records = new Map()
  const place = (type, id) => `${type}/${id}`
  return {
    async get(type, ids) {
      const found = ids.filter(id => records.has(place(type, id)))
      return Object.fromEntries(found.map(id => [id, records.get(place(type, id))]))
    },
    async set(changes) {
      for (const [type, values] of Object.entries(changes)) {
        for (const [id, value] of Object.entries(values)) {
          if (value === null || value === undefined) records.delete(place(type, id))
          else records.set(place(type, id), value)
        }
      }
    },
  }
}
