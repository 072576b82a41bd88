// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Connects an official TypeScript client to many servers and says what it sees of each: node field.mjs sdk|client.
// Standard input is a JSON array of jobs: {url | command, args, forget, timeout, steps: [{tool, times, begin, drop}]}. Standard
// output is an array of {error, lists: {tools, prompts, resources, templates}, outcomes: [{text, error, ms}]}.

import { text } from 'node:stream/consumers';

const atOnce = 16; // jobs

async function load(sdk) {
  if (sdk === 'sdk') {
    const { Client } = await import('@modelcontextprotocol/sdk/client/index.js');
    const { StdioClientTransport } = await import('@modelcontextprotocol/sdk/client/stdio.js');
    const { StreamableHTTPClientTransport } = await import('@modelcontextprotocol/sdk/client/streamableHttp.js');
    const { SSEClientTransport } = await import('@modelcontextprotocol/sdk/client/sse.js');
    const options = {};
    const call = (client, params, options) => client.callTool(params, undefined, options);
    return { Client, StdioClientTransport, StreamableHTTPClientTransport, SSEClientTransport, options, call };
  }
  const { Client, StreamableHTTPClientTransport, SSEClientTransport } = await import('@modelcontextprotocol/client');
  const { StdioClientTransport } = await import('@modelcontextprotocol/client/stdio');
  const options = { versionNegotiation: { mode: 'auto' } };
  const call = (client, params, options) => client.callTool(params, options);
  return { Client, StdioClientTransport, StreamableHTTPClientTransport, SSEClientTransport, options, call };
}

const kit = await load(process.argv[2]);

function transport(job) {
  if (job.command) return new kit.StdioClientTransport({ command: job.command, args: job.args, stderr: 'ignore' });
  if (job.sse) return new kit.SSEClientTransport(new URL(job.url));
  return new kit.StreamableHTTPClientTransport(new URL(job.url));
}

async function call(client, step, options) {
  const began = performance.now();
  const outcome = {};
  try {
    const result = await kit.call(client, { name: step.tool, arguments: {} }, options);
    outcome[result.isError ? 'error' : 'text'] = result.content.map((item) => item.text ?? '').join('').toWellFormed();
  } catch (error) {
    outcome.error = String(error.message).toWellFormed() || 'failed';
  }
  outcome.ms = performance.now() - began;
  return outcome;
}

async function steps(client, job, options) {
  const outcomes = [];
  for (const step of job.steps) {
    if (step.drop) {
      await fetch(job.forget, { method: 'POST' });
      outcomes.push({});
      continue;
    }
    let outcome = call(client, step, options);
    if (!step.begin) {
      outcome = await outcome;
      for (let n = 1; n < (step.times ?? 1); n++) outcome = await call(client, step, options);
    }
    outcomes.push(outcome);
  }
  return Promise.all(outcomes);
}

function expiry(ms) {
  return new Promise((_, reject) => setTimeout(() => reject(new Error('not connected in time')), ms).unref());
}

async function run(job) {
  const seen = { lists: {} };
  const client = new kit.Client({ name: 'field', version: '1' }, kit.options);
  const options = { timeout: job.timeout }; // milliseconds, of one request
  try {
    await Promise.race([client.connect(transport(job), options), expiry(job.timeout)]);
    const offered = client.getServerCapabilities() ?? {};
    const lists = { tools: 'listTools', prompts: 'listPrompts', resources: 'listResources', templates: 'listResourceTemplates' };
    for (const [kind, list] of Object.entries(lists)) {
      if (!offered[kind === 'templates' ? 'resources' : kind]) continue;
      const member = kind === 'templates' ? 'resourceTemplates' : kind;
      seen.lists[kind] = (await client[list](undefined, options))[member].map((entry) => entry.name);
    }
    seen.outcomes = await steps(client, job, options);
  } catch (error) {
    seen.error = String(error.message).toWellFormed().slice(0, 500) || 'failed';
  }
  client.close().catch(() => {}); // of a connection that was never made it may not end
  return seen;
}

const jobs = JSON.parse(await text(process.stdin));
const seen = [];
let next = 0;
await Promise.all(
  Array.from({ length: atOnce }, async () => {
    while (next < jobs.length) {
      const at = next++;
      seen[at] = await run(jobs[at]);
    }
  }),
);
process.stdout.write(JSON.stringify(seen), () => process.exit(0));
