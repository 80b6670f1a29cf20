// How it looks and reads: every status, every dialog, on a phone and on a desk, in both languages, for eyes and for
// screen readers. Accounts that no sandbox brings about are told to the page by the test.

import { App, READY, expect, test } from '../fixtures.js';
import { hold, told } from '../wire.js';

const HOUR = 3_600_000;

/** One account of each status, as the server tells them. */
function everyStatus(now) {
  const linked = { isLoggedIn: true, lastActiveAt: now - 3 * HOUR };
  return [
    told('idle', { displayName: 'Gudang', status: 'idle', ...linked, phoneNumber: '628111000001' }),
    told('loading', {
      displayName: 'Kasir 2', status: 'loading', reason: { kind: 'connecting' }, ...linked, phoneNumber: '628111000002',
    }),
    told('qr', { displayName: 'Cabang Bandung', status: 'qr', qrCode: '', qrExpiresAt: now + HOUR }),
    told('pairing', { displayName: 'Remote', status: 'pairing', phoneNumber: '628111000004' }),
    told('authenticated', { displayName: 'Citra', status: 'authenticated', phoneNumber: '628111000005' }),
    told('ready', {
      displayName: 'Toko Pusat', status: 'ready', isLoggedIn: true, phoneNumber: '628111000006', battery: 80,
      lastActiveAt: now - 5 * 60_000, trustLevel: 3, dailyLimit: 200, messagesSentToday: 172,
    }),
    told('disconnected', {
      displayName: 'Layanan Pelanggan dengan nama yang panjang sekali', status: 'disconnected', ...linked,
      phoneNumber: '628111000007', reason: { kind: 'network', retryAt: now + HOUR }, retryAt: now + HOUR,
    }),
    told('error', {
      displayName: 'Promo', status: 'error', isLoggedIn: true, phoneNumber: '628111000008', trustLevel: 0, dailyLimit: 10,
      messagesSentToday: 10, reason: { kind: 'account_locked', code: 463 }, userAction: 'open_phone',
      restriction: { kind: 'time_lock', until: now + 48 * HOUR, serverCode: 463 },
    }),
  ];
}

/** Signs in to a page that is told these accounts. */
async function shown(page, server, accounts = everyStatus(Date.now())) {
  const wire = await hold(page);
  wire.change = (frame) => (frame.event === 'whatsapp-all-statuses'
    ? { ...frame, data: { ...frame.data, accounts } }
    : frame);
  const app = new App(page, server);
  await app.signIn();
  await expect(app.cards()).toHaveCount(accounts.length);
  return app;
}

const WORDS = {
  en: {
    idle: 'Stopped', loading: 'Connecting', qr: 'Scan the QR code', pairing: 'Enter the code',
    authenticated: 'Logging in', ready: 'Ready', disconnected: 'Disconnected', error: 'Error',
  },
  id: {
    idle: 'Berhenti', loading: 'Menghubungkan', qr: 'Pindai kode QR', pairing: 'Masukkan kode',
    authenticated: 'Sedang masuk', ready: 'Siap', disconnected: 'Terputus', error: 'Galat',
  },
};
const COLOURS = {
  idle: 'grey', loading: 'blue', qr: 'amber', pairing: 'amber', authenticated: 'teal', ready: 'green',
  disconnected: 'orange', error: 'red',
};
const ACTIONS = {
  idle: 'start', loading: 'stop', qr: 'show', pairing: 'show', authenticated: 'show', ready: 'stop', disconnected: 'stop',
  error: 'start',
};

// R087, R112, R120, R121: each status has its word, its colour and its button, in both languages, and can be read.
test('each status has its badge and its button', async ({ page, server }) => {
  const app = await shown(page, server);
  for (const language of ['en', 'id']) {
    await page.getByTestId('language').selectOption(language);
    for (const [status, word] of Object.entries(WORDS[language])) {
      const badge = app.card(status).getByTestId('card-status');
      await expect(badge).toHaveText(word);
      const { ground, text } = await badge.evaluate((element) => {
        const { backgroundColor, color } = getComputedStyle(element);
        return { ground: backgroundColor, text: color };
      });
      expect(colourName(ground), status).toBe(COLOURS[status]);
      expect(contrast(ground, text), status).toBeGreaterThanOrEqual(4.5);
      await expect(app.card(status).getByTestId('card-action')).toHaveAttribute('data-action', ACTIONS[status]);
    }
  }
});

// R118, R119, R123, R124: what a card says of an account.
test('a card shows initial, name, number, activity, battery, level and restriction', async ({ page, server }) => {
  const app = await shown(page, server);
  const part = (name, testid) => app.card(name).getByTestId(testid);
  await expect(part('ready', 'card-avatar')).toHaveText('T');
  await expect(part('ready', 'card-title')).toHaveText('Toko Pusat');
  await expect(part('ready', 'card-phone')).toHaveText('+628111000006');
  await expect(part('qr', 'card-phone')).toHaveText('No number yet');
  await expect(part('ready', 'card-active')).toHaveText('Last active 5 minutes ago');
  await expect(part('qr', 'card-active')).toHaveText('Not active yet');
  await expect(part('ready', 'card-battery')).toHaveText('Battery 80 %');
  await expect(part('idle', 'card-battery')).toBeHidden();
  await expect(part('ready', 'card-trust')).toHaveText('Level 3 · 172/200 today');
  await expect(part('ready', 'card-restriction')).toBeHidden();
  await expect(part('error', 'card-restriction')).toHaveText(/^Restricted until .+: people who never wrote first/);
  expect(await part('error', 'card-restriction').evaluate((it) => getComputedStyle(it, '::before').maskImage))
    .toContain('lock.svg');
  await expect(part('error', 'card-reason')).toHaveText('The account is locked. Open WhatsApp on the phone. (463)');
});

// R122: the menu, and that the chat is opened by whoever shows the page around it, or by the link itself.
test('the menu of a card opens the chat, disconnects, sets and deletes', async ({ page, server }) => {
  const app = await shown(page, server);
  await app.card('ready').getByTestId('card-menu').click();
  const menu = app.card('ready').getByRole('menu');
  await expect(menu).toMatchAriaSnapshot(`
    - menu:
      - menuitem "Open chat"
      - menuitem "Disconnect"
      - menuitem "Settings"
      - menuitem "Delete"
  `);
  const chat = menu.getByRole('menuitem', { name: 'Open chat' });
  await expect(chat).toHaveAttribute('href', 'https://wa.me/628111000006');
  await app.picture('menu');
  await page.evaluate(() => document.addEventListener('wa-open-chat', (event) => {
    document.body.dataset.opened = event.detail.phoneNumber;
    event.preventDefault();
  }));
  await chat.click();
  await expect(page.locator('body')).toHaveAttribute('data-opened', '628111000006');
  expect(page.context().pages()).toHaveLength(1);
  // Nobody to write to, and nothing to disconnect.
  await app.card('qr').getByTestId('card-menu').click();
  await expect(app.card('qr').getByTestId('menu-open-chat')).toHaveAttribute('aria-disabled', 'true');
  await expect(app.card('qr').getByTestId('menu-disconnect')).toHaveAttribute('aria-disabled', 'true');
});

// What a screen reader is told: names, roles and states.
test('cards, bar and dialogs have names and roles', async ({ page, server }) => {
  const app = await shown(page, server);
  await expect(page.getByRole('banner')).toMatchAriaSnapshot(`
    - banner:
      - heading "WhatsApp accounts" [level=1]
      - status: Live
      - text: Language
      - combobox "Language"
      - button "Sign out"
  `);
  await expect(page.getByRole('article', { name: 'Toko Pusat' })).toMatchAriaSnapshot(`
    - article "Toko Pusat":
      - checkbox "Select Toko Pusat"
      - heading "Toko Pusat" [level=3]
      - paragraph: "+628111000006"
      - button "More for Toko Pusat"
      - text: Ready Level 3 · 172/200 today
      - paragraph: Last active 5 minutes ago
      - paragraph: Battery 80 %
      - button "Stop Toko Pusat"
  `);
  await app.select('ready', 'error');
  await expect(page.getByRole('region', { name: 'Selected accounts' })).toMatchAriaSnapshot(`
    - region "Selected accounts":
      - status: 2 selected
      - button "Start selected"
      - button "Stop selected"
      - button "Delete selected"
      - button "Clear selection"
  `);
  await page.getByTestId('add').click();
  await expect(page.getByRole('dialog', { name: 'Add an account' })).toMatchAriaSnapshot(`
    - dialog "Add an account":
      - heading "Add an account" [level=2]
      - button "Close"
      - textbox "Name"
      - textbox "Name in addresses"
      - group "Link with":
        - radio "QR code" [checked]
        - radio "Code"
      - slider "Messages to fetch from each chat’s past": "50"
      - alert
      - button "Cancel"
      - button "Add and link"
  `);
  await page.getByTestId('add-submit').click();
  const name = page.getByRole('textbox', { name: 'Name', exact: true });
  await expect(name).toBeFocused();
  await expect(name).toHaveAttribute('aria-invalid', 'true');
  await expect(name).toHaveAccessibleDescription(/Enter a name\.$/);
});

const SIZES = { phone: { width: 390, height: 844 }, desk: { width: 1280, height: 800 } };

for (const [size, viewport] of Object.entries(SIZES)) {
  for (const language of ['en', 'id']) {
    test.describe(`on a ${size}, in ${language}`, () => {
      test.use({ viewport, locale: language, colorScheme: language === 'id' && size === 'desk' ? 'dark' : 'light' });

      // R118-R139: everything fits, whatever the width; pictures of all of it are kept.
      test('everything fits', async ({ page, server }) => {
        const app = await shown(page, server);
        const picture = async (name) => {
          await fits(page);
          await app.picture(`${size}-${language}-${name}`);
        };
        await picture('cards');
        await app.select('ready', 'error');
        await picture('batch');
        await page.getByTestId('batch-delete').click();
        await picture('batch-delete');
        await page.keyboard.press('Escape');
        await page.getByTestId('batch-clear').click();
        await app.choose('ready', 'disconnect');
        await picture('disconnect');
        await page.keyboard.press('Escape');
        await page.getByTestId('add').click();
        await page.getByTestId('add-method-code').check();
        await page.getByTestId('add-submit').click();
        await picture('add');
      });

      // R125-R127, R130-R136: the same for what only a real account shows.
      test('what links and what sets fits', async ({ app, page, server }) => {
        const picture = async (name) => {
          await fits(page);
          await app.picture(`${size}-${language}-${name}`);
        };
        const [phone] = await server.phones();
        await page.getByTestId('add').click();
        await page.getByTestId('add-display-name').fill('Toko Pusat');
        await page.getByTestId('add-submit').click();
        const qr = page.getByTestId('link-qr');
        await expect.poll(() => qr.evaluate((canvas) => canvas.width)).toBeGreaterThan(20);
        await picture('link-qr');
        await page.getByTestId('link-method-code').check();
        await page.getByTestId('link-phone').fill(phone.number);
        await picture('link-choose');
        await page.getByTestId('link-start').click();
        await expect(page.getByTestId('link-code')).toHaveText(/^[0-9A-Z]{4}-[0-9A-Z]{4}$/);
        await picture('link-code');
        await page.getByTestId('sandbox-type').click();
        await expect(page.getByTestId('link-panel')).toHaveAttribute('data-phase', 'linked', READY);
        await picture('linked');
        await page.getByTestId('link-done').click();
        await app.choose('toko-pusat', 'settings');
        await picture('settings');
        await page.getByTestId('settings-reset').click();
        await page.getByTestId('reset-submit').click();
        await picture('reset');
      });
    });
  }
}

/** That nothing is wider than the window, and that fingers can hit what is to be hit. */
async function fits(page) {
  const faults = await page.evaluate(() => {
    const found = [];
    if (document.documentElement.scrollWidth > innerWidth) found.push(`the page is ${document.documentElement.scrollWidth} wide`);
    const scope = document.querySelector('dialog[open]') ?? document.body;
    for (const it of scope.querySelectorAll('button, select, input, a[href]')) {
      const { left, right, height } = it.getBoundingClientRect();
      const name = it.dataset.testid ?? it.textContent;
      if (height === 0 || it.closest('.skip')) continue;
      if (left < 0 || right > innerWidth) found.push(`${name} is outside`);
      if (it.matches('button, select') && height < 28) found.push(`${name} is only ${height} high`);
    }
    return found;
  });
  expect(faults).toEqual([]);
}

function rgb(colour) {
  return colour.match(/[\d.]+/g).slice(0, 3).map(Number);
}

/** What people call a colour. */
function colourName(colour) {
  const [r, g, b] = rgb(colour).map((part) => part / 255);
  const [high, low] = [Math.max(r, g, b), Math.min(r, g, b)];
  if (high - low < 0.1) return 'grey';
  const sixth = high === r ? ((g - b) / (high - low)) % 6 : high === g ? (b - r) / (high - low) + 2 : (r - g) / (high - low) + 4;
  const hue = (sixth * 60 + 360) % 360;
  const names = [[15, 'red'], [33, 'orange'], [60, 'amber'], [150, 'green'], [195, 'teal'], [260, 'blue'], [345, 'purple'], [360, 'red']];
  return names.find(([end]) => hue <= end)[1];
}

/** How well one is read on the other, as WCAG counts it. */
function contrast(one, other) {
  const luminance = (colour) => rgb(colour)
    .map((part) => part / 255)
    .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
    .reduce((sum, part, at) => sum + part * [0.2126, 0.7152, 0.0722][at], 0);
  const [high, low] = [luminance(one), luminance(other)].sort((a, b) => b - a);
  return (high + 0.05) / (low + 0.05);
}
