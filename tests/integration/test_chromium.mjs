// The whole way of a person with a real browser: Chromium, a certified authorization server with its login and consent
// pages, servers of both SDK lines behind it, a real keyring.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import test from 'node:test';
import { browse, chromium } from './lib/browser.mjs';
import { Desk, account, called } from './lib/desk.mjs';
import { sleep, until } from './lib/raw.mjs';
import { Authority, protectedServers, protectedV2 } from './lib/oauth.mjs';

const missing = !existsSync('/usr/bin/chromium') && 'chromium is not installed';

for (const [kind, make] of Object.entries(protectedServers)) {
	test(`Chromium, ${kind}: from registration to revocation`, { skip: missing }, async t => {
		const authority = await Authority.start(t, { ttl: 6 });
		const resource = await make(t, authority);
		const desk = await Desk.start(t, account('wiki', resource.url, 'title = "Team <b>wiki</b>"', 'auth = oauth',
			'scope = openid email mcp:tools'), { browser: { auto: false } });
		const page = await chromium(t);
		const faults = [];
		page.on('pageerror', error => faults.push(error.message));

		// Registration, login, consent, landing page.
		const connecting = desk.begin(['connect', 'wiki']);
		const pages = await browse(page, await desk.browser.url());
		assert.equal((await connecting.done).status, 0, connecting.all);
		assert.ok(pages.length >= 3, JSON.stringify(pages));
		const consent = pages.at(-2);
		assert.match(consent.text, /Authorize/);
		const landing = pages.at(-1);
		assert.match(landing.url, /^http:\/\/127\.0\.0\.1:\d+\/callback/);
		assert.match(landing.text, /Team <b>wiki<\/b>/, 'as text, not as HTML');
		assert.match(landing.text, /connected|signed in/i);
		assert.equal(await page.locator('script').count(), 0);
		assert.ok(await page.title());
		assert.equal(await page.evaluate('document.compatMode'), 'CSS1Compat');
		const registered = authority.of('/reg').at(-1);
		assert.equal(registered.status, 201);
		assert.equal(registered.asked.client_name, 'mcp-mux');

		// Calls, expiry before and during one, rotation.
		const mux = desk.serve();
		await mux.initialize();
		assert.equal((await called(mux, 'wiki__whoami')).text, 'alice');
		const long = called(mux, 'wiki__slow');
		await until(() => resource.release, 'the call to arrive');
		await sleep(6100);
		assert.equal((await called(mux, 'wiki__whoami')).text, 'alice');
		resource.release();
		assert.equal((await long).text, 'at last');
		const used = authority.of('/token', 'refresh_token').map(({ asked }) => asked.refresh_token);
		assert.ok(used.length >= 1);
		assert.equal(new Set(used).size, used.length, 'each refresh token once');

		// Revocation: what was granted last is void.
		const last = authority.of('/token', 'refresh_token').at(-1).answered.refresh_token;
		await desk.disconnect('wiki');
		const answer = await fetch(`${authority.issuer}/token`, { method: 'POST', body: new URLSearchParams({
			grant_type: 'refresh_token', refresh_token: last, client_id: registered.answered.client_id }) });
		assert.equal(answer.status, 400);
		assert.deepEqual(faults, []);
	});
}

test('Chromium: who says no lands on a page that says so', { skip: missing }, async t => {
	const authority = await Authority.start(t);
	const resource = await protectedV2(t, authority);
	const desk = await Desk.start(t, account('wiki', resource.url, 'auth = oauth'), { browser: { auto: false } });
	const page = await chromium(t);
	const connecting = desk.begin(['connect', 'wiki']);
	const pages = await browse(page, await desk.browser.url(), { deny: true });
	assert.notEqual((await connecting.done).status, 0);
	assert.match(pages.at(-1).url, /\/callback/);
	assert.match(pages.at(-1).text, /wiki/);
	assert.doesNotMatch(pages.at(-1).text, /\bis connected\b/i);

	// The same person thinks again, in the same browser.
	const again = desk.begin(['connect', 'wiki']);
	await browse(page, await desk.browser.url(2));
	assert.equal((await again.done).status, 0, again.all);
});

test('Chromium: another site that guesses the callback changes nothing', { skip: missing }, async t => {
	const authority = await Authority.start(t);
	const resource = await protectedV2(t, authority);
	const desk = await Desk.start(t, account('wiki', resource.url, 'auth = oauth'), { browser: { auto: false } });
	const page = await chromium(t);
	const connecting = desk.begin(['connect', 'wiki']);
	const url = await desk.browser.url();
	const redirect = new URL(url).searchParams.get('redirect_uri');
	await page.goto(`${redirect}?code=stolen&state=guessed`);
	assert.doesNotMatch(await page.locator('body').innerText(), /\bis connected\b/i);
	await browse(page, url);
	assert.equal((await connecting.done).status, 0, connecting.all);
});
