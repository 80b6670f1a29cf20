import assert from 'node:assert/strict';
import { test } from 'node:test';

import { createStore } from '../../page/store.js';

const TRUST = { trustLevel: 1, dailyLimit: 50, messagesSentToday: 0, restrictions: [], resetsAt: 99 };

const snapshot = (more = {}) => ({
  id: 'a1', name: 'shop', displayName: 'Shop', status: 'idle', reason: null, seq: 5, version: 1, isLoggedIn: true,
  phoneNumber: '628123456789', settings: { syncLimit: 50 }, trust: TRUST, lastActiveAt: null, battery: null, ...more,
});

const update = (more = {}) => ({
  accountId: 'a1', name: 'shop', displayName: 'Shop', status: 'loading', accountSeq: 6, isLoggedIn: true,
  phoneNumber: '628123456789', trustLevel: 1, dailyLimit: 50, messagesSentToday: 0, ...more,
});

const frame = (event, data, seq = 1) => ({ event, seq, ts: 0, data });

const board = (...accounts) => frame('whatsapp-all-statuses', { seq: 40, accounts }, 40);

// R158, R180: by its numbers.
test('older news never replaces newer', () => {
  const store = createStore();
  store.takeSnapshots([snapshot({ seq: 9, status: 'ready' })]);
  store.takeFrame(frame('whatsapp-status', update({ accountSeq: 8, status: 'loading' })));
  assert.equal(store.get('a1').status, 'ready');
  store.takeFrame(frame('whatsapp-status', update({ accountSeq: 10, status: 'disconnected' })));
  store.takeSnapshots([snapshot({ seq: 9, status: 'ready' })]);
  assert.equal(store.get('a1').status, 'disconnected');
});

test('settings go by their version, whatever the status does', () => {
  const store = createStore();
  store.takeSnapshots([snapshot({ version: 2, settings: { syncLimit: 100 } })]);
  store.takeFrame(frame('whatsapp-status', update({ accountSeq: 20, status: 'ready' })));
  store.takeSnapshots([snapshot({ version: 3, settings: { syncLimit: 200 } })]);
  const account = store.get('a1');
  assert.deepEqual([account.status, account.settings.syncLimit], ['ready', 200]);
  store.takeSnapshots([snapshot({ version: 2, settings: { syncLimit: 100 } })]);
  assert.equal(store.get('a1').settings.syncLimit, 200);
});

// R114, R158: what a socket begins with.
test('the board is the truth: what is not on it is gone, also when numbers went back', () => {
  const store = createStore();
  store.takeSnapshots([snapshot({ seq: 90, version: 7, status: 'ready' }), snapshot({ id: 'a2', name: 'bar' })]);
  store.takeFrame(board(update({ accountSeq: 3, status: 'idle' })));
  assert.deepEqual(store.all().map(({ id, status }) => [id, status]), [['a1', 'idle']]);
  assert.ok(store.isStale(), 'settings are asked for again');
  const mark = store.mark();
  store.takeSnapshots([snapshot({ seq: 3, version: 2, settings: { syncLimit: 7 } })], mark);
  assert.equal(store.get('a1').settings.syncLimit, 7);
  assert.ok(!store.isStale());
  assert.equal(store.seq(), 40);
});

test('an update that says everything leaves nothing to ask for', () => {
  const store = createStore();
  store.takeSnapshots([snapshot({ version: 2 })]);
  store.takeFrame(board(update({ settings: { syncLimit: 9 }, version: 1 })));
  assert.deepEqual([store.isStale(), store.get('a1').settings.syncLimit], [false, 9]);
  store.takeFrame(frame('whatsapp-status', update({ status: 'idle', settings: { syncLimit: 8 }, version: 2 })));
  assert.deepEqual([store.isStale(), store.get('a1').settings.syncLimit], [false, 8]);
});

test('a deleted account stays deleted, whatever answer comes late', () => {
  const store = createStore();
  store.takeSnapshots([snapshot()]);
  store.takeFrame(frame('whatsapp-deleted', { accountId: 'a1' }));
  store.takeSnapshots([snapshot()]);
  store.takeFrame(frame('whatsapp-status', update({ accountSeq: 99 })));
  assert.deepEqual(store.all(), []);
});

test('an account that is new has its settings asked for', () => {
  const store = createStore();
  store.takeFrame(frame('whatsapp-status', update({ accountId: 'a9', name: 'new', displayName: 'New' })));
  assert.equal(store.byName('new').displayName, 'New');
  assert.ok(store.isStale());
  const early = store.mark() - 1;
  store.takeSnapshots([snapshot({ id: 'a9', name: 'new', seq: 6 })], early);
  assert.ok(store.isStale(), 'an answer to an earlier question does not count');
  store.takeSnapshots([snapshot({ id: 'a9', name: 'new', seq: 6 })], store.mark());
  assert.ok(!store.isStale());
});

// R055, R111: no code is kept longer than it is good for something.
test('codes live as long as the account is being linked', () => {
  const store = createStore();
  store.takeSnapshots([snapshot({ isLoggedIn: false, phoneNumber: null })]);
  const codes = { qrCode: 'iVBO', qrExpiresAt: 60_000, isLoggedIn: false };
  store.takeFrame(frame('whatsapp-status', update({ status: 'qr', ...codes })));
  store.takeFrame(frame('whatsapp-pairing-code', { accountId: 'a1', code: 'ABCD-EFGH', expiresAt: 70_000 }));
  assert.deepEqual(store.get('a1').link, {
    qrCode: 'iVBO', qrExpiresAt: 60_000, pairingCode: 'ABCD-EFGH', codeExpiresAt: 70_000,
  });
  store.takeFrame(frame('whatsapp-status', update({ status: 'authenticated', accountSeq: 7 })));
  assert.equal(store.get('a1').link.qrCode, null);
  assert.equal(store.get('a1').link.pairingCode, null);
});

// R123: what happens without a change of the status moves the number and the last activity on, and never back.
test('figures move on, never back', () => {
  const store = createStore();
  store.takeSnapshots([snapshot({ status: 'ready', seq: 5 })]);
  store.takeFrame(frame('whatsapp-usage', { accountId: 'a1', lastActiveAt: 900, accountSeq: 8 }));
  store.takeFrame(frame('whatsapp-usage', { accountId: 'a1', accountSeq: 7 }));
  assert.deepEqual([store.get('a1').seq, store.get('a1').lastActiveAt], [8, 900]);
});

// R123: what the server says of the last activity holds, also when it says that there was none.
test('a last activity that nobody knows of is not shown', () => {
  const store = createStore();
  store.takeSnapshots([snapshot({ status: 'ready', seq: 5, lastActiveAt: 900 })]);
  store.takeFrame(board(update({ accountSeq: 6, status: 'ready' })));
  assert.equal(store.get('a1').lastActiveAt, 900);
  store.takeFrame(board(update({ accountSeq: 7, status: 'ready', lastActiveAt: null })));
  assert.equal(store.get('a1').lastActiveAt, null);
});

// R148: whoever shows accounts is told of each change, once, until it wants no more.
test('listeners hear of each change, and of none after they left', () => {
  const store = createStore();
  const heard = [];
  const leave = store.subscribe(() => heard.push(store.get('a1')?.status ?? 'gone'));
  store.takeSnapshots([snapshot()]);
  store.takeFrame(frame('whatsapp-status', update({ status: 'ready' })));
  store.takeFrame(frame('pong', {}));
  store.takeFrame(frame('whatsapp-deleted', { accountId: 'a1' }));
  assert.deepEqual(heard, ['idle', 'ready', 'gone']);
  leave();
  store.takeSnapshots([snapshot({ id: 'a2', name: 'other' })]);
  assert.equal(heard.length, 3);
});

test('usage and restrictions change nothing else', () => {
  const store = createStore();
  store.takeSnapshots([snapshot({ status: 'ready' })]);
  store.takeFrame(frame('whatsapp-usage', { accountId: 'a1', messagesSentToday: 12 }));
  store.takeFrame(frame('whatsapp-restriction', { accountId: 'a1', restriction: { kind: 'time_lock', until: 5 } }));
  const { status, trust } = store.get('a1');
  assert.deepEqual([status, trust.messagesSentToday, trust.dailyLimit], ['ready', 12, 50]);
  assert.deepEqual(trust.restrictions, [{ kind: 'time_lock', until: 5 }]);
});

test('frames of unknown kinds and accounts are passed over', () => {
  const store = createStore();
  store.takeFrame(frame('pong', {}));
  store.takeFrame(frame('whatsapp-pairing-code', { accountId: 'nobody', code: 'X' }));
  store.takeFrame(frame('toString', {}));
  assert.deepEqual(store.all(), []);
});
