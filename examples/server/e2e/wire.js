// The page's WebSocket, held by a test: it goes on to the server, can be slowed, cut or changed, and can hear of accounts
// that the server does not have.

/** Stands between the page and its server. Call before the page signs in. */
export async function hold(page) {
  const wire = new Wire();
  await page.routeWebSocket(/\/ws\?/, (socket) => wire.take(socket));
  return wire;
}

class Wire {
  /** How many connections the page opened. */
  opened = 0;
  /** Changes each frame of the server on its way to the page. */
  change = (frame) => frame;
  #socket = null;
  #waiting = null;

  take(socket) {
    this.opened += 1;
    this.#socket = socket;
    const waiting = (this.#waiting = { frames: [], isHeld: false });
    const server = socket.connectToServer();
    server.onMessage((message) => {
      const frame = JSON.stringify(this.change(JSON.parse(message)));
      if (waiting.isHeld) waiting.frames.push(frame);
      else socket.send(frame);
    });
  }

  /** From now on nothing reaches the page. */
  slow() {
    this.#waiting.isHeld = true;
  }

  /** How much waits for the page. */
  get held() {
    return this.#waiting.frames.length;
  }

  /** The connection is lost; what waited is lost with it. */
  async cut() {
    await this.#socket.close({ code: 1001, reason: 'cut by the test' });
  }

  /** Everything that waited comes at once. */
  flow() {
    const waiting = this.#waiting;
    waiting.isHeld = false;
    for (const frame of waiting.frames.splice(0)) this.#socket.send(frame);
  }

  /** Tells the page something that the server did not say. */
  tell(event, data, seq = 0) {
    this.#socket.send(JSON.stringify({ event, seq, ts: Date.now(), data }));
  }
}

/** An account as frames tell it. */
export function told(name, more = {}) {
  return {
    accountId: `told-${name}`, name, displayName: name, status: 'idle', reason: null, userAction: null, retryAt: null,
    phoneNumber: null, isLoggedIn: false, battery: null, restriction: null, trustLevel: 1, dailyLimit: 50,
    messagesSentToday: 0, lastActiveAt: null, version: 1, accountSeq: 1,
    settings: { autoStart: false, syncLimit: 50, storageMode: 'filesystem' },
    ...more,
  };
}
