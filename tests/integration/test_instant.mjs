// Lists that are kept on disk: the first list of the next run is complete before any server is heard, is put right
// afterwards, and never survives into another account; nothing but definitions is ever written.

import assert from 'node:assert/strict';
import { chmodSync, existsSync, readFileSync, readdirSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { Desk, account } from './lib/desk.mjs';
import { Mux, clients, connect, connector, sleep, slow, until, writeIni } from './lib/mux.mjs';
import { Authority, protectedServers } from './lib/oauth.mjs';
import { Scripted, tool } from './lib/scripted.mjs';
import { v1Sessions, v2 } from './lib/upstreams.mjs';

// The directory of lists of a home.
class Shelf {
	constructor({ home }) {
		this.dir = join(home, '.cache/mcp-mux/lists');
	}

	get names() {
		return existsSync(this.dir) ? readdirSync(this.dir).sort() : [];
	}

	// All that stands in it.
	get text() {
		return this.names.map(name => readFileSync(join(this.dir, name), 'utf8')).join('\n');
	}

	path(name = this.names[0]) {
		return join(this.dir, name);
	}
}

const isChange = what => message => message.method === `notifications/${what}/list_changed`;

// A server that says something of itself, and hangs while `hangs` is set.
async function wordy(t, { tools = [tool('x')], prompts, templates, resources, words = 'Say please.' } = {}) {
	const capabilities = { tools: {}, ...(prompts && { prompts: {} }), ...(resources && { resources: {} }) };
	const held = [];
	const up = await Scripted.start(t, { tools, on: { '*': exchange => {
		const method = exchange.req.method === 'POST' ? exchange.message?.method ?? 'response' : exchange.req.method;
		const answer = () => {
			switch (method) {
			case 'initialize': return exchange.result({ protocolVersion: '2025-11-25', capabilities, instructions: words });
			case 'prompts/list': return exchange.result({ prompts: up.prompts });
			case 'resources/list': return exchange.result({ resources });
			case 'resources/templates/list': return exchange.result({ resourceTemplates: templates });
			default: return up.decent(exchange, method);
			}
		};
		if (up.hangs) held.push(answer);
		else answer();
	} } });
	Object.assign(up, { hangs: false, prompts, release: () => {
		up.hangs = false;
		held.splice(0).forEach(answer => answer());
	} });
	return up;
}

// A run that sees the lists, and ends.
async function fill(files, { capabilities = {}, lists = ['tools/list'] } = {}) {
	const mux = new Mux(files.home, files.ini, {});
	await mux.initialize('2025-11-25', capabilities);
	for (const list of lists) await mux.request(list);
	await mux.close();
	await mux.finish();
}

test('the first answers of the second run are complete while its servers hang', async t => {
	const one = await wordy(t, { words: 'Words of one.' });
	const two = await wordy(t, { tools: [tool('y'), tool('z')], words: 'Words of two.' });
	const files = writeIni(t, connector('one', one.url) + connector('two', two.url));
	const shelf = new Shelf(files);
	await fill(files);
	assert.match(shelf.names.join(' '), /^one\.[0-9a-f]{32}\.json two\.[0-9a-f]{32}\.json$/);
	assert.equal(statSync(shelf.dir).mode & 0o777, 0o700);
	for (const name of shelf.names) assert.equal(statSync(shelf.path(name)).mode & 0o777, 0o600);

	one.hangs = two.hangs = true;
	const mux = Mux.start(t, '', { files });
	const { result } = await mux.initialize();
	assert.match(result.instructions, /Words of one[^]*Words of two/);
	const began = performance.now();
	assert.deepEqual(await mux.tools(), ['one__x', 'two__y', 'two__z']);
	assert.ok(performance.now() - began < 500 * slow);
	const call = mux.call('two__z');
	two.release();
	assert.equal((await call).result.content[0].text, 'ok');
	one.release();
	await two.nth('tools/list', 2);
	await one.nth('tools/list', 2);
	await sleep(100);
	assert.equal(mux.messages.some(({ json }) => isChange('tools')(json)), false, 'what is as it was is no news');
	await mux.close();
});

test('official clients of either era see the kept lists of official servers at once', async t => {
	const extend = server => server.registerPrompt('greet', { description: 'a prompt' }, () => ({ messages: [] }));
	const [old, modern] = [await v1Sessions(t, { extend }), await v2(t, { legacy: 'reject', extend })];
	for (const kind of Object.keys(clients)) {
		const files = writeIni(t, connector('old', old.url) + connector('new', modern.url));
		const first = await connect(t, kind, '', { files });
		const [tools, prompts] = [await first.listTools(), await first.listPrompts()];
		assert.equal(tools.tools.length, 12);
		assert.equal(prompts.prompts.length, 2);
		await first.close();
		await until(() => new Shelf(files).names.length === 2, 'the lists to be kept');
		const second = await connect(t, kind, '', { files });
		assert.deepEqual((await second.listTools()).tools, tools.tools, kind);
		assert.deepEqual((await second.listPrompts()).prompts, prompts.prompts, kind);
		assert.equal((await second.callTool({ name: 'new__add', arguments: { a: 1, b: 2 } })).content[0].text, '3');
	}
});

test('what changed between two runs is told after the kept list, and kept', async t => {
	const up = await wordy(t);
	const files = writeIni(t, connector('up', up.url));
	await fill(files);
	up.tools = [tool('new')];
	up.hangs = true;
	const mux = Mux.start(t, '', { files });
	await mux.initialize();
	assert.deepEqual(await mux.tools(), ['up__x']);
	up.release();
	await mux.wait(isChange('tools'), 'the change');
	assert.deepEqual(await mux.tools(), ['up__new']);
	// It is written while the server runs, not only at its end.
	await until(() => /"new"/.test(new Shelf(files).text), 'the new list on disk');
	assert.doesNotMatch(new Shelf(files).text, /"x"/);
	await mux.close();
});

test('a server that cannot be reached keeps its tools listed, and calls say why', async t => {
	const up = await wordy(t);
	const files = writeIni(t, connector('up', up.url));
	await fill(files);
	await up.close();
	const mux = Mux.start(t, '', { files });
	await mux.initialize();
	assert.deepEqual(await mux.tools(), ['up__x']);
	const { result } = await mux.call('up__x');
	assert.equal(result.isError, true);
	assert.deepEqual(await mux.tools(), ['up__x']);
	await mux.close();
	assert.equal(new Shelf(files).names.length, 1);
});

test('prompts and templates are kept; resources and results never are', async t => {
	const up = await wordy(t, {
		prompts: [{ name: 'greet' }], templates: [{ uriTemplate: 'notes://{id}', name: 'a note' }],
		resources: [{ uri: 'notes://7041', name: 'merger-plans' }],
	});
	up.on['tools/call'] = x => x.result({ content: [{ type: 'text', text: 'confidential-result' }] });
	const files = writeIni(t, connector('up', up.url));
	const all = ['tools/list', 'prompts/list', 'resources/list', 'resources/templates/list'];
	await fill(files, { lists: all });
	const shelf = new Shelf(files);
	assert.match(shelf.text, /greet[^]*notes:\/\/\{id\}/);
	assert.doesNotMatch(shelf.text, /7041|merger-plans/);

	up.hangs = true;
	const mux = Mux.start(t, '', { files });
	await mux.initialize();
	assert.deepEqual((await mux.request('prompts/list')).result.prompts.map(({ name }) => name), ['up__greet']);
	assert.equal((await mux.request('resources/templates/list')).result.resourceTemplates.length, 1);
	const resources = mux.request('resources/list');
	up.prompts = [{ name: 'part' }];
	up.release();
	assert.equal((await resources).result.resources[0].name, 'merger-plans');
	await mux.wait(isChange('prompts'), 'the change of prompts');
	assert.deepEqual((await mux.request('prompts/list')).result.prompts.map(({ name }) => name), ['up__part']);
	await mux.call('up__x');
	await mux.close();
	assert.match(shelf.text, /"part"/);
	assert.doesNotMatch(shelf.text, /7041|merger-plans|confidential|"greet"/);
});

test('an IDE that declares something else, or is of the other era, has files of its own', async t => {
	const up = await wordy(t);
	const files = writeIni(t, connector('up', up.url));
	const shelf = new Shelf(files);
	await fill(files);
	await fill(files, { capabilities: { roots: {} } });
	assert.equal(shelf.names.length, 2);
	const mux = Mux.start(t, '', { files });
	await mux.modern('tools/list');
	await mux.close();
	assert.equal(shelf.names.length, 3);
	await fill(files);
	assert.equal(shelf.names.length, 3);
});

test('a file that was cut, changed, or can be written by others is put aside with one warning', async t => {
	const up = await wordy(t);
	const files = writeIni(t, connector('up', up.url));
	const shelf = new Shelf(files);
	await fill(files);
	const name = shelf.names[0];
	const whole = readFileSync(shelf.path(name), 'utf8');
	const harms = {
		cut: path => truncateSync(path, whole.length - 7),
		empty: path => truncateSync(path, 0),
		changed: path => writeFileSync(path, whole.replace('"x"', '"evil"')),
		open: path => chmodSync(path, 0o666),
	};
	for (const [what, harm] of Object.entries(harms)) {
		harm(shelf.path(name));
		up.hangs = true;
		const mux = Mux.start(t, '[mux]\nlist_timeout = 1\n', { files });
		await mux.initialize();
		const list = mux.tools();
		await until(() => up.open.size, 'the server to be asked');
		up.release();
		assert.deepEqual(await list, ['up__x'], what);
		await mux.close();
		assert.equal(mux.stderr.match(/in the cache are not used/g)?.length, 1, `${what}: ${mux.stderr}`);
		assert.deepEqual(shelf.names, [name, `${name}.damaged`], what);
		assert.equal(readFileSync(shelf.path(name), 'utf8'), whole, what);
	}
});

test('two servers write the same file, and it is whole', async t => {
	const up = await wordy(t);
	const files = writeIni(t, connector('up', up.url));
	const shelf = new Shelf(files);
	const all = await Promise.all(Array.from({ length: 4 }, async () => {
		const mux = Mux.start(t, '', { files });
		await mux.initialize();
		await mux.tools();
		return mux;
	}));
	await until(() => shelf.names.length, 'the file');
	await Promise.all(all.map(mux => mux.close()));
	assert.equal(shelf.names.length, 1);
	up.hangs = true;
	const mux = Mux.start(t, '', { files });
	await mux.initialize();
	assert.deepEqual(await mux.tools(), ['up__x']);
	assert.equal(mux.stderr, '');
});

// --- accounts ---

for (const [kind, server] of Object.entries(protectedServers)) {
	test(`kept lists belong to one sign-in (${kind})`, async t => {
		const authority = await Authority.start(t);
		const wiki = await server(t, authority);
		const desk = await Desk.start(t, account('wiki', wiki.url, 'auth = oauth'));
		const shelf = new Shelf(desk.files);
		await desk.connect('wiki');
		assert.deepEqual(shelf.names, [], 'commands keep nothing');
		const first = desk.serve();
		await first.initialize();
		const tools = await first.tools();
		assert.ok(tools.length > 0);
		await first.close();
		assert.equal(shelf.names.length, 1);
		assert.ok(authority.secrets.size > 0);
		for (const secret of authority.secrets) assert.equal(shelf.text.includes(secret), false);

		// The same sign-in: complete though the keyring hangs.
		desk.keyring.silence();
		const second = desk.serve();
		await second.initialize();
		assert.deepEqual(await second.tools(), tools);
		desk.keyring.wake();
		await second.close();

		// Another one, made while the file was there: it is withdrawn, and the new one's comes.
		const kept = readFileSync(shelf.path(), 'utf8');
		const name = shelf.names[0];
		await desk.disconnect('wiki');
		assert.deepEqual(shelf.names, [], 'disconnect deletes');
		await desk.connect('wiki');
		writeFileSync(join(shelf.dir, name), kept, { mode: 0o600 });
		const third = desk.serve();
		await third.initialize();
		assert.deepEqual(await third.tools(), tools, 'nobody knows yet whose they are');
		await third.wait(isChange('tools'), 'the withdrawal');
		await until(async () => (await third.tools()).length === tools.length, 'the new list');
		await third.close();
		assert.equal(shelf.names.length, 1);
		const grant = text => JSON.parse(text).content.grant;
		assert.notEqual(grant(shelf.text), grant(kept));

		// A sign-out under a running server: lists go, and nothing is written any more.
		const fourth = desk.serve();
		await fourth.initialize();
		assert.deepEqual(await fourth.tools(), tools);
		await desk.disconnect('wiki');
		await fourth.wait(isChange('tools'), 'the sign-out');
		assert.deepEqual(await fourth.tools(), []);
		await fourth.close();
		assert.deepEqual(shelf.names, []);

		// A file that was left behind, and nobody is signed in.
		writeFileSync(join(shelf.dir, name), kept, { mode: 0o600 });
		const fifth = desk.serve();
		await fifth.initialize();
		await fifth.tools();
		await until(() => shelf.names.length === 0, 'the file to go');
		assert.deepEqual(await fifth.tools(), []);
		await fifth.close();
	});
}
