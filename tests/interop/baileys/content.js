// What a message says, in one shape for both libraries: what to send, and what a device saw. See README.md, "Content".
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

let folder

/** The path of a new file with these bytes. */
export async function file(bytes) {
  folder ??= await mkdtemp(join(tmpdir(), 'wa-interop-'))
  const path = join(folder, randomBytes(8).toString('hex'))
  await writeFile(path, bytes)
  return path
}

export function sha256(bytes) {
  return createHash('sha256').update(bytes).digest('hex')
}

/** What is seen of what was sent: of files their hash, of other messages their ids. */
export function asSeen({ message, quoted, bytes, ...said }) {
  return {
    ...said,
    ...(message && { target: message.id }),
    ...(quoted && { quoted: quoted.id }),
    ...(bytes && { sha256: sha256(bytes) }),
  }
}

/** A message, an entry of a journal, says this and maybe more. */
export async function assertSays(entry, expected, where) {
  const said = {}
  for (const name of Object.keys(expected)) said[name] = (await entry.content[name]) ?? null
  assert.deepEqual(said, expected, where)
}
