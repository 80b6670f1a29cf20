// What is done with one account: stop, start, rename, set, reset, disconnect, delete.

import { READY, expect, test } from '../fixtures.js';

// R088, R089, R099, R100, R121, R130-R136, R178: one account, from stop and start to each of its settings.
test('an account is stopped, started, renamed and set', async ({ app, page, server }) => {
  const [phone] = await server.phones();
  await app.link('desk', phone, 'Front desk');
  await app.act('desk', 'stop');
  await app.stands('desk', 'idle');
  await app.act('desk', 'start');
  await app.stands('desk', 'ready', READY);

  await app.choose('desk', 'settings');
  const dialog = page.getByTestId('settings-dialog');
  await expect(page.getByTestId('settings-display-name')).toBeFocused();
  await expect(page.getByTestId('settings-display-name')).toHaveValue('Front desk');
  await expect(page.getByTestId('settings-trust-level')).toHaveText('1 of 5');
  await expect(page.getByTestId('settings-daily-limit')).toHaveText('0 of 50');
  await page.getByTestId('settings-display-name').fill('Reception');
  await page.getByTestId('settings-auto-start').check();
  await page.getByTestId('settings-sync-limit').fill('500');
  await page.getByTestId('settings-storage-mode').selectOption('none');
  await app.picture('settings');
  await page.getByTestId('settings-save').click();
  await expect(dialog).toBeHidden();
  await expect(app.card('desk').getByTestId('card-title')).toHaveText('Reception');

  const { displayName, settings } = await server.call('GET', '/whatsapp/session/desk');
  expect({ displayName, ...settings }).toMatchObject({
    displayName: 'Reception', autoStart: true, syncLimit: 500, storageMode: 'none',
  });

  await app.choose('desk', 'settings');
  await expect(page.getByTestId('settings-sync-limit-value')).toHaveText('500');
  await expect(page.getByTestId('settings-storage-mode')).toHaveValue('none');
  await page.getByTestId('settings-reset').click();
  await page.getByTestId('reset-submit').click();
  await expect(page.getByTestId('reset-reason-error')).toBeVisible();
  await page.getByTestId('reset-reason').fill('counted twice');
  await page.getByTestId('reset-submit').click();
  await expect(page.getByTestId('reset-dialog')).toBeHidden();

  // Once a day only, and the server says so.
  await page.getByTestId('settings-reset').click();
  await page.getByTestId('reset-reason').fill('again');
  await page.getByTestId('reset-submit').click();
  await expect(page.getByTestId('reset-dialog').getByTestId('problem')).toHaveAttribute('data-code', 'already_reset');
  await app.picture('reset-refused');
});

// R097, R158: nobody overwrites what somebody else set.
test('settings that somebody else changed meanwhile are shown before they are changed', async ({ app, page, server }) => {
  await server.call('POST', '/whatsapp/session', { name: 'both', displayName: 'Both' });
  await expect(app.card('both')).toBeVisible();
  await app.choose('both', 'settings');
  await page.getByTestId('settings-display-name').fill('Mine');
  await server.call('PUT', '/whatsapp/session/both', { displayName: 'Theirs' });
  await page.getByTestId('settings-save').click();
  await expect(page.getByTestId('settings-changed')).toBeVisible();
  await expect(page.getByTestId('settings-display-name')).toHaveValue('Theirs');
  await page.getByTestId('settings-display-name').fill('Mine');
  await page.getByTestId('settings-save').click();
  await expect(app.card('both').getByTestId('card-title')).toHaveText('Mine');
});

// R090, R091, R098, R101, R122, R152: disconnected it keeps its row; deleted it is gone, here and in the database.
test('an account is disconnected, keeps its row, and is deleted', async ({ app, page, server }) => {
  const [phone] = await server.phones();
  await app.link('old', phone);
  await app.choose('old', 'disconnect');
  await app.picture('disconnect');
  await page.getByTestId('logout-dialog').getByTestId('confirm-submit').click();
  await expect(page.getByTestId('logout-dialog')).toBeHidden();
  await app.stands('old', 'idle');
  await expect(app.card('old').getByTestId('card-action')).toHaveAttribute('data-action', 'link');

  await app.choose('old', 'delete');
  await page.getByTestId('delete-dialog').getByTestId('confirm-cancel').click();
  await expect(app.card('old')).toBeVisible();
  await app.choose('old', 'delete');
  await page.getByTestId('delete-dialog').getByTestId('confirm-submit').click();
  await expect(app.card('old')).toHaveCount(0);
  await expect(page.getByTestId('empty')).toBeVisible();
  expect((await server.call('GET', '/whatsapp/sessions')).accounts).toEqual([]);
});
