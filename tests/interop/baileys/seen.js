// What tests ask of a device's journal.
import assert from 'node:assert/strict'

/** The message of this id, now or later. */
export function message(device, id) {
  return device.journal.expect(`message ${id}`, entry => entry.kind === 'message' && entry.id === id)
}

/** That these messages were `kind`: delivered, read. */
export function heard(device, kind, ids) {
  const of = id => device.journal.expect(`that ${id} was ${kind}`, entry => entry.kind === kind && entry.id === id)
  return Promise.all(ids.map(of))
}

/** The device was shown no message twice. */
export function seenOnce({ name, journal }) {
  const ids = journal.all(({ kind }) => kind === 'message').map(({ id }) => id)
  assert.deepEqual(ids.filter((id, at) => ids.indexOf(id) !== at), [], `${name} saw these twice`)
}

/** Either name of an account, with or without a device number. */
export function belongsTo({ jid, lid }, address) {
  return [jid, lid].includes(address.replace(/:\d+@/, '@'))
}

export function numbered(count, what) {
  return Array.from({ length: count }, (_, at) => `${what} (${at + 1} of ${count})`)
}
