// The fixtures of test_features.mjs themselves: every official client directly at every upstream whose era it
// speaks, and the judgement on messages.

import assert from 'node:assert/strict';
import test from 'node:test';
import { SSEClientTransport as SseV1 } from '@modelcontextprotocol/sdk/client/sse.js';
import { StreamableHTTPClientTransport as HttpV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { SSEClientTransport as SseV2, StreamableHTTPClientTransport as HttpV2 } from '@modelcontextprotocol/client';
import { testFeatures } from './lib/features.mjs';
import { modes } from './lib/modes.mjs';
import { Ide } from './lib/ides.mjs';
import { atEnd, clients } from './lib/mux.mjs';
import { faultsOf } from './lib/schema.mjs';
import { Wire } from './lib/wire.mjs';

for (const [mode, { make, eras }] of Object.entries(modes)) {
	for (const [kind, { era }] of Object.entries(clients)) {
		if (!eras.includes(era)) continue;
		test(`${kind} directly at ${mode}`, async t => {
			const upstream = await make(t);
			const ide = new Ide(kind);
			ide.wire = upstream.wire;
			const [Http, Sse] = kind === 'SDK v1' ? [HttpV1, SseV1] : [HttpV2, SseV2];
			await ide.client.connect(new (mode === 'HTTP+SSE' ? Sse : Http)(new URL(upstream.url)));
			atEnd(t, () => ide.client.close());
			await testFeatures(t, { ide, upstream, mode, speaks: era, name: name => name, muxed: false });
		});
	}
}

test('what does not fit its revision is found', () => {
	const faulty = (message, context) => assert.ok(faultsOf({ jsonrpc: '2.0', ...message }, context).length, JSON.stringify(message));
	const sound = (message, context) => assert.deepEqual(faultsOf({ jsonrpc: '2.0', ...message }, context), []);
	const server = revision => ({ from: 'server', revision });
	const answer = (revision, method) => ({ from: 'server', revision, method });
	const client = revision => ({ from: 'client', revision });

	sound({ id: 1, method: 'tools/call', params: { name: 'x' } }, client('2024-11-05'));
	faulty({ id: 1, method: 'tools/call', params: {} }, client('2024-11-05'));
	faulty({ id: 1, method: 'tools/call', params: { name: 'x' } }, client('2026-07-28')); // no _meta
	faulty({ id: 1, method: 'ping' }, client('2026-07-28'));
	faulty({ id: 1, method: 'ping' }, server('2026-07-28'));
	sound({ id: 1, method: 'ping' }, server('2025-11-25'));
	faulty({ id: 1, method: 'elicitation/create', params: { message: 'm', requestedSchema: { type: 'object', properties: {} } } },
		server('2025-03-26'));
	faulty({ method: 'notifications/elicitation/complete', params: { elicitationId: 'x' } }, server('2025-06-18'));
	faulty({ method: 'notifications/message', params: { level: 'loud', data: 1 } }, server('2025-06-18'));

	const content = [{ type: 'text', text: 'x' }];
	sound({ id: 1, result: { content } }, answer('2025-11-25', 'tools/call'));
	faulty({ id: 1, result: { content } }, answer('2026-07-28', 'tools/call')); // no resultType
	faulty({ id: 1, result: { content: [{ type: 'text' }] } }, answer('2025-11-25', 'tools/call'));
	faulty({ id: 1, result: { tools: [], resultType: 'complete' } }, answer('2026-07-28', 'tools/list')); // no caching hints
	sound({ id: 1, result: { resultType: 'input_required', requestState: 'x' } }, answer('2026-07-28', 'tools/call'));
	faulty({ id: 1, result: { resultType: 'input_required', requestState: 'x' } }, answer('2026-07-28', 'tools/list'));
	faulty({ id: 1, result: { resultType: 'input_required' } }, answer('2026-07-28', 'tools/call'));
	faulty({ id: 1, result: { resultType: 'input_required', inputRequests: { a: { method: 'ping' } } } },
		answer('2026-07-28', 'tools/call'));
	faulty({ id: 1, error: { code: '-1', message: 'x' } }, answer('2025-11-25', 'tools/call'));
	faulty({ id: 1, error: { code: -32042, message: 'x', data: {} } }, answer('2025-11-25', 'tools/call'));

	// Content of a later revision goes to older clients as it is.
	const linked = [{ type: 'resource_link', uri: 'note://x', name: 'x' }];
	sound({ id: 1, result: { content: linked } }, answer('2025-03-26', 'tools/call'));
	faulty({ id: 1, result: { content: [{ type: 'resource_link', uri: 'note://x' }] } }, answer('2025-11-25', 'tools/call'));
});

test('what answers nothing, or twice, is found', () => {
	const wire = new Wire('test');
	wire.take('client', { jsonrpc: '2.0', id: 1, method: 'initialize', params: { protocolVersion: '2025-06-18', capabilities: {},
		clientInfo: { name: 'x', version: '1' } } });
	wire.take('server', { jsonrpc: '2.0', id: 1, result: { protocolVersion: '2025-03-26', capabilities: {},
		serverInfo: { name: 'y', version: '1' } } });
	assert.equal(wire.take('client', { jsonrpc: '2.0', id: 'a', method: 'ping' }).revision, '2025-03-26');
	wire.take('server', { jsonrpc: '2.0', id: 'a', result: {} });
	wire.assertValid();
	wire.take('server', { jsonrpc: '2.0', id: 'a', result: {} });
	wire.take('server', { jsonrpc: '2.0', id: 'b', result: {} });
	wire.takeText('server', '{');
	assert.equal(wire.faults.length, 3);
	assert.throws(() => wire.assertValid(), /second time[^]*no request[^]*JSON/);
});
