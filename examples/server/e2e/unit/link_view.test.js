import assert from 'node:assert/strict';
import { test } from 'node:test';

import { linkView } from '../../page/link_view.js';

const NO_CODES = { qrCode: null, qrExpiresAt: null, pairingCode: null, codeExpiresAt: null };
const account = (status, link = {}, more = {}) => ({ status, isLoggedIn: false, link: { ...NO_CODES, ...link }, ...more });

const CASES = [
  ['an account that is gone', undefined, {}, 'gone'],
  ['nothing asked for', account('idle'), {}, 'choose'],
  ['asked for, not begun', account('idle'), { asked: 'qr' }, 'waiting'],
  ['begun, no code yet', account('loading'), {}, 'waiting'],
  ['a QR code', account('qr', { qrCode: 'A', qrExpiresAt: 200 }), { asked: 'qr' }, 'shown-qr'],
  ['a QR code at its expiry', account('qr', { qrCode: 'A', qrExpiresAt: 100 }), { asked: 'qr' }, 'expired-qr'],
  ['a code at its expiry', account('pairing', { pairingCode: 'A', codeExpiresAt: 100 }), { method: 'code', asked: 'code' }, 'expired-code'],
  ['a code', account('pairing', { pairingCode: 'A', codeExpiresAt: 200 }), { method: 'code', asked: 'code' }, 'shown-code'],
  ['a code that the server shows no more', account('pairing'), { method: 'code', asked: 'code' }, 'expired-code'],
  ['the other method', account('qr', { qrCode: 'A', qrExpiresAt: 200 }), { method: 'code', asked: 'qr' }, 'choose'],
  ['both at once', account('qr', { qrCode: 'A', pairingCode: 'B' }), { method: 'code', asked: 'qr' }, 'shown-code'],
  ['accepted', account('authenticated'), { asked: 'qr' }, 'accepted'],
  ['ready', account('ready'), { asked: 'qr' }, 'linked'],
  ['linked and stopped', account('idle', {}, { isLoggedIn: true }), {}, 'linked'],
  ['failed', account('error'), {}, 'failed'],
  ['failed, and asked for again', account('error'), { asked: 'qr' }, 'waiting'],
];

for (const [name, of, { method = 'qr', asked = null }, phase] of CASES) {
  test(`${name} is shown as ${phase}`, () => assert.equal(linkView(of, { method, asked }, 100).phase, phase));
}

// R042, R055: what has expired is not shown, and a new code can be asked for; QR codes follow by themselves.
test('what has expired is not shown, and a new code can be asked for', () => {
  const link = { qrCode: 'A', qrExpiresAt: 100, pairingCode: 'B', codeExpiresAt: 100 };
  for (const method of ['qr', 'code']) {
    const before = linkView(account('pairing', link), { method, asked: method }, 99);
    assert.deepEqual([before[method], before.left, before.canRefresh], [method === 'qr' ? 'A' : 'B', 1, false]);
    const after = linkView(account('pairing', link), { method, asked: method }, 100);
    assert.deepEqual([after.qr, after.code, after.left], [null, null, null]);
    assert.deepEqual([after.canRefresh, after.canCancel], [method === 'code', true]);
  }
});
