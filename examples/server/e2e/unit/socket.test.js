import assert from 'node:assert/strict';
import { mock, test } from 'node:test';

import { createSocket } from '../../page/socket.js';

class FakeSocket extends EventTarget {
  static OPEN = 1;
  static made = [];
  readyState = 0;
  sent = [];

  constructor(address) {
    super();
    this.address = String(address);
    FakeSocket.made.push(this);
  }

  open() {
    this.readyState = FakeSocket.OPEN;
    this.dispatchEvent(new Event('open'));
  }

  receive(frame) {
    this.dispatchEvent(new MessageEvent('message', { data: typeof frame === 'string' ? frame : JSON.stringify(frame) }));
  }

  send(text) {
    this.sent.push(JSON.parse(text));
  }

  close() {
    this.readyState = 3;
    this.dispatchEvent(new Event('close'));
  }
}

const BOARD = { event: 'whatsapp-all-statuses', seq: 7, ts: 0, data: { seq: 7, accounts: [] } };
const settled = () => new Promise((resolve) => { setImmediate(resolve); });

function start({ ticket = async () => 'T' } = {}) {
  FakeSocket.made = [];
  const heard = { frames: [], states: [], refused: [] };
  const socket = createSocket({
    ticket,
    address: (it) => `ws://here/ws?ticket=${it}`,
    onFrame: (frame) => heard.frames.push(frame),
    onState: (state) => heard.states.push(state),
    onRefused: (problem) => heard.refused.push(problem),
    WebSocket: FakeSocket,
    random: () => 0.5,
  });
  return { socket, heard };
}

test('it is connected once the board came, not before', async () => {
  const { socket, heard } = start();
  await socket.connect();
  const [wire] = FakeSocket.made;
  wire.open();
  assert.deepEqual([wire.address, heard.states], ['ws://here/ws?ticket=T', ['connecting']]);
  wire.receive('not JSON');
  wire.receive(BOARD);
  assert.deepEqual(heard.states, ['connecting', 'connected']);
  assert.equal(heard.frames.length, 1);
  socket.close();
});

test('a lost connection comes back, and waits longer each time', async () => {
  mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'] });
  const { socket, heard } = start();
  await socket.connect();
  FakeSocket.made[0].open();
  FakeSocket.made[0].close();
  assert.equal(heard.states.at(-1), 'waiting');
  mock.timers.tick(500);
  await settled();
  assert.equal(FakeSocket.made.length, 2);
  FakeSocket.made[1].close();
  mock.timers.tick(999);
  await settled();
  assert.equal(FakeSocket.made.length, 2);
  mock.timers.tick(1);
  await settled();
  assert.equal(FakeSocket.made.length, 3);
  socket.close();
  mock.timers.reset();
});

test('a server that says nothing any more is given up', async () => {
  mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'] });
  const { socket, heard } = start();
  await socket.connect();
  const [wire] = FakeSocket.made;
  wire.open();
  wire.receive(BOARD);
  mock.timers.tick(20_000);
  assert.deepEqual(wire.sent, [{ type: 'ping' }]);
  wire.receive({ event: 'pong', seq: 7, ts: 0, data: {} });
  mock.timers.tick(40_000);
  assert.equal(heard.states.at(-1), 'connected');
  mock.timers.tick(20_000);
  assert.equal(heard.states.at(-1), 'waiting');
  socket.close();
  mock.timers.reset();
});

test('a key that is refused ends it; a server that is away does not', async () => {
  const refused = start({ ticket: () => Promise.reject({ status: 401 }) });
  await refused.socket.connect();
  assert.equal(refused.heard.refused.length, 1);
  const away = start({ ticket: () => Promise.reject({ status: 0 }) });
  await away.socket.connect();
  assert.deepEqual([away.heard.refused.length, away.heard.states.at(-1)], [0, 'waiting']);
  away.socket.close();
});

test('hurry tries at once what would be tried later, and opens no second connection', async () => {
  const { socket } = start();
  await socket.connect();
  FakeSocket.made[0].open();
  socket.hurry();
  await settled();
  assert.equal(FakeSocket.made.length, 1);
  FakeSocket.made[0].close();
  socket.hurry();
  await settled();
  assert.equal(FakeSocket.made.length, 2);
  socket.close();
});
