// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// A test client on the TypeScript SDK 2.x, which speaks 2026-07-28 (era "modern"), finds out (era "auto", the
// default) or speaks the older revisions (era "legacy"). See peer.mjs.

import { Client, SSEClientTransport, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { Events, answers, callOptions, run } from './peer.mjs';

const modernVersion = '2026-07-28';

const events = new Events();
let answer; // what the client says when it is asked
const subscriptions = new Map(); // URI → open subscription
let level; // of the log messages to ask for with every call
let client;
let transport;

function newTransport(step) {
  switch (step.transport) {
    case 'sse':
      return new SSEClientTransport(new URL(step.url));
    case 'stdio':
      return new StdioClientTransport({ command: step.command, args: step.args, env: process.env, stderr: 'inherit' });
    default:
      return new StreamableHTTPClientTransport(new URL(step.url), {
        sessionId: step.session,
        protocolVersion: step.session ? step.version : undefined,
      });
  }
}

async function connect(step) {
  answer = answers(step.answers, events);
  const mode = { modern: { pin: modernVersion }, legacy: 'legacy' }[step.era] ?? 'auto';
  client = new Client(
    { name: 'holdfast-e2e-modern', version: '1.0.0' },
    {
      capabilities: { elicitation: {}, sampling: {}, roots: { listChanged: true } },
      versionNegotiation: { mode },
    },
  );
  client.setRequestHandler('elicitation/create', (request) => answer.elicit(request.params));
  client.setRequestHandler('sampling/createMessage', (request) => answer.sample(request.params));
  client.setRequestHandler('roots/list', () => answer.roots());
  client.setNotificationHandler('notifications/message', (n) => events.add('log', n.params));
  client.setNotificationHandler('notifications/resources/updated', (n) => events.add('updated', { uri: n.params.uri }));
  client.setNotificationHandler('notifications/tools/list_changed', () => events.add('tools_changed'));
  client.setNotificationHandler('notifications/prompts/list_changed', () => events.add('prompts_changed'));
  client.setNotificationHandler('notifications/resources/list_changed', () => events.add('resources_changed'));
  transport = newTransport(step);
  await client.connect(transport);
  return {
    version: client.getNegotiatedProtocolVersion() ?? step.version ?? '',
    session: transport.sessionId ?? '',
    server: client.getServerVersion()?.name ?? '',
    capabilities: client.getServerCapabilities() ?? {},
  };
}

const modern = () => client.getNegotiatedProtocolVersion() === modernVersion;

async function subscribe(step) {
  if (!modern()) return client.subscribeResource({ uri: step.uri });
  const subscription = await client.listen({ resourceSubscriptions: [step.uri] });
  subscriptions.set(step.uri, subscription);
  return { honored: subscription.honoredFilter };
}

async function unsubscribe(step) {
  if (!modern()) return client.unsubscribeResource({ uri: step.uri });
  await subscriptions.get(step.uri)?.close();
  subscriptions.delete(step.uri);
}

async function logLevel(step) {
  if (!modern()) return client.setLoggingLevel(step.level);
  level = step.level;
}

function call(step) {
  const params = { name: step.name, arguments: step.args };
  if (level) params._meta = { 'io.modelcontextprotocol/logLevel': level };
  return client.callTool(params, callOptions(step, events));
}

async function listen(step) {
  const subscription = await client.listen(step.filter);
  subscription.closed.then((how) => events.add('subscription_closed', { how }));
  return { honored: subscription.honoredFilter };
}

await run(
  {
    connect,
    answers: (step) => answer.give(step.answers),
    rootsChanged: () => client.sendRootsListChanged(),
    tools: async () => ({ names: (await client.listTools()).tools.map((tool) => tool.name) }),
    call,
    resources: async () => ({ names: (await client.listResources()).resources.map((resource) => resource.uri) }),
    templates: async () => ({ names: (await client.listResourceTemplates()).resourceTemplates.map((t) => t.uriTemplate) }),
    read: (step) => client.readResource({ uri: step.uri }),
    prompts: async () => ({ names: (await client.listPrompts()).prompts.map((prompt) => prompt.name) }),
    prompt: (step) => client.getPrompt({ name: step.name, arguments: step.args }),
    complete: (step) => client.complete({ ref: step.ref, argument: step.argument }),
    subscribe,
    unsubscribe,
    listen,
    logLevel,
    terminate: () => transport.terminateSession(),
    close: () => client.close(),
  },
  events,
);
