// What is shown is what is stored: through storms of changes, and over connections that are slow or drop.

import { App, READY, agree, expect, test } from '../fixtures.js';
import { hold } from '../wire.js';

const NAMES = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];

/** Accounts that are made, linked, renamed, set, stopped, started, linked anew and deleted, all at the same time. */
async function storm(server, phones) {
  // The server counts requests by key: each account has one of its own.
  const calls = await Promise.all(NAMES.map(() => server.caller()));
  await Promise.all(NAMES.map(async (name, at) => {
    const call = calls[at];
    const path = `/whatsapp/session/${name}`;
    await call('POST', '/whatsapp/session', { name, displayName: `Before ${name}` });
    for (let round = 1; round <= 5; round += 1) {
      await call('PUT', path, { displayName: `${name} ${round}`, settings: { syncLimit: round * 10 } });
      await call('POST', `${path}/pairing`, { method: 'qr' });
      if (round < 5) await call('POST', `${path}/pairing/cancel`);
    }
    if (phones[at]) {
      await server.scan(name, phones[at], call);
      for (let round = 1; round <= 5; round += 1) {
        await call('POST', `${path}/stop`);
        await call('POST', `${path}/start`);
      }
    } else if (at % 2) {
      await call('DELETE', path);
    }
  }));
}

// R079, R113, R116, R117, R158, R180: after a storm of changes, every card is its row, number by number.
test('after a storm of changes the cards are what is stored', async ({ app, page, server, context }) => {
  const phones = await server.phones();
  const other = new App(await context.newPage(), server);
  await other.signIn();
  await storm(server, phones.slice(0, 3));
  for (const shown of [app, other]) {
    for (const name of NAMES.slice(0, 3)) await shown.stands(name, 'ready', READY);
    await agree(shown, server);
    await expect(shown.cards()).toHaveCount(5);
  }
  await app.picture('after-a-storm');
});

// R032, R158: what a slow connection held back is not shown over newer news, and what was lost is asked for again.
test('a connection that stalls and drops leads to the truth, not to old cards', async ({ page, server }) => {
  const wire = await hold(page);
  const app = new App(page, server);
  await app.signIn();
  await server.call('POST', '/whatsapp/session', { name: 'kept', displayName: 'Kept' });
  await server.call('POST', '/whatsapp/session', { name: 'gone', displayName: 'Gone' });
  await expect(app.cards()).toHaveCount(2);

  wire.slow();
  await server.call('PUT', '/whatsapp/session/kept', { displayName: 'Renamed' });
  await server.call('DELETE', '/whatsapp/session/gone');
  await server.call('POST', '/whatsapp/session', { name: 'new', displayName: 'New' });
  await expect.poll(() => wire.held).toBeGreaterThan(2);
  await expect(app.card('kept').getByTestId('card-title')).toHaveText('Kept');
  // What was on its way is lost. Nobody says what it was: the page begins with everything anew.
  await wire.cut();
  await expect.poll(() => wire.opened).toBe(2);
  await app.connected();
  await expect(app.card('kept').getByTestId('card-title')).toHaveText('Renamed');
  await expect(app.card('gone')).toHaveCount(0);
  await expect(app.card('new')).toBeVisible();
  await agree(app, server);

  // What comes late comes in order, and the last of it holds.
  wire.slow();
  for (const displayName of ['One', 'Two', 'Three']) {
    await server.call('PUT', '/whatsapp/session/kept', { displayName });
  }
  await expect.poll(() => wire.held).toBeGreaterThan(2);
  wire.flow();
  await expect(app.card('kept').getByTestId('card-title')).toHaveText('Three');
  await agree(app, server);
});

// R158, R180: frames that come twice, or after newer ones, change nothing.
test('old news is not shown over newer', async ({ page, server }) => {
  const frames = [];
  const wire = await hold(page);
  wire.change = (frame) => {
    frames.push(frame);
    return frame;
  };
  const app = new App(page, server);
  await app.signIn();
  const [phone] = await server.phones();
  await app.link('shop', phone);
  await agree(app, server);
  const before = frames.filter(({ event }) => event === 'whatsapp-status');
  expect(before.length).toBeGreaterThan(3);
  for (const { event, data, seq } of before) wire.tell(event, data, seq);
  await server.call('PUT', '/whatsapp/session/shop', { displayName: 'The last word' });
  await expect(app.card('shop').getByTestId('card-title')).toHaveText('The last word');
  await app.stands('shop', 'ready');
  await agree(app, server);
});

// R158, R180: a client that remembers the numbers of another database hears of everything that is new in this one.
test('who resumes after what is yet to come misses nothing', async ({ app, page, server }) => {
  await server.call('POST', '/whatsapp/session', { name: 'shop', displayName: 'Before' });
  await expect(app.card('shop')).toBeVisible();
  const { ticket } = await server.call('POST', '/ws/ticket');
  await page.evaluate((ticket) => new Promise((resolve) => {
    const socket = new WebSocket(`ws?ticket=${ticket}`);
    window.heard = [];
    socket.onmessage = ({ data }) => {
      const { event, data: body } = JSON.parse(data);
      if (event === 'whatsapp-all-statuses') socket.send(JSON.stringify({ type: 'resume', seq: 1_000_000 }));
      if (event === 'whatsapp-all-statuses') socket.send(JSON.stringify({ type: 'ping' }));
      if (event === 'pong') resolve();
      if (event === 'whatsapp-status') window.heard.push(body.displayName);
    };
  }), ticket);
  await server.call('PUT', '/whatsapp/session/shop', { displayName: 'After' });
  await expect.poll(() => page.evaluate(() => window.heard.at(-1))).toBe('After');
});

// R123, R158, R180: messages change no status, and are seen on the card all the same.
test('what is received is activity, and the card follows its row', async ({ app, server }) => {
  const [mine, theirs] = await server.phones();
  await app.link('shop', mine);
  await expect(app.card('shop').getByTestId('card-active')).toHaveText('Not active yet');
  for (const text of ['Halo', 'Masih buka?', 'Terima kasih']) {
    await server.call('POST', '/sandbox/write', { phone: theirs.name, to: mine.number, text });
  }
  await expect(app.card('shop').getByTestId('card-active')).toHaveText('Last active this minute');
  await agree(app, server);
});

// R055, R126: what has expired is not shown, not even as pixels; the next one is.
test('a QR code that expires is blanked, and the next one is shown', async ({ page, server }) => {
  const wire = await hold(page);
  let isShort = true;
  wire.change = (frame) => {
    if (isShort && frame.data.qrExpiresAt) frame.data.qrExpiresAt = frame.ts + 10_000;
    return frame;
  };
  const app = new App(page, server);
  await app.signIn();
  await page.getByTestId('add').click();
  await page.getByTestId('add-display-name').fill('Slow');
  await page.getByTestId('add-submit').click();
  const panel = page.getByTestId('link-panel');
  const qr = page.getByTestId('link-qr');
  await expect(panel).toHaveAttribute('data-phase', 'shown-qr');
  await expect.poll(() => qr.evaluate((canvas) => canvas.width)).toBeGreaterThan(20);
  await expect(page.getByTestId('link-timer')).toHaveText(/^Expires in 0:(0\d|10)$/);

  await expect(panel).toHaveAttribute('data-phase', 'expired-qr');
  await expect(qr).toBeHidden();
  expect(await qr.evaluate((canvas) => [canvas.width, canvas.height])).toEqual([1, 1]);
  await expect(page.getByTestId('link-timer')).toBeHidden();
  await expect(page.getByTestId('link-status')).toHaveText(/expired/);
  await app.picture('qr-expired');

  isShort = false;
  await server.call('PUT', '/whatsapp/session/slow', { displayName: 'Not so slow' });
  await expect(panel).toHaveAttribute('data-phase', 'shown-qr');
  await expect(page.getByTestId('link-timer')).toHaveText(/^Expires in (0:[2-5]\d|1:00)$/);
  await expect.poll(() => qr.evaluate((canvas) => canvas.width)).toBeGreaterThan(20);
});

// R042, R055, R127: a code that expired is gone, and a new one is made when somebody asks for it.
test('a code that expires is blanked, and a new one can be asked for', async ({ page, server }) => {
  const wire = await hold(page);
  wire.change = (frame) => {
    if (frame.data.codeExpiresAt) frame.data.codeExpiresAt = frame.ts + 10_000;
    if (frame.event === 'whatsapp-pairing-code') frame.data.expiresAt = frame.ts + 10_000;
    return frame;
  };
  const app = new App(page, server);
  await app.signIn();
  const [phone] = await server.phones();
  await page.getByTestId('add').click();
  await page.getByTestId('add-display-name').fill('Slow');
  await page.getByTestId('add-method-code').check();
  await page.getByTestId('add-phone').fill(phone.number);
  await page.getByTestId('add-submit').click();
  await expect(page.getByTestId('link-code')).toHaveText(/^[0-9A-Z]{4}-[0-9A-Z]{4}$/);
  await expect(page.getByTestId('link-refresh')).toBeHidden();

  await expect(page.getByTestId('link-panel')).toHaveAttribute('data-phase', 'expired-code');
  await expect(page.getByTestId('link-code')).toBeEmpty();
  await expect(page.getByTestId('link-code')).toBeHidden();
  // The server knows that it has not expired yet, and that a second one would count against the number.
  await page.getByTestId('link-refresh').click();
  await expect(page.getByTestId('problem')).toHaveAttribute('data-code', 'code_outstanding');
  await app.picture('code-expired');
});
