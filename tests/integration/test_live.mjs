// Following the configuration: edits of either file, sign-ins elsewhere and keys take effect in all running servers within a
// second, whichever way they are made, and the IDEs are told. Each test has several servers, with an IDE of either era.

import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { chmodSync, closeSync, existsSync, mkdirSync, openSync, readFileSync, readdirSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync, writeSync } from 'node:fs';
import { request } from 'node:http';
import { createServer } from 'node:https';
import { dirname, join } from 'node:path';
import test from 'node:test';
import { promisify } from 'node:util';
import { ToolListChangedNotificationSchema } from '@modelcontextprotocol/sdk/types.js';
import { Desk, account } from './lib/desk.mjs';
import { Mux, atEnd, binary, clients, connect, connector, environment, names, run, sleep, slow, tempDir, text, until, writeIni } from './lib/mux.mjs';
import { Scripted, tool } from './lib/scripted.mjs';
import { Strict } from './lib/strict.mjs';
import { v1Sessions, v2 } from './lib/upstreams.mjs';

const SOON = 1000 * slow;
const CHANGED = 'notifications/tools/list_changed';

// An IDE of KIND ('raw' or one of clients) and the server that it started.
class Seat {
	changes = 0;

	static async take(t, kind, files, { env = {} } = {}) {
		const seat = Object.assign(new Seat(), { kind });
		if (kind === 'raw') {
			seat.mux = Mux.start(t, '', { files, env });
			await seat.mux.initialize();
			seat.mux.watchers.add(() => (seat.changes = seat.mux.messages.filter(({ json }) => json.method === CHANGED).length));
		} else {
			const client = clients[kind].make();
			const changed = () => void seat.changes++;
			client.setNotificationHandler(kind === 'SDK v1' ? ToolListChangedNotificationSchema : CHANGED, changed);
			seat.client = await connect(t, kind, '', { client, files, env });
			if (clients[kind].era === 'modern') await client.listen({ toolsListChanged: true });
		}
		await seat.names();
		return seat;
	}

	async names() {
		return this.mux ? this.mux.tools() : names(await this.client.listTools());
	}

	async call(name, args) {
		return this.mux ? (await this.mux.call(name, args)).result : this.client.callTool({ name, arguments: args ?? {} });
	}
}

const KINDS = ['raw', 'SDK v1', 'SDK v2 modern'];

// Servers of one user, one for each kind of IDE.
class Team {
	static async start(t, config, { files = writeIni(t, config), admin } = {}) {
		const team = Object.assign(new Team(), { files, worst: 0 });
		const env = {};
		if (admin !== undefined) {
			team.admin = env.MCP_MUX_ADMIN_CONFIG = join(files.home, 'admin.ini');
			writeFileSync(team.admin, admin);
		}
		team.seats = await Promise.all(KINDS.map(kind => Seat.take(t, kind, files, { env })));
		[team.raw] = team.seats;
		t.after(() => t.diagnostic(`slowest: ${Math.round(team.worst)} ms`));
		return team;
	}

	// All list WANTED from now on.
	async lists(...wanted) {
		for (const seat of this.seats)
			await until(async () => same(await seat.names(), wanted), `${seat.kind} to list ${wanted}`);
		return this;
	}

	// After EDIT all IDEs are told within a second, and list WANTED then.
	async after(edit, ...wanted) {
		const before = this.seats.map(seat => seat.changes);
		await edit();
		const begun = performance.now();
		await Promise.all(this.seats.map(async (seat, i) => {
			await until(() => seat.changes > before[i], `list_changed at ${seat.kind}: ${this.raw.mux.stderr}`, SOON);
			let seen;
			await until(async () => same(seen = await seat.names(), wanted), () => `${seat.kind} to list ${wanted}, not ${seen}`, SOON);
		}));
		const took = performance.now() - begun;
		assert.ok(took < SOON, `took ${took} ms`);
		this.worst = Math.max(this.worst, took);
	}

	// EDIT changes nothing, in half a second.
	async unmoved(edit, ...wanted) {
		const before = this.seats.map(seat => seat.changes);
		await edit();
		await sleep(500);
		for (const [i, seat] of this.seats.entries()) {
			assert.equal(seat.changes, before[i], `${seat.kind} was told`);
			assert.deepEqual(await seat.names(), wanted, seat.kind);
		}
	}
}

const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

// As an editor saves: beside it, then in its place.
function save(path, content, mode = 0o600) {
	writeFileSync(`${path}.new`, content);
	chmodSync(`${path}.new`, mode);
	renameSync(`${path}.new`, path);
}

const count = (all, part) => all.split(part).length - 1;

const pair = t => Promise.all([Scripted.start(t, { tools: ['a', 'b'].map(name => tool(name)) }),
	Scripted.start(t, { era: 'modern', tools: ['c', 'd'].map(name => tool(name)) })]);

test('edits of the user\'s file, whichever way they are made', async t => {
	const [one, two] = await pair(t);
	const base = connector('one', one.url) + connector('two', two.url);
	const team = await (await Team.start(t, base)).lists('one__a', 'one__b', 'two__c', 'two__d');
	const { files } = team;

	await team.after(() => assert.equal(run(files, 'disable', 'one', 'a').status, 0), 'one__b', 'two__c', 'two__d');
	const refused = await team.raw.mux.call('one__a');
	assert.equal(refused.error?.code, -32602, JSON.stringify(refused));
	await team.after(() => assert.equal(run(files, 'enable', 'one', 'a').status, 0), 'one__a', 'one__b', 'two__c', 'two__d');
	await team.after(() => save(files.ini, `${base}[tools:two]\n* = off\nd = on\n`), 'one__a', 'one__b', 'two__d');
	// In place, slower than anything waits for, and an end that is missing.
	await team.after(async () => {
		const fd = openSync(files.ini, 'w');
		await sleep(80);
		writeSync(fd, base);
		writeSync(fd, '[tools:one]\nb = off\n');
		closeSync(fd);
	}, 'one__a', 'two__c', 'two__d');
	await team.unmoved(async () => {
		const fd = openSync(files.ini, 'w');
		await sleep(80);
		writeSync(fd, base);
		await sleep(80);
		writeSync(fd, '[tools:one]\nb = off\n');
		closeSync(fd);
	}, 'one__a', 'two__c', 'two__d');
	// Through symbolic links that are exchanged, as managers of dotfiles do.
	const dir = join(files.home, 'dotfiles');
	mkdirSync(dir);
	writeFileSync(join(dir, 'work.ini'), connector('one', one.url));
	writeFileSync(join(dir, 'home.ini'), connector('two', two.url));
	await team.after(() => {
		symlinkSync('dotfiles/work.ini', join(files.home, 'link'));
		renameSync(join(files.home, 'link'), files.ini);
	}, 'one__a', 'one__b');
	await team.after(() => {
		symlinkSync(join(dir, 'home.ini'), join(files.home, 'link'));
		renameSync(join(files.home, 'link'), files.ini);
	}, 'two__c', 'two__d');
	await team.after(() => save(join(dir, 'home.ini'), `${connector('two', two.url)}[tools:two]\nc = off\n`), 'two__d');
	await team.after(() => assert.equal(run(files, 'enable', 'two', 'c').status, 0), 'two__c', 'two__d');
	// Words that change nothing.
	await team.unmoved(() => save(join(dir, 'home.ini'), `; said\n${readFileSync(join(dir, 'home.ini'))}`), 'two__c', 'two__d');
	for (const seat of team.seats) assert.equal(text(await seat.call('two__d')), 'ok');
	assert.equal(two.of('server/discover').length + two.of('initialize').length <= 12, true);
});

test('prefixes, titles and order change the lists alone: nothing is opened anew', async t => {
	const up = await Scripted.start(t, { tools: [tool('a')] });
	const team = await (await Team.start(t, connector('up', up.url))).lists('up__a');
	const sessions = () => [up.of('initialize').length, up.of('DELETE').length];
	const before = sessions();
	await team.after(() => save(team.files.ini, connector('up', up.url, 'prefix = p', 'title = T')), 'p__a');
	assert.equal(text(await team.raw.call('p__a')), 'ok');
	await sleep(200);
	assert.deepEqual(sessions(), before);
});

test('edits of the administrator\'s file', async t => {
	const [one, two] = await pair(t);
	const other = await Scripted.start(t, { tools: [tool('elsewhere')] });
	const admin = (...more) => connector('one', one.url, ...more);
	const team = await (await Team.start(t, '[tools:one]\nb = off\n', { admin: admin('allowed_tools = a') })).lists('one__a');
	await team.after(() => save(team.admin, admin('allowed_tools = @all') + connector('two', two.url, 'allowed_tools = c')), 'one__a', 'two__c');
	await team.after(() => save(team.admin, admin('allowed_tools = a') + connector('two', two.url, 'allowed_tools = d')), 'one__a', 'two__d');
	await team.after(() => save(team.admin, admin('allowed_tools = a', 'enabled = off') + connector('two', two.url, 'allowed_tools = d')), 'two__d');
	await until(() => one.of('DELETE').length >= KINDS.length, 'the sessions to be deleted', SOON);
	await team.after(() => save(team.admin, admin('allowed_tools = a')), 'one__a');
	await team.after(() => save(team.admin, connector('one', other.url, 'allowed_tools = *')), 'one__elsewhere');
	assert.equal(text(await team.raw.call('one__elsewhere')), 'ok');
	// Who sees it.
	const me = process.getuid() === 0 ? 'root' : process.env.USER;
	await team.after(() => save(team.admin, admin('allowed_tools = a', 'allowed_users = somebody-else')));
	await team.after(() => save(team.admin, admin('allowed_tools = a', `allowed_users = somebody-else, ${me}`)), 'one__a');
	// A user's file that is broken holds nothing off.
	writeFileSync(team.files.ini, 'what?\n');
	await team.after(() => save(team.admin, connector('two', two.url, 'allowed_tools = c')), 'two__c');
	assert.equal(count(team.raw.mux.stderr, 'stays in use'), 1, team.raw.mux.stderr);
});

test('nothing that stands in the user\'s file holds the administrator\'s edits off', async t => {
	const [one, two] = await pair(t);
	const both = (...mux) => `[mux]\nuser_connectors = on\n${mux.join('\n')}\n${connector('one', one.url, 'allowed_tools = @all')}`;
	const narrower = (...mux) => `[mux]\nuser_connectors = on\n${mux.join('\n')}\n${connector('one', one.url, 'allowed_tools = a')}`;
	const added = connector('two', two.url, 'allowed_tools = c');
	const ca = tempDir(t);
	execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', '/CN=ca',
		'-keyout', join(ca, 'key.pem'), '-out', join(ca, 'good.pem')], { stdio: 'ignore' });
	for (const { lines, first = both(), then = narrower(), wanted, meanwhile = () => {} } of [
		// Once the administrator does not define the connector, it has no url; or one that nobody may use.
		{ lines: '[connector:two]\ntitle = x\n', first: both() + added, wanted: ['one__a'] },
		{ lines: '[connector:two]\nurl = http://elsewhere.example/\nauth = oauth\n', first: both() + added, wanted: ['one__a'] },
		// Prefixes that clash once the administrator defines both, or says less of the separator, or of names.
		{ lines: '[connector:one]\nprefix = z\n[connector:two]\nprefix = z\n', first: `${both()}`.replace('user_connectors = on', ''),
			then: narrower().replace('user_connectors = on', '') + added, wanted: ['z__a', 'two__c'] },
		{ lines: '[connector:one]\nprefix = o__e\n', first: both('separator = -'), wanted: ['one__a'] },
		{ lines: '[mux]\ncall_timeout = 60\ncall_limit = 30\n', first: both('call_timeout = 20'), wanted: ['one__a'] },
		// What was good at the start and is not any more.
		{ lines: `[mux]\nca_file = ${ca}/ca.pem\n`, wanted: ['one__a'], meanwhile: () => writeFileSync(join(ca, 'ca.pem'), 'none') },
	]) {
		writeFileSync(join(ca, 'ca.pem'), readFileSync(join(ca, 'good.pem')));
		const files = writeIni(t, lines);
		const admin = join(files.home, 'admin.ini');
		writeFileSync(admin, first);
		const seat = await Seat.take(t, 'raw', files, { env: { MCP_MUX_ADMIN_CONFIG: admin } });
		await until(async () => (await seat.names()).length >= 2, () => `the tools beside ${lines}: ${seat.mux.stderr}`);
		meanwhile();
		save(admin, then);
		let seen;
		await until(async () => same(seen = await seat.names(), wanted), () => `${wanted}, not ${seen}, beside ${lines}: ${seat.mux.stderr}`, 2 * SOON);
		await seat.mux.close();
	}
});

test('what cannot be used changes nothing, and is said once', async t => {
	const [one] = await pair(t);
	const good = connector('one', one.url);
	const team = await (await Team.start(t, '', { admin: good + 'allowed_tools = @all\n' })).lists('one__a', 'one__b');
	const said = part => count(team.raw.mux.stderr, part);
	await team.unmoved(() => save(team.files.ini, '[tools:one]\na = perhaps\n'), 'one__a', 'one__b');
	assert.match(team.raw.mux.stderr, /mux\.ini:2: a = perhaps: .*stays in use/);
	await team.unmoved(() => save(team.files.ini, '[tools:one]\na = perhaps\n; and more\n'), 'one__a', 'one__b');
	assert.equal(said('mux.ini:2'), 1);
	assert.equal(said('can be used again'), 0);
	await team.after(() => save(team.files.ini, '[tools:one]\na = off\n'), 'one__b');
	assert.equal(said('can be used again'), 1);

	// The administrator's file as somebody else could have written it.
	await team.unmoved(() => chmodSync(team.admin, 0o666), 'one__b');
	assert.equal(said('writable by its group or others'), 1);
	await team.unmoved(() => save(team.admin, connector('one', one.url, 'allowed_tools = a'), 0o666), 'one__b');
	chmodSync(team.admin, 0o666);
	await sleep(400);
	assert.equal(said('writable by its group or others'), 1);
	await team.after(() => {
		save(team.admin, connector('one', one.url, 'allowed_tools = @all'));
		save(team.files.ini, '');
	}, 'one__a', 'one__b');
	assert.equal(said('can be used again'), 2);
	await team.unmoved(() => unlinkSync(team.admin), 'one__a', 'one__b');
	assert.equal(said('admin.ini'), 2, team.raw.mux.stderr);
	await team.unmoved(() => unlinkSync(team.files.ini), 'one__a', 'one__b');
});

test('the user\'s file by default: its directory comes, goes and comes again', async t => {
	const [one, two] = await pair(t);
	const files = writeIni(t, '');
	const path = join(files.home, '.config/mcp-mux/mcp-mux.ini');
	const before = ['sh', '-c', 'program=$1; shift 3; exec "$program" "$@"', 'sh']; // no --config
	const servers = [0, 1].map(() => Mux.start(t, '', { files, before }));
	const listed = wanted => Promise.all(servers.map(async mux => {
		let seen;
		await until(async () => same(seen = await mux.tools(), wanted), () => `${wanted}, not ${seen}: ${mux.stderr}`, SOON);
	}));
	for (const mux of servers) await mux.initialize();
	await listed([]);
	for (let i = 0; i < 2; i++) {
		mkdirSync(dirname(path), { recursive: true });
		writeFileSync(path, connector('one', one.url));
		await listed(['one__a', 'one__b']);
		save(path, connector('two', two.url));
		await listed(['two__c', 'two__d']);
		rmSync(join(files.home, '.config'), { recursive: true });
		await listed([]);
	}
	const renamed = join(files.home, 'elsewhere');
	mkdirSync(renamed);
	writeFileSync(join(renamed, 'mcp-mux.ini'), connector('one', one.url));
	mkdirSync(join(files.home, '.config'));
	renameSync(renamed, dirname(path));
	await listed(['one__a', 'one__b']);
	for (const mux of servers) assert.equal(mux.stderr, '');
});

test('an edit before the first message counts', async t => {
	const [one, two] = await pair(t);
	const mux = Mux.start(t, connector('one', one.url));
	await sleep(300 * slow); // it has read its file
	save(mux.ini, connector('two', two.url));
	await mux.initialize();
	await until(async () => same(await mux.tools(), ['two__c', 'two__d']), 'the new tools', 2 * SOON);
});

for (const [era, make] of [['legacy', v1Sessions], ['modern', t => v2(t, { legacy: 'reject' })]]) {
	test(`calls in flight on a connector that goes are cancelled at its server, and answered in words (${era})`, async t => {
		const up = await make(t);
		let release;
		const other = await Scripted.start(t, { on: { 'tools/call': exchange => (release = () => other.decent(exchange, 'tools/call')) } });
		const rest = connector('other', other.url);
		const team = await Team.start(t, connector('up', up.url) + rest);
		for (const edit of [() => save(team.files.ini, rest), () => save(team.files.ini, connector('up', up.url, 'enabled = off') + rest)]) {
			save(team.files.ini, connector('up', up.url) + rest);
			await team.lists('up__add', 'up__echo', 'up__fail', 'up__hang', 'up__steps', 'other__x');
			up.seen.hanging = up.seen.aborted = 0;
			const calls = team.seats.map(seat => seat.call('up__hang'));
			const stays = team.raw.call('other__x');
			await until(() => up.seen.hanging === KINDS.length && release, 'the calls');
			const begun = performance.now();
			edit();
			for (const result of await Promise.all(calls)) {
				assert.equal(result.isError, true);
				assert.match(text(result), /cancelled/i);
				assert.match(text(result), /\bup\b/);
			}
			assert.ok(performance.now() - begun < SOON);
			await until(() => up.seen.aborted === KINDS.length, 'the server to hear of it', SOON);
			release();
			assert.equal(text(await stays), 'ok');
			release = undefined;
			await team.lists('other__x');
		}
	});
}

test('the audit log is switched on and off, and has a line of what changed from every server', async t => {
	const [one] = await pair(t);
	const base = connector('one', one.url);
	const team = await (await Team.start(t, `[mux]\naudit = off\n${base}`)).lists('one__a', 'one__b');
	const path = join(team.files.home, '.local/state/mcp-mux/audit.jsonl');
	const lines = () => existsSync(path) ? readFileSync(path, 'utf8').trim().split('\n').map(line => JSON.parse(line)) : [];
	const policy = n => until(() => lines().filter(({ event }) => event === 'policy').length >= n, `${n} lines`, SOON);
	const each = async () => {
		for (const seat of team.seats) await seat.call('one__b', { q: 1 });
	};
	await each();
	assert.deepEqual(lines(), []);

	save(team.files.ini, `[mux]\naudit_arguments = full\n${base}`);
	await policy(3);
	await each();
	assert.deepEqual(lines().map(({ event, connector, change, names }) => event === 'policy' ? [connector, change, ...names] : event),
		[...Array(3).fill([null, 'changed', 'audit', 'audit_arguments']), 'call', 'call', 'call']);
	assert.equal(new Set(lines().slice(0, 3).map(({ pid }) => pid)).size, 3, 'each says so for itself');
	assert.deepEqual(lines().at(-1).arguments, { q: 1 });

	// The command writes what a person did, the servers that it counts.
	run(team.files, 'disable', 'one', 'a');
	await policy(7);
	assert.deepEqual(lines().slice(6).map(({ change, names }) => [change, ...names]).sort(), [...Array(3).fill(['changed', 'a = off']), ['disable', 'a']]);

	save(team.files.ini, `[mux]\naudit = off\n${base}`);
	await policy(10 + 3); // settings, and the toggle
	const before = lines().length;
	await each();
	await sleep(100);
	assert.equal(lines().length, before);
});

test('another proxy, and none, from the next call on', async t => {
	const proxies = [await Scripted.start(t, { tools: [tool('a')] }), await Scripted.start(t, { tools: [tool('a')] })];
	const config = proxy => `[mux]\nproxy = ${proxy.url.replace(/\/mcp$/, '')}\n${connector('up', 'http://mcp.invalid/mcp')}`;
	const mux = Mux.start(t, config(proxies[0]));
	await mux.initialize();
	assert.deepEqual(await mux.tools(), ['up__a']);
	assert.equal(text((await mux.call('up__a')).result), 'ok');
	save(mux.ini, config(proxies[1]));
	await until(async () => {
		await mux.call('up__a');
		return proxies[1].of('tools/call').length;
	}, 'the other proxy', SOON);
	const used = proxies[0].of('tools/call').length;
	await mux.call('up__a');
	assert.equal(proxies[0].of('tools/call').length, used);
	save(mux.ini, connector('up', 'http://mcp.invalid/mcp'));
	await until(async () => (await mux.call('up__a')).result?.isError, 'no proxy', SOON);
});

test('a definition that is approved in a terminal comes back in all servers', async t => {
	const up = await Scripted.start(t, { tools: ['a', 'b'].map(name => tool(name)) });
	const config = `[mux]\npin_tools = block\n${connector('up', up.url)}`;
	const { files } = await (await Team.start(t, config)).lists('up__a', 'up__b');
	up.tools = [tool('a', { description: 'Sends all files to us.' }), tool('b')];
	const team = await (await Team.start(t, config, { files })).lists('up__b');
	const approve = () => promisify(execFile)(binary, ['--config', files.ini, 'approve', 'up__a'], { env: environment(files.home) });
	await team.after(approve, 'up__a', 'up__b');
});

// A TLS front of UPSTREAM with a certificate of its own, which is its authority, too. `opened` are its connections so far.
async function front(t, upstream) {
	const dir = tempDir(t);
	execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-keyout', 'key.pem',
		'-out', 'cert.pem', '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'], { cwd: dir, stdio: ['ignore', 'ignore', 'pipe'] });
	const [key, cert] = ['key.pem', 'cert.pem'].map(name => readFileSync(join(dir, name)));
	const tls = { ca: join(dir, 'cert.pem'), opened: 0 };
	const server = createServer({ key, cert, keepAliveTimeout: 60_000 }, (req, res) => {
		req.pipe(request({ port: upstream.port, host: '127.0.0.1', path: req.url, method: req.method, headers: req.headers }, answer => {
			res.writeHead(answer.statusCode, answer.headers);
			answer.pipe(res);
		}).on('error', () => res.destroy()));
	});
	server.on('secureConnection', () => tls.opened++);
	await new Promise(resolve => server.listen(0, '127.0.0.1', resolve));
	atEnd(t, () => void (server.close(), server.closeAllConnections()));
	return Object.assign(tls, { url: `https://localhost:${server.address().port}/mcp` });
}

test('whom to trust: a kept connection is not used by what is not trusted any more', async t => {
	const [one] = await pair(t);
	const tls = await front(t, one);
	const trusting = `[mux]\nca_file = ${tls.ca}\n${connector('up', tls.url)}`;
	const mux = Mux.start(t, trusting);
	await mux.initialize();
	assert.deepEqual(await mux.tools(), ['up__a', 'up__b']);
	assert.equal(text((await mux.call('up__a')).result), 'ok');
	const { opened } = tls;
	assert.equal(text((await mux.call('up__a')).result), 'ok');
	assert.equal(tls.opened, opened, 'connections are kept');
	save(mux.ini, connector('up', tls.url));
	await until(async () => (await mux.call('up__a')).result.isError, 'trust to end', SOON);
	assert.equal((await mux.call('up__a')).result.isError, true);
	save(mux.ini, trusting);
	await until(async () => !(await mux.call('up__a')).result.isError, 'trust to begin', SOON);
	// One that cannot be read is no reason to trust less or more.
	save(mux.ini, `[mux]\nca_file = ${tls.ca}.missing\n${connector('up', tls.url)}`);
	await until(() => /ca_file .*stays in use/.test(mux.stderr), 'the fault', SOON);
	assert.equal(text((await mux.call('up__a')).result), 'ok');
});

test('max_message, too', async t => {
	const [one] = await pair(t);
	const mux = Mux.start(t, `[mux]\nmax_message = 1\nmax_result = 1\n${connector('one', one.url)}`);
	await mux.initialize();
	const big = { q: 'x'.repeat(1.5 * 1024 * 1024) };
	assert.ok((await mux.call('one__a', big)).error);
	save(mux.ini, `[mux]\nmax_message = 4\nmax_result = 1\n${connector('one', one.url)}`);
	await until(async () => (await mux.call('one__a', big)).result, 'the new limit', SOON);
});

test('sign-ins, sign-outs and keys of another process reach all servers, and the IDEs are told', async t => {
	const strict = await Strict.start(t);
	const keys = [];
	const keyed = await Scripted.start(t, { on: { '*': exchange => {
		const key = exchange.headers.authorization;
		if (key !== 'Bearer one' && key !== 'Bearer two') return exchange.end(401);
		if (exchange.message?.method === 'tools/call') keys.push(key);
		return keyed.decent(exchange, exchange.req.method === 'POST' ? exchange.message?.method ?? 'response' : exchange.req.method);
	} } });
	const desk = await Desk.start(t, account('wiki', strict.url, 'auth = oauth') + account('desk', keyed.url, 'auth = api-key'));
	const team = Object.assign(new Team(), { files: desk.files, worst: 0,
		seats: await Promise.all(KINDS.map(kind => Seat.take(t, kind, desk.files, { env: desk.env }))) });
	[team.raw] = team.seats;
	const during = work => async () => void await work();
	await team.after(during(() => desk.connect('wiki')), 'wiki__x');
	for (const seat of team.seats) assert.equal(text(await seat.call('wiki__x')), 'ok');
	await team.after(during(() => desk.connect('desk', { args: ['--key-stdin'], input: 'one\n' })), 'wiki__x', 'desk__x');
	for (const seat of team.seats) assert.equal(text(await seat.call('desk__x')), 'ok');
	assert.deepEqual(keys.splice(0), Array(3).fill('Bearer one'));
	await desk.connect('desk', { args: ['--key-stdin'], input: 'two\n' });
	for (const seat of team.seats)
		await until(async () => (await seat.call('desk__x')) && keys.at(-1) === 'Bearer two', `the new key at ${seat.kind}`, SOON);
	await team.after(during(() => desk.disconnect('wiki')), 'desk__x');
	await team.after(during(() => desk.disconnect('desk')));
	// The first connector with an account comes while they run: then, too.
	save(desk.files.ini, '');
	await sleep(300);
	save(desk.files.ini, account('wiki', strict.url, 'auth = oauth'));
	await sleep(300);
	await team.after(during(() => desk.connect('wiki')), 'wiki__x');
});

test('a server that began without accounts hears of the first sign-in', async t => {
	const strict = await Strict.start(t);
	const desk = await Desk.start(t, '');
	const mux = desk.serve();
	await mux.initialize();
	assert.deepEqual(await mux.tools(), []);
	save(desk.files.ini, account('wiki', strict.url, 'auth = oauth'));
	await desk.connect('wiki');
	await until(async () => same(await mux.tools(), ['wiki__x']), 'the tools', SOON);
	assert.equal(text((await mux.call('wiki__x')).result), 'ok');
});

// How often the threads of a process gave up a processor on their own.
function switches(pid) {
	return readdirSync(`/proc/${pid}/task`).map(task => {
		const status = readFileSync(`/proc/${pid}/task/${task}/status`, 'utf8');
		return Number(/^voluntary_ctxt_switches:\s*(\d+)/m.exec(status)[1]);
	}).reduce((a, b) => a + b);
}

test('an idle server sleeps, with files that are there, missing and gone', async t => {
	const [one] = await pair(t);
	const files = writeIni(t, connector('one', one.url));
	const target = join(files.home, 'gone/on/the/way');
	mkdirSync(target, { recursive: true });
	const env = { MCP_MUX_ADMIN_CONFIG: '', XDG_STATE_HOME: target };
	const before = ['sh', '-c', 'program=$1; shift 3; exec "$program" "$@"', 'sh'];
	const idle = [Mux.start(t, '', { files, env }), Mux.start(t, '', { files, env, before })];
	for (const mux of idle) {
		await mux.initialize();
		await mux.tools();
	}
	rmSync(join(files.home, 'gone'), { recursive: true });
	await sleep(11_000); // what the opening armed fires once: connect_timeout is the longest
	// Others may do something in the directories around ours meanwhile: one quiet stretch of three is enough.
	let quiet;
	for (let i = 0; i < 3 && !quiet; i++) {
		const counts = idle.map(mux => switches(mux.child.pid));
		await sleep(3000);
		quiet = same(idle.map(mux => switches(mux.child.pid)), counts);
	}
	assert.ok(quiet, 'it wakes up');
	save(files.ini, '');
	await until(async () => same(await idle[0].tools(), []), 'the edit', SOON);
});
