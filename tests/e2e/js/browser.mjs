// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Has Chromium open pages and do something there (page.mjs): node browser.mjs CHROMIUM < visits. A visit is
// {"page": URL, "does": name, "with": {…}}. Prints what each came to, in a JSON array.

import { json } from 'node:stream/consumers';
import { chromium } from 'playwright-core';

const visits = await json(process.stdin);
const browser = await chromium.launch({
  executablePath: process.argv[2],
  args: [
    '--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync',
    '--host-resolver-rules=MAP *.example 127.0.0.1', // names of strangers, and no network
  ],
});
const outcomes = [];
try {
  for (const visit of visits) {
    const tab = await browser.newPage();
    const said = [];
    tab.on('console', (message) => said.push(message.text()));
    tab.on('pageerror', (error) => said.push(String(error)));
    try {
      await tab.goto(visit.page);
      await tab.waitForFunction(() => window.page !== undefined, undefined, { timeout: 20_000 });
      outcomes.push({ value: await tab.evaluate(({ does, with: how }) => window.page[does](how), visit), said });
    } catch (error) {
      outcomes.push({ error: String(error), said });
    }
    await tab.close();
  }
} finally {
  await browser.close();
}
console.log(JSON.stringify(outcomes));
