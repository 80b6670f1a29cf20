// The server goes away and comes back: the page says so, and shows the truth again.

import { agree, expect, test } from '../fixtures.js';

for (const signal of ['SIGTERM', 'SIGKILL']) {
  // R032, R079, R114, R158, R180: a new start of the server, in good order or not, and then the truth.
  test(`after ${signal} and a new start the page shows the truth again`, async ({ app, page, server }) => {
    const [phone] = await server.phones();
    await app.link('shop', phone, 'Shop');
    await server.call('POST', '/whatsapp/session', { name: 'spare', displayName: 'Spare' });
    await app.choose('spare', 'settings');
    await page.getByTestId('settings-display-name').fill('Spare phone');
    await page.getByTestId('settings-save').click();
    await expect(app.card('spare').getByTestId('card-title')).toHaveText('Spare phone');
    await app.act('shop', 'stop');
    await app.stands('shop', 'idle');
    await agree(app, server);

    await server.stop({ signal });
    await expect(page.getByTestId('connection')).toHaveAttribute('data-state', 'waiting');
    await expect(page.getByTestId('banner')).toBeVisible();
    await app.picture(`not-connected-${signal}`);

    await server.startAgain();
    // Changed before the page is back: it must not go on showing what it knew.
    await server.call('PUT', '/whatsapp/session/shop', { displayName: 'Shop 2' });
    await server.call('DELETE', '/whatsapp/session/spare');
    // It comes back by itself.
    await app.connected();
    await expect(page.getByTestId('banner')).toBeHidden();
    await expect(app.card('shop').getByTestId('card-title')).toHaveText('Shop 2');
    await expect(app.card('spare')).toHaveCount(0);
    await app.stands('shop', 'idle');
    await agree(app, server);

    await page.reload();
    await app.signIn();
    await agree(app, server);
    await app.picture(`after-restart-${signal}`);
  });
}

// R032, R148: the language is all that the browser keeps.
test('the page keeps nothing of accounts or keys', async ({ app, page, server }) => {
  await server.call('POST', '/whatsapp/session', { name: 'kept' });
  await expect(app.card('kept')).toBeVisible();
  await page.getByTestId('language').selectOption('id');
  const kept = await page.evaluate(async () => ({
    local: Object.keys(localStorage),
    session: Object.keys(sessionStorage),
    cookies: document.cookie,
    databases: (await indexedDB.databases()).length,
    caches: (await caches.keys()).length,
  }));
  expect(kept).toEqual({ local: ['wa-language'], session: [], cookies: '', databases: 0, caches: 0 });
  await page.reload();
  await expect(page.getByTestId('key')).toHaveValue('');
  await expect(app.cards()).toHaveCount(0);
});
