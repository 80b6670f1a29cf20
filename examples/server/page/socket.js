// The WebSocket of live changes: connects, comes back by itself, notices when nobody answers any more. Each connection
// begins with all accounts as they are, so that nothing has to be asked for again.

const DELAYS = [500, 1000, 2000, 5000, 10_000, 15_000];
const PING_EVERY = 20_000;
const SILENCE_LIMIT = 45_000;

/**
 * A connection that is kept up until `close`.
 *
 * - `ticket`: asks for a ticket; its Problem with status 401 or 403 ends everything, through `onRefused`.
 * - `address`: makes the address of a ticket.
 * - `onFrame`, `onState`: `onState` hears `connecting`, `connected` (once the first frame came: what is shown is true),
 *   and `waiting` with the time of the next attempt.
 */
export function createSocket({
  ticket, address, onFrame, onState, onRefused, WebSocket = globalThis.WebSocket, random = Math.random,
}) {
  let socket = null;
  let attempt = 0;
  let isClosed = false;
  let isConnecting = false;
  let retryTimer = null;
  let pingTimer = null;
  let heardAt = 0;

  async function connect() {
    clearTimeout(retryTimer);
    retryTimer = null;
    if (isClosed || isConnecting || socket) return;
    isConnecting = true;
    onState('connecting');
    let address_;
    try {
      address_ = address(await ticket());
    } catch (problem) {
      isConnecting = false;
      if (isClosed) return;
      if (problem.status === 401 || problem.status === 403) onRefused(problem);
      else retry(problem.retryAfter ? problem.retryAfter * 1000 : 0);
      return;
    }
    isConnecting = false;
    if (!isClosed) listen(new WebSocket(address_));
  }

  function listen(opened) {
    socket = opened;
    let isTrue = false;
    heardAt = Date.now();
    pingTimer = setInterval(() => look(opened), PING_EVERY);
    opened.addEventListener('message', ({ data }) => {
      if (socket !== opened) return;
      heardAt = Date.now();
      const frame = parse(data);
      if (!frame) return;
      onFrame(frame);
      if (!isTrue && frame.event === 'whatsapp-all-statuses') {
        isTrue = true;
        attempt = 0;
        onState('connected');
      }
    });
    opened.addEventListener('close', () => lost(opened));
  }

  /** Asks for a sign of life; gives the connection up when there was none for long. */
  function look(opened) {
    if (Date.now() - heardAt > SILENCE_LIMIT) {
      opened.close();
      lost(opened);
    } else if (opened.readyState === WebSocket.OPEN) {
      opened.send(JSON.stringify({ type: 'ping' }));
    }
  }

  function lost(opened) {
    if (socket !== opened) return;
    socket = null;
    clearInterval(pingTimer);
    if (!isClosed) retry(0);
  }

  function retry(atLeast) {
    const delay = DELAYS[Math.min(attempt, DELAYS.length - 1)];
    attempt += 1;
    const wait = Math.max(atLeast, delay * (0.8 + 0.4 * random()));
    onState('waiting', Date.now() + wait);
    retryTimer = setTimeout(connect, wait);
  }

  return {
    connect,
    /** Tries at once what would be tried later; does nothing while it is connected. */
    hurry() {
      if (retryTimer !== null) connect();
    },
    close() {
      isClosed = true;
      clearTimeout(retryTimer);
      clearInterval(pingTimer);
      const open = socket;
      socket = null;
      open?.close();
    },
  };
}

function parse(data) {
  try {
    const frame = JSON.parse(data);
    return frame && typeof frame.event === 'string' && frame.data !== null ? frame : null;
  } catch {
    return null;
  }
}
