// Signing in from inside an IDE: asked by URL elicitation in both eras, told in words where it cannot be asked, by
// the connect tool, and by what happens in a terminal meanwhile.

import assert from 'node:assert/strict';
import test from 'node:test';
import { ElicitRequestSchema, ElicitationCompleteNotificationSchema } from '@modelcontextprotocol/sdk/types.js';
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js';
import { Client as ClientV2 } from '@modelcontextprotocol/client';
import { visit } from './lib/browser.mjs';
import { Desk, account, called, toConnect } from './lib/desk.mjs';
import { MODERN, connect, connector, sleep, slow, text, until } from './lib/mux.mjs';
import { Authority, protectedServers, protectedV1, protectedV2 } from './lib/oauth.mjs';
import { Scripted } from './lib/scripted.mjs';
import { Strict } from './lib/strict.mjs';

const wiki = (url, ...mux) => (mux.length ? `[mux]\n${mux.join('\n')}\n` : '') + account('wiki', url, 'auth = oauth');
const tool = 'mcp_mux__connect';
const ASKS = { elicitation: { url: {} } };

// SDK clients that can be asked to open a URL; ACT(params) does so and says accept, decline or cancel.
const askable = {
	'SDK v1': {
		kind: 'SDK v1', era: 'legacy', make(act, seen = {}) {
			const client = new ClientV1({ name: 'test', version: '1' }, { capabilities: ASKS });
			client.setRequestHandler(ElicitRequestSchema, async ({ params }) => ({ action: await act(params) }));
			client.setNotificationHandler(ElicitationCompleteNotificationSchema, ({ params }) => { seen.complete = params.elicitationId; });
			return client;
		},
	},
	'SDK v2 of the stateless revision': {
		kind: 'SDK v2 modern', era: 'modern', make(act) {
			const client = new ClientV2({ name: 'test', version: '1' },
				{ capabilities: ASKS, versionNegotiation: { mode: { pin: MODERN } } });
			client.setRequestHandler('elicitation/create', async ({ params }) => ({ action: await act(params) }));
			return client;
		},
	},
};

// A desk whose browser opens nothing by itself, and a client in front of mcp-mux there.
async function asked(t, { kind, make }, ini, act, seen) {
	const desk = await Desk.start(t, ini, { browser: { auto: false } });
	const client = await connect(t, kind, '', { client: make(act, seen), files: desk.files, env: desk.keyring.env });
	return { desk, client };
}

for (const [name, ide] of Object.entries(askable)) {
	test(`${name}: the connect tool asks the IDE to open the URL, and answers when the person is back`, async t => {
		const authority = await Authority.start(t);
		const resource = await (ide.era === 'legacy' ? protectedV1 : protectedV2)(t, authority);
		const asks = [];
		const seen = {};
		const { desk, client } = await asked(t, ide, wiki(resource.url), async params => {
			asks.push(params);
			await visit(params.url);
			return 'accept';
		}, seen);
		assert.ok(!(await client.listTools()).tools.some(({ name }) => name.startsWith('wiki__')));
		const answer = await client.callTool({ name: tool, arguments: { name: 'wiki' } });
		assert.equal(answer.isError ?? false, false, text(answer));
		assert.match(text(answer), /wiki/);
		assert.equal(asks.length, 1);
		assert.equal(asks[0].mode, 'url');
		assert.match(asks[0].message, /wiki/);
		assert.ok(asks[0].url.startsWith(`${authority.issuer}/auth?`));
		if (ide.era === 'legacy') await until(() => seen.complete === asks[0].elicitationId, 'notifications/elicitation/complete');
		else assert.equal(asks[0].elicitationId, undefined);
		assert.equal(text(await client.callTool({ name: 'wiki__whoami', arguments: {} })), 'alice');
		assert.equal((await desk.status('wiki')).state, 'connected');
		assert.deepEqual(desk.browser.opened, [], 'the IDE opens it, not mcp-mux');
	});

	test(`${name}: a call on an ended sign-in asks, and goes on by itself`, async t => {
		const strict = await Strict.start(t, { era: ide.era });
		const asks = [];
		const { desk, client } = await asked(t, ide, wiki(strict.url), async params => {
			asks.push(params);
			await visit(params.url);
			return 'accept';
		});
		await client.callTool({ name: tool, arguments: { name: 'wiki' } });
		assert.equal(text(await client.callTool({ name: 'wiki__x', arguments: { a: 1 } })), 'ok');
		strict.revokeAll();
		const calls = strict.scripted.of('tools/call').length;
		assert.equal(text(await client.callTool({ name: 'wiki__x', arguments: { a: 2 } })), 'ok');
		assert.equal(asks.length, 2);
		const sent = strict.scripted.of('tools/call').slice(calls).map(({ message }) => message.params.arguments);
		assert.ok(sent.every(args => args.a === 2));
		assert.equal((await desk.status('wiki')).state, 'connected');
	});

	test(`${name}: a scope that is missing is asked for, with those that are there`, async t => {
		const authority = await Authority.start(t);
		const resource = await protectedServers[ide.era === 'legacy' ? 'SDK v1' : 'SDK v2'](t, authority);
		const scopes = [];
		const { desk, client } = await asked(t, ide, wiki(resource.url), async params => {
			scopes.push(new URL(params.url).searchParams.get('scope').split(' '));
			await visit(params.url);
			return 'accept';
		});
		await client.callTool({ name: tool, arguments: { name: 'wiki' } });
		assert.equal(text(await client.callTool({ name: 'wiki__admin', arguments: {} })), 'done');
		assert.equal(scopes.length, 2);
		assert.ok(!scopes[0].includes('mcp:admin') && scopes[1].includes('mcp:admin') && scopes[1].includes('mcp:tools'), scopes.join(' | '));
		assert.match((await desk.status('wiki')).scope, /mcp:admin/);
	});

	for (const action of ['decline', 'cancel'])
		test(`${name}: ${action} leaves everything as it is`, async t => {
			const strict = await Strict.start(t, { era: ide.era });
			const { desk, client } = await asked(t, ide, wiki(strict.url), async () => action);
			const answer = await client.callTool({ name: tool, arguments: { name: 'wiki' } });
			assert.equal(answer.isError, true);
			assert.match(text(answer), /declined|cancel/i);
			assert.equal((await desk.status('wiki')).state, 'signed_out');
		});
}

// An IDE that cannot be asked.
async function served(t, ini, { browser, capabilities = {} } = {}) {
	const desk = await Desk.start(t, ini, { browser });
	const mux = desk.serve();
	await mux.initialize('2025-11-25', capabilities);
	return { desk, mux };
}

for (const [what, capabilities] of Object.entries({ none: {}, 'forms alone': { elicitation: {} } }))
	test(`an IDE with elicitation of ${what}: a call on an ended sign-in names the command`, async t => {
		const strict = await Strict.start(t);
		const { desk, mux } = await served(t, wiki(strict.url), { capabilities });
		await desk.connect('wiki');
		await until(async () => (await mux.tools()).length, 'the sign-in', 1000 * slow);
		strict.revokeAll();
		const opened = desk.browser.opened.length;
		const result = await called(mux, 'wiki__x');
		assert.equal(result.isError, true);
		assert.match(result.text, toConnect('wiki'));
		await sleep(100);
		assert.equal(desk.browser.opened.length, opened, 'no browser opens by itself');
		assert.ok(!mux.messages.some(({ json }) => json.method === 'elicitation/create'));
	});

test('never signed in: not listed, and a call names the command', async t => {
	const strict = await Strict.start(t);
	const { mux } = await served(t, wiki(strict.url));
	assert.deepEqual(await mux.tools(), []);
	const result = await called(mux, 'wiki__x');
	assert.equal(result.isError, true);
	assert.match(result.text, toConnect('wiki'));
});

test('the connect tool of an IDE that cannot be asked opens the browser and answers when the person is back', async t => {
	const strict = await Strict.start(t);
	const { desk, mux } = await served(t, wiki(strict.url));
	const result = await called(mux, tool, { name: 'wiki' });
	assert.equal(result.isError, false, result.text);
	assert.equal(desk.browser.opened.length, 1);
	assert.deepEqual(await called(mux, 'wiki__x'), { isError: false, text: 'ok' });
	assert.equal((await called(mux, tool, { name: 'wiki' })).isError, false, 'again: it says how things are');
	assert.equal(desk.browser.opened.length, 1);
	const unknown = await called(mux, tool, { name: 'nobody' });
	assert.equal(unknown.isError, true);
	assert.match(unknown.text, /wiki/);
});

test('two calls of the connect tool at once open one browser', async t => {
	const strict = await Strict.start(t);
	const { desk, mux } = await served(t, wiki(strict.url), { browser: { auto: false } });
	const both = [called(mux, tool, { name: 'wiki' }), called(mux, tool, { name: 'wiki' })];
	await visit(await desk.browser.url());
	for (const result of await Promise.all(both)) assert.equal(result.isError, false, result.text);
	assert.equal(desk.browser.opened.length, 1);
});

test('without a browser the connect tool gives the URL in words, and it works', async t => {
	const strict = await Strict.start(t);
	const desk = await Desk.start(t, wiki(strict.url));
	const mux = desk.serve({ env: desk.keyring.env });
	await mux.initialize();
	const told = await called(mux, tool, { name: 'wiki' });
	const [url] = /http:\/\/127\.0\.0\.1:\d+\/authorize\?\S+/.exec(told.text) ?? assert.fail(told.text);
	await visit(url);
	await until(async () => (await mux.tools()).includes('wiki__x'), 'the sign-in to count', 1000 * slow);
	assert.deepEqual(await called(mux, 'wiki__x'), { isError: false, text: 'ok' });
});

test('sign_in = browser: a call opens it and waits', async t => {
	const strict = await Strict.start(t);
	const { desk, mux } = await served(t, wiki(strict.url, 'sign_in = browser'));
	await desk.connect('wiki');
	await until(async () => (await mux.tools()).length, 'the sign-in', 1000 * slow);
	strict.revokeAll();
	assert.deepEqual(await called(mux, 'wiki__x'), { isError: false, text: 'ok' });
	assert.equal(desk.browser.opened.length, 2);
});

test('sign_in = never: neither a call nor the connect tool asks anybody', async t => {
	const strict = await Strict.start(t);
	const { desk, mux } = await served(t, wiki(strict.url, 'sign_in = never'), { capabilities: ASKS });
	const connecting = await called(mux, tool, { name: 'wiki' });
	assert.equal(connecting.isError, true);
	assert.match(connecting.text, toConnect('wiki'));
	await desk.connect('wiki');
	await until(async () => (await mux.tools()).length, 'the sign-in', 1000 * slow);
	strict.revokeAll();
	assert.match((await called(mux, 'wiki__x')).text, toConnect('wiki'));
	assert.equal(desk.browser.opened.length, 1, 'that of the terminal');
	assert.ok(!mux.messages.some(({ json }) => json.method === 'elicitation/create'));
});

test('keys do not go through the chat', async t => {
	const upstream = await Scripted.start(t, { on: { '*': x => x.end(401, { 'www-authenticate': 'Bearer' }) } });
	const { desk, mux } = await served(t, account('wiki', upstream.url, 'auth = api-key'), { capabilities: ASKS });
	const result = await called(mux, tool, { name: 'wiki' });
	assert.equal(result.isError, true);
	assert.match(result.text, toConnect('wiki'));
	assert.deepEqual(desk.browser.opened, []);
});

test('a call that is cancelled while the person is asked leaves the sign-in to go on', async t => {
	const strict = await Strict.start(t);
	const { desk, mux } = await served(t, wiki(strict.url), { browser: { auto: false } });
	mux.send({ jsonrpc: '2.0', id: 'c', method: 'tools/call', params: { name: tool, arguments: { name: 'wiki' } } });
	const url = await desk.browser.url();
	mux.notify('notifications/cancelled', { requestId: 'c' });
	await visit(url);
	await until(async () => (await mux.tools()).includes('wiki__x'), 'the sign-in to count', 1000 * slow);
	assert.ok(!mux.messages.some(({ json }) => json.id === 'c'), 'a cancelled request has no answer');
});

test('the end of input ends a server that waits for a person', async t => {
	const strict = await Strict.start(t);
	const { desk, mux } = await served(t, wiki(strict.url), { browser: { auto: false } });
	mux.send({ jsonrpc: '2.0', id: 'c', method: 'tools/call', params: { name: tool, arguments: { name: 'wiki' } } });
	const redirect = new URL(await desk.browser.url()).searchParams.get('redirect_uri');
	await mux.close();
	await assert.rejects(fetch(redirect), 'its listener is closed');
});

// --- what happens elsewhere ---

// The next notification of METHOD after what came so far.
const notice = (mux, from) => mux.wait(({ method }) => method === 'notifications/tools/list_changed', 'list_changed', { ms: 1000 * slow, from });

test('a sign-in in a terminal appears in a running server within a second, and a disconnect takes it away', async t => {
	const strict = await Strict.start(t);
	const other = await Scripted.start(t);
	const { desk, mux } = await served(t, wiki(strict.url) + connector('other', other.url));
	assert.deepEqual(await mux.tools(), ['other__x']);

	let from = mux.messages.length;
	await desk.connect('wiki');
	await notice(mux, from);
	assert.deepEqual(await mux.tools(), ['wiki__x', 'other__x']);
	assert.deepEqual(await called(mux, 'wiki__x'), { isError: false, text: 'ok' });

	from = mux.messages.length;
	await desk.disconnect('wiki');
	await notice(mux, from);
	assert.deepEqual(await mux.tools(), ['other__x']);
	assert.equal((await called(mux, 'wiki__x')).isError, true);
});

test('an open sign-in of the IDE ends when a terminal was quicker', async t => {
	const strict = await Strict.start(t);
	const { desk, mux } = await served(t, wiki(strict.url), { browser: { auto: false } });
	const asking = called(mux, tool, { name: 'wiki' });
	await desk.browser.url();
	const connecting = desk.begin(['connect', 'wiki']);
	await visit(await desk.browser.url(2));
	assert.equal((await connecting.done).status, 0, connecting.all);
	await until(async () => (await mux.tools()).includes('wiki__x'), 'the sign-in to be seen', 1000 * slow);
	await visit(desk.browser.opened[0]);
	assert.equal((await asking).isError, false);
});

test('another account in a terminal: a running server uses the new one', async t => {
	const authority = await Authority.start(t);
	const resource = await protectedV2(t, authority);
	const { desk, mux } = await served(t, wiki(resource.url), { browser: { auto: false } });
	for (const [i, login] of ['alice', 'bob'].entries()) {
		const connecting = desk.begin(['connect', 'wiki']);
		await visit(await desk.browser.url(i + 1), { login });
		assert.equal((await connecting.done).status, 0, connecting.all);
		await until(async () => (await called(mux, 'wiki__whoami')).text === login, login, 1500 * slow);
		if (login === 'alice') await desk.disconnect('wiki');
	}
});
