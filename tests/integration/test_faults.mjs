// Upstreams that misbehave at every stage: the caller affected gets one answer in time, everybody else goes on.

import assert from 'node:assert/strict';
import net from 'node:net';
import test from 'node:test';
import { Mux, connector, sleep, slow, text } from './lib/mux.mjs';
import { Scripted, sse, tool } from './lib/scripted.mjs';
import { freePort, v1Sessions } from './lib/upstreams.mjs';

const FAST = '[mux]\ncall_timeout = 1\nconnect_timeout = 1\nlist_timeout = 1\nmax_message = 1\n';

// What an upstream may answer instead of an answer.
const faults = {
	'nothing at all': x => x.end(200, { 'content-type': 'application/json' }),
	'no content type': x => x.end(200, {}, 'hello'),
	'rubbish': x => x.json('\u0000\u0001{{{'),
	'half a document': x => x.json(`{"jsonrpc":"2.0","id":${x.id},"resu`),
	'HTML': x => x.end(200, { 'content-type': 'text/html' }, '<html><body>Sign in to the hotel network</body></html>'),
	'a 500 with HTML': x => x.end(500, { 'content-type': 'text/html' }, '<h1>Oops</h1>'),
	'502': x => x.end(502),
	'429 with Retry-After': x => x.end(429, { 'retry-after': '7' }),
	'a redirect': x => x.end(307, { location: 'http://127.0.0.1:1/mcp' }),
	'a wrong id': x => x.json('{"jsonrpc":"2.0","id":999999,"result":{"content":[]}}'),
	'no id': x => x.json('{"jsonrpc":"2.0","result":{"content":[]}}'),
	'two documents': x => x.json(`{"jsonrpc":"2.0","id":${x.id},"result":{}}{"jsonrpc":"2.0","id":${x.id},"result":{}}`),
	'a result that is no object': x => x.json(`{"jsonrpc":"2.0","id":${x.id},"result":[1]}`),
	'result and error': x => x.json(`{"jsonrpc":"2.0","id":${x.id},"result":{},"error":{"code":1,"message":"x"}}`),
	'a body over max_message': x => x.json(`{"jsonrpc":"2.0","id":${x.id},"result":{"content":[],"x":"${'x'.repeat(3 << 20)}"}}`),
	'an event over max_message': x => x.end(200, { 'content-type': 'text/event-stream' }, sse(`{"x":"${'x'.repeat(3 << 20)}"}`)),
	'a stream that ends without an answer': x => x.end(200, { 'content-type': 'text/event-stream' }, ': nothing\n\n'),
	'an event that is no JSON': x => x.end(200, { 'content-type': 'text/event-stream' }, sse('hello')),
	'a stream of another id': x => x.end(200, { 'content-type': 'text/event-stream' }, sse('{"jsonrpc":"2.0","id":999999,"result":{}}')),
	'a connection reset': x => x.req.socket.resetAndDestroy(),
	'a connection closed': x => x.req.socket.destroy(),
	'a body cut short': x => {
		x.res.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000' });
		x.res.write('{"jsonrpc":');
		setTimeout(() => x.req.socket.destroy(), 20);
	},
	'silence': () => {},
	'a head and then silence': x => x.stream(),
	'comments for ever': x => {
		x.stream();
		const timer = setInterval(() => x.write(': still here\n\n'), 50);
		x.res.on('close', () => clearInterval(timer));
	},
};

test('every fault in the answer to a call', async t => {
	for (const era of ['legacy', 'modern']) {
		let fault;
		const upstream = await Scripted.start(t, { era, tools: [tool('x'), tool('fine')], on: { 'tools/call': x =>
			x.message.params.name === 'fine' ? upstream.decent(x, 'tools/call') : fault(x) } });
		const mux = Mux.start(t, FAST + connector('up', upstream.url));
		await mux.initialize();
		await mux.tools();
		for (const [name, misbehave] of Object.entries(faults)) {
			await t.test(`${era}: ${name}`, async () => {
				fault = misbehave;
				const start = performance.now();
				const id = `${era} ${name}`;
				mux.send({ jsonrpc: '2.0', id, method: 'tools/call', params: { name: 'up__x', arguments: {} } });
				const fine = await mux.call('up__fine');
				assert.equal(text(fine.result), 'ok', 'a call beside it');
				const { json } = await mux.answer(id);
				assert.equal(json.result?.isError, true, JSON.stringify(json));
				assert.ok(text(json.result).length > 10);
				assert.doesNotMatch(text(json.result), /hotel|\u0000/, 'no bytes of the fault in front of the model');
				assert.ok(performance.now() - start < 2500 * slow, 'the deadline');
				if (name.startsWith('429')) assert.match(text(json.result), /7/);
				await sleep(20);
				assert.equal(mux.messages.filter(({ json }) => json.id === id).length, 1, 'one answer');
			});
		}
		assert.equal(text((await mux.call('up__fine')).result), 'ok');
		await mux.close();
	}
});

// At each stage of the opening; a fine upstream beside it must be as fast as ever.
for (const stage of ['server/discover', 'initialize', 'notifications/initialized', 'tools/list', '*']) {
	test(`faults at ${stage} cost nobody else`, async t => {
		const fine = await v1Sessions(t);
		for (const name of ['silence', 'rubbish', 'HTML', '502', 'a connection reset', 'comments for ever', 'a wrong id', 'a body over max_message']) {
			await t.test(name, async t => {
				const bad = await Scripted.start(t, { era: stage === 'server/discover' ? 'modern' : 'legacy', on: { [stage]: faults[name] } });
				const mux = Mux.start(t, FAST + connector('bad', bad.url) + connector('fine', fine.url));
				await mux.initialize();
				const start = performance.now();
				const listed = await mux.tools();
				assert.ok(performance.now() - start < 2500 * slow, `list took ${Math.round(performance.now() - start)} ms`);
				for (const name of ['fine__add', 'fine__echo']) assert.ok(listed.includes(name), listed.join());
				assert.equal(text((await mux.call('fine__add', { a: 1, b: 2 })).result), '3');
				if (!listed.includes('bad__x')) {
					const { result } = await mux.call('bad__x', {}, { ms: 6000 * slow });
					assert.equal(result.isError, true);
				}
				await mux.close();
			});
		}
	});
}

test('a connector whose server is down: isError in words, and it is found again when it comes up', async t => {
	const port = await freePort(t);
	const fine = await v1Sessions(t);
	const mux = Mux.start(t, FAST + connector('down', `http://127.0.0.1:${port}/mcp`) + connector('fine', fine.url));
	await mux.initialize();
	assert.ok((await mux.tools()).every(name => name.startsWith('fine__')));
	const { result } = await mux.call('down__x');
	assert.equal(result.isError, true);
	assert.match(text(result), /down/);
	await mux.close();
});

test('a server that accepts and never speaks', async t => {
	const server = net.createServer(() => {});
	await new Promise(resolve => server.listen(0, '127.0.0.1', resolve));
	t.after(() => server.close());
	const mux = Mux.start(t, FAST + connector('mute', `http://127.0.0.1:${server.address().port}/mcp`));
	await mux.initialize();
	const start = performance.now();
	assert.deepEqual(await mux.tools(), []);
	assert.ok(performance.now() - start < 1600 * slow);
	await mux.close();
	server.unref();
});

test('progress keeps a call alive past call_timeout, comments do not', async t => {
	const upstream = await Scripted.start(t, { on: { 'tools/call': async x => {
		x.stream();
		for (let i = 0; i < 5; i++) {
			await sleep(500);
			if (x.message.params._meta?.progressToken !== undefined)
				x.event({ jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: x.message.params._meta.progressToken, progress: i } });
			else x.write(': working\n\n');
		}
		x.event(`{"jsonrpc":"2.0","id":${x.id},"result":{"content":[{"type":"text","text":"late"}]}}`);
		x.res.end();
	} } });
	const mux = Mux.start(t, FAST.replace('call_timeout = 1', 'call_timeout = 2') + connector('up', upstream.url));
	await mux.initialize();
	await mux.tools();
	const alive = await mux.request('tools/call', { name: 'up__x', _meta: { progressToken: 'p' } });
	assert.equal(text(alive.result), 'late');
	const dead = await mux.call('up__x');
	assert.equal(dead.result.isError, true);
	await until_cancelled(upstream);
});

async function until_cancelled(upstream) {
	const cancelled = await upstream.nth('notifications/cancelled');
	assert.equal(typeof cancelled.message.params.requestId, 'number');
}

test('call_limit ends a call in spite of its progress', async t => {
	const upstream = await Scripted.start(t, { on: { 'tools/call': x => {
		x.stream();
		const timer = setInterval(() => x.event({ jsonrpc: '2.0', method: 'notifications/progress',
			params: { progressToken: x.message.params._meta.progressToken, progress: Date.now() } }), 100);
		x.res.on('close', () => clearInterval(timer));
	} } });
	const mux = Mux.start(t, '[mux]\ncall_limit = 2\n' + connector('up', upstream.url));
	await mux.initialize();
	const start = performance.now();
	const { result } = await mux.request('tools/call', { name: 'up__x', _meta: { progressToken: 1 } });
	assert.equal(result.isError, true);
	const took = performance.now() - start;
	assert.ok(took > 1500 && took < 3500 * slow, `${took} ms`);
});

test('a slow upstream holds up neither another one nor its own other calls', async t => {
	const bad = await Scripted.start(t, { on: { 'tools/call': () => {} } });
	const fine = await Scripted.start(t);
	const mux = Mux.start(t, connector('bad', bad.url) + connector('fine', fine.url));
	await mux.initialize();
	await mux.tools();
	for (let id = 1000; id < 1040; id++) mux.send({ jsonrpc: '2.0', id, method: 'tools/call', params: { name: 'bad__x' } });
	await bad.nth('tools/call', 40);
	const start = performance.now();
	for (let i = 0; i < 20; i++) assert.equal(text((await mux.call('fine__x')).result), 'ok');
	assert.ok(performance.now() - start < 1000 * slow);
	await mux.close();
});
