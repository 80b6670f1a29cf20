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

test('a call carries the key and the language, under the base path', async () => {
  const { api, calls } = server(json({ before: 'idle' }));
  await api.start('a b');
  const [{ url, method, headers }] = calls;
  assert.deepEqual([url, method], ['http://here/base/whatsapp/session/a%20b/start', 'POST']);
  assert.deepEqual([headers.Authorization, headers['Accept-Language']], ['Bearer K', 'id']);
});

test('a change names the version that it is for', async () => {
  const { api, calls } = server(json({}));
  await api.update('shop', 3, { displayName: 'X' });
  assert.equal(calls[0].headers['If-Match'], '"3"');
});

test('a failure says what the server said', async () => {
  const { api } = server(json({ code: 'rate_limited', detail: 'not before' }, 429, { 'Retry-After': '30' }));
  await assert.rejects(api.pair('shop', 'qr'), (problem) => {
    assert.deepEqual([problem.status, problem.code, problem.detail, problem.retryAfter], [429, 'rate_limited', 'not before', 30]);
    return true;
  });
});

test('a failure that is no problem+json is one all the same', async () => {
  const { api } = server(new Response('<html>', { status: 502 }));
  await assert.rejects(api.list(), { name: 'Problem', status: 502 });
});

test('a fault of the network is told, and nothing is sent twice', async () => {
  const { api, calls } = server(new TypeError('reset'));
  await assert.rejects(api.create({ name: 'shop' }), { name: 'Problem', code: 'offline' });
  assert.equal(calls.length, 1);
});

test('an attempt to link names its method as the server does', async () => {
  const { api, calls } = server(json({}), json({}));
  await api.pair('shop', 'code', '628123456789');
  await api.pair('shop', 'qr');
  assert.deepEqual(calls.map(({ body }) => JSON.parse(body)),
    [{ method: 'pairing', phoneNumber: '628123456789' }, { method: 'qr' }]);
});

test('an answer may be empty', async () => {
  const { api } = server(new Response(null, { status: 202 }));
  assert.equal(await api.refreshPairing('shop'), null);
});

test('a list comes in as many parts as there are; a server without phones has none', async () => {
  const { api, calls } = server(json({ accounts: [1], cursor: 1000 }), json({ accounts: [2], cursor: null }));
  assert.deepEqual(await api.list(), [1, 2]);
  assert.match(calls[1].url, /&cursor=1000$/);
  assert.deepEqual(await server(json({}, 404)).api.phones(), []);
});

test('more names than the server takes at once go in several requests', async () => {
  const names = Array.from({ length: 2001 }, (_, n) => `account-${n}`);
  const parts = [names.slice(0, 1000), names.slice(1000, 2000), names.slice(2000)];
  const { api, calls } = server(...parts.map((part) => json({ items: part.map((name) => ({ name, ok: true })) })));
  const { items } = await api.batchDelete(names);
  assert.deepEqual(items.map((item) => item.name), names);
  assert.deepEqual(calls.map(({ body }) => JSON.parse(body)), parts.map((part) => ({ names: part, confirm: true })));
});
