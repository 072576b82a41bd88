// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// What a web page can do with Holdfast, on the TypeScript SDK 2.x as a browser loads it, and by hand.

import { Client, SSEClientTransport, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';

const patience = 5_000; // milliseconds

/** use connects, lists the tools and calls one. */
async function use({ url, transport, era }) {
  const mode = { modern: { pin: '2026-07-28' }, legacy: 'legacy' }[era];
  const client = new Client({ name: 'holdfast-e2e-page', version: '1.0.0' }, { versionNegotiation: { mode } });
  const wire = new (transport === 'sse' ? SSEClientTransport : StreamableHTTPClientTransport)(new URL(url));
  await client.connect(wire);
  const { tools } = await client.listTools();
  const tool = tools.find((t) => t.name.endsWith('echo')).name;
  const result = await client.callTool({ name: tool, arguments: { message: 'from a page' } });
  const outcome = { version: client.getNegotiatedProtocolVersion(), text: result.content[0].text, session: wire.sessionId !== undefined };
  await client.close();
  return outcome;
}

/** reads says what the page learns of an answer: its status, or that it is kept from it. */
async function reads({ url, method = 'POST' }) {
  const request = { method, headers: { accept: 'application/json, text/event-stream' } };
  if (method === 'POST') {
    request.headers['content-type'] = 'application/json';
    request.body = '{"jsonrpc":"2.0","id":1,"method":"ping"}';
  }
  return fetch(url, request).then((answer) => answer.status, () => 'kept from it');
}

/** opens says whether a stream or a socket opens. */
function opens({ url }) {
  return new Promise((resolve) => {
    const source = url.startsWith('ws:') ? new WebSocket(url, 'mcp') : new EventSource(url);
    const end = (how) => {
      source.close();
      resolve(how);
    };
    source.onopen = () => end('opens');
    source.onerror = () => end('does not open');
    setTimeout(() => end('neither'), patience);
  });
}

window.page = { use, reads, opens };
