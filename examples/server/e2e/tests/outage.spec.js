// What happens outside: the service drops connections, is away, or bans an account; the server is started again.

import { READY, agree, expect, outside as test } from '../fixtures.js';

/** Links an account with a phone of the test server. */
async function link(app, world, name) {
  const { server } = app;
  await server.call('POST', '/whatsapp/session', { name, displayName: name, mode: 'qr' });
  await app.stands(name, 'qr');
  const qr = await server.qr(name);
  await world.call('POST', 'mock-phone/scan-qr', { qr, phone: name });
  await app.stands(name, 'ready', READY);
}

// R056, R057, R077, R106: what ran runs again after a restart, what was stopped stays stopped unless it starts by itself.
test('after a restart what was ready is ready again, and what was stopped is stopped', async ({ app, page, server, world }) => {
  for (const name of ['runs', 'rests', 'wakes']) await link(app, world, name);
  await app.act('rests', 'stop');
  await app.act('wakes', 'stop');
  await app.stands('rests', 'idle');
  await app.stands('wakes', 'idle');
  await app.choose('wakes', 'settings');
  await page.getByTestId('settings-auto-start').check();
  await page.getByTestId('settings-save').click();
  await expect(page.getByTestId('settings-dialog')).toBeHidden();

  await server.stop();
  await expect(page.getByTestId('banner')).toBeVisible();
  await server.startAgain();
  await app.connected();
  await app.stands('runs', 'ready', READY);
  await app.stands('wakes', 'ready', READY);
  await app.stands('rests', 'idle');
  await agree(app, server);
  await app.picture('restored');
});

// R057, R087, R115, R120: the service goes away and comes back, and the card says so.
test('an account that loses its connection is disconnected, and ready again', async ({ app, server, world }) => {
  await link(app, world, 'shop');
  const { device } = await server.call('GET', '/whatsapp/session/shop');
  await world.call('POST', 'faults', { refuse_login: { reason: 503, count: 1000 } });
  await world.call('POST', 'connection', { device: device.deviceId, do: 'disconnect' });
  await app.stands('shop', 'disconnected');
  await expect(app.card('shop').getByTestId('card-status')).toHaveText('Disconnected');
  await expect(app.card('shop').getByTestId('card-reason')).toContainText('it connects again by itself');
  await expect(app.card('shop').getByTestId('card-action')).toHaveAttribute('data-action', 'stop');
  await app.picture('disconnected');
  await world.call('DELETE', 'faults');
  await app.stands('shop', 'ready', READY);
  await expect(app.card('shop').getByTestId('card-reason')).toBeHidden();
  await agree(app, server);
});

// R087, R115, R120, R124: an error says what it is, and what to do.
test('an account that is banned for a while is in error, and says until when', async ({ app, server, world }) => {
  await link(app, world, 'shop');
  const { device } = await server.call('GET', '/whatsapp/session/shop');
  await world.call('POST', 'faults', { ban: { code: 104, expire_s: 3600 } });
  await world.call('POST', 'connection', { device: device.deviceId, do: 'disconnect' });
  await app.stands('shop', 'error', READY);
  await expect(app.card('shop').getByTestId('card-status')).toHaveText('Error');
  await expect(app.card('shop').getByTestId('card-reason')).toContainText('banned');
  await expect(app.card('shop').getByTestId('card-restriction')).toContainText('Restricted until');
  await agree(app, server);
  await app.picture('banned');
});
