// What is done with several accounts at once.

import { READY, expect, test } from '../fixtures.js';

// R092, R103, R104, R137-R139, R177, R181: the bar, its counter, its three buttons, and what became of each account.
test('several accounts are selected, stopped, started and deleted', async ({ app, page, server }) => {
  const phones = await server.phones();
  await app.link('one', phones[0]);
  await app.link('two', phones[1]);
  await server.call('POST', '/whatsapp/session', { name: 'three' });
  // Nobody told this page but the socket.
  await expect(app.cards()).toHaveCount(3);
  await expect(page.getByTestId('count')).toHaveText('3');
  await expect(page.getByTestId('batch')).toBeHidden();

  await app.select('one', 'two');
  await expect(page.getByTestId('batch-count')).toHaveText('2 selected');
  await app.picture('batch');
  await page.getByTestId('batch-stop').click();
  await app.stands('one', 'idle');
  await app.stands('two', 'idle');

  // What cannot be started is told, and holds nobody else up.
  await app.select('three');
  await expect(page.getByTestId('batch-count')).toHaveText('3 selected');
  await page.getByTestId('batch-start').click();
  await expect(page.getByTestId('batch-failed').getByRole('listitem')).toHaveCount(1);
  await expect(page.getByTestId('batch-failed')).toContainText('three');
  await app.stands('one', 'ready', READY);
  await app.stands('two', 'ready', READY);
  await app.picture('batch-partly-failed');

  await app.card('one').getByTestId('card-select').uncheck();
  await page.getByTestId('batch-delete').click();
  await expect(page.getByTestId('confirm-list').getByRole('listitem')).toHaveCount(2);
  await app.picture('batch-delete');
  await page.getByTestId('confirm-submit').click();
  await expect(app.cards()).toHaveCount(1);
  await expect(app.card('one')).toBeVisible();
  await expect(page.getByTestId('batch')).toBeHidden();
  const { accounts } = await server.call('GET', '/whatsapp/sessions');
  expect(accounts.map((account) => account.name)).toEqual(['one']);
});

// R137, R139: also all at once, and none.
test('all are selected at once, and none', async ({ app, page, server }) => {
  for (const name of ['a', 'b', 'c']) await server.call('POST', '/whatsapp/session', { name });
  await expect(app.cards()).toHaveCount(3);
  await page.getByTestId('select-all').check();
  await expect(page.getByTestId('batch-count')).toHaveText('3 selected');
  await page.getByTestId('batch-clear').click();
  await expect(page.getByTestId('batch')).toBeHidden();
  await expect(page.getByTestId('select-all')).not.toBeChecked();
});
