// The transport that came before Streamable HTTP (2024-11-05, "HTTP with SSE"), spoken by the official SDK and the
// reference server, and by servers that misuse it.

import assert from 'node:assert/strict';
import test from 'node:test';
import { Mux, clients, connect, connector, text, until } from './lib/mux.mjs';
import { TOOLS, everything, listen, readBody, v1Sse } from './lib/upstreams.mjs';

const sum = { name: 'up__add', arguments: { a: 2, b: 40 } };

// v1 has a result schema before the options.
const callOptions = (kind, options) => (kind === 'SDK v1' ? [undefined, options] : [options]);

for (const kind of Object.keys(clients)) {
	test(`${kind} client, SDK v1 over HTTP+SSE`, async t => {
		const upstream = await v1Sse(t);
		const client = await connect(t, kind, connector('up', upstream.url));
		const { tools } = await client.listTools();
		const ours = tools.filter(tool => tool.name.startsWith('up__'));
		assert.deepEqual(ours.map(tool => tool.name), TOOLS.map(name => `up__${name}`));
		assert.match(ours[0].description, /^add of v1$/);

		assert.equal(text(await client.callTool(sum)), '42');
		const odd = 'naïve \u{1f600} "quoted" \\ \u2028 line\n';
		assert.equal(text(await client.callTool({ name: 'up__echo', arguments: { text: odd } })), odd);
		const failed = await client.callTool({ name: 'up__fail', arguments: {} });
		assert.equal(failed.isError, true);

		const progress = upstream.seen.progress = [];
		const steps = await client.callTool({ name: 'up__steps', arguments: { n: 3 } },
			...callOptions(kind, { onprogress: p => progress.push(p.progress) }));
		assert.equal(text(steps), 'done');
		assert.deepEqual(progress, [1, 2, 3]);

		const all = await Promise.all(Array.from({ length: 50 }, (_, i) =>
			client.callTool({ name: 'up__add', arguments: { a: i, b: 1 } })));
		assert.deepEqual(all.map(text), Array.from({ length: 50 }, (_, i) => String(i + 1)));

		const abort = new AbortController();
		const hung = client.callTool({ name: 'up__hang', arguments: {} }, ...callOptions(kind, { signal: abort.signal }));
		hung.catch(() => {});
		await until(() => upstream.seen.hanging === 1, 'the call to arrive');
		abort.abort('changed my mind');
		await assert.rejects(hung);
		await until(() => upstream.seen.aborted === 1, 'the cancellation to arrive');
		assert.equal(text(await client.callTool(sum)), '42');

		// All of it in one session, whose stream goes with the client.
		assert.equal(upstream.seen.gets, 1);
		await client.close();
		await until(() => upstream.transports.size === 0, 'the end of the stream');
	});

	test(`${kind} client, the reference server over HTTP+SSE`, async t => {
		const upstream = await everything(t, 'sse');
		const client = await connect(t, kind, connector('every', upstream.url));
		const { tools } = await client.listTools();
		assert.ok(tools.filter(tool => tool.name.startsWith('every__')).length >= 10);
		assert.equal(text(await client.callTool({ name: 'every__echo', arguments: { message: 'hello' } })), 'Echo: hello');
		const progress = [];
		const done = await client.callTool({ name: 'every__trigger-long-running-operation', arguments: { duration: 0.4, steps: 4 } },
			...callOptions(kind, { onprogress: p => progress.push(p.progress) }));
		assert.match(text(done), /completed/i);
		assert.ok(progress.length >= 3, `progress ${progress}`);
	});
}

test('the server speaks on the same stream: requests, changes of its tools', async t => {
	const upstream = await v1Sse(t);
	const mux = Mux.start(t, connector('up', upstream.url));
	await mux.initialize();
	assert.ok((await mux.tools()).includes('up__add'));
	const [server] = upstream.servers;
	await server.server.ping();
	const from = mux.messages.length;
	server.registerTool('late', { description: 'late' }, () => ({ content: [] }));
	await mux.wait(m => m.method === 'notifications/tools/list_changed', 'the notice', { from });
	assert.ok((await mux.tools()).includes('up__late'));
	const [opening, initialized] = upstream.seen.posts;
	assert.equal(opening.method, 'initialize');
	assert.equal(opening.message.params.protocolVersion, '2025-11-25');
	assert.equal(initialized.method, 'notifications/initialized');
	for (const { headers } of upstream.seen.posts) {
		assert.equal(headers['mcp-session-id'], undefined);
		assert.equal(headers['content-type'], 'application/json');
	}
});

test('at the end calls in flight are cancelled before the stream is closed', async t => {
	const upstream = await v1Sse(t);
	const mux = Mux.start(t, connector('up', upstream.url));
	await mux.initialize();
	await mux.tools();
	mux.send({ jsonrpc: '2.0', id: 'h', method: 'tools/call', params: { name: 'up__hang', arguments: {} } });
	await until(() => upstream.seen.hanging === 1, 'the call to arrive');
	const [transport] = upstream.transports.values();
	await mux.close();
	await until(() => upstream.seen.posts.at(-1).method === 'notifications/cancelled', 'the cancellation');
	await until(() => !upstream.transports.has(transport.sessionId), 'the end of the stream');
	assert.equal(upstream.seen.aborted, 1);
});

test('a server that is started again is opened again', async t => {
	const first = await v1Sse(t);
	const mux = Mux.start(t, connector('up', first.url));
	await mux.initialize();
	await mux.tools();
	const hung = mux.call('up__hang', {});
	await until(() => first.seen.hanging === 1, 'the call to arrive');
	await first.close();
	// What may have run is not repeated.
	assert.equal((await hung).result.isError, true);
	const second = await v1Sse(t, { port: first.port });
	const { result } = await mux.call('up__add', { a: 20, b: 22 });
	if (result.isError) {
		// It was asked before it listened again.
		await until(() => second.seen.posts.some(({ method }) => method === 'tools/list'), 'the server to be opened');
		assert.equal(text((await mux.call('up__add', { a: 20, b: 22 })).result), '42');
	} else assert.equal(text(result), '42');
	// It is known to speak this transport.
	assert.equal(second.seen.gets, 1);
	assert.deepEqual(second.seen.posts.slice(0, 2).map(({ method }) => method), ['initialize', 'notifications/initialized']);
});

test('a stream that is cut during calls: what may be repeated is', async t => {
	let cut;
	const upstream = await v1Sse(t, { extend: server => {
		for (const [name, readOnlyHint] of [['look', true], ['write', false]])
			server.registerTool(name, { description: name, annotations: { readOnlyHint } }, () => {
				upstream.seen[name] = (upstream.seen[name] ?? 0) + 1;
				if (upstream.seen[name] > 1) return { content: [{ type: 'text', text: `${name} again` }] };
				cut?.();
				return new Promise(() => {});
			});
	} });
	const mux = Mux.start(t, connector('up', upstream.url));
	await mux.initialize();
	await mux.tools();
	const calls = [mux.call('up__look', {}), mux.call('up__write', {})];
	await until(() => upstream.seen.look === 1 && upstream.seen.write === 1, 'the calls to arrive');
	upstream.server.closeAllConnections();
	const [look, write] = await Promise.all(calls);
	assert.equal(text(look.result), 'look again');
	assert.equal(write.result.isError, true);
	assert.match(text(write.result), /ended the connection|broke|ended its event stream/);
	assert.equal(upstream.seen.write, 1);
	assert.equal(upstream.seen.gets, 2);
});

// A server that refuses POSTs and does what GET wants with its stream.
async function rude(t, begin) {
	const seen = { posts: [], closed: 0 };
	const upstream = await listen(t, async (req, res) => {
		if (req.method === 'POST') {
			seen.posts.push({ url: req.url, body: await readBody(req) });
			return res.writeHead(405).end();
		}
		res.on('close', () => seen.closed++);
		res.writeHead(200, { 'content-type': 'text/event-stream' });
		begin(res);
	});
	return { ...upstream, seen };
}

async function assertRefused(t, upstream, why) {
	const mux = Mux.start(t, connector('up', upstream.url, 'allowed_tools = x'));
	await mux.initialize();
	assert.deepEqual(await mux.tools(), []);
	const { result } = await mux.call('up__x', {});
	assert.equal(result.isError, true);
	assert.match(text(result), /neither era of MCP over Streamable HTTP \(HTTP 405\), nor HTTP\+SSE/);
	assert.match(text(result), why);
	await until(() => upstream.seen.closed > 0, 'the end of the stream');
	return mux;
}

test('an endpoint of another origin is refused', async t => {
	const other = await rude(t, () => {});
	const upstream = await rude(t, res => res.write(`event: endpoint\ndata: ${other.url}?token=secret\n\n`));
	const mux = await assertRefused(t, upstream, /another origin \(http:\/\/127\.0\.0\.1:\d+\)/);
	assert.deepEqual(other.seen.posts, []);
	assert.doesNotMatch(mux.stderr, /secret/);
});

test('a first event without end is refused', async t => {
	const upstream = await rude(t, res => {
		res.write('event: endpoint\ndata: /');
		const more = () => { while (!res.destroyed && res.write('a'.repeat(16384))); };
		res.on('drain', more);
		more();
	});
	await assertRefused(t, upstream, /does not begin with the name of an endpoint/);
});

test('what is no such stream is said with the other two', async t => {
	const upstream = await listen(t, (req, res) => res.writeHead(req.method === 'POST' ? 404 : 403).end());
	const page = await listen(t, (req, res) =>
		(req.method === 'POST' ? res.writeHead(404) : res.writeHead(200, { 'content-type': 'text/html' })).end('<p>'));
	const mux = Mux.start(t, connector('up', upstream.url) + connector('page', page.url));
	await mux.initialize();
	assert.deepEqual(await mux.tools(), []);
	assert.match(text((await mux.call('up__x', {})).result), /wants a sign-in: HTTP 403/);
	assert.match(text((await mux.call('page__x', {})).result),
		/neither era of MCP over Streamable HTTP \(HTTP 404\), nor HTTP\+SSE: it answered GET with text\/html/);
});
