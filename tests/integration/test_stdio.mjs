// mcp-mux on its standard streams: the opening of each era, bad input, ids, batches, limits, and how it ends.

import assert from 'node:assert/strict';
import test from 'node:test';
import { MODERN, Mux, connector, modernMeta, names, sleep, slow, text } from './lib/mux.mjs';
import { Scripted, tool } from './lib/scripted.mjs';
import { freePort } from './lib/upstreams.mjs';

const hanging = { 'tools/call': () => {} }; // never answered

test('an empty configuration serves its own tools and says how to add an upstream', async t => {
	const mux = Mux.start(t, '');
	const { result } = await mux.initialize();
	assert.equal(result.protocolVersion, '2025-11-25');
	assert.equal(result.serverInfo.name, 'mcp-mux');
	assert.ok(result.capabilities.tools);
	assert.ok(result.instructions.length > 0);
	const listed = (await mux.request('tools/list')).result.tools;
	assert.ok(listed.every(({ name }) => name.startsWith('mcp_mux__')), JSON.stringify(listed));
	assert.deepEqual((await mux.request('ping')).result, {});
	await mux.close();
});

for (const version of ['2024-11-05', '2025-03-26', '2025-06-18', '2025-11-25']) {
	test(`initialize for ${version}`, async t => {
		const upstream = await Scripted.start(t);
		const mux = Mux.start(t, connector('up', upstream.url));
		const { result } = await mux.initialize(version);
		assert.equal(result.protocolVersion, version);
		assert.deepEqual(await mux.tools(), ['up__x']);
		assert.equal(text((await mux.call('up__x')).result), 'ok');
		assert.equal(upstream.of('initialize')[0].message.params.protocolVersion, version);
		await mux.close();
	});
}

test('an unknown version in initialize gets the newest legacy one', async t => {
	const mux = Mux.start(t, '');
	assert.equal((await mux.initialize('2031-01-01')).result.protocolVersion, '2025-11-25');
});

test('initialize is answered while every upstream hangs', async t => {
	const upstream = await Scripted.start(t, { on: { '*': () => {} } });
	const mux = Mux.start(t, connector('up', upstream.url));
	const start = performance.now();
	await mux.initialize();
	assert.ok(performance.now() - start < 500 * slow);
	await mux.close();
});

test('server/discover and per-request metadata', async t => {
	const upstream = await Scripted.start(t, { era: 'modern' });
	const mux = Mux.start(t, connector('up', upstream.url));
	const { result } = await mux.modern('server/discover');
	assert.deepEqual(result.supportedVersions, [MODERN]);
	assert.equal(result.resultType, 'complete');
	assert.equal(result._meta['io.modelcontextprotocol/serverInfo'].name, 'mcp-mux');
	assert.equal(typeof result.ttlMs, 'number');
	assert.ok(['private', 'public'].includes(result.cacheScope));
	const list = (await mux.modern('tools/list')).result;
	assert.deepEqual(names(list), ['up__x']);
	assert.equal(list.resultType, 'complete');
	assert.equal(list.cacheScope, 'private');
	assert.equal(typeof list.ttlMs, 'number');
	const called = (await mux.modern('tools/call', { name: 'up__x' })).result;
	assert.equal(called.resultType, 'complete');
	await mux.close();
});

test('an unsupported version in _meta is error -32022 and names the supported ones', async t => {
	const mux = Mux.start(t, '');
	for (const method of ['server/discover', 'tools/list']) {
		const { error } = await mux.modern(method, {}, { version: '2031-01-01' });
		assert.equal(error.code, -32022);
		assert.ok(error.data.supported.includes(MODERN));
		assert.equal(error.data.requested, '2031-01-01');
	}
	assert.ok((await mux.modern('tools/list')).result);
});

test('methods that the stateless revision does not have are -32601', async t => {
	const mux = Mux.start(t, '');
	for (const method of ['ping', 'logging/setLevel', 'resources/subscribe', 'no/such'])
		assert.equal((await mux.modern(method)).error.code, -32601, method);
});

test('a request before initialize without metadata is -32602, and initialize works after it', async t => {
	const mux = Mux.start(t, '');
	assert.equal((await mux.request('tools/list')).error.code, -32602);
	assert.ok((await mux.initialize()).result);
	assert.equal((await mux.request('no/such')).error.code, -32601);
});

test('invalid JSON is a parse error and the next line works', async t => {
	const mux = Mux.start(t, '');
	await mux.initialize();
	for (const bad of ['{', '{"jsonrpc":"2.0","id":1,', 'hello', '{"a":01}', '\u0007', '{"jsonrpc":"2.0","id":"\\ud8"}']) {
		const from = mux.messages.length;
		mux.send(bad);
		const { json } = await mux.wait(m => m.error, `the error of ${bad}`, { from });
		assert.equal(json.error.code, -32700, bad);
		assert.equal(json.id, bad.includes('"id":1') ? 1 : undefined, 'the id where it could be read');
		assert.deepEqual((await mux.request('ping')).result, {});
	}
	mux.send(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])); // invalid UTF-8
	assert.deepEqual((await mux.request('ping')).result, {});
});

test('JSON that is no request is -32600', async t => {
	const mux = Mux.start(t, '');
	await mux.initialize();
	for (const bad of ['1', '"x"', 'null', '{}', '{"jsonrpc":"1.0","id":77,"method":"ping"}',
		'{"jsonrpc":"2.0","id":77,"method":5}', '{"jsonrpc":"2.0","id":{},"method":"ping"}',
		'{"jsonrpc":"2.0","id":77,"method":"ping","params":[1]}',
		'{"jsonrpc":"2.0","id":77,"id":78,"method":"ping"}']) {
		const from = mux.messages.length;
		mux.send(bad);
		const { json } = await mux.wait(m => m.error, `the error of ${bad}`, { from });
		assert.ok([-32600, -32602].includes(json.error.code), `${bad}: ${JSON.stringify(json)}`);
	}
	for (const params of [{}, { name: 5 }, { name: 'x', arguments: [] }])
		assert.equal((await mux.request('tools/call', params)).error.code, -32602, JSON.stringify(params));
	assert.deepEqual((await mux.request('ping')).result, {});
});

test('ids come back as they were sent', async t => {
	const upstream = await Scripted.start(t);
	const mux = Mux.start(t, connector('up', upstream.url));
	await mux.initialize();
	for (const id of ['"text"', '"\\u00e9\\/"', '-5', '9007199254740991', '12345678901234567890', '0', '""']) {
		mux.send(`{"jsonrpc":"2.0","id":${id},"method":"tools/call","params":{"name":"up__x"}}`);
		const { text: line } = await mux.wait(m => m.result?.content && JSON.stringify(m.id) === JSON.stringify(JSON.parse(id)), id);
		assert.ok(line.includes(`"id":${id}`), `${id} in ${line}`);
	}
});

test('an id reused while in flight is -32600 and the first call goes on', async t => {
	let release;
	const upstream = await Scripted.start(t, { on: { 'tools/call': exchange => (release = () => upstream.decent(exchange, 'tools/call')) } });
	const mux = Mux.start(t, connector('up', upstream.url));
	await mux.initialize();
	mux.send('{"jsonrpc":"2.0","id":"a","method":"tools/call","params":{"name":"up__x"}}');
	await upstream.nth('tools/call');
	mux.send('{"jsonrpc":"2.0","id":"a","method":"ping"}');
	const { json } = await mux.wait(m => m.error, 'the refusal');
	assert.equal(json.error.code, -32600);
	release();
	await mux.wait(m => m.id === 'a' && m.result, 'the first call');
	mux.send('{"jsonrpc":"2.0","id":"a","method":"ping"}');
	await mux.wait(m => m.id === 'a' && m.result && !m.result.content, 'the id used again');
});

test('an overlong line is an error, is skipped, and the next one works', async t => {
	const mux = Mux.start(t, '[mux]\nmax_message = 1\n');
	await mux.initialize();
	mux.send(`{"jsonrpc":"2.0","id":"big","method":"tools/call","params":{"name":"x","arguments":{"a":"${'x'.repeat(3 << 20)}"}}}`);
	const { json } = await mux.wait(m => m.error, 'the error');
	assert.ok(json.id === 'big' || json.id === undefined, JSON.stringify(json));
	assert.deepEqual((await mux.request('ping')).result, {});
});

test('batches of 2025-03-26 are answered, and refused in other revisions', async t => {
	const upstream = await Scripted.start(t);
	const mux = Mux.start(t, connector('up', upstream.url));
	await mux.initialize('2025-03-26');
	mux.send([{ jsonrpc: '2.0', id: 'p', method: 'ping' }, { jsonrpc: '2.0', method: 'notifications/progress', params: {} },
		{ jsonrpc: '2.0', id: 'c', method: 'tools/call', params: { name: 'up__x' } }, { jsonrpc: '2.0', id: 'n', method: 'no/such' }]);
	const find = id => mux.wait(m => [m].flat().some(one => one.id === id), id);
	const pick = (json, id) => [json].flat().find(one => one.id === id);
	assert.deepEqual(pick((await find('p')).json, 'p').result, {});
	assert.equal(text(pick((await find('c')).json, 'c').result), 'ok');
	assert.equal(pick((await find('n')).json, 'n').error.code, -32601);

	const strict = Mux.start(t, '');
	await strict.initialize('2025-11-25');
	strict.send('[{"jsonrpc":"2.0","id":1,"method":"ping"}]');
	const { json } = await strict.wait(m => m.error, 'the refusal');
	assert.equal(json.error.code, -32600);
	assert.deepEqual((await strict.request('ping')).result, {});
});

test('initialize inside a batch is refused', async t => {
	const mux = Mux.start(t, '');
	mux.send([{ jsonrpc: '2.0', id: 'i', method: 'initialize',
		params: { protocolVersion: '2025-03-26', capabilities: {}, clientInfo: { name: 'x', version: '1' } } }]);
	const { json } = await mux.wait(m => [m].flat().some(one => one.error), 'the refusal');
	assert.ok([-32600, -32602].includes([json].flat()[0].error.code));
	assert.ok((await mux.initialize()).result);
});

test('CRLF, blank lines and a last line without a newline are read', async t => {
	const mux = Mux.start(t, '');
	mux.child.stdin.write('\n\r\n{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25",' +
		'"capabilities":{},"clientInfo":{"name":"x","version":"1"}}}\r\n');
	await mux.answer(1);
	mux.child.stdin.end('{"jsonrpc":"2.0","id":2,"method":"ping"}');
	await mux.answer(2);
	assert.equal((await mux.exited).code, 0);
});

test('thousands of pipelined requests are all answered', async t => {
	const upstream = await Scripted.start(t, { on: { 'tools/call': exchange =>
		exchange.result({ content: [{ type: 'text', text: String(exchange.message.params.arguments.i) }] }) } });
	const mux = Mux.start(t, connector('up', upstream.url));
	await mux.initialize();
	await mux.tools();
	const n = 5000;
	let lines = '';
	for (let i = 0; i < n; i++)
		lines += `{"jsonrpc":"2.0","id":"n${i}","method":"tools/call","params":{"name":"up__x","arguments":{"i":${i}}}}\n`;
	mux.child.stdin.write(lines);
	await mux.wait(() => mux.messages.length >= n + 2, 'all answers', { ms: 60_000 * slow });
	const got = new Map(mux.messages.filter(({ json }) => String(json.id).startsWith('n')).map(({ json }) => [json.id, json]));
	assert.equal(got.size, n);
	for (let i = 0; i < n; i++) assert.equal(text(got.get(`n${i}`).result), String(i));
	await mux.close();
});

for (const era of ['legacy', 'modern']) {
	test(`end of input with calls pending: they are cancelled upstream (${era}) and the process ends`, async t => {
		const upstream = await Scripted.start(t, { era, on: hanging });
		const mux = Mux.start(t, connector('up', upstream.url));
		await mux.initialize();
		await mux.tools();
		for (let id = 100; id < 110; id++) mux.send({ jsonrpc: '2.0', id, method: 'tools/call', params: { name: 'up__x' } });
		await upstream.nth('tools/call', 10);
		await mux.close();
		await sleep(50);
		assert.equal(upstream.open.size, 0, 'connections left');
		if (era === 'legacy') assert.equal(upstream.of('DELETE').length, 1);
	});
}

test('end of input ends it in spite of an upstream that does not even take the DELETE', async t => {
	const upstream = await Scripted.start(t, { on: { ...hanging, DELETE: () => {}, GET: () => {}, 'notifications/cancelled': () => {} } });
	const mux = Mux.start(t, connector('up', upstream.url));
	await mux.initialize();
	await mux.tools();
	mux.send({ jsonrpc: '2.0', id: 9, method: 'tools/call', params: { name: 'up__x' } });
	await upstream.nth('tools/call');
	await mux.close();
});

test('end of input right after the requests, before anything is open', async t => {
	const upstream = await Scripted.start(t, { on: { '*': () => {} } });
	const mux = Mux.start(t, connector('up', upstream.url) + connector('down', `http://127.0.0.1:${await freePort(t)}/mcp`));
	mux.send({ jsonrpc: '2.0', id: 1, method: 'tools/list', params: { _meta: modernMeta() } });
	await mux.close();
});

test('stdout closed ends the process', async t => {
	const upstream = await Scripted.start(t);
	const mux = Mux.start(t, connector('up', upstream.url));
	await mux.initialize();
	mux.child.stdout.destroy();
	mux.send({ jsonrpc: '2.0', id: 5, method: 'ping' });
	const { signal } = await mux.wait(() => false, 'the end').catch(() => mux.exit);
	assert.equal(signal, null, 'ended by itself, not by a signal');
	mux.exit.code = 0; // whichever status: nobody reads it
});

for (const signal of ['SIGTERM', 'SIGINT']) {
	test(`${signal} ends it within two seconds, sessions deleted`, async t => {
		const upstream = await Scripted.start(t, { on: hanging });
		const mux = Mux.start(t, connector('up', upstream.url));
		await mux.initialize();
		await mux.tools();
		mux.send({ jsonrpc: '2.0', id: 9, method: 'tools/call', params: { name: 'up__x' } });
		await upstream.nth('tools/call');
		const start = performance.now();
		mux.child.kill(signal);
		const { at } = await mux.exited;
		assert.ok(at - start < 2000 * slow);
		assert.equal(upstream.of('DELETE').length, 1);
		mux.exit.code = 0;
		mux.exit.signal = null;
	});
}

test('nothing but messages reaches stdout at the loudest log level', async t => {
	const upstream = await Scripted.start(t, { tools: [tool('x'), tool('evil\u001b[31m')] });
	const mux = Mux.start(t, connector('up', upstream.url),
		{ args: ['--log-level', 'debug'], env: { G_MESSAGES_DEBUG: 'all' } });
	await mux.initialize();
	await mux.tools();
	await mux.call('up__x');
	await mux.close();
	assert.ok(mux.stderr.length > 0);
	assert.doesNotMatch(mux.stderr, /\u001b/);
});
