// The server is killed at random while it links, sends and delivers, with the page open. After each new start page, REST and
// database say the same; in the end nothing is lost, doubled or out of order.
//
// `WA_KILLS` says how often (6 unless set), `WA_SEED` with which dice.

import { rows } from '../database.js';
import { READY, agree, expect, patient as test } from '../fixtures.js';
import { Receiver, SECRET } from '../receiver.js';

const KILLS = Number(process.env.WA_KILLS ?? 6);
const ACCOUNTS = ['shop', 'desk'];

/** Numbers from 0 to 1, the same ones for the same seed. */
function dice(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** What the page, REST and the database say of all accounts is the same. */
async function allAgree(app, server) {
  await agree(app, server);
  await expect(async () => {
    const { accounts } = await server.call('GET', '/whatsapp/sessions');
    const told = accounts.map(({ name, status, seq }) => [name, { status, seq, last: status }]);
    expect(await rows(server)).toEqual(Object.fromEntries(told));
  }).toPass({ intervals: [500], timeout: 30_000 });
}

/** Whether somebody says that it was sent; a server that is killed says nothing. */
async function answer(server, name, to, text) {
  const response = await fetch(`${server.url}/whatsapp/session/${name}/messages`, {
    method: 'POST',
    headers: {
      Authorization: `Bearer ${server.key}`, 'Content-Type': 'application/json', 'Idempotency-Key': text.replaceAll(' ', '-'),
    },
    body: JSON.stringify({ to, content: { text } }),
  });
  return response.status === 200 && (await response.json()).id;
}

async function link(server, world, name, isOver) {
  await server.call('POST', '/whatsapp/session', { name, displayName: name, mode: 'qr' });
  while (!isOver()) {
    const qr = await server.qr(name).catch(() => null);
    if (qr) return world.call('POST', 'mock-phone/scan-qr', { qr, phone: name });
  }
  return null;
}

async function log(server) {
  const all = [];
  for (;;) {
    const { events, next } = await server.call('GET', `/whatsapp/events?limit=1000&since=${all.at(-1)?.seq ?? 0}`);
    all.push(...events);
    if (events.length === 0 || next === 0) return all;
  }
}

// R011, R030, R032, R056, R077, R079, R180
test('a server that is killed at random shows the truth again, and loses nothing', async ({ app, server, world }) => {
  test.setTimeout(600_000);
  const roll = dice(Number(process.env.WA_SEED ?? 1));
  const receiver = await Receiver.start();
  await server.call('POST', '/whatsapp/webhooks', { url: receiver.url, secret: SECRET });
  const numbers = {};
  for (const name of [...ACCOUNTS, 'friend']) {
    ({ number: numbers[name] } = await world.call('POST', 'mock-phone', { phone: name }));
  }
  for (const name of ACCOUNTS) {
    await link(server, world, name, () => false);
    await app.stands(name, 'ready', READY);
  }
  const written = { shop: [], desk: [] };
  const answers = new Map();

  for (let life = 0; life < KILLS; life += 1) {
    let isOver = false;
    const work = [
      link(server, world, `new-${life}`, () => isOver),
      (async () => {
        for (let number = 0; number < 4; number += 1) {
          for (const name of ACCOUNTS) {
            const text = `${life}/${number} to ${name}`;
            written[name].push(text);
            await world.call('POST', 'mock-phone/write', { phone: 'friend', to: numbers[name], text });
          }
        }
      })(),
      (async () => {
        for (const name of ACCOUNTS) {
          const text = `${life} from ${name}`;
          answers.set(text, { name, id: null });
          answers.get(text).id = await answer(server, name, numbers.friend, text);
        }
      })(),
    ];
    const ended = Promise.allSettled(work);
    // What it does then is not ours to wait for: it is killed in the midst of it.
    await new Promise((resolve) => { setTimeout(resolve, 30 + roll() * 900); });
    await server.stop({ signal: 'SIGKILL' });
    isOver = true;
    const [, writing] = await ended;
    expect(writing).toEqual({ status: 'fulfilled', value: undefined });
    await expect(app.page.getByTestId('connection')).toHaveAttribute('data-state', 'waiting');

    await server.startAgain();
    await app.connected();
    for (const name of ACCOUNTS) await app.stands(name, 'ready', READY);
    // What was being linked is linked, or can be linked again; nothing in between. What the kill left open is given up
    // after a minute.
    if (await app.card(`new-${life}`).count()) {
      await expect(app.card(`new-${life}`)).toHaveAttribute('data-status', /^(idle|ready|error)$/, { timeout: 150_000 });
      const { status, isLoggedIn } = await server.call('GET', `/whatsapp/session/new-${life}`);
      expect(isLoggedIn).toBe(status === 'ready');
    }
    await allAgree(app, server);
  }

  // What nobody knows is asked again with its key, as soon as the limits allow it: they are tight after a login.
  for (const [text, asked] of answers) {
    await expect.poll(async () => asked.id ||= await answer(server, asked.name, numbers.friend, text), { message: text, timeout: 90_000 }).toBeTruthy();
  }
  const ids = Object.fromEntries((await server.call('GET', '/whatsapp/sessions')).accounts.map(({ name, id }) => [name, id]));
  const received = (events, name) => events
    .filter(({ type, accountId, data }) => type === 'message.received' && accountId === ids[name] && !data.fromMe)
    .map(({ data }) => data.text);
  let events = [];
  await expect(async () => {
    events = await log(server);
    for (const name of ACCOUNTS) expect(received(events, name)).toEqual(written[name]);
    for (const { id } of answers.values()) {
      expect(events.filter(({ type, data }) => type === 'message.sent' && data.messageId === id)).toHaveLength(1);
    }
  }).toPass({ intervals: [1000], timeout: 60_000 });

  // The webhook got all of it, as it is in the log, and nothing before what came before it.
  const last = new Map();
  for (const event of events.filter(({ accountId }) => accountId)) last.set(event.accountId, event.accountSeq);
  for (const [id, seq] of last) {
    await expect.poll(() => receiver.of(id).some(({ accountSeq }) => accountSeq === seq), { timeout: 60_000 }).toBe(true);
    const logged = new Map(events.filter(({ accountId }) => accountId === id).map((event) => [event.accountSeq, event]));
    expect([...logged.keys()]).toEqual(Array.from({ length: seq }, (_, at) => at + 1));
    let highest = 0;
    for (const body of receiver.of(id)) {
      expect(body.accountSeq, id).toBeLessThanOrEqual(highest + 1);
      highest = Math.max(highest, body.accountSeq);
      const event = logged.get(body.accountSeq);
      if (event) expect({ id: body.id, type: body.type, data: body.data }).toEqual({ id: event.id, type: event.type, data: event.data });
    }
  }
  expect(receiver.faults).toEqual([]);
  await allAgree(app, server);
  await app.picture('after-kills');
  receiver.end();
});
