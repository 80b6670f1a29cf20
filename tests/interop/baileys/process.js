// A program under test: started, read line by line, ended, and never left behind.
import { spawn } from 'node:child_process'
import { access, constants } from 'node:fs/promises'
import readline from 'node:readline'
import { Tail, within } from './journal.js'

/** The program that the environment names. Fails, never skips, when there is none. */
export async function program(variable) {
  const path = process.env[variable]
  if (!path) throw new Error(`${variable} is not set: it must name the program to test`)
  await access(path, constants.X_OK).catch(() => {
    throw new Error(`${variable} names ${path}, which is not a program`)
  })
  return path
}

export class Program {
  log = new Tail()

  /**
   * @param {string} name for failures
   * @param {(line: string) => void} onLine every line of its standard output
   * @param {(error: Error) => void} onExit called once, when it ends without having been asked to
   */
  constructor(name, path, args, onLine, onExit) {
    this.name = name
    this.stopping = false
    this.child = spawn(path, args, { stdio: ['pipe', 'pipe', 'pipe'] })
    this.ended = new Promise(resolve => {
      this.child.once('error', error => resolve(`could not start: ${error.message}`))
      this.child.once('close', (code, signal) => resolve(signal ?? code))
    })
    this.ended.then(how => this.stopping || onExit(new Error(`${name} ended by itself (${how})`)))
    this.child.stdin.on('error', error => this.log.add(`stdin: ${error.message}`))
    readline.createInterface({ input: this.child.stdout }).on('line', onLine)
    readline.createInterface({ input: this.child.stderr }).on('line', line => this.log.add(line))
  }

  writeLine(line) {
    this.child.stdin.write(`${line}\n`)
  }

  /** Closes its input, or sends `signal`, and waits. Returns the exit code (or the signal it died of). */
  async stop(signal) {
    this.stopping = true
    if (signal) this.child.kill(signal)
    else this.child.stdin.end()
    try {
      return await within(`the end of ${this.name}`, this.ended)
    } catch (error) {
      this.child.kill('SIGKILL')
      throw error
    }
  }
}
