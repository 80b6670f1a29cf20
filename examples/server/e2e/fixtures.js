// What all tests share: a server of their own, a page that is signed in, and watchfulness over what no test may do.

import { test as base, expect } from '@playwright/test';

import { Server, World } from './server.js';

export { expect };

/** The time in which a linked account logs in and becomes ready. */
export const READY = { timeout: 60_000 };

export const test = base.extend({
  server: async ({}, use, testInfo) => serve(await Server.start(), use, testInfo),

  /** The browser's page; at the end it must have had no fault, broken no policy and asked nobody else. */
  page: async ({ page, server }, use) => {
    const faults = [];
    page.on('pageerror', (error) => faults.push(`error: ${error.stack}`));
    page.on('console', (message) => {
      if (/Content.Security.Policy/i.test(message.text())) faults.push(`policy: ${message.text()}`);
    });
    page.on('request', (request) => {
      if (new URL(request.url()).host !== new URL(server.url).host) faults.push(`foreign: ${request.url()}`);
    });
    await use(page);
    expect(faults).toEqual([]);
  },

  app: async ({ page, server }, use) => {
    const app = new App(page, server);
    await app.signIn();
    await use(app);
  },
});

/**
 * Waits until every card says what its row says, by the numbers that order changes. What still moves is looked at again a
 * second later: the server counts requests.
 */
export const agree = (app, server) => expect(async () => {
  const { accounts } = await server.call('GET', '/whatsapp/sessions');
  const rows = accounts.map(({ name, displayName, status, seq, version, phoneNumber }) => ({
    name, displayName, status, seq: String(seq), version: String(version), phone: phoneNumber ? `+${phoneNumber}` : '',
  }));
  expect(await app.shown()).toEqual(rows);
}).toPass({ intervals: [1000], timeout: 45_000 });

/** The same, with a test server that stays while the other one is started again, and that can go wrong. */
export const outside = test.extend({
  world: async ({}, use) => {
    const world = await World.start();
    await use(world);
    await world.remove();
  },
  server: async ({ world }, use, testInfo) => serve(await Server.start(['--test-server', world.file]), use, testInfo),
});

/** The same, patient with whoever asks often, and with webhooks to this machine. */
export const patient = outside.extend({
  server: async ({ world }, use, testInfo) => {
    const server = await Server.start(['--test-server', world.file, '--rate', '60000', '--private-webhooks']);
    await serve(server, use, testInfo);
  },
});

/** The same behind a path, as behind a proxy that serves more than this. */
export const below = test.extend({
  server: async ({}, use, testInfo) => serve(await Server.start(['--sandbox', '--base', '/kantor/wa']), use, testInfo),
});

async function serve(server, use, testInfo) {
  await use(server);
  await server.remove();
  if (testInfo.status !== testInfo.expectedStatus) {
    await testInfo.attach('server.log', { body: server.log.join('\n'), contentType: 'text/plain' });
  }
}

/** The page as its users see it. */
export class App {
  constructor(page, server) {
    this.page = page;
    this.server = server;
  }

  async signIn() {
    await this.page.goto(this.server.url);
    await this.page.getByTestId('key').fill(this.server.key);
    await this.page.getByTestId('sign-in').click();
    await this.connected();
  }

  async connected() {
    await expect(this.page.getByTestId('connection')).toHaveAttribute('data-state', 'connected');
  }

  /** What the cards say. */
  shown() {
    return this.cards().evaluateAll((cards) => cards.map((card) => {
      const text = (testid) => card.querySelector(`[data-testid="${testid}"]`).textContent;
      const { name, status, seq, version } = card.dataset;
      const phone = text('card-phone');
      return { name, displayName: text('card-title'), status, seq, version, phone: phone.startsWith('+') ? phone : '' };
    }));
  }

  card(name) {
    return this.page.locator(`[data-testid="card"][data-name="${name}"]`);
  }

  cards() {
    return this.page.getByTestId('card');
  }

  async stands(name, status, options = {}) {
    await expect(this.card(name)).toHaveAttribute('data-status', status, options);
  }

  async act(name, action) {
    const button = this.card(name).getByTestId('card-action');
    await expect(button).toHaveAttribute('data-action', action);
    await button.click();
  }

  async choose(name, item) {
    await this.card(name).getByTestId('card-menu').click();
    await this.card(name).getByTestId(`menu-${item}`).click();
  }

  async select(...names) {
    for (const name of names) await this.card(name).getByTestId('card-select').check();
  }

  /** Links an account with a phone, without the dialog, and waits until it is ready. */
  async link(name, phone, displayName = name) {
    await this.server.call('POST', '/whatsapp/session', { name, displayName, mode: 'qr' });
    await this.stands(name, 'qr');
    await this.server.call('POST', '/sandbox/scan', { name, phone: phone.name });
    await this.stands(name, 'ready', READY);
  }

  /** Keeps a picture of the page for people. */
  async picture(name) {
    const fullPage = await this.page.locator('dialog[open]').count() === 0;
    await this.page.screenshot({ path: `results/screenshots/${name}.png`, fullPage, animations: 'disabled' });
  }
}
