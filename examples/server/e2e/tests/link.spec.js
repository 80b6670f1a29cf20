// Adding accounts: by QR code and by code, as people do it.

import { READY, expect, test } from '../fixtures.js';

// R027, R046, R081, R086, R093, R118-R120, R124-R126, R128, R129: added by QR code, with a name and first settings.
test('an account is added by QR code and turns ready', async ({ app, page, server }) => {
  const [phone] = await server.phones();
  await expect(page.getByTestId('empty')).toBeVisible();
  await page.getByTestId('add').click();
  await page.getByTestId('add-display-name').fill('Toko Satu');
  await expect(page.getByTestId('add-name')).toHaveValue('toko-satu');
  await page.getByTestId('add-sync-limit').fill('120');
  await expect(page.getByTestId('add-sync-limit-value')).toHaveText('120');
  await app.picture('add-form');
  await page.getByTestId('add-submit').click();

  const panel = page.getByTestId('link-panel');
  await expect(panel).toHaveAttribute('data-phase', 'shown-qr');
  await expect(page.getByTestId('link-qr')).toBeVisible();
  await expect.poll(() => page.getByTestId('link-qr').evaluate((canvas) => canvas.width)).toBeGreaterThan(20);
  await expect(page.getByTestId('link-timer')).toHaveText(/\d:\d\d/);
  await expect(page.getByTestId('link-steps').getByRole('listitem')).toHaveCount(4);
  await app.picture('add-qr');

  await server.call('POST', '/sandbox/scan', { name: 'toko-satu', phone: phone.name });
  await expect(panel).toHaveAttribute('data-phase', 'linked', READY);
  await expect(page.getByTestId('link-qr')).toBeHidden();
  await app.picture('add-linked');
  await page.getByTestId('link-done').click();

  await app.stands('toko-satu', 'ready');
  const card = app.card('toko-satu');
  await expect(card.getByTestId('card-title')).toHaveText('Toko Satu');
  await expect(card.getByTestId('card-avatar')).toHaveText('T');
  await expect(card.getByTestId('card-phone')).toHaveText(/^\+\d{7,15}$/);
  await expect(card.getByTestId('card-trust')).toHaveText('Level 1 · 0/50 today');
  const { settings } = await server.call('GET', '/whatsapp/session/toko-satu');
  expect(settings.syncLimit).toBe(120);
  await app.picture('card-ready');
});

// R044, R045, R049, R050, R081, R086, R094, R125, R127, R140-R142: added by a code, from the number to the phone.
test('an account is added by a code that is typed on the phone', async ({ app, page, server }) => {
  const phone = (await server.phones()).at(-1);
  await page.getByTestId('add').click();
  await page.getByTestId('add-display-name').fill('Remote');
  await page.getByTestId('add-method-code').check();
  await page.getByTestId('add-phone').fill('+62 812-3456');
  await page.getByTestId('add-submit').click();
  await expect(page.getByTestId('add-phone-error')).toBeVisible();
  await expect(page.getByTestId('add-phone')).toBeFocused();
  await page.getByTestId('add-phone').fill(phone.number || '628123456789');
  await page.getByTestId('add-submit').click();

  const code = page.getByTestId('link-code');
  await expect(code).toHaveText(/^[0-9A-Z]{4}-[0-9A-Z]{4}$/);
  await expect(page.getByTestId('link-timer')).toHaveText(/\d:\d\d/);
  await expect(page.getByTestId('link-steps')).toContainText('Link with phone number instead');
  await page.getByTestId('link-copy').click();
  await expect(page.getByTestId('link-copied')).toHaveText('Copied.');
  expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(await code.textContent());
  await app.picture('add-code');

  // The sandbox's own controls this time.
  await page.getByTestId('sandbox-phone').selectOption(phone.name);
  await page.getByTestId('sandbox-type').click();
  await expect(page.getByTestId('link-panel')).toHaveAttribute('data-phase', 'linked', READY);
  await page.getByTestId('link-done').click();
  await app.stands('remote', 'ready');
});

// R179: called off, and begun again from the card.
test('an attempt is cancelled, and the account is linked later from its card', async ({ app, page, server }) => {
  const [phone] = await server.phones();
  await page.getByTestId('add').click();
  await page.getByTestId('add-display-name').fill('Later');
  await page.getByTestId('add-submit').click();
  await expect(page.getByTestId('link-panel')).toHaveAttribute('data-phase', 'shown-qr');
  await page.getByTestId('link-cancel').click();
  await expect(page.getByTestId('add-dialog')).toBeHidden();
  await expect(app.card('later').getByTestId('card-action')).toHaveAttribute('data-action', 'link');

  await app.act('later', 'link');
  await page.getByTestId('link-start').click();
  await expect(page.getByTestId('link-panel')).toHaveAttribute('data-phase', 'shown-qr');
  await server.call('POST', '/sandbox/scan', { name: 'later', phone: phone.name });
  await expect(page.getByTestId('link-panel')).toHaveAttribute('data-phase', 'linked', READY);
});

// R183: names for addresses are unique, and are not lost while another one is looked for.
test('a name that is taken is told with what to do, and nothing is lost', async ({ page, server }) => {
  await server.call('POST', '/whatsapp/session', { name: 'taken' });
  await page.goto(server.url);
  await page.getByTestId('key').fill(server.key);
  await page.getByTestId('sign-in').click();
  await page.getByTestId('add').click();
  await page.getByTestId('add-display-name').fill('Taken');
  await page.getByTestId('add-submit').click();
  const problem = page.getByTestId('add-dialog').getByTestId('problem');
  await expect(problem).toHaveAttribute('data-code', 'already_exists');
  await expect(problem).toContainText('Choose another name.');
  await expect(page.getByTestId('add-display-name')).toHaveValue('Taken');
});
