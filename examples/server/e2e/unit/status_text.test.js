import assert from 'node:assert/strict';
import { test } from 'node:test';

import { setLanguage } from '../../page/i18n.js';
import { describe } from '../../page/problem.js';
import { reasonHints, reasonText, statusText } from '../../page/status_text.js';

setLanguage('en');
const of = (reason, userAction = null) => ({ status: 'error', reason, userAction });

test('a reason is told in words, with what the server adds', () => {
  assert.equal(reasonText(of({ kind: 'pairing_rejected', detail: 'rate_limited', code: 429 })),
    'The phone or WhatsApp refused to link. (429) It was tried too often.');
  assert.equal(reasonText(of({ kind: 'pairing_expired', detail: 'exhausted' })),
    'No phone took the code in time. Link it again.');
  assert.equal(reasonText(of({ kind: 'internal', detail: 'Out of paper.' })),
    'A fault of the server. Tell whoever runs this service. Out of paper.');
  assert.equal(reasonText(of({ kind: 'network', detail: 'the socket closed' })),
    'The network failed; it connects again by itself.');
  assert.equal(reasonText(of({ kind: 'from_tomorrow' }, 'wait')), 'Wait.');
  assert.equal(reasonText(of({ kind: 'from_tomorrow' })), 'from_tomorrow');
  assert.equal(reasonText(of(null)), '');
});

// R021
test('an unstable link comes with all that may help', () => {
  assert.equal(reasonHints(of({ kind: 'unstable_link', detail: 'unstable_link' })).length, 6);
  assert.deepEqual(reasonHints(of(null)), []);
});

test('statuses that this page does not know are shown by their names', () => {
  assert.deepEqual([
    statusText({ status: 'idle', isLoggedIn: false }), statusText({ status: 'ready', isLoggedIn: true }),
    statusText({ status: 'sleeping', isLoggedIn: true }),
  ], ['Not linked', 'Ready', 'sleeping']);
});

test('a problem is told in words, with hints and the wait', () => {
  const told = describe({ status: 429, code: 'rate_limited', detail: 'by the phone', retryAfter: 3600, hints: [] });
  assert.deepEqual(told, {
    title: 'It was tried too often.',
    detail: '',
    hints: ['Trying sooner makes the wait longer.', 'Try again in 60 minutes.'],
  });
  assert.equal(describe({ status: 502, code: 'rejected', detail: 'the server refused with code 403' }).detail,
    'the server refused with code 403');
  assert.equal(describe({ status: 403, code: 'forbidden', detail: 'needs the scope send' }).detail, 'needs the scope send');
  assert.equal(describe({ status: 401, code: 'unauthorized', detail: 'no key' }).detail, '');
  assert.equal(describe({ status: 401, code: 'unauthorized' }).title, 'The API key is not valid.');
  assert.deepEqual(describe({ status: 502, code: 'client_outdated', detail: 'refused', until: Date.UTC(2030, 0, 2) }).hints.length, 2);
  assert.equal(describe({ status: 418, code: 'teapot', title: 'A teapot' }).title, 'A teapot');
  setLanguage('id');
  assert.equal(describe({ status: 401 }).title, 'Kunci API tidak valid.');
  setLanguage('en');
});
