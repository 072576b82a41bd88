// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// A server over standard input and output that lists what a file says, as it is: node odd.mjs FILE. The file is a JSON
// object with the arrays tools, prompts, resources and resourceTemplates. Tools answer with their names.

import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

const lists = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const members = {
  'tools/list': 'tools',
  'prompts/list': 'prompts',
  'resources/list': 'resources',
  'resources/templates/list': 'resourceTemplates',
};

function answer({ method, params }) {
  if (method === 'initialize') {
    const capabilities = { tools: {}, prompts: {}, resources: {} };
    return { protocolVersion: '2025-06-18', capabilities, serverInfo: { name: 'odd', version: '1' } };
  }
  if (method === 'tools/call') return { content: [{ type: 'text', text: params.name }], structuredContent: {} };
  if (method === 'ping') return {};
  const member = members[method];
  return member && { [member]: lists[member] };
}

for await (const line of createInterface({ input: process.stdin })) {
  const message = JSON.parse(line);
  if (message.id === undefined || !message.method) continue;
  const result = answer(message);
  const outcome = result ? { result } : { error: { code: -32601, message: 'method not found' } };
  process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', id: message.id, ...outcome })}\n`);
}
