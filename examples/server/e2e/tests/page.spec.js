// The page itself: languages, keyboard, signing in, and that what people wrote is never markup.

import { App, READY, agree, below, expect, test } from '../fixtures.js';

// R045: all texts are there in both languages (unit/texts.test.js); the browser's language is taken, or the one chosen.
test.describe('for a browser that speaks Indonesian', () => {
  test.use({ locale: 'id-ID' });

  test('the page is Indonesian, and English when that is chosen', async ({ app, page, server }) => {
    await server.call('POST', '/whatsapp/session', { name: 'toko', displayName: 'Toko' });
    await expect(app.card('toko').getByTestId('card-status')).toHaveText('Belum tertaut');
    await expect(page.getByTestId('add')).toHaveText('Tambah akun');
    await expect(page.locator('html')).toHaveAttribute('lang', 'id');
    await app.picture('indonesian');
    await page.getByTestId('add').click();
    await expect(page.getByRole('dialog', { name: 'Tambah akun' })).toBeVisible();
    await app.picture('indonesian-add');
    await page.keyboard.press('Escape');

    await page.getByTestId('language').selectOption('en');
    await expect(app.card('toko').getByTestId('card-status')).toHaveText('Not linked');
    await expect(page.getByTestId('add')).toHaveText('Add account');
    await app.picture('english');
    await page.reload();
    await expect(page.getByTestId('sign-in')).toHaveText('Sign in');
  });
});

// R182: nothing is shown without a key.
test('a key that is wrong is refused, with words', async ({ page, server }) => {
  await page.goto(server.url);
  await page.getByTestId('sign-in').click();
  await expect(page.getByTestId('sign-in-error')).toHaveText('Enter the API key.');
  await page.getByTestId('key').fill('not-a-key');
  await page.getByTestId('key').press('Enter');
  await expect(page.getByTestId('sign-in-error')).toContainText('The API key is not valid.');
  await expect(page.getByTestId('add')).toBeHidden();
});

test('the policy allows the page nothing but its own files', async ({ page, server }) => {
  const answer = await page.goto(server.url);
  const policy = answer.headers()['content-security-policy'];
  expect(policy).toContain("default-src 'self'");
  expect(policy).not.toContain('unsafe');
});

test('everything is reached by keyboard, and the focus comes back', async ({ app, page, server }) => {
  await server.call('POST', '/whatsapp/session', { name: 'keys', displayName: 'Keys' });
  await expect(app.card('keys')).toBeVisible();
  await page.getByTestId('add').focus();
  await page.keyboard.press('Enter');
  await expect(page.getByTestId('add-display-name')).toBeFocused();
  await page.keyboard.press('Escape');
  await expect(page.getByTestId('add')).toBeFocused();

  const menu = app.card('keys').getByTestId('card-menu');
  await menu.focus();
  await page.keyboard.press('ArrowDown');
  await expect(app.card('keys').getByTestId('menu-open-chat')).toBeFocused();
  await page.keyboard.press('End');
  await expect(app.card('keys').getByTestId('menu-delete')).toBeFocused();
  await page.keyboard.press('ArrowUp');
  await expect(app.card('keys').getByTestId('menu-settings')).toBeFocused();
  await page.keyboard.press('Escape');
  await expect(menu).toBeFocused();
  await page.keyboard.press('Enter');
  await page.keyboard.press('ArrowUp');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('dialog', { name: 'Delete Keys?' })).toBeVisible();
  await page.keyboard.press('Escape');
  await expect(menu).toBeFocused();
});

// R058: behind a proxy that serves more than this, nothing of the page is looked for elsewhere.
below('below a path everything is found, too', async ({ app, page, server }) => {
  expect(new URL(page.url()).pathname).toBe('/kantor/wa/');
  const [phone] = await server.phones();
  await app.link('shop', phone);
  await page.goto(`${server.url}/`);
  await app.signIn();
  await app.stands('shop', 'ready');
});

test('what people wrote is text, never markup', async ({ app, page, server }) => {
  const displayName = '<img src=x onerror="document.title=1"><b>Bold</b>';
  await server.call('POST', '/whatsapp/session', { name: 'markup', displayName });
  await expect(app.card('markup').getByTestId('card-title')).toHaveText(displayName);
  await app.choose('markup', 'delete');
  await expect(page.getByTestId('delete-dialog')).toContainText(displayName);
  await expect(page.locator('main img, dialog img')).toHaveCount(0);
});

// R113, R114, R116, R148: whatever one changes, all who look at it see.
test('two pages show the same', async ({ app, page, server, context }) => {
  const other = new App(await context.newPage(), server);
  await other.signIn();
  await server.call('POST', '/whatsapp/session', { name: 'shared', displayName: 'Shared' });
  await app.choose('shared', 'settings');
  await page.getByTestId('settings-display-name').fill('Renamed');
  await page.getByTestId('settings-save').click();
  await expect(other.card('shared').getByTestId('card-title')).toHaveText('Renamed');
  const [phone] = await server.phones();
  await other.act('shared', 'link');
  await other.page.getByTestId('link-start').click();
  await app.stands('shared', 'qr');
  await server.scan('shared', phone);
  for (const shown of [app, other]) await shown.stands('shared', 'ready', READY);
  await app.act('shared', 'stop');
  for (const shown of [app, other]) await shown.stands('shared', 'idle');
  await agree(app, server);
  await agree(other, server);
});
