// The counterparts of the tests about accounts keep the rules that those tests rely on: the SDK's own OAuth client
// signs in to them, and what must be refused is refused.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import test from 'node:test';
import { auth } from '@modelcontextprotocol/sdk/client/auth.js';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { BrowserStandIn, visit } from './lib/browser.mjs';
import { Keyring } from './lib/keyring.mjs';
import { atEnd, sleep, text, until } from './lib/mux.mjs';
import { Authority, DOCUMENT, protectedServers } from './lib/oauth.mjs';
import { Strict } from './lib/strict.mjs';

const CALLBACK = 'http://127.0.0.1:1/callback';

// The SDK's client, whose person is visit().
class Person {
	redirectUrl = CALLBACK;
	clientMetadata = { redirect_uris: [CALLBACK], application_type: 'native', token_endpoint_auth_method: 'none',
		grant_types: ['authorization_code', 'refresh_token'], response_types: ['code'], client_name: 'SDK' };

	constructor(way = {}) {
		this.way = way;
	}

	clientInformation() { return this.client; }
	saveClientInformation(client) { this.client = client; }
	tokens() { return this.kept; }
	saveTokens(tokens) { this.kept = tokens; }
	saveCodeVerifier(verifier) { this.verifier = verifier; }
	codeVerifier() { return this.verifier; }
	state() { return 'a-state'; }

	async redirectToAuthorization(url) {
		const end = await visit(url, { stop: url => url.href.startsWith(CALLBACK), ...this.way });
		this.callback = end.url.searchParams;
	}
}

async function signIn(url, person = new Person()) {
	assert.equal(await auth(person, { serverUrl: url }), 'REDIRECT');
	assert.ok(person.callback.get('iss'), 'RFC 9207');
	assert.equal(await auth(person, { serverUrl: url, authorizationCode: person.callback.get('code'), iss: person.callback.get('iss') }),
		'AUTHORIZED');
	return person;
}

async function client(t, url, authProvider) {
	const client = new Client({ name: 'test', version: '1' });
	atEnd(t, () => client.close());
	await client.connect(new StreamableHTTPClientTransport(new URL(url), { authProvider }));
	return client;
}

const token = (issuer, form) => fetch(`${issuer}/token`, { method: 'POST', body: new URLSearchParams(form) });

for (const [kind, make] of Object.entries(protectedServers)) {
	test(`the provider with ${kind} behind it: sign-in, scopes, expiry, rotation and its reuse`, async t => {
		const authority = await Authority.start(t);
		const resource = await make(t, authority);
		const person = await signIn(resource.url);
		const one = await client(t, resource.url, person);
		assert.equal(text(await one.callTool({ name: 'whoami' })), 'alice');
		await assert.rejects(one.callTool({ name: 'admin' }), /scope|Unauthorized|403/i);

		resource.refused.add(person.kept.access_token);
		const before = person.kept;
		assert.equal(text(await one.callTool({ name: 'whoami' })), 'alice');
		assert.notEqual(person.kept.refresh_token, before.refresh_token);
		assert.ok(authority.of('/token', 'refresh_token').length);

		const again = { grant_type: 'refresh_token', refresh_token: before.refresh_token, client_id: person.client.client_id, resource: resource.url };
		assert.equal((await token(authority.issuer, again)).status, 400);
		assert.equal((await token(authority.issuer, { ...again, refresh_token: person.kept.refresh_token })).status, 400, 'the whole grant is void');
		for (const secret of [before.access_token, before.refresh_token, person.kept.refresh_token, person.callback.get('code'), person.verifier])
			assert.ok(authority.secrets.has(secret));
	});
}

test('the provider refuses a verifier that does not fit, and whom the person refuses', async t => {
	const authority = await Authority.start(t);
	const resource = await protectedServers['SDK v2'](t, authority);
	const person = new Person();
	await auth(person, { serverUrl: resource.url });
	const answer = await token(authority.issuer, { grant_type: 'authorization_code', code: person.callback.get('code'), client_id: person.client.client_id,
		redirect_uri: CALLBACK, code_verifier: 'x'.repeat(43), resource: resource.url });
	assert.equal((await answer.json()).error, 'invalid_grant');
	const refuses = new Person({ deny: true });
	await auth(refuses, { serverUrl: resource.url });
	assert.equal(refuses.callback.get('error'), 'access_denied');
	await authority.stop();
	await assert.rejects(fetch(authority.issuer));
	await authority.resume();
	assert.equal((await fetch(`${authority.issuer}/jwks`)).status, 200);
});

test('the provider takes client documents', async t => {
	const authority = await Authority.start(t, { registration: false, documents: true });
	const resource = await protectedServers['SDK v2'](t, authority);
	const person = new Person();
	person.clientMetadataUrl = DOCUMENT;
	await signIn(resource.url, person);
	assert.equal(person.client.client_id, DOCUMENT);
});

test('the strict server keeps every rule', async t => {
	const strict = await Strict.start(t);
	const person = await signIn(strict.url);
	const { client_id } = person.client;
	const again = { grant_type: 'authorization_code', code: person.callback.get('code'), client_id, redirect_uri: CALLBACK,
		code_verifier: person.verifier, resource: strict.url };
	const refresh = { grant_type: 'refresh_token', refresh_token: person.kept.refresh_token, client_id, resource: strict.url };
	const one = await client(t, strict.url, person);
	assert.equal(text(await one.callTool({ name: 'x' })), 'ok');
	assert.equal((await token(strict.issuer, { ...refresh, resource: 'http://127.0.0.1/other' })).status, 400);
	assert.equal((await token(strict.issuer, refresh)).status, 200);
	assert.equal((await token(strict.issuer, refresh)).status, 400, 'reuse');
	await assert.rejects(one.callTool({ name: 'x' }), 'reuse ends the sign-in');
	assert.deepEqual(strict.of('refresh_token').slice(0, 3).map(grant => grant.error), ['invalid_target', undefined, 'invalid_grant']);

	const other = await signIn(strict.url);
	assert.equal((await token(strict.issuer, { ...again, code: other.callback.get('code') })).status, 400);
	const asked = await fetch(strict.url, { headers: { authorization: `Bearer ${other.kept.access_token}` } });
	assert.equal(asked.status, 401, 'a code that comes twice ends the sign-in');
});

test('the strict server can take its time', async t => {
	const strict = await Strict.start(t, { slow: 50, life: 0.01, says: 3600 });
	const person = await signIn(strict.url);
	await sleep(20);
	const start = performance.now();
	const refresh = token(strict.issuer, { grant_type: 'refresh_token', refresh_token: person.kept.refresh_token,
		client_id: person.client.client_id, resource: strict.url });
	await until(() => strict.of('refresh_token').length === 1);
	assert.equal((await refresh).status, 200);
	assert.ok(performance.now() - start >= 49);
});

test('the keyring locks, unlocks, keeps silent and goes away', async t => {
	const ring = await Keyring.start(t);
	assert.deepEqual(await ring.items(), []);
	await ring.lock();
	await ring.unlock();
	await ring.stopService();
	assert.equal(await ring.owned(), false);
	await ring.startService({ locked: true });
	await ring.unlock();
});

test('the browser stand-in returns at once and lands', async t => {
	const strict = await Strict.start(t);
	const browser = BrowserStandIn.start(t);
	assert.equal(spawnSync(browser.command, [`${strict.issuer}/nothing?a=b&c='d'`]).status, 0);
	assert.equal((await browser.landed()).status, 404);
	assert.equal(browser.opened[0], `${strict.issuer}/nothing?a=b&c='d'`);
});
