// One browser, one server for each test. All that is kept of a run is in results/: screenshots for people, traces and
// pictures of what failed, and a report.

import { defineConfig, devices } from '@playwright/test';

export default defineConfig({
  testDir: 'tests',
  outputDir: 'results/failures',
  // Two shared cores: the server, the simulated phones and the browser want them.
  workers: 1,
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
      // The system's own: WA_CHROMIUM names it. It asks nobody but the server, and runs as root, too.
      executablePath: process.env.WA_CHROMIUM ?? '/usr/bin/chromium',
      args: ['--no-sandbox', '--disable-quic'],
    },
    trace: 'retain-on-failure',
    screenshot: 'only-on-failure',
  },
  projects: [{ name: 'chromium' }],
});
