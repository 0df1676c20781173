// The HTTP bridge of the server scenarios, in front of a program that does what it is told: which message goes where,
// what is refused, and that nothing else changes.

import assert from 'node:assert/strict';
import { request as httpRequest } from 'node:http';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { MODERN, atEnd, modernMeta, top, until } from '../integration/lib/raw.mjs';
import { Bridge } from '../bridge/bridge.mjs';

const ACCEPT = 'application/json, text/event-stream';
const SUBSCRIPTION = 'io.modelcontextprotocol/subscriptionId';
const ok = { id: '$id', result: {} };
const answers = [ok];

async function start(t, tools = []) {
	const bridge = await Bridge.start({
		command: process.execPath, args: [join(top, 'tests/bridge/puppet.mjs')], env: { ...process.env, TOOLS: JSON.stringify(tools) },
	});
	atEnd(t, async () => {
		await bridge.stop();
		assert.deepEqual(bridge.notes, { faults: [], said: '' });
	});
	return bridge;
}

// The messages of a stream as they come, each { id, message }.
async function* events(response) {
	let text = '';
	for await (const part of response.body.pipeThrough(new TextDecoderStream())) {
		text += part;
		for (let end; (end = text.indexOf('\n\n')) >= 0; text = text.slice(end + 2)) {
			const field = name => new RegExp(`^${name}: ?(.*)$`, 'm').exec(text.slice(0, end))?.[1];
			yield { id: field('id'), message: field('data') ? JSON.parse(field('data')) : undefined };
		}
	}
}

const messages = async response => (await Array.fromAsync(events(response))).map(({ message }) => message).filter(Boolean);
const next = async stream => (await stream.next()).value?.message ?? (await stream.next()).value?.message;

// --- the stateless revision ---

const json = { 'content-type': 'application/json', accept: ACCEPT };
const standard = (method, name) => ({ ...json, 'mcp-protocol-version': MODERN, 'mcp-method': method, ...(name && { 'mcp-name': name }) });

function send({ url }, message, headers = standard(message.method, message.params?.name), options = {}) {
	const params = { ...message.params, _meta: { ...modernMeta(), ...message.params?._meta } };
	return fetch(url, { method: 'POST', headers, body: JSON.stringify({ jsonrpc: '2.0', id: 1, ...message, params }), ...options });
}

// What the program has read.
const listening = { id: 'heard', method: 'heard', params: { write: [{ id: '$id', result: { heard: '$heard' } }] } };

async function heard(bridge) {
	const { result } = await (await send(bridge, listening)).json();
	return result.heard;
}

describe(MODERN, () => {
	test('exchanges with equal ids and tokens are kept apart', async t => {
		const bridge = await start(t);
		const step = { method: 'notifications/progress', params: { progressToken: '$token', progress: 1 } };
		const call = write => send(bridge, { id: 'same', method: 'x', params: { write, _meta: { progressToken: 7 } } });
		const slow = await call([step]); // not answered yet
		const stream = events(slow);
		assert.deepEqual(await next(stream), { jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: 7, progress: 1 } });
		const [, last] = await messages(await call([step, ok]));
		assert.deepEqual(last, { jsonrpc: '2.0', id: 'same', result: {} });
		const [first, second] = (await heard(bridge)).filter(({ method }) => method === 'x');
		assert.notEqual(first.id, second.id);
		assert.equal(first.params._meta.progressToken, first.id);
		await send(bridge, { method: 'y', params: { write: [{ id: first.id, result: { late: true } }, ok] } });
		assert.deepEqual(await next(stream), { jsonrpc: '2.0', id: 'same', result: { late: true } });
		assert.equal((await stream.next()).done, true);
	});

	test('what a subscription brings carries the id of its request; closing it cancels', async t => {
		const bridge = await start(t);
		const brought = { method: 'notifications/tools/list_changed', params: { _meta: { [SUBSCRIPTION]: '$id', other: 1 } } };
		const closing = new AbortController();
		const listen = { id: 'mine', method: 'subscriptions/listen', params: { write: [brought] } };
		const stream = events(await send(bridge, listen, undefined, { signal: closing.signal }));
		assert.deepEqual((await next(stream)).params, { _meta: { [SUBSCRIPTION]: 'mine', other: 1 } });
		closing.abort();
		await assert.rejects(stream.next());
		const find = async wanted => (await heard(bridge)).find(({ method }) => method === wanted);
		const cancelled = await until(() => find('notifications/cancelled'), 'the cancelling');
		assert.equal(cancelled.params.requestId, (await find('subscriptions/listen')).id);
	});

	test('a subscription that the program ends ends its stream, by a result or by cancelling', async t => {
		const bridge = await start(t);
		const result = { resultType: 'complete', _meta: { [SUBSCRIPTION]: '$id' } };
		const cancelled = { method: 'notifications/cancelled', params: { requestId: '$id' } };
		const listen = write => send(bridge, { id: 'mine', method: 'subscriptions/listen', params: { write } });
		const answer = await (await listen([{ id: '$id', result }, cancelled])).json();
		assert.deepEqual(answer, { jsonrpc: '2.0', id: 'mine', result: { resultType: 'complete', _meta: { [SUBSCRIPTION]: 'mine' } } });
		assert.deepEqual(await messages(await listen([cancelled])),
			[{ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 'mine' } }]);
	});

	test('a log message goes to the one that asked for it', async t => {
		const bridge = await start(t);
		const hanging = new AbortController();
		const other = send(bridge, { id: 1, method: 'x', params: { write: [] } }, undefined, { signal: hanging.signal });
		const log = { method: 'notifications/message', params: { level: 'info', data: 'words' } };
		const _meta = { 'io.modelcontextprotocol/logLevel': 'info' };
		assert.deepEqual(await messages(await send(bridge, { id: 2, method: 'y', params: { write: [log, ok], _meta } })),
			[{ jsonrpc: '2.0', ...log }, { jsonrpc: '2.0', id: 2, result: {} }]);
		hanging.abort();
		await assert.rejects(other);
	});

	test('everything else passes as it is, both ways', async t => {
		const bridge = await start(t);
		const params = { inputResponses: { a: { action: 'accept' } }, requestState: 's', deep: [{ id: 1, progressToken: 2 }], text: 'ü\u0000' };
		const inputRequests = { a: { method: 'roots/list' } };
		const result = { resultType: 'input_required', inputRequests, requestState: 's', id: 5, _meta: { x: null } };
		const response = await send(bridge, { method: 'x', params: { ...params, write: [{ id: '$id', result }] } });
		assert.deepEqual((await response.json()).result, result);
		const { write, _meta, ...read } = (await heard(bridge)).find(({ method }) => method === 'x').params;
		assert.deepEqual(read, params);
		assert.deepEqual(_meta, modernMeta());
	});

	test('errors have their status', async t => {
		const bridge = await start(t);
		for (const [code, status, _meta] of [[-32601, 404], [-32020, 400], [-32021, 400], [-32022, 400], [-32602, 200], [-32603, 200],
			[-32602, 400, { 'io.modelcontextprotocol/clientCapabilities': undefined }]]) {
			const response = await send(bridge, { id: 9, method: 'x', params: { write: [{ id: '$id', error: { code, message: 'no' } }], _meta } });
			assert.deepEqual([response.status, (await response.json()).error.code], [status, code]);
		}
	});

	test('headers that do not match the body are refused', async t => {
		const properties = {
			region: { type: 'string', 'x-mcp-header': 'Region' },
			deep: { type: 'object', properties: { n: { type: 'integer', 'x-mcp-header': 'N' } } },
		};
		const bridge = await start(t, [{ name: 'tool', inputSchema: { type: 'object', properties } }]);
		const call = async (args, headers, name = 'tool') => {
			const all = Object.entries({ ...standard('tools/call', name), ...headers });
			const sent = Object.fromEntries(all.filter(([, value]) => value !== undefined));
			const response = await send(bridge, { method: 'tools/call', params: { name, arguments: args, write: answers } }, sent);
			return response.status === 200 ? 200 : [response.status, (await response.json()).error.code];
		};
		const encoded = text => `=?base64?${Buffer.from(text).toString('base64')}?=`;
		for (const [args, headers, name] of [
			[{}, {}], [{ region: null }, {}], [{ region: 'eu' }, { 'mcp-param-region': 'eu' }],
			[{ region: 'ü' }, { 'mcp-param-region': encoded('ü') }],
			[{ deep: { n: 3 } }, { 'mcp-param-n': '3.0' }], [{}, { 'mcp-name': ' tool ' }], [{}, { 'mcp-name': encoded('tööl') }, 'tööl'],
			[{ region: '=?base64?ZXU=' }, { 'mcp-param-region': '=?base64?ZXU=' }],
		]) assert.equal(await call(args, headers, name), 200, JSON.stringify([args, headers]));
		for (const [args, headers] of [
			[{}, { 'mcp-protocol-version': undefined }], [{}, { 'mcp-protocol-version': '2027-01-01' }], [{}, { 'mcp-method': undefined }],
			[{}, { 'mcp-method': 'Tools/Call' }], [{}, { 'mcp-name': undefined }], [{}, { 'mcp-name': 'other' }], [{ region: 'eu' }, {}],
			[{ region: 'eu' }, { 'mcp-param-region': 'us' }], [{}, { 'mcp-param-region': 'eu' }], [{ deep: { n: 3 } }, { 'mcp-param-n': '4' }],
			[{ region: 'eu' }, { 'mcp-param-region': '=?base64?ZXU?=' }], [{ region: 'eu' }, { 'mcp-param-region': '=?base64?Z!U=?=' }],
		]) assert.deepEqual(await call(args, headers), [400, -32020], JSON.stringify([args, headers]));
	});

	test('a program that ends is reported and started again', async t => {
		const bridge = await start(t);
		const response = await send(bridge, { id: 4, method: 'x', params: { end: true } });
		assert.deepEqual((await response.json()).error, { code: -32603, message: 'the program has ended' });
		assert.equal((await send(bridge, { method: 'x', params: { write: answers } })).status, 200);
	});
});

// --- the handshake revisions ---

class Client {
	static async open(bridge, protocolVersion = '2025-11-25') {
		const client = new Client();
		client.url = bridge.url;
		const params = { protocolVersion, capabilities: {}, clientInfo: { name: 'c', version: '1' } };
		const response = await client.post({ id: 0, method: 'initialize', params });
		client.session = { 'mcp-session-id': response.headers.get('mcp-session-id'), 'mcp-protocol-version': protocolVersion };
		assert.equal((await response.json()).result.protocolVersion, protocolVersion);
		return client;
	}

	post(message, options) {
		const whole = each => ({ jsonrpc: '2.0', ...each });
		return fetch(this.url, {
			method: 'POST', headers: { ...json, ...this.session },
			body: JSON.stringify(Array.isArray(message) ? message.map(whole) : whole(message)), ...options,
		});
	}

	get(headers) {
		return fetch(this.url, { headers: { accept: 'text/event-stream', ...this.session, ...headers } });
	}

	async heard() {
		const [{ result }] = await messages(await this.post(listening));
		return result.heard;
	}
}

const asking = { id: 'q', method: 'roots/list' };

describe('handshake revisions', () => {
	test('a request of the program goes to the only call in flight, and the answer back', async t => {
		const client = await Client.open(await start(t));
		const stream = events(await client.post({ id: 1, method: 'x', params: { write: [asking] } }));
		assert.deepEqual(await next(stream), { jsonrpc: '2.0', ...asking });
		assert.equal((await client.post({ id: 'q', result: { roots: [] } })).status, 202);
		assert.deepEqual((await client.heard()).at(-2), { jsonrpc: '2.0', id: 'q', result: { roots: [] } });
	});

	test('with two calls in flight it goes to the stream of GET, and waits for it', async t => {
		const client = await Client.open(await start(t));
		const first = events(await client.post({ id: 1, method: 'x', params: { write: [], _meta: { progressToken: 'a' } } }));
		const step = { method: 'notifications/progress', params: { progressToken: 'a', progress: 1 } };
		const changed = { method: 'notifications/tools/list_changed' };
		const second = await client.post({ id: 2, method: 'y', params: { write: [asking, step, ok, changed] } });
		assert.deepEqual(await messages(second), [{ jsonrpc: '2.0', id: 2, result: {} }]);
		assert.deepEqual(await next(first), { jsonrpc: '2.0', ...step });
		const stream = events(await client.get());
		for (const expected of [asking, changed]) assert.deepEqual(await next(stream), { jsonrpc: '2.0', ...expected });
		assert.equal((await client.get()).status, 409);
	});

	test('a stream that broke goes on where it was', async t => {
		const client = await Client.open(await start(t));
		const log = data => ({ method: 'notifications/message', params: { level: 'info', data } });
		const breaking = new AbortController();
		const stream = events(await client.post({ id: 1, method: 'x', params: { write: [log(1), log(2)] } }, { signal: breaking.signal }));
		await next(stream);
		const { id } = (await stream.next()).value;
		breaking.abort();
		await client.post({ id: 2, method: 'y', params: { write: [{ id: 1, result: { late: true } }, ok] } });
		const before = id.replace(/\d+$/, n => n - 1);
		assert.deepEqual(await messages(await until(async () => {
			const response = await client.get({ 'last-event-id': before });
			return response.status === 200 && response;
		})), [{ jsonrpc: '2.0', ...log(2) }, { jsonrpc: '2.0', id: 1, result: { late: true } }]);
		assert.equal((await client.get({ 'last-event-id': '99.0' })).status, 400);
	});

	test('sessions have programs of their own and end', async t => {
		const bridge = await start(t);
		const [a, b] = [await Client.open(bridge), await Client.open(bridge)];
		await a.post({ method: 'notifications/initialized' });
		assert.deepEqual((await b.heard()).map(({ method }) => method), ['initialize', 'heard']);
		assert.equal((await fetch(bridge.url, { method: 'DELETE', headers: a.session })).status, 204);
		assert.equal((await a.post({ id: 1, method: 'ping' })).status, 404);
		assert.equal((await b.post({ id: 1, method: 'x', params: { end: true } })).status, 200);
		await until(async () => (await b.post({ id: 2, method: 'x' })).status === 404, 'the end of the session');
	});

	test('an id in use, batches and cancelling', async t => {
		const bridge = await start(t);
		const client = await Client.open(bridge);
		const hanging = await client.post({ id: 1, method: 'x', params: { write: [] } });
		assert.equal((await client.post({ id: 1, method: 'x' })).status, 400);
		assert.equal((await client.post([{ id: 2, method: 'x' }])).status, 400);
		await client.post({ method: 'notifications/cancelled', params: { requestId: 1 } });
		assert.deepEqual(await messages(hanging), []);
		const old = await Client.open(bridge, '2025-03-26');
		const params = { write: answers };
		const batch = [{ id: 1, method: 'x', params }, { method: 'notifications/y' }, { id: 2, method: 'x', params }];
		const replies = await messages(await old.post(batch));
		assert.deepEqual(replies.map(({ id }) => id), [1, 2]);
	});
});

// --- both ---

test('what is not for this server is refused', async t => {
	const { url } = await start(t);
	const status = (headers, { method = 'POST', path = '/mcp', body = '{}' } = {}) => new Promise((resolve, reject) => {
		const request = httpRequest(new URL(path, url), { method, headers: { ...json, ...headers } });
		request.on('response', res => resolve(res.resume().statusCode)).on('error', reject).end(body);
	});
	const evil = 'evil.example.com';
	for (const headers of [{ host: evil }, { host: `127.0.0.1.${evil}` }, { origin: `http://${evil}` }, { origin: 'null' }])
		assert.equal(await status(headers), 403, JSON.stringify(headers));
	for (const headers of [{ host: 'localhost:80' }, { origin: 'http://[::1]:9' }, { origin: url }])
		assert.equal(await status(headers), 400, JSON.stringify(headers));
	assert.equal(await status({}, { path: '/other' }), 404);
	assert.equal(await status({}, { method: 'PUT' }), 405);
	assert.equal(await status({}, { method: 'GET', body: '' }), 400);
	assert.equal(await status({ 'content-type': 'text/plain' }), 415);
	assert.equal(await status({ accept: 'application/json' }), 406);
	assert.equal(await status({}, { body: '{' }), 400);
	assert.equal(await status({ 'mcp-session-id': 'none' }), 404);
	assert.equal(await status({ 'mcp-protocol-version': MODERN }, { body: '[]' }), 400);
	assert.equal(await status({ 'mcp-protocol-version': MODERN }, { body: '{"jsonrpc":"2.0","method":"notifications/x"}' }), 202);
});
