// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// A test client on the TypeScript SDK 1.x, which speaks the revisions up to 2025-11-25. See peer.mjs.

import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import {
  CallToolResultSchema,
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema,
  LoggingMessageNotificationSchema,
  PromptListChangedNotificationSchema,
  ResourceListChangedNotificationSchema,
  ResourceUpdatedNotificationSchema,
  ToolListChangedNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js';
import { Events, answers, callOptions, run } from './peer.mjs';

const events = new Events();
let answer; // what the client says when it is asked
let client;
let transport;

function newTransport(step) {
  switch (step.transport) {
    case 'sse':
      return new SSEClientTransport(new URL(step.url));
    case 'stdio':
      return new StdioClientTransport({ command: step.command, args: step.args, env: process.env, stderr: 'inherit' });
    default:
      return new StreamableHTTPClientTransport(new URL(step.url), { sessionId: step.session });
  }
}

async function connect(step) {
  answer = answers(step.answers, events);
  const capabilities = { elicitation: {}, sampling: {}, roots: { listChanged: true } };
  client = new Client({ name: 'holdfast-e2e-legacy', version: '1.0.0' }, { capabilities });
  client.setRequestHandler(ElicitRequestSchema, (request) => answer.elicit(request.params));
  client.setRequestHandler(CreateMessageRequestSchema, (request) => answer.sample(request.params));
  client.setRequestHandler(ListRootsRequestSchema, () => answer.roots());
  client.setNotificationHandler(LoggingMessageNotificationSchema, (n) => events.add('log', n.params));
  client.setNotificationHandler(ResourceUpdatedNotificationSchema, (n) => events.add('updated', n.params));
  client.setNotificationHandler(ToolListChangedNotificationSchema, () => events.add('tools_changed'));
  client.setNotificationHandler(PromptListChangedNotificationSchema, () => events.add('prompts_changed'));
  client.setNotificationHandler(ResourceListChangedNotificationSchema, () => events.add('resources_changed'));
  transport = newTransport(step);
  // A kept session id makes the SDK go on without initialize; only the version must be told.
  if (step.session) transport.setProtocolVersion(step.version);
  await client.connect(transport);
  return {
    version: transport.protocolVersion ?? step.version ?? '',
    session: transport.sessionId ?? '',
    server: client.getServerVersion()?.name ?? '',
    capabilities: client.getServerCapabilities() ?? {},
  };
}

await run(
  {
    connect,
    answers: (step) => answer.give(step.answers),
    rootsChanged: () => client.sendRootsListChanged(),
    tools: async () => ({ names: (await client.listTools()).tools.map((tool) => tool.name) }),
    call: (step) =>
      client.callTool({ name: step.name, arguments: step.args }, CallToolResultSchema, callOptions(step, events)),
    resources: async () => ({ names: (await client.listResources()).resources.map((resource) => resource.uri) }),
    templates: async () => ({ names: (await client.listResourceTemplates()).resourceTemplates.map((t) => t.uriTemplate) }),
    read: (step) => client.readResource({ uri: step.uri }),
    prompts: async () => ({ names: (await client.listPrompts()).prompts.map((prompt) => prompt.name) }),
    prompt: (step) => client.getPrompt({ name: step.name, arguments: step.args }),
    complete: (step) => client.complete({ ref: step.ref, argument: step.argument }),
    subscribe: (step) => client.subscribeResource({ uri: step.uri }),
    unsubscribe: (step) => client.unsubscribeResource({ uri: step.uri }),
    logLevel: (step) => client.setLoggingLevel(step.level),
    terminate: () => transport.terminateSession(),
    close: () => client.close(),
  },
  events,
);
