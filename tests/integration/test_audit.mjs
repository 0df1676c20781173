// The audit log: that every call has its line, whatever becomes of the call, the process, the file or the disk; that
// the lines hold what they should and nothing else; and the command that reads them.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { appendFileSync, chmodSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, rmdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { ElicitResultSchema } from '@modelcontextprotocol/sdk/types.js';
import { Desk, account, called } from './lib/desk.mjs';
import { Mux, clients, connect, connector, sleep, slow, text, until, writeIni } from './lib/mux.mjs';
import { Scripted, tool } from './lib/scripted.mjs';
import { Strict } from './lib/strict.mjs';
import { freePort, v1Sessions, v2 } from './lib/upstreams.mjs';

const FULL = 10 * 1024 * 1024;

// The log of a home, and what lies beside it.
class Log {
	constructor(home) {
		this.dir = join(home, '.local/state/mcp-mux');
		this.path = join(this.dir, 'audit.jsonl');
	}

	file(n) {
		return n ? `${this.path}.${n}` : this.path;
	}

	text(n) {
		return existsSync(this.file(n)) ? readFileSync(this.file(n), 'utf8') : '';
	}

	// All lines, oldest first, each of which must be whole; a torn or empty one only where that is expected.
	lines({ damaged = 0 } = {}) {
		const all = [5, 4, 3, 2, 1, 0].flatMap(n => this.text(n).split('\n').slice(0, -1)).filter(Boolean);
		const lines = [];
		let bad = 0;
		for (const line of all) {
			try {
				lines.push(JSON.parse(line));
			} catch {
				bad++;
			}
		}
		assert.equal(bad, damaged, 'damaged lines');
		for (const line of lines) {
			assert.equal(line.v, 1);
			assert.match(line.time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
		}
		return lines;
	}

	calls(options) {
		return this.lines(options).filter(line => line.event === 'call');
	}

	// The last N calls as [tool or other name, outcome].
	outcomes(options) {
		return this.calls(options).map(line => [line.tool ?? line.prompt ?? line.uri ?? line.exposed ?? line.method, line.outcome]);
	}
}

test('each call of an official client is one line, in either era, before its answer', async t => {
	const up = await v1Sessions(t, { extend: server => {
		server.registerPrompt('greet', { description: 'a prompt' }, () => ({ messages: [] }));
		server.registerResource('notes', 'notes://all', {}, uri => ({ contents: [{ uri: uri.href, text: 'n' }] }));
	} });
	const modern = await v2(t, { legacy: 'reject' });
	for (const kind of Object.keys(clients)) {
		const files = writeIni(t, connector('native', up.url) + connector('new', modern.url));
		const client = await connect(t, kind, '', { files });
		const log = new Log(files.home);
		await client.listTools();
		assert.equal(existsSync(log.path), false, 'what is no call has no line');
		await client.callTool({ name: 'add', arguments: { a: 1, b: 2 } });
		assert.equal(log.calls().length, 1, kind);
		await client.callTool({ name: 'new__fail', arguments: {} });
		await client.getPrompt({ name: 'greet' });
		await client.readResource({ uri: 'notes://all' });
		await assert.rejects(client.callTool({ name: 'nothing', arguments: {} }));
		assert.deepEqual(log.outcomes(), [['add', 'ok'], ['fail', 'tool_error'], ['greet', 'ok'], ['notes://all', 'ok'], ['nothing', 'denied']]);

		const [first, second, prompt, resource, denied] = log.calls();
		assert.deepEqual(Object.keys(first), ['v', 'time', 'pid', 'event', 'id', 'ide', 'connector', 'method', 'tool', 'exposed',
			'arguments_bytes', 'result_bytes', 'duration_ms', 'outcome', 'arguments_hmac']);
		assert.deepEqual({ ...first, v: 0, time: 0, pid: 0, id: 0, duration_ms: 0, result_bytes: 0 }, { v: 0, time: 0, pid: 0, event: 'call',
			id: 0, ide: { name: 'test', version: '1' }, connector: 'native', method: 'tools/call', tool: 'add', exposed: 'add',
			arguments_bytes: '{"a":1,"b":2}'.length, result_bytes: 0, duration_ms: 0, outcome: 'ok', arguments_hmac: null });
		assert.ok(first.duration_ms > 0 && first.duration_ms < 5000 * slow && first.result_bytes > 20);
		assert.ok(Math.abs(Date.parse(first.time) - Date.now()) < 60_000);
		assert.deepEqual([second.connector, second.exposed], ['new', 'new__fail']);
		assert.deepEqual([prompt.method, prompt.prompt, prompt.arguments_bytes], ['prompts/get', 'greet', null]);
		assert.deepEqual([resource.method, resource.uri], ['resources/read', 'notes://all']);
		assert.deepEqual([denied.connector, denied.tool, denied.result_bytes], [null, null, null]);
		assert.equal(new Set(log.calls().map(({ id }) => id)).size, 5);
		assert.equal(statSync(log.path).mode & 0o777, 0o600);
		assert.equal(statSync(log.dir).mode & 0o777, 0o700);
	}
});

test('every way a call can end has its outcome, once', async t => {
	const port = await freePort(t);
	const up = await Scripted.start(t, { tools: ['ok', 'hidden', 'big', 'wrong', 'error', 'hang', 'cut', 'slow', 'forbidden'].map(name => tool(name)), on: {
		'tools/call': x => {
			switch (x.message.params.name) {
			case 'big': return x.result({ content: [{ type: 'text', text: 'x'.repeat(2 << 20) }] });
			case 'wrong': return x.json('{"jsonrpc":"2.0"');
			case 'error': return x.error(-32000, 'no');
			case 'hang': return undefined;
			case 'slow': return undefined;
			case 'cut': return x.res.destroy();
			case 'forbidden': return x.end(403);
			default: return x.result({ content: [] });
			}
		},
	} });
	const desk = await Desk.start(t, '[mux]\nmax_result = 1\ncall_timeout = 1\n' + connector('up', up.url) + connector('gone', `http://127.0.0.1:${port}/mcp`) +
		'[connector:account]\nurl = https://account.example/mcp\n[tools:up]\nhidden = off\n');
	const log = new Log(desk.files.home);
	const mux = desk.serve();
	await mux.initialize();
	await mux.tools();
	const outcome = async (name, wanted, more) => {
		const before = log.calls().length;
		await mux.call(name, {}, { ms: 20_000 });
		assert.equal(log.calls().length, before + 1, name);
		const last = log.calls().at(-1);
		assert.equal(last.outcome, wanted, `${name}: ${JSON.stringify(last)}`);
		assert.deepEqual({ ...last, ...more }, last);
	};
	await outcome('up__ok', 'ok', { connector: 'up', tool: 'ok', exposed: 'up__ok' });
	await outcome('up__hidden', 'denied', { connector: 'up', tool: 'hidden', exposed: 'up__hidden', result_bytes: null });
	await outcome('up__unknown', 'denied', { connector: null, tool: null });
	await outcome('up__big', 'too_large', { tool: 'big' });
	assert.ok(log.calls().at(-1).result_bytes > 2 << 20);
	await outcome('up__wrong', 'error');
	await outcome('up__error', 'error', { result_bytes: '{"code":-32000,"message":"no"}'.length });
	await outcome('up__forbidden', 'error');
	await outcome('up__cut', 'unavailable');
	await outcome('up__slow', 'timeout');
	await outcome('gone__x', 'unavailable', { connector: 'gone', exposed: 'gone__x' });
	await outcome('account__x', 'sign_in', { connector: 'account' });
	await outcome('mcp_mux__connectors', 'ok', { connector: null, exposed: 'mcp_mux__connectors' });
	// Not hidden tools alone: what is wrong with a request, too.
	await mux.request('tools/call', { name: 5 });
	assert.deepEqual(log.outcomes().at(-1), ['tools/call', 'error']);
	// Cancelled, and gone.
	const asked = up.of('tools/call').length;
	mux.send({ jsonrpc: '2.0', id: 'c', method: 'tools/call', params: { name: 'up__hang', arguments: {} } });
	mux.send({ jsonrpc: '2.0', id: 'd', method: 'tools/call', params: { name: 'up__hang', arguments: {} } });
	await until(() => up.of('tools/call').length === asked + 2, 'the calls');
	mux.notify('notifications/cancelled', { requestId: 'c' });
	await until(() => log.outcomes().at(-1)[1] === 'cancelled', 'its line');
	const count = log.calls().length;
	await mux.close();
	assert.deepEqual(log.outcomes().slice(count), [['hang', 'cancelled']]);
});

test('requests that take several rounds have a line for each request of the IDE', async t => {
	const up = await v1Sessions(t, { extend: server => server.registerTool('ask', { inputSchema: {} }, async (args, { sendRequest }) => {
		const params = { message: 'who?', requestedSchema: { type: 'object', properties: {} } };
		const { action } = await sendRequest({ method: 'elicitation/create', params }, ElicitResultSchema);
		return { content: [{ type: 'text', text: action }] };
	}) });
	const files = writeIni(t, connector('up', up.url));
	const log = new Log(files.home);
	const mux = Mux.start(t, '', { files });
	const capabilities = { elicitation: { form: {} } };
	await mux.modern('tools/list', {}, { capabilities });
	const { result: first } = await mux.modern('tools/call', { name: 'up__ask', arguments: {} }, { capabilities });
	assert.equal(first.resultType, 'input_required');
	assert.deepEqual(log.outcomes(), [['ask', 'input_required']]);
	const inputResponses = Object.fromEntries(Object.keys(first.inputRequests).map(key => [key, { action: 'accept', content: {} }]));
	const { result: second } = await mux.modern('tools/call', { name: 'up__ask', arguments: {}, inputResponses,
		requestState: first.requestState }, { capabilities });
	assert.equal(text(second), 'accept');
	assert.deepEqual(log.outcomes(), [['ask', 'input_required'], ['ask', 'ok']]);
	assert.deepEqual(log.calls().map(({ connector: name }) => name), ['up', 'up']);
	await mux.close();
});

test('what was answered has its line, though the process is killed', async t => {
	const up = await Scripted.start(t);
	const files = writeIni(t, '[mux]\naudit = required\n' + connector('up', up.url));
	const log = new Log(files.home);
	let answered = 0;
	for (let round = 0; round < 5; round++) {
		const mux = new Mux(files.home, files.ini, {});
		await mux.initialize();
		await mux.tools();
		const before = mux.messages.length;
		for (let i = 0; i < 300; i++) mux.send({ jsonrpc: '2.0', id: `${i}`, method: 'tools/call', params: { name: 'up__x', arguments: { i } } });
		await until(() => mux.messages.length > before + 20 + 40 * round, 'some answers');
		mux.child.kill('SIGKILL');
		await mux.exited;
		answered += mux.messages.length - before;
	}
	const lines = log.lines();
	const calls = lines.filter(({ event, outcome }) => event === 'call' && outcome === 'ok');
	assert.ok(calls.length >= answered, `${calls.length} lines of ${answered} answers`);
	// Nothing went out without a line that says so.
	const begun = lines.filter(({ event }) => event === 'begin');
	assert.ok(begun.every(({ outcome, connector: name, tool: own }) => outcome === 'sent' && name === 'up' && own === 'x'));
	assert.ok(begun.length >= up.of('tools/call').length, `${begun.length} lines of ${up.of('tools/call').length} requests`);
});

test('a line that was torn by whoever died costs nobody else a line', async t => {
	const up = await Scripted.start(t);
	const files = writeIni(t, connector('up', up.url));
	const log = new Log(files.home);
	mkdirSync(log.dir, { recursive: true });
	writeFileSync(log.path, '{"v":1,"time":"2026-');
	const mux = Mux.start(t, '', { files });
	await mux.initialize();
	await mux.call('up__x', {});
	appendFileSync(log.path, '{"v":1,"ti');
	await mux.call('up__x', {});
	await mux.call('up__x', {});
	await mux.close();
	assert.equal(log.calls({ damaged: 2 }).length, 3);
	assert.equal(log.text().split('\n').length, 6);
	const { stdout, stderr, status } = read(files);
	assert.equal(status, 0);
	assert.match(stderr, /^mcp-mux: 2 damaged lines were left out$/m);
	assert.equal(stdout.match(/\bok\b/g).length, 3);
});

test('several servers write one log, and rename it once', async t => {
	const up = await Scripted.start(t);
	const files = writeIni(t, connector('up', up.url));
	const log = new Log(files.home);
	mkdirSync(log.dir, { recursive: true });
	// Nearly full: it is renamed in the middle of it.
	const old = `{"v":1,"time":"2020-01-01T00:00:00.000Z","pid":1,"event":"lost","lines":1,"detail":"${'x'.repeat(400)}"}\n`;
	writeFileSync(log.path, old.repeat(Math.floor((FULL - 30_000) / old.length)));
	const EACH = 150;
	const muxes = await Promise.all(Array.from({ length: 4 }, async () => {
		const mux = Mux.start(t, '', { files });
		await mux.initialize();
		await mux.tools();
		return mux;
	}));
	await Promise.all(muxes.map(async mux => {
		for (let i = 0; i < EACH; i++) mux.send({ jsonrpc: '2.0', id: `${i}`, method: 'tools/call', params: { name: 'up__x', arguments: { i } } });
		for (let i = 0; i < EACH; i++) await mux.answer(`${i}`);
	}));
	for (const mux of muxes) await mux.close();
	assert.deepEqual(readdirSync(log.dir).filter(name => name.startsWith('audit')).sort(), ['audit.jsonl', 'audit.jsonl.1']);
	assert.ok(statSync(log.file(1)).size <= FULL && statSync(log.file(1)).size > FULL - 40_000);
	const calls = log.calls();
	assert.equal(calls.length, 4 * EACH);
	assert.equal(new Set(calls.map(({ id }) => id)).size, 4 * EACH);
	for (const { child } of muxes) assert.equal(calls.filter(({ pid }) => pid === child.pid).length, EACH);
	assert.equal(read(files, '--json', '--tool', 'x').stdout.split('\n').length, 4 * EACH + 1);
});

test('without a place for the log, on goes on and required refuses', async t => {
	const up = await Scripted.start(t);
	for (const mode of ['on', 'required']) {
		const files = writeIni(t, `[mux]\naudit = ${mode}\n` + connector('up', up.url));
		const log = new Log(files.home);
		mkdirSync(log.path, { recursive: true });
		const mux = Mux.start(t, '', { files });
		await mux.initialize();
		await mux.tools();
		const asked = up.of('tools/call').length;
		for (let i = 0; i < 3; i++) {
			const { result } = await mux.call('up__x', { i });
			assert.equal(result.isError ?? false, mode === 'required');
			if (result.isError) assert.match(text(result), /^Nothing was sent: the audit log cannot be written \(.*audit\.jsonl: Is a directory\)/);
		}
		assert.equal(up.of('tools/call').length - asked, mode === 'required' ? 0 : 3);
		assert.equal(mux.stderr.match(/warning the audit log cannot be written/g).length, 1);
		rmdirSync(log.path);
		assert.equal((await mux.call('up__x', { last: true })).result.isError ?? false, false);
		assert.equal(log.lines().find(({ event }) => event === 'lost').lines, 3);
		assert.equal(log.calls().length, 1);
		await mux.close();
	}
});

test('a disk that is full costs lines and not the process', async t => {
	const up = await Scripted.start(t);
	for (const mode of ['on', 'required']) {
		const files = writeIni(t, `[mux]\naudit = ${mode}\n` + connector('up', up.url));
		const log = new Log(files.home);
		// No file may grow beyond that, which is as far as a small disk goes; the process is told by a signal, too.
		const mux = Mux.start(t, '', { files, before: ['prlimit', '--fsize=1000'] });
		await mux.initialize();
		await mux.tools();
		const asked = up.of('tools/call').length;
		let refused = 0;
		for (let i = 0; i < 6; i++) refused += (await mux.call('up__x', { i })).result.isError ?? false;
		const sent = up.of('tools/call').length - asked;
		const whole = log.lines(); // but for the last one, which may have no end
		if (mode === 'on') {
			assert.deepEqual([refused, sent], [0, 6]);
		} else {
			assert.equal(sent, whole.filter(({ event }) => event === 'begin').length);
			assert.ok(sent > 0 && refused === 6 - sent);
		}
		await mux.close();
	}
});

test('arguments are there as the configuration says, results never', async t => {
	const up = await Scripted.start(t, { on: { 'tools/call': x => x.result({ content: [{ type: 'text', text: 'the result is 4711' }] }) } });
	const args = '{"query": "the question is 0815", "n": 1.10, "big": 123456789012345678901234567890}';
	for (const mode of ['none', 'digest', 'full']) {
		const files = writeIni(t, `[mux]\naudit_arguments = ${mode}\n` + connector('up', up.url));
		const log = new Log(files.home);
		const mux = Mux.start(t, '', { files });
		await mux.initialize();
		await mux.tools();
		mux.send(`{"jsonrpc":"2.0","id":"a","method":"tools/call","params":{"name":"up__x","arguments":${args}}}`);
		await mux.answer('a');
		mux.send(`{"jsonrpc":"2.0","id":"b","method":"tools/call","params":{"name":"up__x","arguments":{"x":"${'y'.repeat(70_000)}"}}}`);
		await mux.answer('b');
		await mux.close();
		const all = log.text();
		assert.doesNotMatch(all, /4711/);
		assert.equal(all.includes(`"arguments":${args}}`), mode === 'full');
		assert.equal(all.includes('0815'), mode === 'full');
		assert.equal(/"arguments_truncated":true\}\n$/.test(all), mode === 'full');
		assert.equal(/"arguments_hmac":null\}\n/.test(all), mode === 'digest');
		if (mode === 'none') assert.ok(log.calls().every(each => Object.keys(each).at(-1) === 'outcome'));
	}
});

test('digests are keyed by the keyring, the same in every process, and the key is nowhere else', async t => {
	let desk;
	const up = await Scripted.start(t, { on: { 'tools/call': async x => {
		// The first ones outlast the keyring's answer.
		await until(async () => (await desk.keyring.items({ kind: 'audit-key' })).length, 'the key', 20_000 * slow);
		await sleep(500 * slow);
		x.result({ content: [] });
	} } });
	desk = await Desk.start(t, connector('up', up.url));
	const log = new Log(desk.files.home);
	const args = '{"q":"what","n":1}';
	const said = [];
	for (let round = 0; round < 2; round++) {
		const mux = desk.serve({ args: ['--log-level', 'debug'] });
		await mux.initialize();
		await mux.tools();
		for (let i = 0; i < 2; i++) {
			mux.send(`{"jsonrpc":"2.0","id":"${i}","method":"tools/call","params":{"name":"up__x","arguments":${args}}}`);
			await mux.answer(`${i}`);
		}
		await mux.close();
		said.push(mux.stderr);
	}
	const [item, ...others] = await desk.keyring.items({ kind: 'audit-key' });
	assert.equal(others.length, 0);
	assert.equal(item.connector, 'mcp_mux');
	assert.deepEqual(await desk.keyring.items(), []);
	const { stdout: stored } = spawnSync('secret-tool', ['lookup', 'application', 'mcp-mux', 'kind', 'audit-key'],
		{ env: { ...process.env, ...desk.keyring.env }, encoding: 'utf8' });
	const key = Buffer.from(stored, 'base64url');
	assert.equal(key.length, 32);
	const digest = createHmac('sha256', key).update(args).digest('hex');
	assert.deepEqual(log.calls().map(({ arguments_hmac: each }) => each), [digest, digest, digest, digest]);
	for (const shape of [stored, key.toString('hex'), key.toString('base64')])
		for (const text of [log.text(), ...said]) assert.equal(text.includes(shape), false);
	// A locked keyring is not waited for, and nobody is asked to unlock it.
	await desk.keyring.lock();
	const mux = desk.serve();
	await mux.initialize();
	await mux.call('up__x', { q: 1 });
	assert.equal(log.calls().at(-1).arguments_hmac, null);
	await desk.keyring.unlock();
	await until(async () => {
		await mux.call('up__x', { q: 1 });
		await sleep(200);
		return log.calls().at(-1).arguments_hmac;
	}, 'a digest', 20_000 * slow); // gnome-keyring says nothing of it, so the call after some seconds has it
	await mux.close();
});

test('sign-ins, sign-outs, renewals that fail and changes of policy are lines', async t => {
	const strict = await Strict.start(t);
	const desk = await Desk.start(t, account('wiki', strict.url, 'auth = oauth') + account('keyed', strict.url, 'auth = api-key'));
	const log = new Log(desk.files.home);
	const last = () => log.lines().at(-1);
	await desk.connect('wiki');
	assert.deepEqual({ ...last(), v: 1, time: 0, pid: 0 }, { v: 1, time: 0, pid: 0, event: 'sign_in', connector: 'wiki', outcome: 'ok' });
	assert.notEqual((await desk.run(['connect', 'keyed', '--key-stdin'], { input: 'no-such-key' })).status, 0);
	assert.equal(last().event, 'sign_in');
	assert.deepEqual([last().connector, last().outcome], ['keyed', 'sign_in']);

	const mux = desk.serve();
	await mux.initialize();
	await mux.tools();
	assert.equal((await called(mux, 'wiki__x')).isError, false);
	strict.expireAccess();
	strict.before = () => { throw new Error('503'); };
	await called(mux, 'wiki__x');
	const busy = log.lines().find(({ event }) => event === 'refresh');
	assert.equal(busy.connector, 'wiki');
	assert.equal(busy.outcome, 'unavailable');
	strict.before = undefined;
	strict.revokeAll();
	await until(async () => {
		await called(mux, 'wiki__x');
		return log.lines().some(({ event, outcome }) => event === 'refresh' && outcome === 'sign_in');
	}, 'the end of the sign-in', 15_000 * slow);
	assert.equal(log.calls().at(-1).outcome, 'sign_in');
	await mux.close();

	assert.equal((await desk.run(['disable', 'wiki', 'delete_*', 'x'])).status, 0);
	assert.deepEqual({ ...last(), v: 1, time: 0, pid: 0 }, { v: 1, time: 0, pid: 0, event: 'policy', connector: 'wiki', change: 'disable',
		names: ['delete_*', 'x'], outcome: 'ok' });
	const before = log.lines().length;
	assert.equal((await desk.run(['disable', 'wiki', 'x'])).status, 0); // it is so already
	assert.equal(log.lines().length, before);
	await desk.disconnect('wiki');
	assert.deepEqual([last().event, last().connector, last().outcome], ['sign_out', 'wiki', 'ok']);
	await desk.disconnect('wiki'); // there was nothing
	assert.equal(log.lines().length, before + 1);
	const all = log.text();
	for (const secret of [...strict.secrets, 'no-such-key']) assert.equal(all.includes(secret), false, 'a secret in the log');
});

test('the system has a copy of each line where that is wanted', async t => {
	const up = await Scripted.start(t);
	const files = writeIni(t, '[mux]\naudit_syslog = on\n' + connector('up', up.url));
	const mux = Mux.start(t, '', { files });
	await mux.initialize();
	await mux.call('up__x', { a: 1 }); // without a logger that listens nothing is lost here
	assert.equal(new Log(files.home).calls().length, 1);
	await mux.close();
});

// ---- the command ----

function read({ home, ini }, ...args) {
	const done = spawnSync(join(process.env.BUILD ?? 'build', 'mcp-mux'), ['audit', ...args], {
		env: { HOME: home, PATH: process.env.PATH, TERM: 'xterm', LANG: 'C.UTF-8', ...sanitizer() }, encoding: 'utf8', maxBuffer: 1 << 28,
	});
	assert.equal(done.signal, null);
	assert.doesNotMatch(done.stderr, /Sanitizer|runtime error|CRITICAL/);
	return done;
}

const sanitizer = () => Object.fromEntries(Object.entries(process.env).filter(([name]) => /SAN_OPTIONS$/.test(name)));

const entry = (seconds, more) => JSON.stringify({ v: 1, time: new Date(Date.UTC(2026, 10, 21, 20, 0, seconds)).toISOString(), pid: 1,
	event: 'call', id: `a-${seconds}`, ide: null, connector: 'wiki', method: 'tools/call', tool: 'search', exposed: 'wiki__search',
	arguments_bytes: 12, result_bytes: 3000, duration_ms: 12.345, outcome: 'ok', ...more });

test('audit shows a table of what there was, filtered, and runs in spite of a broken configuration', async t => {
	const files = writeIni(t, 'broken');
	const log = new Log(files.home);
	let done = read(files);
	assert.deepEqual([done.status, done.stdout, done.stderr], [0, `There is nothing to show in ${log.path}.\n`, '']);
	mkdirSync(log.dir, { recursive: true });
	writeFileSync(log.file(1), [entry(0, { event: 'begin', outcome: 'sent' }), entry(1, { event: 'begin', id: 'a-9', outcome: 'sent', tool: 'lost' }), entry(0), ''].join('\n'));
	writeFileSync(log.path, [entry(2, { connector: 'docs', tool: 'delete_page', exposed: 'docs__delete_page', outcome: 'denied', result_bytes: null }),
		'{"torn', entry(3, { event: 'sign_in', outcome: 'error', detail: 'no\u001b[31m' }), entry(4, { tool: 'evil\u009b2J\u202e' }), ''].join('\n'));
	done = read(files);
	assert.equal(done.status, 0);
	assert.equal(done.stderr, 'mcp-mux: 1 damaged line was left out\n');
	assert.doesNotMatch(done.stdout, /[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]/);
	const rows = done.stdout.trimEnd().split('\n').map(row => row.split(/ {2,}/));
	assert.deepEqual(rows[0], ['Time', 'Connector', 'Tool', 'Outcome', 'Duration', 'Arguments', 'Result']);
	assert.deepEqual(rows.slice(1).map(row => row.slice(1, 4)), [['wiki', 'lost', 'sent'], ['wiki', 'search', 'ok'],
		['docs', 'delete_page', 'denied'], ['wiki', 'search', 'error'], ['wiki', 'evil?2J?', 'ok']]);
	assert.deepEqual(rows[2].slice(4), ['12 ms', '12 B', '2.9 KiB']);
	assert.deepEqual(rows[3].slice(4), ['12 ms', '12 B', '-']);

	const tools = (...args) => read(files, '--json', ...args).stdout.trim().split('\n').filter(Boolean).map(each => JSON.parse(each).tool);
	assert.deepEqual(tools('--connector', 'docs'), ['delete_page']);
	assert.deepEqual(tools('--tool', 'delete*'), ['delete_page']);
	assert.deepEqual(tools('--tool', 'docs__*'), ['delete_page']);
	assert.deepEqual(tools('--outcome', 'denied,error'), ['delete_page', 'search']);
	assert.deepEqual(tools('--since', '2026-11-21T20:00:02Z', '--until', '2026-11-21T20:00:03Z'), ['delete_page', 'search']);
	assert.deepEqual(tools('--since', '0s'), []);
	// As they are, but for what a terminal would obey, which is the same JSON.
	const { stdout } = read(files, '--json');
	assert.equal(stdout.split('\n')[0], entry(0, { event: 'begin', outcome: 'sent' }));
	assert.doesNotMatch(stdout, /[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]/);
	assert.equal(JSON.parse(stdout.trim().split('\n').at(-1)).tool, 'evil\u009b2J\u202e');

	for (const args of [['--since', 'soon'], ['--outcome', 'good'], ['--until', '2026-99-99'], ['x'], ['--follow=yes']]) {
		done = read(files, ...args);
		assert.deepEqual([done.status, done.stdout], [2, ''], args.join(' '));
		assert.match(done.stderr, /^mcp-mux: .*\n$/);
	}
});

test('what is no log is an error in words', { skip: process.getuid() !== 0 && 'root reads everything' }, async t => {
	const files = writeIni(t, '');
	const log = new Log(files.home);
	mkdirSync(log.path, { recursive: true });
	const done = read(files);
	assert.equal(done.status, 1);
	assert.match(done.stderr, /^mcp-mux: .*audit\.jsonl: is not a regular file\n$/);
	rmSync(log.path, { recursive: true });
	chmodSync(log.dir, 0o700);
});

test('--follow shows what is added, over a renaming, and ends with its reader', async t => {
	const up = await Scripted.start(t);
	const desk = await Desk.start(t, connector('up', up.url));
	const log = new Log(desk.files.home);
	const table = desk.begin(['audit', '--follow']);
	const json = desk.begin(['audit', '--follow', '--json', '--outcome', 'ok']);
	const lines = () => json.stdout.split('\n').filter(Boolean).map(each => JSON.parse(each));
	const mux = desk.serve();
	await mux.initialize();
	await mux.call('up__x', { n: 1 });
	await table.seen(/ up +x +ok /);
	await until(() => lines().length === 1, 'the first line');
	// Nearly full, so that the next line is the first of another file.
	appendFileSync(log.path, ' '.repeat(FULL - statSync(log.path).size - 100) + '\n');
	await mux.call('up__x', { n: 2 });
	await mux.call('up__nothing', { n: 3 });
	await until(() => lines().length === 2, 'the second line');
	await table.seen(/nothing +denied/);
	assert.ok(existsSync(log.file(1)));
	assert.equal(table.stdout.match(/^Time /gm).length, 1);
	await mux.close();
	json.child.stdout.destroy();
	const { signal, status } = await json.done;
	assert.equal(signal, null);
	assert.notEqual(status, null);
	assert.equal(table.ended, undefined);
	table.child.kill('SIGINT');
	await table.done;
});
