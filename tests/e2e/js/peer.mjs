// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// What the client scripts share: they read one step per line (a JSON object with a member "op") from standard input,
// do it with their SDK, and print one line per step:
//
//   {"ok": true, "result": …, "events": […]}   or   {"ok": false, "error": {"code": …, "message": …}, "events": […]}
//
// events are what the server sent by itself since the last line: elicitation, sampling, roots, progress, log, updated
// and list changes. After a logLevel step a client of the modern era asks for log messages with every call. The end of
// standard input ends the script without closing the session.

import { createInterface } from 'node:readline';

const defaultTimeout = 10_000; // milliseconds

/** Events collects what the server sends by itself. */
export class Events {
  #seen = [];
  #waiting = [];

  add(kind, detail = {}) {
    const event = { kind, ...detail };
    this.#seen.push(event);
    this.#waiting = this.#waiting.filter((waiter) => !waiter(event));
  }

  /** drain returns the events since the last call. */
  drain() {
    return this.#seen.splice(0);
  }

  /** wait returns the first event of a kind: one not drained yet, or the next to come. */
  wait(kind, timeoutMs = defaultTimeout) {
    const known = this.#seen.find((event) => event.kind === kind);
    if (known) return known;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no ${kind} event within ${timeoutMs} ms`)), timeoutMs);
      this.#waiting.push((event) => {
        if (event.kind !== kind) return false;
        clearTimeout(timer);
        resolve(event);
        return true;
      });
    });
  }
}

/** callOptions turns the members of a call step into the request options that both SDKs share. */
export function callOptions(step, events) {
  const options = { timeout: step.timeoutMs ?? defaultTimeout };
  if (step.progress) {
    options.onprogress = (p) => events.add('progress', { progress: p.progress, total: p.total, message: p.message });
  }
  if (step.cancelAfterMs !== undefined) {
    const abort = new AbortController();
    setTimeout(() => abort.abort('cancelled by the test'), step.cancelAfterMs);
    options.signal = abort.signal;
  }
  return options;
}

/** answers returns what the client says when the server asks, by the member "answers" of the connect step or, from then
 *  on, of an answers step. */
export function answers(given = {}, events) {
  return {
    give(other = {}) {
      given = other;
    },
    elicit(params) {
      events.add('elicit', { message: params.message, schema: params.requestedSchema });
      return given.elicit ?? { action: 'decline' };
    },
    sample(params) {
      events.add('sample', { messages: params.messages });
      const text = given.sample ?? 'no answer';
      return { role: 'assistant', model: 'test-model', stopReason: 'endTurn', content: { type: 'text', text } };
    },
    roots() {
      events.add('roots');
      return { roots: (given.roots ?? []).map((uri) => ({ uri })) };
    },
  };
}

/** run does the steps of standard input with the operations of one SDK. */
export async function run(operations, events) {
  const ops = { await: (step) => events.wait(step.kind, step.timeoutMs), ...operations };
  for await (const line of createInterface({ input: process.stdin })) {
    if (!line.trim()) continue;
    const step = JSON.parse(line);
    const answer = { ok: true };
    try {
      if (!ops[step.op]) throw new Error(`unknown operation ${step.op}`);
      answer.result = (await ops[step.op](step)) ?? {};
    } catch (error) {
      answer.ok = false;
      answer.error = { code: error.code, message: String(error.message ?? error), data: error.data };
    }
    answer.events = events.drain();
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  }
  process.exit(0);
}
