import assert from 'node:assert/strict';
import { test } from 'node:test';

import { createApi } from '../../page/api.js';

function server(...answers) {
  const calls = [];
  const fetch = async (url, options) => {
    calls.push({ url: String(url), ...options });
    const answer = answers.shift();
    if (answer instanceof Error) throw answer;
    return answer;
  };
  return { calls, api: createApi({ key: 'K', base: 'http://here/base/', language: () => 'id', fetch }) };
}

const json = (body, status = 200, headers = {}) => new Response(JSON.stringify(body), { status, headers });

test('a call carries the key, the language and a key of its own, under the base path', async () => {
  const { api, calls } = server(json({ before: 'idle' }));
  await api.start('a b');
  const [{ url, method, headers }] = calls;
  assert.deepEqual([url, method], ['http://here/base/whatsapp/session/a%20b/start', 'POST']);
  assert.deepEqual([headers.Authorization, headers['Accept-Language']], ['Bearer K', 'id']);
  assert.match(headers['Idempotency-Key'], /^[0-9a-f]{32}$/);
});

test('a change names the version that it is for', async () => {
  const { api, calls } = server(json({}));
  await api.update('shop', 3, { displayName: 'X' });
  assert.equal(calls[0].headers['If-Match'], '"3"');
});

test('a failure says what the server said', async () => {
  const { api } = server(json({ code: 'rate_limited', detail: 'not before' }, 429, { 'Retry-After': '30' }));
  await assert.rejects(api.pair('shop', { method: 'qr' }), (problem) => {
    assert.deepEqual([problem.status, problem.code, problem.detail, problem.retryAfter], [429, 'rate_limited', 'not before', 30]);
    return true;
  });
});

test('a failure that is no problem+json is one all the same', async () => {
  const { api } = server(new Response('<html>', { status: 502 }));
  await assert.rejects(api.list(), { name: 'Problem', status: 502 });
});

test('after a fault of the network the same request goes once more', async () => {
  const { api, calls } = server(new TypeError('reset'), json({ ticket: 'T' }));
  assert.equal(await api.ticket(), 'T');
  assert.equal(calls[0].headers['Idempotency-Key'], calls[1].headers['Idempotency-Key']);
  const away = server(new TypeError('reset'), new TypeError('reset'));
  await assert.rejects(away.api.ticket(), { code: 'offline' });
});

test('a list comes in as many parts as there are; a server without phones has none', async () => {
  const { api, calls } = server(json({ accounts: [1], nextCursor: 'c/1' }), json({ accounts: [2] }));
  assert.deepEqual(await api.list(), [1, 2]);
  assert.match(calls[1].url, /cursor=c%2F1$/);
  assert.deepEqual(await server(json({}, 404)).api.phones(), []);
});
