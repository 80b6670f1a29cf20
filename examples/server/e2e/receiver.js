// Whoever gets the deliveries of a webhook: checks their signatures, and keeps them as they came.

import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';

/** What deliveries are signed with. */
export const SECRET = 'whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=';

export class Receiver {
  bodies = [];
  /** What was wrong with deliveries. */
  faults = [];
  #server = createServer((request, response) => this.#take(request, response));

  static async start() {
    const receiver = new Receiver();
    receiver.#server.listen(0, '127.0.0.1');
    await once(receiver.#server, 'listening');
    return receiver;
  }

  get url() {
    return `http://127.0.0.1:${this.#server.address().port}/hook`;
  }

  /** What came for an account. */
  of(id) {
    return this.bodies.filter(({ account }) => account?.id === id);
  }

  end() {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  async #take(request, response) {
    try {
      const parts = [];
      for await (const part of request) parts.push(part);
      const body = Buffer.concat(parts).toString();
      const { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signature } = request.headers;
      const key = Buffer.from(SECRET.slice('whsec_'.length), 'base64');
      const expected = `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')}`;
      if (signature !== expected) this.faults.push(`${id}: ${signature}`);
      this.bodies.push(JSON.parse(body));
      response.writeHead(204).end();
    } catch {
      // The server was killed while it wrote: it writes again.
      response.destroy();
    }
  }
}
