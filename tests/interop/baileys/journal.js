// What one device saw, in order, and the way to wait for what it has yet to see.

/** How long anything may take. Generous: a slow machine must not fail, and nothing ever sleeps for it. */
export const DEADLINE_MS = 60_000

/** The last lines of a stream of text: what the dump of a failure shows. */
export class Tail {
  #lines = []

  constructor(limit = 20) {
    this.limit = limit
  }

  add(line) {
    const text = line.trimEnd()
    this.#lines.push(text.length > 400 ? `${text.slice(0, 400)} … (${text.length} characters)` : text)
    if (this.#lines.length > this.limit) this.#lines.shift()
  }

  toString() {
    return this.#lines.map(line => `    ${line}`).join('\n')
  }
}

export class Journal {
  #entries = []
  #waiting = new Set()
  #end = null

  /**
   * @param {string} owner the device's name, for failures
   * @param {() => string} dump the state of the whole world, for failures
   */
  constructor(owner, dump) {
    this.owner = owner
    this.dump = dump
  }

  /** Adds what the device has just seen. */
  write(entry) {
    this.#entries.push(entry)
    for (const waiter of this.#waiting) waiter.look(entry)
  }

  /** Nothing more will come: fails every wait, now and later. */
  close(error) {
    this.#end ??= error
    for (const waiter of this.#waiting) waiter.fail(this.#end)
  }

  /** Every entry so far that `matches`. */
  all(matches) {
    return this.#entries.filter(matches)
  }

  /** The first entry that `matches`, past or future. Fails, with a dump, when the deadline passes. */
  expect(what, matches) {
    const known = this.#entries.find(matches)
    if (known) return Promise.resolve(known)
    if (this.#end) return Promise.reject(this.#failure(what, this.#end))
    return new Promise((resolve, reject) => {
      const settle = (act, value) => {
        clearTimeout(timer)
        this.#waiting.delete(waiter)
        act(value)
      }
      const waiter = {
        look: entry => matches(entry) && settle(resolve, entry),
        fail: error => settle(reject, this.#failure(what, error)),
      }
      const timer = setTimeout(() => waiter.fail(new Error(`nothing after ${DEADLINE_MS} ms`)), DEADLINE_MS)
      this.#waiting.add(waiter)
    })
  }

  /** The last entries, one per line. */
  toString() {
    return this.#entries.slice(-10).map(entry => `    ${line(entry)}`).join('\n')
  }

  #failure(what, cause) {
    return new Error(`${this.owner} did not see ${what}: ${cause.message}\n${this.dump()}`, { cause })
  }
}

/** `promise`, or a failure when it takes longer than the deadline. */
export async function within(what, promise) {
  let timer
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: nothing after ${DEADLINE_MS} ms`)), DEADLINE_MS)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

function line(entry) {
  const shown = Object.entries(entry).filter(([name]) => name !== 'key')
  return shown.map(([name, value]) => `${name}=${brief(value)}`).join(' ')
}

function brief(value) {
  const text = typeof value === 'object' ? JSON.stringify(value) : String(value)
  return text.length > 60 ? `${text.slice(0, 60)}… (${text.length})` : text
}
