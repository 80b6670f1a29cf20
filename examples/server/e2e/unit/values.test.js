import assert from 'node:assert/strict';
import { test } from 'node:test';

import { accountAction, restrictionOf } from '../../page/account_action.js';
import { toMillis } from '../../page/clock.js';
import { ago, countdown, groupedCode } from '../../page/format.js';
import { initial, isName, isPhone, nameFrom } from '../../page/inputs.js';

// R044
test('a number is digits with the country code, and nothing else', () => {
  assert.ok(isPhone('628123456789'));
  for (const bad of ['+628123456789', '62 812 3456789', '62-8123456789', '08123456789', '12345', '', '1234567890123456']) {
    assert.ok(!isPhone(bad), bad);
  }
});

test('a name is safe in addresses, and can be made of what people write', () => {
  for (const good of ['shop', 'webjs_1_1761188765_pZTeaGqs', '0.a-b']) assert.ok(isName(good), good);
  for (const bad of ['', '../etc', '-a', 'a b', 'a/b', 'x'.repeat(65)]) assert.ok(!isName(bad), bad);
  assert.equal(nameFrom('Toko Kopi: Ibu Aníta!'), 'toko-kopi-ibu-anita');
  assert.equal(nameFrom('***'), '');
  assert.ok(isName(nameFrom(`a${' b'.repeat(80)}`)));
  assert.deepEqual([initial(' toko'), initial('🙂 x'), initial('')], ['T', 'X', '?']);
});

// R121
test('a card offers what fits where the account stands', () => {
  const cases = [
    ['idle', true, 'start'], ['error', true, 'start'], ['loading', true, 'stop'], ['authenticated', true, 'stop'],
    ['ready', true, 'stop'], ['disconnected', true, 'stop'], ['idle', false, 'link'], ['error', false, 'link'],
    ['loading', false, 'show'], ['qr', false, 'show'], ['pairing', false, 'show'], ['authenticated', false, 'show'],
  ];
  for (const [status, isLoggedIn, action] of cases) {
    assert.equal(accountAction({ status, isLoggedIn, reason: null }), action, `${status}, ${isLoggedIn}`);
  }
  assert.equal(accountAction({ status: 'error', isLoggedIn: true, reason: { kind: 'logged_out' } }), 'link');
});

test('restrictions are named, and the longest of them ends last', () => {
  assert.equal(restrictionOf([]), null);
  assert.deepEqual(restrictionOf([{ kind: 'time_lock', until: 5 }, { kind: 'lane_status', until: 9 }]),
    { names: ['time_lock', 'lane'], until: 9 });
  assert.deepEqual(restrictionOf([{ kind: 'lane_same_text', until: null }]), { names: ['lane'], until: null });
  assert.deepEqual(restrictionOf([{ kind: 'pause', until: 7 }]), { names: ['pause'], until: 7 });
});

test('times are read and shown', () => {
  assert.deepEqual([toMillis(5), toMillis('1970-01-01T00:00:01Z'), toMillis(null), toMillis('soon')], [5, 1000, null, null]);
  assert.deepEqual([countdown(61_000), countdown(1), countdown(-5)], ['1:01', '0:01', '0:00']);
  assert.equal(ago(0, 3 * 3_600_000, 'en'), '3 hours ago');
  assert.deepEqual([groupedCode('ABCDEFGH'), groupedCode('ABCD-EFGH')], ['ABCD-EFGH', 'ABCD-EFGH']);
});
