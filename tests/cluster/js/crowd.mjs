// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Many clients on the official TypeScript SDKs: node crowd.mjs URL LEGACY MODERN ROUNDS.
//
// LEGACY clients on SDK 1.x with one session each, MODERN ones on SDK 2.x at 2026-07-28. Each does its operations and checks
// their results, ROUNDS times, or until standard input ends when ROUNDS is 0. When all are connected it prints
// {"ready":true}, at the end {"done":{operation: count},"failed":{operation and error: count},"lost":[…]}. lost are errors
// that say that a session is gone.

import { Client as LegacyClient } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as LegacyTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import {
  ElicitRequestSchema,
  LoggingMessageNotificationSchema,
  ResourceUpdatedNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';

const [url, legacyCount, modernCount, rounds] = [process.argv[2], ...process.argv.slice(3).map(Number)];
const levels = ['debug', 'info', 'notice', 'warning', 'error', 'critical', 'alert', 'emergency'];
const timeout = 20_000; // milliseconds, of one operation
const done = {};
const failed = {};
const lost = [];
let stopping = false;
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

function check(condition, what) {
  if (!condition) throw new Error(`wrong answer: ${what}`);
}

const word = () => ({ action: 'accept', content: { word: 'kelp' } });
const textOf = (result) => result.content[0].text;

/** member is what clients of both eras have in common. */
class Member {
  constructor(name) {
    this.name = name;
    this.uri = `kit://item/${name}`;
    this.logged = [];
    this.updates = 0;
  }

  tool(name, args, meta) {
    return this.client.callTool({ name, arguments: args, ...(meta && { _meta: meta }) }, ...this.options());
  }

  async echo() {
    check(textOf(await this.tool('kit__echo', { Text: this.name })) === this.name, 'echo');
  }

  async ask() {
    check(textOf(await this.tool('kit__ask', { Text: this.name })) === 'accept kelp', 'ask');
  }

  async log(level, meta) {
    const want = levels.slice(levels.indexOf(level)).join();
    for (const until = Date.now() + 10_000; ; ) {
      this.logged = [];
      await this.tool('web__log', { Text: this.name }, meta);
      if (this.logged.join() === want) return;
      check(Date.now() < until, `log level ${level}, and these come: ${this.logged.join()}`);
      await sleep(50);
    }
  }

  async touch() {
    for (let tries = 0; tries < 10; tries++) {
      const before = this.updates;
      await this.tool('kit__touch', { uri: this.uri });
      for (const until = Date.now() + 1000; Date.now() < until; await sleep(10)) {
        if (this.updates > before) return;
      }
    }
    check(false, 'subscribed, and no update comes');
  }
}

class Legacy extends Member {
  options = () => [undefined, { timeout }];

  async connect() {
    this.client = new LegacyClient({ name: this.name, version: '1' }, { capabilities: { elicitation: {} } });
    this.client.setRequestHandler(ElicitRequestSchema, word);
    this.client.setNotificationHandler(LoggingMessageNotificationSchema, (n) => this.logged.push(n.params.level));
    this.client.setNotificationHandler(ResourceUpdatedNotificationSchema, (n) => this.updates++);
    this.client.onerror = () => {}; // streams that are opened again
    this.transport = new LegacyTransport(new URL(url), {
      reconnectionOptions: { initialReconnectionDelay: 100, maxReconnectionDelay: 1000, reconnectionDelayGrowFactor: 1.5, maxRetries: 1000 },
    });
    await this.client.connect(this.transport);
  }

  async level(turn) {
    const level = levels[turn % levels.length];
    await this.client.setLoggingLevel(level, { timeout });
    await this.log(level);
  }

  subscribe = () => this.client.subscribeResource({ uri: this.uri }, { timeout });
  operations = ['level', 'subscribe', 'touch', 'ask', 'echo'];
}

class Modern extends Member {
  options = () => [{ timeout }];

  async connect() {
    this.client = new Client(
      { name: this.name, version: '1' },
      { capabilities: { elicitation: {} }, versionNegotiation: { mode: { pin: '2026-07-28' } } },
    );
    this.client.setRequestHandler('elicitation/create', word);
    this.client.setNotificationHandler('notifications/message', (n) => this.logged.push(n.params.level));
    this.client.onerror = () => {};
    await this.client.connect(new StreamableHTTPClientTransport(new URL(url)));
  }

  async level(turn) {
    const level = levels[turn % levels.length];
    await this.log(level, { 'io.modelcontextprotocol/logLevel': level });
  }

  operations = ['level', 'ask', 'echo'];
}

async function live(member) {
  for (let turn = 0; !stopping && (rounds === 0 || turn < rounds); turn++) {
    for (const operation of member.operations) {
      try {
        await member[operation](turn);
        done[operation] = (done[operation] ?? 0) + 1;
      } catch (error) {
        const text = `${operation}: ${String(error.message ?? error).slice(0, 200)}`;
        failed[text] = (failed[text] ?? 0) + 1;
        if (/unknown session|session (not found|has ended|has expired)|\b404\b/i.test(text)) lost.push(`${member.name}: ${text}`);
        await sleep(50);
      }
    }
    await sleep(rounds === 0 ? 4000 * Math.random() : 0);
  }
}

const members = [
  ...Array.from({ length: legacyCount }, (_, i) => new Legacy(`ts-legacy-${i}`)),
  ...Array.from({ length: modernCount }, (_, i) => new Modern(`ts-modern-${i}`)),
];
for (let i = 0; i < members.length; i += 16) {
  await Promise.all(members.slice(i, i + 16).map((member) => member.connect()));
}
console.log(JSON.stringify({ ready: true }));
process.stdin.on('end', () => (stopping = true)).resume();
await Promise.all(members.map(live));
process.stdout.write(`${JSON.stringify({ done, failed, lost: lost.slice(0, 5) })}\n`, () => process.exit(0));
