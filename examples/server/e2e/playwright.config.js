// One browser, one server for each test. All that is kept of a run is in results/: screenshots for people, traces and
// pictures of what failed, and a report.

import { existsSync } from 'node:fs';

import { defineConfig, devices } from '@playwright/test';

const DEBIANS = '/usr/bin/chromium';

export default defineConfig({
  testDir: 'tests',
  outputDir: 'results/failures',
  // For two shared cores, on which the servers, the simulated phones and the browsers run.
  workers: 2,
  fullyParallel: true,
  retries: 0,
  forbidOnly: Boolean(process.env.CI),
  timeout: 90_000,
  expect: { timeout: 20_000 },
  reporter: [['list'], ['html', { outputFolder: 'results/report', open: 'never' }]],
  use: {
    ...devices['Desktop Chrome'],
    locale: 'en-GB',
    permissions: ['clipboard-read', 'clipboard-write'],
    actionTimeout: 15_000,
    launchOptions: {
      // WA_CHROMIUM names one, or Debian's is taken, or else the one that `npx playwright install chromium` fetches.
      executablePath: process.env.WA_CHROMIUM || (existsSync(DEBIANS) ? DEBIANS : undefined),
      // As root, too: it opens nothing but our own page.
      args: ['--no-sandbox', '--disable-quic'],
    },
    trace: 'retain-on-failure',
    screenshot: 'only-on-failure',
  },
  projects: [{ name: 'chromium' }],
});
