// Every token, code, verifier, key and client secret that the servers issued or were sent is looked for wherever it
// must not be: logs at full verbosity, what commands print, files, and the environment and command line of every
// process. The keyring's own file lies elsewhere and is not searched. What a browser is asked to open may stand on its
// command line: it holds a state and a challenge, neither of which is a secret here.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chownSync, existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { Desk, account, called } from './lib/desk.mjs';
import { Authority, MACHINE, PREREGISTERED, protectedV1, protectedV2 } from './lib/oauth.mjs';
import { atEnd } from './lib/raw.mjs';
import { Scripted } from './lib/scripted.mjs';
import { Strict } from './lib/strict.mjs';

const KEY = 'api-key-4be1f0c98d21';

// Reads /proc over and over while something goes on, and keeps what it saw.
class Watch {
	static start(t) {
		const watch = new Watch();
		const timer = setInterval(() => watch.look(), 3);
		atEnd(t, () => clearInterval(timer));
		return watch;
	}

	constructor() {
		this.texts = new Map(); // text → where
		this.muxes = new Set();
	}

	look() {
		for (const pid of readdirSync('/proc').filter(name => /^\d+$/.test(name) && name !== String(process.pid))) {
			for (const file of ['cmdline', 'environ']) {
				try {
					const text = readFileSync(`/proc/${pid}/${file}`, 'latin1');
					if (!this.texts.has(text)) this.texts.set(text, `/proc/${pid}/${file}`);
					if (file === 'environ' && readFileSync(`/proc/${pid}/comm`, 'latin1') === 'mcp-mux\n') this.muxes.add(pid);
				} catch (error) {
					// It has ended, or belongs to somebody else.
					if (!['ENOENT', 'ESRCH', 'EACCES', 'EPERM'].includes(error.code)) throw error;
				}
			}
		}
	}
}

function* files(dir) {
	for (const name of existsSync(dir) ? readdirSync(dir) : []) {
		const path = join(dir, name);
		if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) yield* files(path);
		else if (statSync(path, { throwIfNoEntry: false })?.isFile()) yield path;
	}
}

// How a secret could look: as it is, in the encodings of URLs and Basic credentials, in JSON.
function* shapes(secret) {
	yield secret;
	yield encodeURIComponent(secret);
	yield Buffer.from(secret).toString('base64').replace(/=+$/, '');
	yield JSON.stringify(secret).slice(1, -1);
}

function assertNowhere(secrets, places) {
	for (const secret of secrets) {
		assert.ok(secret.length >= 10, `too short to be looked for: ${secret}`);
		for (const shape of shapes(secret))
			for (const [text, where] of places)
				if (text.includes(shape)) assert.fail(`${secret.slice(0, 6)}… is in ${where}: ${around(text, shape)}`);
	}
}

function around(text, shape) {
	const at = text.indexOf(shape);
	return JSON.stringify(`${text.slice(Math.max(0, at - 80), at)}<SECRET>${text.slice(at + shape.length, at + shape.length + 40)}`);
}

const DEBUG = ['--log-level', 'debug'];

test('no secret is anywhere but in the keyring', async t => {
	const authority = await Authority.start(t);
	const [v1, v2] = [await protectedV1(t, authority), await protectedV2(t, authority)];
	const strict = await Strict.start(t, { secret: true, slow: 30 });
	const keyed = await Scripted.start(t, { on: { '*': exchange => exchange.headers['x-api-key'] === KEY ?
		keyed.decent(exchange, exchange.req.method === 'POST' ? exchange.message.method : exchange.req.method) :
		exchange.end(401, { 'www-authenticate': `Bearer error="invalid_token", error_description="not ${exchange.headers['x-api-key']}"` }) } });
	const desk = await Desk.start(t, account('native', v1.url, 'auth = oauth', 'scope = openid email mcp:tools') +
		account('modern', v2.url, 'auth = oauth') + account('strict', strict.url, 'auth = oauth') +
		account('prereg', v2.url, 'auth = oauth', `client_id = ${PREREGISTERED.client_id}`) +
		account('robot', v2.url, 'auth = client-credentials', `client_id = ${MACHINE.client_id}`) +
		account('keyed', keyed.url, 'auth = api-key', 'api_key_header = X-API-Key'));
	const watch = Watch.start(t);
	const said = [];
	const run = async (args, options) => {
		const done = await desk.run([...DEBUG, ...args], options);
		said.push([`${done.stdout}\n${done.stderr}`, args.join(' ')]);
		return done;
	};
	const good = async (args, options) => {
		const done = await run(args, options);
		assert.equal(done.status, 0, done.stdout + done.stderr);
	};

	// Signing in, every way.
	const WRONG = 'wrong-key-0c1d2e3f4a';
	assert.notEqual((await run(['connect', 'keyed', '--key-stdin'], { input: WRONG })).status, 0);
	await good(['connect', 'keyed', '--key-stdin'], { input: KEY });
	for (const name of ['native', 'modern', 'strict']) await good(['connect', name]);
	await good(['connect', 'prereg', '--key-stdin'], { input: PREREGISTERED.client_secret });
	await good(['connect', 'robot', '--key-stdin'], { input: MACHINE.client_secret });

	// Use, renewal, refusal.
	const mux = desk.serve({ args: DEBUG });
	await mux.initialize();
	const uses = async () => {
		for (const name of ['whoami', 'modern__whoami', 'prereg__whoami', 'robot__whoami', 'strict__x', 'keyed__x'])
			assert.equal((await called(mux, name)).isError, false, name);
	};
	await uses();
	strict.expireAccess();
	for (const { tokens, refused } of [v1, v2]) for (const token of tokens) refused.add(token);
	await uses();
	assert.ok(authority.of('/token', 'refresh_token').length >= 3 && strict.of('refresh_token').length);
	await called(mux, 'admin'); // a scope that is missing
	strict.revokeAll();
	assert.equal((await called(mux, 'strict__x')).isError, true);
	strict.before = () => { throw new Error('no'); };
	assert.notEqual((await run(['connect', 'strict'])).status, 0);
	strict.before = undefined;
	for (const args of [['status'], ['status', '--json'], ['doctor'], ['tools'], ['tools', '--json']]) await run(args);

	// The end.
	for (const name of ['native', 'modern', 'prereg', 'keyed']) await good(['disconnect', name]);
	await authority.stop();
	await good(['disconnect', 'robot']);
	await mux.close();
	watch.look();

	const secrets = new Set([...authority.secrets, ...strict.secrets, KEY, WRONG, PREREGISTERED.client_secret, MACHINE.client_secret]);
	const { stdout: auditKey } = spawnSync('secret-tool', ['lookup', 'application', 'mcp-mux', 'kind', 'audit-key'],
		{ env: { ...process.env, ...desk.keyring.env }, encoding: 'utf8' });
	secrets.add(auditKey);
	for (const visited of desk.browser.visits) {
		const code = (await visited.catch(() => undefined))?.url.searchParams.get('code');
		if (code) secrets.add(code);
	}
	assert.ok(secrets.size > 30, `${secrets.size} secrets`);
	const kept = Array.from(files(desk.files.home));
	for (const name of ['era.json', 'audit.jsonl']) assert.ok(kept.some(path => path.endsWith(name)), 'files were there to be searched');
	if (process.getuid() === 0) assert.ok(watch.muxes.size > 5, 'environments of mcp-mux were read');
	assertNowhere(secrets, [
		...said, [mux.stderr, 'the log of serve'], [mux.messages.map(({ text }) => text).join('\n'), 'the output of serve'],
		...kept.map(path => [readFileSync(path, 'latin1'), path]), ...watch.texts,
	]);
	t.diagnostic(`${secrets.size} secrets, ${kept.length} files, ${watch.texts.size} command lines and environments`);
});

test('attributes and labels in the keyring hold no secret', async t => {
	const strict = await Strict.start(t, { secret: true });
	const desk = await Desk.start(t, account('wiki', strict.url, 'auth = oauth'));
	await desk.connect('wiki');
	const items = await desk.keyring.items();
	assert.ok(items.length >= 2);
	assertNowhere(strict.secrets, [[JSON.stringify(items), 'attributes'], [readFileSync(desk.keyring.file, 'latin1'), 'the clear part of the keyring']]);
});

// Undumpable is what keeps other processes of the user out: such a process's files in /proc are root's alone. Root
// itself, which may read everything, has to make it somebody else's to see that.
test('a process that holds secrets leaves no core and cannot be read by others of the same user',
	{ skip: process.env.SANITIZE ? 'sanitizers need to attach' : false }, async t => {
		const desk = await Desk.start(t, account('wiki', 'http://127.0.0.1:1/mcp', 'auth = oauth'));
		const root = process.getuid() === 0;
		if (root) for (const path of [desk.files.home, desk.files.ini]) chownSync(path, 65534, 65534);
		const mux = desk.serve(root ? { before: ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'] } : {});
		await mux.initialize();
		const environ = `/proc/${mux.child.pid}/environ`;
		if (root) assert.equal(statSync(environ).uid, 0);
		else assert.throws(() => readFileSync(environ), { code: 'EACCES' });
		assert.match(readFileSync(`/proc/${mux.child.pid}/limits`, 'latin1'), /Max core file size\s+0\s+0/);
	});
