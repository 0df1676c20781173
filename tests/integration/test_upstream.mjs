// The wire towards upstreams: eras, sessions and their loss, headers, pagination, notices, resumption.

import assert from 'node:assert/strict';
import test from 'node:test';
import { MODERN, Mux, clients, connect, connector, names, sleep, slow, text, until } from './lib/mux.mjs';
import { Scripted, tool } from './lib/scripted.mjs';
import { demo, v1Sessions, v2 } from './lib/upstreams.mjs';

const META = 'io.modelcontextprotocol/';

test('a legacy upstream gets what its revision prescribes', async t => {
	const upstream = await Scripted.start(t);
	const mux = Mux.start(t, connector('up', upstream.url, 'header.X-Team = platform'));
	await mux.initialize('2025-06-18', { elicitation: {}, vendor: { a: 1 } });
	await mux.tools();
	await mux.call('up__x', { a: 1 });
	const [opening] = upstream.of('initialize');
	assert.equal(opening.message.params.protocolVersion, '2025-06-18');
	assert.match(opening.headers.accept, /application\/json/);
	assert.match(opening.headers.accept, /text\/event-stream/);
	assert.equal(opening.headers['content-type'], 'application/json');
	const [session] = upstream.sessions;
	const order = upstream.requests.filter(r => r.req.method === 'POST').map(r => r.message.method);
	assert.ok(order.indexOf('notifications/initialized') < order.indexOf('tools/list'), order.join());
	for (const method of ['notifications/initialized', 'tools/list', 'tools/call']) {
		const [{ headers, message }] = upstream.of(method);
		assert.equal(headers['mcp-session-id'], session, method);
		assert.equal(headers['mcp-protocol-version'], '2025-06-18', method);
		assert.equal(headers['x-team'], 'platform', method);
		assert.equal(headers.expect, undefined);
		assert.ok(!(`${META}protocolVersion` in (message.params?._meta ?? {})));
	}
	await mux.close();
	assert.equal(upstream.of('DELETE')[0].headers['mcp-session-id'], session);
});

test('a modern upstream gets metadata and mirrored headers', async t => {
	const upstream = await Scripted.start(t, { era: 'modern', tools: [tool('x'), tool('naïve tool'), tool(' =?base64?')] });
	const mux = Mux.start(t, connector('up', upstream.url));
	await mux.initialize();
	const listed = await mux.tools();
	for (const name of listed) await mux.call(name);
	for (const { message, headers } of upstream.requests.filter(r => r.message?.params?._meta?.[`${META}protocolVersion`] === MODERN)) {
		assert.equal(headers['mcp-protocol-version'], MODERN);
		assert.equal(headers['mcp-method'], message.method);
		assert.equal(headers['mcp-session-id'], undefined);
		assert.equal(typeof message.params._meta[`${META}clientInfo`].name, 'string');
		assert.equal(typeof message.params._meta[`${META}clientCapabilities`], 'object');
	}
	const sent = upstream.of('tools/call').map(({ headers, message }) => [message.params.name, headers['mcp-name']]);
	const decode = value => {
		const coded = /^=\?base64\?(.*)\?=$/.exec(value);
		return coded ? Buffer.from(coded[1], 'base64').toString() : value;
	};
	assert.equal(sent.length, 3);
	for (const [name, header] of sent) assert.equal(decode(header), name);
	assert.equal(upstream.of('initialize').filter(r => r.req.method === 'POST').length <= 1, true);
	await mux.close();
	assert.equal(upstream.of('DELETE').length, 0);
});

const annotated = tool('x', { inputSchema: { type: 'object', properties: {
	region: { type: 'string', 'x-mcp-header': 'Region' }, n: { type: 'integer', 'x-mcp-header': 'N' },
	on: { type: 'boolean', 'x-mcp-header': 'On' }, plain: { type: 'string' },
	inner: { type: 'object', properties: { deep: { type: 'string', 'x-mcp-header': 'Deep' } } },
} } });

test('x-mcp-header parameters are mirrored, invalid annotations hide the tool', async t => {
	const bad = (name, schema) => tool(name, { inputSchema: { type: 'object', properties: schema } });
	const upstream = await Scripted.start(t, { era: 'modern', tools: [annotated,
		bad('empty', { a: { type: 'string', 'x-mcp-header': '' } }), bad('space', { a: { type: 'string', 'x-mcp-header': 'A B' } }),
		bad('twice', { a: { type: 'string', 'x-mcp-header': 'A' }, b: { type: 'string', 'x-mcp-header': 'a' } }),
		bad('number', { a: { type: 'number', 'x-mcp-header': 'A' } }),
		bad('items', { a: { type: 'array', items: { type: 'string', 'x-mcp-header': 'A' } } })] });
	const mux = Mux.start(t, connector('up', upstream.url));
	await mux.initialize();
	assert.deepEqual(await mux.tools(), ['up__x']);
	await mux.call('up__x', { region: 'Zürich', n: 42, on: true, plain: 'p', inner: { deep: ' d ' } });
	await mux.call('up__x', { region: '', n: null });
	const [full, sparse] = upstream.of('tools/call').map(r => r.headers);
	assert.equal(full['mcp-param-region'], `=?base64?${Buffer.from('Zürich').toString('base64')}?=`);
	assert.equal(full['mcp-param-n'], '42');
	assert.equal(full['mcp-param-on'], 'true');
	assert.equal(full['mcp-param-deep'], `=?base64?${Buffer.from(' d ').toString('base64')}?=`);
	assert.equal(full['mcp-param-plain'], undefined);
	assert.equal(sparse['mcp-param-n'], undefined);
	assert.equal(sparse['mcp-param-region'], '');
});

test('the v2 server accepts the mirrored parameters', async t => {
	const { fromJsonSchema } = await import('@modelcontextprotocol/server');
	const upstream = await v2(t, { legacy: 'reject', extend: server => server.registerTool('region',
		{ inputSchema: fromJsonSchema({ type: 'object', properties: { region: { type: 'string', 'x-mcp-header': 'Region' } } }) },
		({ region }) => ({ content: [{ type: 'text', text: region }] })) });
	const mux = Mux.start(t, connector('up', upstream.url));
	await mux.initialize();
	await mux.tools();
	assert.equal(text((await mux.call('up__region', { region: 'Tōkyō' })).result), 'Tōkyō');
	const sent = upstream.seen.headers.find(headers => headers['mcp-name'] === 'region');
	assert.equal(sent['mcp-param-region'], `=?base64?${Buffer.from('Tōkyō').toString('base64')}?=`);
});

test('a HeaderMismatch leads to a new list and one repetition', async t => {
	let calls = 0;
	const upstream = await Scripted.start(t, { era: 'modern', tools: [tool('x')], on: { 'tools/call': x => {
		calls++;
		if (x.headers['mcp-param-region'] !== 'eu') return x.error(-32020, 'HeaderMismatch', undefined, 400);
		return upstream.decent(x, 'tools/call');
	} } });
	const mux = Mux.start(t, connector('up', upstream.url));
	await mux.initialize();
	await mux.tools();
	upstream.tools = [annotated];
	assert.equal(text((await mux.call('up__x', { region: 'eu' })).result), 'ok');
	assert.equal(calls, 2);
	calls = 0;
	const { error, result } = await mux.call('up__x', { region: 'us' });
	assert.ok(error || result.isError, 'a mismatch that stays is reported');
	assert.equal(calls, 2);
});

for (const ide of ['legacy', 'modern']) {
	test(`the era is probed in the IDE's own first (${ide})`, async t => {
		const both = await v2(t);
		const mux = Mux.start(t, connector('up', both.url));
		if (ide === 'legacy') {
			await mux.initialize();
			await mux.tools();
		} else assert.ok(names((await mux.modern('tools/list')).result).length);
		const versions = new Set(both.seen.headers.map(headers => headers['mcp-method'] ? 'modern' : 'legacy'));
		assert.deepEqual([...versions], [ide]);
	});
}

test('a paginated list is gathered whole and sorted', async t => {
	const all = Array.from({ length: 95 }, (_, i) => tool(`t${String((i * 37) % 95).padStart(2, '0')}`));
	const upstream = await Scripted.start(t, { on: { 'tools/list': x => {
		const from = Number(x.message.params?.cursor ?? 0);
		return x.result({ tools: all.slice(from, from + 10), ...(from + 10 < all.length && { nextCursor: String(from + 10) }) });
	} } });
	const mux = Mux.start(t, connector('up', upstream.url));
	await mux.initialize();
	const listed = (await mux.request('tools/list')).result;
	assert.equal(listed.nextCursor, undefined);
	assert.deepEqual(names(listed), all.map(({ name }) => `up__${name}`).toSorted());
});

test('a list whose cursor never ends is bounded', async t => {
	const upstream = await Scripted.start(t, { on: { 'tools/list': x => x.result({ tools: [tool('x')], nextCursor: 'again' }) } });
	const fine = await Scripted.start(t);
	const mux = Mux.start(t, '[mux]\nlist_timeout = 1\n' + connector('loop', upstream.url) + connector('fine', fine.url));
	await mux.initialize();
	assert.ok((await mux.tools()).includes('fine__x'));
	await sleep(200);
	const before = upstream.of('tools/list').length;
	await sleep(200);
	assert.ok(upstream.of('tools/list').length === before || before < 2000, `${before} requests and still asking`);
	await mux.close();
});

for (const kind of Object.keys(clients)) {
	test(`sessions that the server forgot are opened anew: ${kind}`, async t => {
		const upstream = await v1Sessions(t);
		const client = await connect(t, kind, connector('up', upstream.url));
		const add = () => client.callTool({ name: 'up__add', arguments: { a: 1, b: 1 } });
		assert.equal(text(await add()), '2');
		upstream.sessions.clear();
		assert.equal(text(await add()), '2');
		upstream.sessions.clear();
		const results = await Promise.all(Array.from({ length: 10 }, add));
		for (const result of results) assert.equal(text(result), '2');
		assert.equal(upstream.sessions.size, 1, 'one new session for all');
	});
}

test('tools/list_changed reaches a legacy IDE from upstreams of both eras', async t => {
	const old = await v1Sessions(t);
	const modern = await v2(t, { legacy: 'reject' });
	const mux = Mux.start(t, connector('old', old.url) + connector('modern', modern.url));
	const { result } = await mux.initialize();
	assert.equal(result.capabilities.tools.listChanged, true);
	const before = await mux.tools();
	assert.ok(!before.includes('old__late'));
	await until(() => old.servers.size > 0 && [...old.sessions.values()].length > 0, 'a session');
	await until(() => old.seen.gets, 'the notification stream');
	let from = mux.messages.length;
	for (const server of old.servers)
		if (server.isConnected()) server.registerTool('late', {}, () => ({ content: [{ type: 'text', text: 'late' }] }));
	await mux.wait(m => m.method === 'notifications/tools/list_changed', 'list_changed', { from });
	assert.ok((await mux.tools()).includes('old__late'));
	assert.equal(text((await mux.call('old__late')).result), 'late');
});

test('tools/list_changed comes from a modern upstream, with a new list behind it', async t => {
	const upstream = await Scripted.start(t, { era: 'modern', on: { 'subscriptions/listen': x => {
		x.stream().event({ jsonrpc: '2.0', method: 'notifications/subscriptions/acknowledged',
			params: { _meta: { [`${META}subscriptionId`]: x.message.id }, notifications: { toolsListChanged: true } } });
	} } });
	const mux = Mux.start(t, connector('up', upstream.url));
	await mux.initialize();
	assert.deepEqual(await mux.tools(), ['up__x']);
	const listen = await upstream.nth('subscriptions/listen');
	assert.equal(listen.message.params.notifications.toolsListChanged, true);
	upstream.tools = [tool('x'), tool('y')];
	const from = mux.messages.length;
	listen.event({ jsonrpc: '2.0', method: 'notifications/tools/list_changed', params: { _meta: { [`${META}subscriptionId`]: listen.message.id } } });
	await mux.wait(m => m.method === 'notifications/tools/list_changed', 'list_changed', { from });
	assert.deepEqual(await mux.tools(), ['up__x', 'up__y']);
	await mux.close();
});

test('a modern IDE listens and hears of changes', async t => {
	const upstream = await demo(t, 'demo-wiki');
	const mux = Mux.start(t, connector('wiki', upstream.url));
	assert.equal(names((await mux.modern('tools/list')).result).length, 3);
	const { modernMeta } = await import('./lib/mux.mjs');
	mux.send({ jsonrpc: '2.0', id: 'L', method: 'subscriptions/listen', params: { notifications: { toolsListChanged: true }, _meta: modernMeta() } });
	const ack = await mux.wait(m => m.method === 'notifications/subscriptions/acknowledged', 'the acknowledgement');
	assert.equal(ack.json.params._meta[`${META}subscriptionId`], 'L');
	assert.equal(ack.json.params.notifications.toolsListChanged, true);
	await sleep(300 * slow); // nothing shows from outside that the server has its subscription
	upstream.child.kill('SIGUSR1');
	const { json } = await mux.wait(m => m.method === 'notifications/tools/list_changed', 'list_changed');
	assert.equal(json.params._meta[`${META}subscriptionId`], 'L');
	assert.equal(names((await mux.modern('tools/list')).result).length, 4);
	mux.send({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 'L' } });
	await mux.close();
});

test('a stream cut before the answer is resumed by Last-Event-ID after retry', async t => {
	const upstream = await Scripted.start(t, { on: {
		'tools/call': x => {
			upstream.waiting = x.id;
			x.stream().write('id: ev-1\nretry: 50\ndata:\n\n');
			setTimeout(() => x.res.end(), 20);
		},
		GET: x => {
			if (x.headers['last-event-id'] !== 'ev-1') return x.end(405);
			upstream.resumed = performance.now();
			x.stream().event(`{"jsonrpc":"2.0","id":${upstream.waiting},"result":{"content":[{"type":"text","text":"resumed"}]}}`);
			x.res.end();
		},
	} });
	const mux = Mux.start(t, connector('up', upstream.url));
	await mux.initialize();
	assert.equal(text((await mux.call('up__x')).result), 'resumed');
	assert.equal(upstream.of('tools/call').length, 1, 'not called twice');
	await mux.close();
});

test('a call that may have run is repeated only where the tool says that it may be', async t => {
	let cut;
	const upstream = await Scripted.start(t, {
		tools: [tool('plain'), tool('reads', { annotations: { readOnlyHint: true } }), tool('same', { annotations: { idempotentHint: true } })],
		on: { 'tools/call': x => {
			if (cut) {
				cut = false;
				return x.req.socket.destroy();
			}
			return upstream.decent(x, 'tools/call');
		} },
	});
	const mux = Mux.start(t, connector('up', upstream.url));
	await mux.initialize();
	await mux.tools();
	for (const [name, repeated] of [['plain', false], ['reads', true], ['same', true]]) {
		cut = true;
		const before = upstream.of('tools/call').length;
		const { result } = await mux.call(`up__${name}`);
		assert.equal(upstream.of('tools/call').length - before, repeated ? 2 : 1, name);
		assert.equal(result.isError === true, !repeated, name);
	}
});

test('the server may ping on the stream of a call, and other requests of it are answered', async t => {
	const upstream = await Scripted.start(t, { on: {
		'tools/call': async x => {
			x.stream().event({ jsonrpc: '2.0', id: 'srv-1', method: 'ping' }).event({ jsonrpc: '2.0', id: 'srv-2', method: 'no/such' });
			await until(() => upstream.requests.filter(r => r.message && !r.message.method).length === 2, 'both answers');
			x.event(`{"jsonrpc":"2.0","id":${x.id},"result":{"content":[{"type":"text","text":"ok"}]}}`);
			x.res.end();
		},
	} });
	const mux = Mux.start(t, connector('up', upstream.url));
	await mux.initialize();
	assert.equal(text((await mux.call('up__x')).result), 'ok');
	const answers = upstream.requests.filter(r => r.message && !r.message.method && r.req.method === 'POST').map(r => r.message);
	assert.deepEqual(answers.find(m => m.id === 'srv-1').result, {});
	assert.equal(answers.find(m => m.id === 'srv-2').error.code, -32601);
});

test('connections are shared: never more than calls in flight, and one for notices', async t => {
	const upstream = await Scripted.start(t);
	let connections = 0;
	upstream.server.on('connection', () => connections++);
	const mux = Mux.start(t, connector('up', upstream.url));
	await mux.initialize();
	await mux.tools();
	for (let i = 0; i < 30; i++) await mux.call('up__x');
	assert.ok(connections <= 3, `${connections} connections`);
	await mux.close();
});

test('a legacy IDE is not shown what its revision cannot take', async t => {
	const upstream = await Scripted.start(t, { era: 'modern', tools: [tool('x', { outputSchema: { type: 'array', items: {} } }), tool('y', { outputSchema: { type: 'object' } })],
		on: { 'tools/call': x => x.result({ resultType: 'complete', content: [], structuredContent: [1, 2] }) } });
	const client = await connect(t, 'SDK v1', connector('up', upstream.url));
	const { tools } = await client.listTools();
	const of = name => tools.find(tool => tool.name === name);
	assert.equal(of('up__x').outputSchema, undefined);
	assert.equal(of('up__y').outputSchema.type, 'object');
	const result = await client.callTool({ name: 'up__x', arguments: {} });
	assert.equal(result.structuredContent, undefined);
	assert.equal(text(result), '[1,2]');
});
