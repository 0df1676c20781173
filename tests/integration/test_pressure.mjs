// What piles up: more requests than there is room for, answers that nobody reads, streams that do not end,
// notices without end, sessions that are lost all the time. Nothing may grow without bound, and cancels and
// the end of input must get through whatever waits.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { Mux, connector, modernMeta, sleep, slow, text, until } from './lib/mux.mjs';
import { Scripted, sse } from './lib/scripted.mjs';
import { freePort } from './lib/upstreams.mjs';

const SMALL = '[mux]\nmax_message = 1\nbuiltin_tools = off\n';
const big = 'x'.repeat(900_000);
const call = (id, name, args) => ({ jsonrpc: '2.0', id, method: 'tools/call', params: { name, arguments: args } });

async function crowded(t, n) {
	const upstream = await Scripted.start(t, { on: { 'tools/call': () => {} } });
	const mux = Mux.start(t, SMALL + connector('up', upstream.url));
	await mux.initialize();
	await mux.tools();
	// More than twice max_message waits for answers after the third; what comes then is parked, as much again.
	for (let id = 100; id < 100 + n; id++) mux.send(call(id, 'up__x', { big }));
	await upstream.nth('tools/call', 3);
	return { upstream, mux };
}

test('requests beyond the watermark wait, a cancellation gets through to those in flight', async t => {
	const { upstream, mux } = await crowded(t, 5);
	mux.send({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 100 } });
	const cancelled = await upstream.nth('notifications/cancelled');
	assert.equal(cancelled.message.params.requestId, upstream.of('tools/call')[0].message.id);
	mux.send({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 104 } });
	mux.send({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 101 } });
	await upstream.nth('tools/call', 4);
	await sleep(50);
	assert.equal(upstream.of('tools/call').length, 4, 'a parked call that was cancelled is not made');
	await mux.close();
});

test('requests beyond the watermark go on, in order, when there is room', async t => {
	const { upstream, mux } = await crowded(t, 10);
	let answered = 0;
	await until(() => {
		for (const exchange of upstream.of('tools/call').slice(answered)) {
			answered++;
			exchange.result({ content: [] });
		}
		return answered === 10;
	}, 'all ten calls');
	for (let id = 100; id < 110; id++) await mux.wait(m => m.id === id, `the answer to ${id}`);
	await mux.close();
});

test('stdin closed while it is not read ends the process in a second', async t => {
	const { mux } = await crowded(t, 10);
	await sleep(200);
	const start = performance.now();
	mux.child.stdin.destroy(); // end() would wait until what is queued here has been read
	const { code, at } = await mux.exited;
	assert.equal(code, 0);
	assert.ok(at - start < 1000 * slow, `exit took ${Math.round(at - start)} ms`);
});

test('answers that the IDE does not read hold back what it asks for, not memory', async t => {
	const upstream = await Scripted.start(t, { tools: Array.from({ length: 200 }, (_, i) => ({ name: `t${i}`,
		description: 'd'.repeat(500), inputSchema: { type: 'object' } })) });
	const mux = Mux.start(t, connector('up', upstream.url));
	await mux.initialize();
	await mux.tools();
	mux.child.stdout.pause();
	const before = resident(mux);
	for (let id = 1000; id < 3000; id++) mux.send({ jsonrpc: '2.0', id, method: 'tools/list' });
	await sleep(1500 * slow);
	assert.ok(resident(mux) - before < 80 * 1024, `grew by ${resident(mux) - before} KiB`);
	mux.child.stdout.resume();
	for (const id of [1000, 1999, 2999]) await mux.wait(m => m.id === id, `the answer to ${id}`);
	await mux.close();
});

function resident(mux) {
	const status = readFileSync(`/proc/${mux.child.pid}/status`, 'utf8');
	return process.env.SANITIZE ? 0 : Number(/VmRSS:\s*(\d+)/.exec(status)[1]);
}

test('streams that stay open after their answer keep few connections', async t => {
	const upstream = await Scripted.start(t, { on: { 'tools/call': x =>
		x.stream().write(sse(`{"jsonrpc":"2.0","id":${x.id},"result":{"content":[]}}`)) } });
	const mux = Mux.start(t, connector('up', upstream.url));
	await mux.initialize();
	await mux.tools();
	for (let i = 0; i < 60; i++) assert.deepEqual((await mux.call('up__x')).result, { content: [] });
	assert.ok(upstream.open.size <= 10, `${upstream.open.size} streams are open`);
	await mux.close();
});

test('a server that announces changes all the time is not asked all the time', async t => {
	const notice = sse({ jsonrpc: '2.0', method: 'notifications/tools/list_changed' });
	const upstream = await Scripted.start(t, { on: { GET: x => {
		x.stream();
		const timer = setInterval(() => x.write(notice), 2);
		x.res.on('close', () => clearInterval(timer));
	} } });
	const mux = Mux.start(t, connector('up', upstream.url));
	await mux.initialize();
	await mux.tools();
	await sleep(3000);
	await upstream.nth('tools/list', 2);
	const asked = upstream.of('tools/list').length;
	assert.ok(asked <= 6, `asked ${asked} times`);
	await mux.close();
});

test('a server that wants to be polled by its stream is not asked for its tools each time', async t => {
	const upstream = await Scripted.start(t, { on: { GET: x =>
		x.end(200, { 'content-type': 'text/event-stream' }, 'id: 7\nretry: 50\ndata:\n\n') } });
	const mux = Mux.start(t, connector('up', upstream.url));
	await mux.initialize();
	await mux.tools();
	await upstream.nth('GET', 3);
	assert.equal(upstream.of('GET')[2].headers['last-event-id'], '7');
	assert.equal(upstream.of('tools/list').length, 1);
	await mux.close();
});

test('a 400 that answers the call is no lost session', async t => {
	const upstream = await Scripted.start(t, { on: { 'tools/call': x => x.error(-32602, 'no such thing', { why: 1 }, 400) } });
	const mux = Mux.start(t, connector('up', upstream.url));
	await mux.initialize();
	await mux.tools();
	for (let i = 0; i < 3; i++)
		assert.deepEqual((await mux.call('up__x')).error, { code: -32602, message: 'no such thing', data: { why: 1 } });
	assert.equal(upstream.of('tools/call').length, 3);
	assert.equal(upstream.of('initialize').length, 1);
	await mux.close();
});

test('a server that loses every session is not given a new one for every call', async t => {
	const upstream = await Scripted.start(t, { on: { 'tools/call': x => x.end(404) } });
	const mux = Mux.start(t, connector('up', upstream.url));
	await mux.initialize();
	await mux.tools();
	for (let i = 0; i < 8; i++) assert.equal((await mux.call('up__x')).result.isError, true);
	assert.ok(upstream.of('initialize').length <= 3, `${upstream.of('initialize').length} sessions`);
	await mux.close();
});

test('a connector that was down when the IDE started is tried by the first call after', async t => {
	const port = await freePort(t);
	const mux = Mux.start(t, '[mux]\nlist_timeout = 1\n' + connector('late', `http://127.0.0.1:${port}/mcp`));
	await mux.initialize();
	await mux.tools();
	await sleep(1200); // the first pause is over, the next try of its own is seconds away
	const upstream = await Scripted.start(t, { port });
	const start = performance.now();
	assert.equal(text((await mux.call('late__x')).result), 'ok');
	assert.ok(performance.now() - start < 1000 * slow);
	assert.equal(upstream.of('initialize').length, 1);
	await mux.close();
});

test('a 403 while opening is not the end of a connector without accounts', async t => {
	let refuse = true;
	const upstream = await Scripted.start(t, { on: { '*': x => (refuse ? x.end(403) : x.server.decent(x, x.message?.method ?? x.req.method)) } });
	const mux = Mux.start(t, connector('up', upstream.url));
	await mux.initialize();
	await mux.tools();
	refuse = false;
	assert.equal(text((await mux.call('up__x')).result), 'ok');
	await mux.close();
});

test('a server that is silent when asked in one era is asked in the other the next time', async t => {
	const upstream = await Scripted.start(t, { on: { 'server/discover': x => x.end(504) } });
	const mux = Mux.start(t, connector('up', upstream.url));
	mux.send({ jsonrpc: '2.0', id: 1, method: 'tools/list', params: { _meta: modernMeta() } });
	await upstream.nth('initialize');
	await mux.close();
});

test('a progress notice over max_result is dropped, the result still comes', async t => {
	const upstream = await Scripted.start(t, { on: { 'tools/call': x => {
		const { progressToken } = x.message.params._meta;
		x.stream().event({ jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken, progress: 1, message: 'x'.repeat(2 << 20) } })
			.event({ jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken, progress: 2 } })
			.event(`{"jsonrpc":"2.0","id":${x.id},"result":{"content":[]}}`);
		x.res.end();
	} } });
	const mux = Mux.start(t, '[mux]\nmax_result = 1\n' + connector('up', upstream.url));
	await mux.initialize();
	await mux.tools();
	mux.send({ ...call(7, 'up__x', {}), params: { name: 'up__x', _meta: { progressToken: 'p' } } });
	await mux.wait(m => m.id === 7, 'the result');
	const progress = mux.messages.map(m => m.json).filter(m => m.method === 'notifications/progress');
	assert.deepEqual(progress.map(m => m.params), [{ progressToken: 'p', progress: 2 }]);
	await mux.close();
});
