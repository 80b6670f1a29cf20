// The real server, as its users start it, on a directory of its own; and the test server, for tests that need it to stay
// while the other one is started again.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const START_LIMIT = 30_000;
const STOP_LIMIT = 15_000;

/** A server that runs. */
export class Server {
  url = '';
  key = '';
  log = [];
  #child = null;
  #data = '';
  #backend = [];

  /** `backend` says what stands in for WhatsApp. */
  static async start(backend = ['--sandbox']) {
    const server = new Server();
    server.#backend = backend;
    server.#data = await mkdtemp(join(tmpdir(), 'wa-server-e2e-'));
    await server.#run('127.0.0.1:0');
    return server;
  }

  /** Ends it in good order, or by force. The data stay. */
  async stop({ signal = 'SIGTERM' } = {}) {
    const child = this.#child;
    this.#child = null;
    if (child) await end(child, signal);
  }

  /** Starts it again on the same data, at the same address: pages that are open find it again. */
  async startAgain() {
    await this.#run(new URL(this.url).host);
  }

  async remove() {
    await this.stop();
    await rm(this.#data, { recursive: true, force: true });
  }

  /** Where it keeps its files. */
  get data() {
    return this.#data;
  }

  /** Calls with a key of their own: the server counts requests by key. */
  async caller() {
    const { key } = await this.call('POST', '/keys', { scopes: ['admin'] });
    return (method, path, body) => this.call(method, path, body, key);
  }

  /** A REST call with the admin key. Fails on answers that are no success. */
  async call(method, path, body, key = this.key) {
    const response = await fetch(this.url + path, {
      method,
      headers: { Authorization: `Bearer ${key}`, 'Content-Type': 'application/json' },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return text ? JSON.parse(text) : null;
  }

  /** What a phone would read off the QR code that an account shows. */
  async qr(name) {
    const headers = { Authorization: `Bearer ${this.key}`, Accept: 'text/plain' };
    const response = await fetch(`${this.url}/whatsapp/session/${name}/qr`, { headers });
    if (!response.ok) throw new Error(`${name} shows no QR code: ${response.status}`);
    return response.text();
  }

  /** The simulated phones: `{name, number}`. */
  async phones() {
    const { phones } = await this.call('GET', '/sandbox');
    return phones.map((phone) => (typeof phone === 'string' ? { name: phone, number: '' } : phone));
  }

  /** A phone scans what an account shows, as soon as it shows something; the account knows of it afterwards. */
  async scan(name, phone, call = this.call.bind(this)) {
    await this.#until(name, call, ({ status }) => status === 'qr');
    await call('POST', '/sandbox/scan', { name, phone: phone.name });
    await this.#until(name, call, ({ isLoggedIn }) => isLoggedIn);
  }

  async #until(name, call, isSo) {
    for (let tries = 0; tries < 60; tries += 1) {
      if (isSo(await call('GET', `/whatsapp/session/${name}`))) return;
      await new Promise((resolve) => { setTimeout(resolve, 1000); });
    }
    throw new Error(`waited in vain for ${name}`);
  }

  async #run(listen) {
    const arguments_ = [...this.#backend, '--listen', listen, '--data', this.#data];
    const child = spawn(binary('WA_SERVER_BIN', 'wa-server'), arguments_, {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    createInterface({ input: child.stderr }).on('line', (line) => this.log.push(line));
    await new Promise((resolve, reject) => {
      const fail = (why) => reject(new Error(`${why}\n${this.log.join('\n')}`));
      const limit = setTimeout(() => fail('the server did not start in time'), START_LIMIT);
      child.once('error', (error) => fail(error.message));
      child.once('exit', (code, signal) => fail(`the server ended with ${code ?? signal}`));
      createInterface({ input: child.stdout }).on('line', (line) => {
        this.log.push(line);
        // The key is printed at the first start only, and may come before or after the address.
        this.key ||= /^admin key: (\S+)/.exec(line)?.[1] ?? '';
        this.url = /^listening on (http:\/\/\S+)/.exec(line)?.[1] ?? this.url;
        this.isListening ||= line.startsWith('listening on ');
        if (this.isListening && this.key) {
          clearTimeout(limit);
          this.isListening = false;
          resolve();
        }
      });
    });
  }
}

/** A test server in a process of its own: what it knows of accounts outlives the server that is tested. */
export class World {
  #child = null;
  #directory = '';
  #admin = '';

  static async start() {
    const world = new World();
    world.#directory = await mkdtemp(join(tmpdir(), 'wa-world-e2e-'));
    const child = spawn(binary('WA_TEST_SERVER_BIN', 'wa-test-server'), ['--json'], { stdio: ['ignore', 'pipe', 'ignore'] });
    world.#child = child;
    const [line] = await Promise.race([
      once(createInterface({ input: child.stdout }), 'line'),
      once(child, 'exit').then(() => { throw new Error('the test server ended'); }),
    ]);
    world.#admin = JSON.parse(line).admin;
    await writeFile(world.file, line);
    return world;
  }

  /** What describes it to the server that is tested. */
  get file() {
    return join(this.#directory, 'world.json');
  }

  async remove() {
    await end(this.#child, 'SIGTERM');
    await rm(this.#directory, { recursive: true, force: true });
  }

  /** An admin call of the test server: `phone`, `scan-qr` and others of a phone, `faults`, `connection`. */
  async call(method, path, body) {
    const address = new URL(`/admin/${path}`, this.#admin);
    const response = await fetch(address, { method, body: body && JSON.stringify(body) });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${address}: ${response.status} ${text}`);
    return text ? JSON.parse(text) : null;
  }
}

function binary(variable, name) {
  const path = process.env[variable];
  if (!path) throw new Error(`${variable} names the program to test: cargo build -p ${name}`);
  return path;
}

async function end(child, signal) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill(signal);
  const force = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT);
  await exited;
  clearTimeout(force);
}
