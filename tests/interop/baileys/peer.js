// One linked device that runs our client: wa-interop-peer, spoken to in lines of JSON (README.md).
import { X509Certificate } from 'node:crypto'
import { file } from './content.js'
import { Journal, within } from './journal.js'
import { Program, program } from './process.js'

export class PeerDevice {
  #server
  #program
  #unanswered = []
  #scanned = false
  #type

  /** Its messages tell whether they could not be read at first, and who sent them again. */
  tellsRecovery = true

  /** @param {string} phone the push name that chooses the phone: equal names are devices of one account */
  constructor(name, phone, server, dump) {
    this.name = name
    this.phone = phone
    this.journal = new Journal(name, dump)
    this.#server = server
  }

  /** Starts the program, has its code scanned, and returns when it is ready. */
  async pair() {
    await this.#start()
    await this.#login({ cmd: 'pair' })
  }

  /**
   * Starts the program, asks for a code, or for this one, and has it typed.
   * @param {(code: string) => Promise<void>} type types a code on the phone
   */
  async pairByCode(type, code) {
    await this.#start()
    this.#scanned = true
    this.#type = type
    const { number } = await this.#server.phone(this.phone)
    await this.#login({ cmd: 'pair_code', number, code })
  }

  /** Connects; returns when logged in and the backlog is complete. */
  async connect() {
    await this.#login({ cmd: 'connect' })
  }

  async disconnect() {
    await this.#ask({ cmd: 'disconnect' })
  }

  async stop() {
    const code = await this.#program?.stop()
    if (code) throw new Error(`${this.name} ended with ${code}\n${this}`)
  }

  /** The account's JIDs, without a device number. */
  get account() {
    return { jid: bare(this.me.jid), lid: bare(this.me.lid) }
  }

  /** Sends the texts one right after the other; returns their ids when the server has accepted them all. */
  async send(to, ...texts) {
    const sent = await Promise.all(texts.map(text => this.#send(to, { kind: 'text', text })))
    return sent.map(({ id }) => id)
  }

  /** Sends what content.js describes; returns its id when the server has accepted it. */
  async post(to, content) {
    const { message, quoted, bytes, ...said } = content
    if (message) said.target = message.id
    if (quoted) said.quoted = quoted.id
    if (bytes) said.path = await file(bytes)
    return (await this.#send(to, said)).id
  }

  #send(to, content) {
    return this.#ask({ cmd: 'send', to, content })
  }

  /** Tells the sender that these messages, entries of the journal, were read; they are all of one chat and sender. */
  async read(...messages) {
    const [{ chat, sender }] = messages
    this.#tell({ cmd: 'read', chat, sender, ids: messages.map(({ id }) => id) })
  }

  /** Creates a group with these accounts; returns its `jid` and how its members are addressed. */
  async createGroup(subject, members) {
    const { group, addressing } = await this.#ask({ cmd: 'create_group', subject, members })
    return { jid: group, addressing }
  }

  async addToGroup(group, member) {
    await this.#ask({ cmd: 'add', group, members: [member] })
  }

  async removeFromGroup(group, member) {
    await this.#ask({ cmd: 'remove', group, members: [member] })
  }

  /** Does something to groups, channels or presence (social.rs); returns what came of it. */
  async do(act, parts) {
    return (await this.#ask({ cmd: 'do', what: { act, ...parts } })).result
  }

  toString() {
    return `  ${this.name} saw:\n${this.journal}\n  ${this.name}, log:\n${this.#program?.log ?? '    not started'}`
  }

  async #start() {
    const path = await program('WA_INTEROP_PEER_BIN')
    const { url, rootKey, mediaCertificate } = this.#server
    const certificate = new X509Certificate(mediaCertificate).raw.toString('hex')
    const args = ['--url', url, '--root-key', rootKey, '--media-certificate', certificate, '--push-name', this.phone]
    this.#program = new Program(this.name, path, args, line => this.#hear(line), error => this.#fail(error))
  }

  async #login(command) {
    const { jid, lid } = await this.#ask(command)
    /** This device's own JIDs: with the device number, by phone number and by LID. */
    this.me = { jid, lid }
  }

  #tell(command) {
    this.#program.writeLine(JSON.stringify(command))
  }

  /** Sends a command and waits for its answer. Equal commands are answered in their order. */
  async #ask(command) {
    const { cmd } = command
    const answer = new Promise((resolve, reject) => this.#unanswered.push({ cmd, resolve, reject }))
    this.#tell(command)
    try {
      return await within(`${this.name} answering ${cmd}`, answer)
    } catch (error) {
      throw new Error(`${error.message}\n${this.journal.dump()}`, { cause: error })
    }
  }

  #hear(line) {
    let event
    try {
      event = JSON.parse(line)
    } catch {
      return this.#fail(new Error(`${this.name} wrote what is not JSON: ${line}`))
    }
    switch (event.event) {
      case 'qr':
        if (!this.#scanned) {
          this.#scanned = true
          this.#server.scan(event.text).catch(error => this.#fail(error))
        }
        break
      case 'code':
        this.#type(event.text).catch(error => this.#fail(error))
        break
      case 'ready':
        this.#oldest('pair', 'pair_code', 'connect')?.resolve(event)
        break
      case 'disconnected':
        this.#oldest('disconnect')?.resolve(event)
        break
      case 'sent':
        this.#oldest('send')?.resolve(event)
        break
      case 'message': {
        const { id, chat, sender, from_me: fromMe, content, post, recovered } = event
        this.journal.write({ kind: 'message', id, fromMe, chat, sender, text: content.text, content, post, recovered })
        break
      }
      case 'undecryptable':
        this.journal.write({ kind: 'undecryptable', id: event.id, reason: event.reason })
        break
      case 'lost':
        this.journal.write({ kind: 'lost', id: event.id, reason: event.why })
        break
      case 'group': {
        const { group, change, members, value } = event
        this.journal.write({ kind: change, group, members, value })
        break
      }
      case 'past':
        this.journal.write({ kind: 'past', id: event.id, chat: event.chat, text: event.text })
        break
      case 'state':
        this.journal.write({ kind: 'state', what: event.what, of: event.of, value: event.value })
        break
      case 'presence':
        this.journal.write({ kind: 'presence', chat: event.chat, isThere: event.is_there })
        break
      case 'typing':
        this.journal.write({ kind: 'typing', chat: event.chat, sender: event.sender, state: event.state })
        break
      case 'post':
        this.journal.write({ kind: 'post', channel: event.channel, post: event.post, reactions: event.reactions })
        break
      case 'done':
        this.#oldest(event.cmd)?.resolve(event)
        break
      case 'receipt':
        for (const id of event.ids) this.journal.write({ kind: event.kind, id, from: event.from })
        break
      case 'error': {
        const error = new Error(`${this.name}: ${event.cmd ?? 'error'}: ${event.message}`)
        const failed = this.#oldest(event.cmd)
        if (failed) failed.reject(error)
        else this.#fail(error)
        break
      }
      default:
        this.#fail(new Error(`${this.name} wrote an unknown event: ${line}`))
    }
  }

  /** Takes the oldest command of these names that waits for its answer. */
  #oldest(...names) {
    const at = this.#unanswered.findIndex(({ cmd }) => names.includes(cmd))
    return at < 0 ? undefined : this.#unanswered.splice(at, 1)[0]
  }

  /** This device is of no more use: nothing that waits for it may wait longer. */
  #fail(error) {
    for (const { reject } of this.#unanswered.splice(0)) reject(error)
    this.journal.close(error)
  }
}

function bare(jid) {
  return jid.replace(/:\d+@/, '@')
}
