// Accounts, one kind after the other: how a person or a machine gets one, uses it, sees it in `status`, and gives it up.

import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import test from 'node:test';
import { jwtVerify } from 'jose';
import { BrowserStandIn, visit } from './lib/browser.mjs';
import { Desk, account, called, toConnect } from './lib/desk.mjs';
import { Authority, DOCUMENT, MACHINE, PREREGISTERED, protectedServers, protectedV1, protectedV2 } from './lib/oauth.mjs';
import { Strict } from './lib/strict.mjs';
import { Scripted } from './lib/scripted.mjs';
import { sleep, until } from './lib/raw.mjs';

const KEY = 'key-5f1d2c77ab';

// An MCP server that wants one of KEYS in a header: the header's whole value.
async function keyed(t, values, { header = 'authorization', ...options } = {}) {
	const upstream = await Scripted.start(t, { ...options, on: { '*': exchange => {
		const { req, message } = exchange;
		if (!values.includes(req.headers[header])) return exchange.end(401, { 'www-authenticate': 'Bearer' });
		return upstream.decent(exchange, req.method === 'POST' ? message?.method ?? 'response' : req.method);
	} } });
	return upstream;
}

const RFC3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;

// --- API keys ---

test('an API key from stdin: proved, stored, used, forgotten', async t => {
	const wiki = await keyed(t, [`Bearer ${KEY}`]);
	const desk = await Desk.start(t, account('wiki', wiki.url, 'auth = api-key'));
	assert.equal((await desk.status('wiki')).state, 'signed_out');
	for (const command of ['tools', 'doctor']) assert.equal((await desk.run([command, 'wiki'])).status, 3, command);

	const done = await desk.connect('wiki', { args: ['--key-stdin'], input: `${KEY}\n` });
	assert.doesNotMatch(done.stdout + done.stderr, new RegExp(KEY));
	const items = await desk.keyring.items();
	assert.equal(items.length, 1);
	assert.deepEqual({ ...items[0], 'xdg:schema': undefined },
		{ application: 'mcp-mux', connector: 'wiki', resource: wiki.url, kind: 'api-key', 'xdg:schema': undefined });

	assert.equal((await desk.status('wiki')).state, 'connected');
	for (const command of ['tools', 'doctor']) assert.equal((await desk.run([command, 'wiki'])).status, 0, command);
	const mux = desk.serve();
	await mux.initialize();
	assert.deepEqual(await mux.tools(), ['wiki__x']);
	assert.deepEqual(await called(mux, 'wiki__x'), { isError: false, text: 'ok' });

	await desk.disconnect('wiki');
	assert.deepEqual(await desk.keyring.items(), []);
	assert.equal((await desk.status('wiki')).state, 'signed_out');
	assert.match((await desk.disconnect('wiki')).stdout, /not connected/);
});

test('an API key from the terminal is not echoed', async t => {
	const wiki = await keyed(t, [`Bearer ${KEY}`]);
	const desk = await Desk.start(t, account('wiki', wiki.url, 'auth = api-key'));
	const terminal = desk.terminal(['connect', 'wiki']);
	await terminal.seen(/API key for wiki: /);
	terminal.type(`${KEY}\n`);
	assert.equal((await terminal.done).status, 0, terminal.all);
	assert.doesNotMatch(terminal.all, new RegExp(KEY));
	assert.match(terminal.all, /Connected to wiki/);
	assert.equal((await desk.status('wiki')).state, 'connected');
});

test('a wrong API key is refused and not stored, and does not cost the right one', async t => {
	const wiki = await keyed(t, [`Bearer ${KEY}`]);
	const desk = await Desk.start(t, account('wiki', wiki.url, 'auth = api-key'));
	const wrong = () => desk.run(['connect', 'wiki', '--key-stdin'], { input: 'key-of-somebody-else\n' });
	const refused = await wrong();
	assert.notEqual(refused.status, 0);
	assert.match(refused.stderr, /^mcp-mux: .*not stored/);
	assert.doesNotMatch(refused.stdout + refused.stderr, /somebody-else/);
	assert.deepEqual(await desk.keyring.items(), []);
	await desk.connect('wiki', { args: ['--key-stdin'], input: KEY });
	assert.notEqual((await wrong()).status, 0);
	assert.equal((await desk.status('wiki')).state, 'connected');
	for (const input of ['', '\n']) assert.equal((await desk.run(['connect', 'wiki', '--key-stdin'], { input })).status, 2);
	assert.equal((await desk.run(['connect', 'wiki'], { input: `${KEY}\n` })).status, 2, 'neither a terminal nor --key-stdin');
});

test('an API key goes into the header that the configuration names', async t => {
	const plain = await keyed(t, [KEY], { header: 'x-api-key' });
	const prefixed = await keyed(t, [`Token ${KEY}`]);
	const desk = await Desk.start(t, account('plain', plain.url, 'auth = api-key', 'api_key_header = X-API-Key') +
		account('prefixed', prefixed.url, 'auth = api-key', 'api_key_prefix = "Token "'));
	for (const name of ['plain', 'prefixed']) {
		await desk.connect(name, { args: ['--key-stdin'], input: KEY });
		assert.equal((await desk.status(name)).state, 'connected');
	}
});

test('a key that stops working is said to need connecting again', async t => {
	const values = [`Bearer ${KEY}`];
	const wiki = await keyed(t, values);
	const desk = await Desk.start(t, account('wiki', wiki.url, 'auth = api-key'));
	await desk.connect('wiki', { args: ['--key-stdin'], input: KEY });
	const mux = desk.serve();
	await mux.initialize();
	assert.deepEqual(await mux.tools(), ['wiki__x']);
	values.length = 0;
	const result = await called(mux, 'wiki__x');
	assert.equal(result.isError, true);
	assert.match(result.text, toConnect('wiki'));
	assert.equal((await desk.status('wiki')).state, 'signed_out');
});

// --- OAuth, with a person ---

for (const [kind, make] of Object.entries(protectedServers)) {
	test(`OAuth by the browser, ${kind} behind a real provider`, async t => {
		const authority = await Authority.start(t);
		const resource = await make(t, authority);
		const desk = await Desk.start(t, account('wiki', resource.url, 'title = Team wiki', 'auth = oauth', 'scope = openid email mcp:tools'));
		const before = await desk.status('wiki');
		assert.deepEqual([before.state, before.account, before.expires_at], ['signed_out', null, null]);

		const { stdout } = await desk.connect('wiki');
		assert.match(stdout, /Connected to Team wiki as alice@example\.com: 3 of 3 tools/);
		const { status, text, url } = await desk.browser.landed();
		assert.equal(status, 200);
		assert.match(text, /Team wiki/);
		assert.equal(url.hostname, '127.0.0.1');
		assert.equal(desk.browser.opened.length, 1);

		const [registration] = authority.of('/reg');
		assert.equal(registration.asked.application_type, 'native');
		const asked = new URL(desk.browser.opened[0]).searchParams;
		assert.deepEqual([asked.get('code_challenge_method'), asked.get('resource')], ['S256', resource.url]);
		assert.ok(asked.get('state').length >= 22, '128 bits of state');
		assert.ok(asked.get('scope').split(' ').includes('mcp:tools'));

		const after = await desk.status('wiki');
		assert.deepEqual([after.state, after.account, after.exposed, after.allowed], ['connected', 'alice@example.com', 3, 3]);
		assert.match(after.expires_at, RFC3339);
		const kinds = (await desk.keyring.items()).map(({ kind }) => kind).sort();
		assert.deepEqual(kinds, ['client', 'token']);

		const mux = desk.serve();
		await mux.initialize();
		assert.equal((await called(mux, 'wiki__whoami')).text, 'alice');

		assert.match((await desk.connect('wiki')).stdout, /Connected/);
		assert.equal(desk.browser.opened.length, 1, 'who is connected is not asked again');

		await desk.disconnect('wiki');
		assert.ok(authority.of('/token/revocation').some(({ status }) => status === 200));
		assert.deepEqual(await desk.keyring.items(), []);
		assert.equal((await desk.status('wiki')).state, 'signed_out');
	});
}

test('disconnect works offline and says that nothing was revoked', async t => {
	const authority = await Authority.start(t);
	const resource = await protectedV2(t, authority);
	const desk = await Desk.start(t, account('wiki', resource.url, 'auth = oauth'));
	await desk.connect('wiki');
	await authority.stop();
	await resource.close();
	assert.match((await desk.disconnect('wiki')).stdout, /could not be revoked/);
	assert.deepEqual(await desk.keyring.items(), []);
});

test('who says no at the consent page stays signed out, and the page says so', async t => {
	const authority = await Authority.start(t);
	const resource = await protectedV2(t, authority);
	const desk = await Desk.start(t, account('wiki', resource.url, 'auth = oauth'), { browser: { deny: true } });
	const done = await desk.run(['connect', 'wiki']);
	assert.ok([1, 3].includes(done.status));
	assert.match(done.stderr, /End-User aborted interaction|access_denied/);
	assert.doesNotMatch((await desk.browser.landed()).text, /\bConnected\b/);
	assert.ok((await desk.keyring.items()).every(({ kind }) => kind !== 'token'));
	assert.equal((await desk.status('wiki')).state, 'signed_out');
});

test('a callback that is not ours changes nothing, and the right one still counts', async t => {
	const strict = await Strict.start(t);
	const desk = await Desk.start(t, account('wiki', strict.url, 'auth = oauth'), { browser: { auto: false } });
	const connecting = desk.begin(['connect', 'wiki']);
	const url = await desk.browser.url();
	const redirect = new URL(new URL(url).searchParams.get('redirect_uri'));
	for (const query of ['', '?code=x', '?code=x&state=wrong', `?error=access_denied&state=wrong&iss=${strict.issuer}`]) {
		const answer = await fetch(`${redirect}${query}`);
		assert.ok(answer.status >= 400, query);
		await answer.text();
	}
	assert.equal(connecting.ended, undefined);
	const { status, text } = await visit(url);
	assert.equal(status, 200, text);
	assert.equal((await connecting.done).status, 0, connecting.all);
	assert.equal((await desk.status('wiki')).state, 'connected');
});

test('--no-browser prints the URL and opens nothing; the callback URL can be pasted', async t => {
	const strict = await Strict.start(t);
	const desk = await Desk.start(t, account('wiki', strict.url, 'auth = oauth'));
	const terminal = desk.terminal(['connect', 'wiki', '--no-browser']);
	const [url] = await terminal.seen(/http:\/\/127\.0\.0\.1:\d+\/authorize\?[^\s]+/);
	const redirect = new URL(url).searchParams.get('redirect_uri');
	const { url: callback } = await visit(url, { stop: url => url.href.startsWith(redirect) });
	terminal.type('http://127.0.0.1/callback?code=x&state=not-this-one\n');
	await terminal.seen(/paste it again/);
	terminal.type(`${callback}\n`);
	assert.equal((await terminal.done).status, 0, terminal.all);
	assert.deepEqual(desk.browser.opened, []);
	assert.equal((await desk.status('wiki')).state, 'connected');
});

test('without a browser in the environment the URL is printed', async t => {
	const strict = await Strict.start(t);
	const desk = await Desk.start(t, account('wiki', strict.url, 'auth = oauth'));
	const connecting = desk.begin(['connect', 'wiki'], { env: desk.keyring.env });
	const [url] = await connecting.seen(/http:\/\/127\.0\.0\.1:\d+\/authorize\?[^\s]+/);
	await visit(url);
	assert.equal((await connecting.done).status, 0, connecting.all);
});

test('several accounts on one URL keep apart', async t => {
	const authority = await Authority.start(t);
	const resource = await protectedV1(t, authority);
	const desk = await Desk.start(t, account('work', resource.url, 'auth = oauth') + account('home', resource.url, 'auth = oauth'),
		{ browser: { auto: false } });
	for (const [i, [name, login]] of [['work', 'wanda'], ['home', 'heidi']].entries()) {
		const connecting = desk.begin(['connect', name]);
		await visit(await desk.browser.url(i + 1), { login });
		assert.equal((await connecting.done).status, 0, connecting.all);
	}
	const mux = desk.serve();
	await mux.initialize();
	assert.equal((await called(mux, 'work__whoami')).text, 'wanda');
	assert.equal((await called(mux, 'home__whoami')).text, 'heidi');
	await desk.disconnect('work');
	assert.equal((await desk.status('work')).state, 'signed_out');
	assert.equal((await desk.status('home')).state, 'connected');
	assert.equal((await called(mux, 'home__whoami')).text, 'heidi');
});

test('a pre-registered client with its secret', async t => {
	const authority = await Authority.start(t, { registration: false });
	const resource = await protectedV1(t, authority);
	const desk = await Desk.start(t, account('wiki', resource.url, 'auth = oauth', `client_id = ${PREREGISTERED.client_id}`));
	await desk.connect('wiki', { args: ['--key-stdin'], input: PREREGISTERED.client_secret });
	assert.equal((await desk.status('wiki')).state, 'connected');
	const [code] = authority.of('/token', 'authorization_code');
	assert.equal(code.status, 200);
	await desk.disconnect('wiki');
	assert.deepEqual(await desk.keyring.items(), []);
});

test('a client ID metadata document, where the server takes it', async t => {
	const authority = await Authority.start(t, { registration: false, documents: true });
	const resource = await protectedV2(t, authority);
	const desk = await Desk.start(t, account('wiki', resource.url, 'auth = oauth', `client_metadata_url = ${DOCUMENT}`));
	await desk.connect('wiki');
	assert.equal(new URL(desk.browser.opened[0]).searchParams.get('client_id'), DOCUMENT);
	assert.equal((await desk.status('wiki')).state, 'connected');
});

test('a server that registers nobody: the words name client_id', async t => {
	const authority = await Authority.start(t, { registration: false });
	const resource = await protectedV2(t, authority);
	const desk = await Desk.start(t, account('wiki', resource.url, 'auth = oauth'));
	const done = await desk.run(['connect', 'wiki']);
	assert.equal(done.status, 1, done.stderr);
	assert.match(done.stderr, /client_id/);
	assert.deepEqual(desk.browser.opened, []);
});

test('a fixed redirect port, and localhost where a server insists', async t => {
	const strict = await Strict.start(t);
	const { port } = await Scripted.start(t).then(async upstream => (await upstream.close(), upstream));
	const desk = await Desk.start(t, account('wiki', strict.url, 'auth = oauth', 'redirect_host = localhost', `redirect_port = ${port}`));
	await desk.connect('wiki');
	assert.equal((await desk.browser.landed()).url.host, `localhost:${port}`);
});

// --- machines ---

test('client credentials with a secret, from the real provider', async t => {
	const authority = await Authority.start(t);
	const resource = await protectedV2(t, authority);
	const desk = await Desk.start(t, account('wiki', resource.url, 'auth = client-credentials', `client_id = ${MACHINE.client_id}`));
	const wrong = await desk.run(['connect', 'wiki', '--key-stdin'], { input: 'not-the-secret' });
	assert.ok([1, 3].includes(wrong.status));
	assert.deepEqual(await desk.keyring.items(), []);
	await desk.connect('wiki', { args: ['--key-stdin'], input: MACHINE.client_secret });
	assert.equal((await desk.status('wiki')).state, 'connected');
	const mux = desk.serve();
	await mux.initialize();
	assert.equal((await called(mux, 'wiki__whoami')).text, MACHINE.client_id);
	assert.deepEqual(desk.browser.opened, []);
});

test('client credentials with a private key: a signed assertion, renewed without a person', async t => {
	const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
	const life = 1;
	const tokens = new Set();
	const upstream = await Scripted.start(t, { on: { '*': async exchange => {
		const { req, body } = exchange;
		const issuer = `http://127.0.0.1:${upstream.port}`;
		const json = value => exchange.json(JSON.stringify(value));
		if (req.url === '/mcp') {
			if (!tokens.has(req.headers.authorization))
				return exchange.end(401, { 'www-authenticate': `Bearer resource_metadata="${issuer}/.well-known/oauth-protected-resource/mcp"` });
			return upstream.decent(exchange, req.method === 'POST' ? exchange.message?.method ?? 'response' : req.method);
		}
		if (req.url === '/.well-known/oauth-protected-resource/mcp')
			return json({ resource: upstream.url, authorization_servers: [issuer] });
		if (req.url === '/.well-known/oauth-authorization-server')
			return json({ issuer, token_endpoint: `${issuer}/token`, authorization_endpoint: `${issuer}/authorize`,
				response_types_supported: ['code'], grant_types_supported: ['client_credentials'], code_challenge_methods_supported: ['S256'],
				token_endpoint_auth_methods_supported: ['private_key_jwt'], token_endpoint_auth_signing_alg_values_supported: ['ES256'] });
		if (req.url !== '/token') return exchange.end(404);
		const form = new URLSearchParams(body);
		const { payload } = await jwtVerify(form.get('client_assertion'), publicKey, { issuer: 'robot', subject: 'robot', audience: [issuer, `${issuer}/token`] });
		assert.ok(payload.jti && payload.exp - payload.iat <= 300);
		assert.equal(form.get('grant_type'), 'client_credentials');
		const access_token = `robot-token-${tokens.size}`;
		tokens.add(`Bearer ${access_token}`);
		return json({ access_token, token_type: 'Bearer', expires_in: life });
	} } });
	const desk = await Desk.start(t, account('wiki', upstream.url, 'auth = client-credentials', 'client_id = robot'));
	await desk.connect('wiki', { args: ['--key-stdin'], input: privateKey.export({ type: 'pkcs8', format: 'pem' }) });
	const mux = desk.serve();
	await mux.initialize();
	const before = tokens.size;
	await sleep(1100 * life);
	assert.deepEqual(await called(mux, 'wiki__x'), { isError: false, text: 'ok' });
	assert.ok(tokens.size > before, 'renewed');
});

test('Port\'s exchange of client id and secret, and its renewal', async t => {
	const secret = 'port-secret-c3a9';
	let issued = 0;
	let good;
	const upstream = await Scripted.start(t, { on: { '*': exchange => {
		const { req, message } = exchange;
		if (req.url === '/v1/auth/access_token' && req.method === 'POST') {
			if (message?.clientId !== 'port-client' || message.clientSecret !== secret)
				return exchange.json('{"ok":false,"error":"unauthorized"}', 401);
			good = `port-token-${++issued}`;
			return exchange.json(JSON.stringify({ ok: true, accessToken: good, expiresIn: 10800, tokenType: 'Bearer' }));
		}
		if (req.headers.authorization !== `Bearer ${good}`) return exchange.end(401, { 'www-authenticate': 'Bearer' });
		return upstream.decent(exchange, req.method === 'POST' ? message?.method ?? 'response' : req.method);
	} } });
	const desk = await Desk.start(t, account('native', upstream.url, 'auth = port-credentials', 'client_id = port-client'));
	assert.notEqual((await desk.run(['connect', 'native', '--key-stdin'], { input: 'wrong' })).status, 0);
	assert.deepEqual(await desk.keyring.items(), []);
	await desk.connect('native', { args: ['--key-stdin'], input: secret });
	assert.equal(issued, 1);
	const mux = desk.serve();
	await mux.initialize();
	assert.deepEqual(await called(mux, 'x'), { isError: false, text: 'ok' });
	good = undefined; // the three hours are over
	assert.deepEqual(await called(mux, 'x'), { isError: false, text: 'ok' });
	assert.equal(issued, 2);
	await desk.disconnect('native');
	assert.deepEqual(await desk.keyring.items(), []);
});

test('Port\'s client id and secret from the terminal', async t => {
	let given;
	const upstream = await Scripted.start(t, { on: { '*': exchange => {
		if (exchange.req.url === '/v1/auth/access_token') {
			given = exchange.message;
			return exchange.json('{"accessToken":"t","expiresIn":10800,"tokenType":"Bearer"}');
		}
		return upstream.decent(exchange, exchange.req.method === 'POST' ? exchange.message?.method ?? 'response' : exchange.req.method);
	} } });
	const desk = await Desk.start(t, account('native', upstream.url, 'auth = port-credentials'));
	const terminal = desk.terminal(['connect', 'native']);
	await terminal.seen(/Client id: /);
	terminal.type('port-client\n');
	await terminal.seen(/secret for [^:]*: /i);
	terminal.type(`${KEY}\n`);
	assert.equal((await terminal.done).status, 0, terminal.all);
	assert.deepEqual(given, { clientId: 'port-client', clientSecret: KEY });
	assert.doesNotMatch(terminal.all, new RegExp(KEY));
});

// --- what is no sign-in ---

test('connect and disconnect where there is nothing to sign in to, or nobody of that name', async t => {
	const open = await Scripted.start(t);
	const desk = await Desk.start(t, account('open', open.url, 'auth = none'));
	for (const command of ['connect', 'disconnect']) {
		assert.ok([1, 2].includes((await desk.run([command, 'open'])).status), command);
		assert.equal((await desk.run([command, 'nobody'])).status, 2, command);
	}
	assert.deepEqual(await desk.keyring.items(), []);
});

test('a sign-in that nobody finishes ends when the person gives up', async t => {
	const strict = await Strict.start(t);
	const desk = await Desk.start(t, account('wiki', strict.url, 'auth = oauth'), { browser: { auto: false } });
	const connecting = desk.begin(['connect', 'wiki']);
	await desk.browser.url();
	connecting.child.kill('SIGINT');
	const { status, signal } = await connecting.done;
	assert.ok(status !== 0 || signal);
	assert.ok((await desk.keyring.items()).every(({ kind }) => kind !== 'token'));
	await until(() => desk.running.size === 0);
});

test('the browser is a command line of its own words', async t => {
	const strict = await Strict.start(t);
	const desk = await Desk.start(t, account('wiki', strict.url, 'auth = oauth'));
	const other = BrowserStandIn.start(t);
	await desk.connect('wiki', { env: { ...desk.keyring.env, BROWSER: `${other.command} --new-window` } });
	assert.equal(other.opened.length, 1);
	assert.match(other.opened[0], /^http:\/\/127\.0\.0\.1:\d+\/authorize\?/);
});
