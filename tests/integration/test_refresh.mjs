// A login that was made once is never lost by mcp-mux's own doing: renewal before and after expiry, by many processes
// at once, through crashes at every moment, and with keyrings that are locked, silent or not there.

import assert from 'node:assert/strict';
import test from 'node:test';
import { Desk, account, called, defaultBus, toConnect } from './lib/desk.mjs';
import { Authority, protectedServers, protectedV2 } from './lib/oauth.mjs';
import { Strict } from './lib/strict.mjs';
import { Scripted } from './lib/scripted.mjs';
import { MODERN, Mux, PATIENCE, connector, sleep, slow, until } from './lib/raw.mjs';

const wiki = url => account('wiki', url, 'auth = oauth');
const ok = { isError: false, text: 'ok' };

async function signedIn(t, options, more = '') {
	const strict = await Strict.start(t, options);
	const desk = await Desk.start(t, wiki(strict.url) + more);
	await desk.connect('wiki');
	return { strict, desk };
}

async function serving(desk, options) {
	const mux = desk.serve(options);
	await mux.initialize();
	return mux;
}

const refreshes = strict => strict.of('refresh_token').length;

// --- expiry ---

for (const [kind, make] of Object.entries(protectedServers)) {
	test(`${kind}: tokens that run out, before a call and during one`, async t => {
		const authority = await Authority.start(t, { ttl: 2 });
		const resource = await make(t, authority);
		const desk = await Desk.start(t, wiki(resource.url));
		await desk.connect('wiki');
		const mux = await serving(desk);
		const long = called(mux, 'wiki__slow');
		await until(() => resource.release, 'the call to arrive');
		for (let i = 0; i < 2; i++) {
			const before = authority.of('/token', 'refresh_token').length;
			await sleep(2100);
			assert.equal((await called(mux, 'wiki__whoami')).text, 'alice');
			assert.ok(authority.of('/token', 'refresh_token').length > before);
		}
		resource.release();
		assert.deepEqual(await long, { isError: false, text: 'at last' });
		assert.ok(authority.of('/token', 'refresh_token').every(({ status }) => status === 200));
		assert.equal((await desk.status('wiki')).state, 'connected');
	});

	test(`${kind}: a token that is refused before its time is renewed, and the call repeated`, async t => {
		const authority = await Authority.start(t);
		const resource = await make(t, authority);
		const desk = await Desk.start(t, wiki(resource.url));
		await desk.connect('wiki');
		const mux = await serving(desk);
		assert.equal((await called(mux, 'wiki__whoami')).text, 'alice');
		for (const token of resource.tokens) resource.refused.add(token);
		assert.equal((await called(mux, 'wiki__whoami')).text, 'alice');
		assert.equal(authority.of('/token', 'refresh_token').length, 1);
		assert.equal((await called(mux, 'wiki__whoami')).text, 'alice');
		assert.equal(authority.of('/token', 'refresh_token').length, 1);
	});
}

test('calls in flight at once share one renewal', async t => {
	const { strict, desk } = await signedIn(t, { slow: 100 });
	const mux = await serving(desk);
	assert.deepEqual(await called(mux, 'wiki__x'), ok);
	strict.expireAccess();
	const all = await Promise.all(Array.from({ length: 20 }, () => called(mux, 'wiki__x')));
	assert.deepEqual(all, Array(20).fill(ok));
	assert.equal(refreshes(strict), 1);
});

test('a slow authorization server holds up nobody else', async t => {
	const other = await Scripted.start(t);
	const { strict, desk } = await signedIn(t, {}, connector('other', other.url));
	const mux = await serving(desk);
	await mux.tools();
	strict.expireAccess();
	let release;
	strict.before = () => new Promise(resolve => (release = resolve));
	let over = false;
	const waiting = called(mux, 'wiki__x').finally(() => (over = true));
	await until(() => release, 'the renewal');
	assert.deepEqual(await called(mux, 'other__x'), ok);
	assert.equal(over, false);
	release();
	assert.deepEqual(await waiting, ok);
});

// What failed is not tried at once again, but soon.
const backAgain = (mux, name) => until(async () => !(await called(mux, name)).isError, 'the login to work again', 7000 * slow);

test('an authorization server that is down costs the call, not the login', async t => {
	const authority = await Authority.start(t, { ttl: 1 });
	const resource = await protectedV2(t, authority);
	resource.lenience = 3600; // or a slow machine could not use a token while it lives
	const desk = await Desk.start(t, wiki(resource.url));
	await desk.connect('wiki');
	const mux = await serving(desk);
	assert.equal((await called(mux, 'wiki__whoami')).text, 'alice');
	await authority.stop();
	let last;
	await until(async () => (last = await called(mux, 'wiki__whoami')).isError, 'the token to end');
	assert.doesNotMatch(last.text, toConnect('wiki'));
	await authority.resume();
	await backAgain(mux, 'wiki__whoami');
});

test('an authorization server that has too much to do costs the call, not the login', async t => {
	const { strict, desk } = await signedIn(t);
	const mux = await serving(desk);
	assert.deepEqual(await called(mux, 'wiki__x'), ok);
	strict.expireAccess();
	strict.before = () => { throw new Error('later'); };
	const failed = await called(mux, 'wiki__x');
	assert.equal(failed.isError, true);
	assert.doesNotMatch(failed.text, toConnect('wiki'));
	strict.before = undefined;
	await backAgain(mux, 'wiki__x');
});

test('a sign-in that the server has ended: words, status, and a new one that a running server takes up', async t => {
	const { strict, desk } = await signedIn(t);
	const mux = await serving(desk);
	assert.deepEqual(await called(mux, 'wiki__x'), ok);
	strict.revokeAll();
	const failed = await called(mux, 'wiki__x');
	assert.equal(failed.isError, true);
	assert.match(failed.text, toConnect('wiki'));
	assert.ok((await mux.tools()).includes('wiki__x'), 'its tools stay listed');
	assert.equal((await desk.status('wiki')).state, 'signed_out');
	assert.equal((await desk.run(['doctor', 'wiki'])).status, 3);
	const refused = refreshes(strict);
	await desk.connect('wiki');
	await until(async () => !(await called(mux, 'wiki__x')).isError, 'the new sign-in to be taken up', 1000 * slow);
	assert.ok(refreshes(strict) <= refused + 1, 'what was refused is not tried over and over');
});

// --- many processes ---

test('ten servers at once: one renewal each time, and nobody is signed out', async t => {
	const { strict, desk } = await signedIn(t, { slow: 300 });
	const all = await Promise.all(Array.from({ length: 10 }, () => serving(desk)));
	const round = () => Promise.all(all.map(mux => called(mux, 'wiki__x')));
	assert.deepEqual(await round(), Array(10).fill(ok));
	assert.equal(refreshes(strict), 0);
	for (let n = 1; n <= 2; n++) {
		strict.expireAccess();
		assert.deepEqual(await round(), Array(10).fill(ok));
		assert.equal(refreshes(strict), n);
	}
	assert.ok(strict.of('refresh_token').every(({ error }) => !error));
});

test('ten servers that start on an expired token: one renewal', async t => {
	const { strict, desk } = await signedIn(t, { slow: 200, says: 1 });
	await sleep(1000); // no less, so that what it says is over
	const before = refreshes(strict); // where connect took that long
	strict.says = 3600;
	const all = await Promise.all(Array.from({ length: 10 }, () => serving(desk)));
	assert.deepEqual(await Promise.all(all.map(mux => called(mux, 'wiki__x'))), Array(10).fill(ok));
	assert.equal(refreshes(strict), before + 1);
});

// --- crashes ---

// A server that is to be killed.
async function mortal(desk) {
	const mux = new Mux(desk.files.home, desk.files.ini, { env: desk.env });
	await mux.initialize();
	return mux;
}

async function kill(mux) {
	mux.child.kill('SIGKILL');
	await mux.exited;
}

// Whatever happened: either it works and status says so, or both say that a sign-in is needed and one helps.
async function assertWhole(desk, { works } = {}) {
	const mux = await serving(desk);
	const result = await called(mux, 'wiki__x');
	const { state, error } = await desk.status('wiki');
	if (result.isError) {
		assert.match(result.text, toConnect('wiki'));
		assert.equal(state, 'signed_out', error);
		await desk.connect('wiki');
		await until(async () => !(await called(mux, 'wiki__x')).isError, 'the new sign-in', 1000 * slow);
	} else {
		assert.equal(state, 'connected', error);
	}
	if (works !== undefined) assert.equal(!result.isError, works, result.text);
	await mux.close();
	return !result.isError;
}

const moments = {
	'before the server has seen it': { at: 'before', works: true },
	'after the server has rotated, before it answers': { at: 'after', works: false },
};

for (const [moment, { at, works }] of Object.entries(moments)) {
	test(`SIGKILL in a renewal, ${moment}`, async t => {
		const { strict, desk } = await signedIn(t);
		const mux = await mortal(desk);
		assert.deepEqual((await called(mux, 'wiki__x')), ok);
		strict.expireAccess();
		let dead = false;
		strict[at] = async grant => {
			if (grant.type !== 'refresh_token' || dead) return;
			await kill(mux);
			dead = true;
			if (at === 'before') throw new Error('nobody'); // as if it had not come
		};
		mux.send({ jsonrpc: '2.0', id: 'x', method: 'tools/call', params: { name: 'wiki__x' } });
		await until(() => dead, 'the renewal');
		strict[at] = undefined;
		await assertWhole(desk, { works });
	});
}

test('SIGKILL at random moments of a renewal', async t => {
	const { strict, desk } = await signedIn(t, { slow: 5 });
	let whole; // milliseconds that one takes, up to the answer of the call that waits for it
	let kept = 0;
	for (let i = 0; i < 12; i++) {
		const mux = await mortal(desk);
		assert.deepEqual((await called(mux, 'wiki__x')), ok);
		strict.expireAccess();
		const before = refreshes(strict);
		let answer;
		const calling = called(mux, 'wiki__x').then(result => (answer = result), () => {}); // it may be killed
		await until(() => refreshes(strict) > before, 'the renewal');
		const start = performance.now();
		await (whole === undefined ? calling : Promise.race([calling, sleep(Math.random() * 1.2 * whole)]));
		whole ??= performance.now() - start;
		await kill(mux);
		await calling;
		if (answer || i === 0) assert.deepEqual(answer, ok);
		// A token that was used had been stored before.
		kept += await assertWhole(desk, answer && { works: true });
	}
	t.diagnostic(`of 12 killed, the login was kept ${kept} times`);
});

test('connect that is killed leaves either nothing or a login that works', async t => {
	const strict = await Strict.start(t);
	const desk = await Desk.start(t, wiki(strict.url));
	for (let i = 0; i < 4; i++) {
		const asked = strict.of('authorization_code').length;
		const connecting = desk.begin(['connect', 'wiki']);
		await until(() => strict.of('authorization_code').length > asked || connecting.ended, 'the exchange');
		await sleep(Math.random() * 20);
		connecting.child.kill('SIGKILL');
		await connecting.done;
		await assertWhole(desk);
		await desk.disconnect('wiki');
		assert.deepEqual(await desk.keyring.items({ connector: 'wiki' }), []);
	}
});

// --- keyrings ---

const here = (desk, bus = desk.keyring.bus) => defaultBus(bus) ?? [];
const unavailable = !defaultBus(null) && 'no mount namespace can be had here';

test('six variables are enough: the session bus is found where it is by default', { skip: unavailable }, async t => {
	const { strict, desk } = await signedIn(t);
	const before = here(desk);
	const mux = await serving(desk, { before });
	assert.deepEqual(await called(mux, 'wiki__x'), ok);
	strict.expireAccess();
	assert.deepEqual(await called(mux, 'wiki__x'), ok);
	assert.equal((await desk.status('wiki', { before })).state, 'connected');
	await mux.close();
});

// What a server and `status` say of a keyring that cannot be used, after PREPARE(desk) has made it so.
const troubles = {
	'no session bus': { words: /session bus/i, before: desk => here(desk, null) },
	'no keyring service on the bus': { words: /keyring service|no keyring/i, prepare: desk => desk.keyring.stopService() },
	'a locked keyring': { words: /locked/i, prepare: desk => desk.keyring.lock() },
	'a silent keyring': { words: /silent|not answer|no answer|did not/i, prepare: desk => desk.keyring.silence() },
};

for (const [trouble, { words, prepare, before = here }] of Object.entries(troubles)) {
	test(`${trouble}: initialize is not held up, and the words say so`, { skip: unavailable }, async t => {
		const { desk } = await signedIn(t);
		await prepare?.(desk);
		const mux = desk.serve({ before: before(desk) });
		const start = performance.now();
		await mux.initialize();
		assert.ok(performance.now() - start < 700 * slow);
		const result = await called(mux, 'wiki__x');
		assert.equal(result.isError, true);
		assert.match(result.text, words);
		const { state, error } = await desk.status('wiki', { before: before(desk) });
		assert.equal(state, 'failed');
		assert.match(error, words);
		await mux.close();
		if (trouble === 'a silent keyring') desk.keyring.wake();
	});
}

test('what a locked keyring hid is there once it is unlocked', async t => {
	const { strict, desk } = await signedIn(t);
	await desk.keyring.lock();
	const mux = await serving(desk);
	assert.equal((await called(mux, 'wiki__x')).isError, true);
	await desk.keyring.unlock();
	await until(async () => !(await called(mux, 'wiki__x')).isError, 'the unlocked keyring to be seen', 1000 * slow);
	assert.equal(strict.of('authorization_code').length, 1);
});

test('nothing is renewed while the keyring could not take the new token', async t => {
	const { strict, desk } = await signedIn(t);
	const mux = await serving(desk);
	assert.deepEqual(await called(mux, 'wiki__x'), ok);
	await desk.keyring.lock();
	strict.expireAccess();
	const result = await called(mux, 'wiki__x');
	assert.equal(result.isError, true);
	assert.match(result.text, /locked/i);
	assert.equal(refreshes(strict), 0);
	await desk.keyring.unlock(); // of which gnome-keyring sends no signal
	await backAgain(mux, 'wiki__x');
	assert.equal(refreshes(strict), 1);
});

test('connect says what is wrong with the keyring before anybody signs in', async t => {
	const strict = await Strict.start(t);
	const desk = await Desk.start(t, wiki(strict.url), { keyring: { absent: true } });
	const done = await desk.run(['connect', 'wiki']);
	assert.equal(done.status, 1, done.stderr);
	assert.match(done.stderr, /keyring/);
	assert.deepEqual(desk.browser.opened, []);
	assert.equal(strict.clients.size, 0);
});

test('a modern IDE gets the same', async t => {
	const { strict, desk } = await signedIn(t, { era: 'modern' });
	const mux = desk.serve();
	assert.ok((await mux.modern('server/discover')).result.supportedVersions.includes(MODERN));
	const call = async () => (await mux.modern('tools/call', { name: 'wiki__x' }, { ms: PATIENCE })).result;
	assert.equal((await call()).isError ?? false, false);
	strict.expireAccess();
	assert.equal((await call()).isError ?? false, false);
	assert.equal(refreshes(strict), 1);
	strict.revokeAll();
	const failed = await call();
	assert.equal(failed.isError, true);
	assert.match(failed.content[0].text, toConnect('wiki'));
});
