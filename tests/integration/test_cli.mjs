// The commands for people and scripts: what they print, what they write, and their exit statuses.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, lstatSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { HARMFUL, cli } from './lib/command.mjs';
import { Keyring } from './lib/keyring.mjs';
import { binary, connector, slow, tempDir, writeIni } from './lib/mux.mjs';
import { Scripted, tool } from './lib/scripted.mjs';
import { freePort } from './lib/upstreams.mjs';

const wikiTools = [
	tool('search', { annotations: { readOnlyHint: true } }),
	tool('create', { annotations: { destructiveHint: false } }),
	tool('delete_page'), tool('delete_space'),
];

test('status groups connectors and counts exposed of allowed', async t => {
	const portal = await Scripted.start(t, { era: 'modern', tools: [tool('list')] });
	const wiki = await Scripted.start(t, { tools: wikiTools });
	const port = await freePort(t);
	const files = writeIni(t, connector('native', portal.url, 'title = Portal') +
		connector('wiki', wiki.url, 'allowed_tools = search, delete_*') +
		connector('gone', `http://127.0.0.1:${port}/mcp`) +
		'[connector:notion]\nurl = https://mcp.notion.example/mcp\n' +
		connector('idle', wiki.url, 'enabled = off') +
		'[tools:wiki]\ndelete_space = off\n');
	const { env } = await Keyring.start(t);
	const { stdout, status } = await cli(files, ['status'], { env });
	assert.equal(status, 0);
	const [connected, need, gone, off, look] = ['Connected', 'Need to connect', 'Not available', 'Switched off', 'Worth a look']
		.map(heading => {
			const at = stdout.indexOf(`${heading}\n`);
			assert.ok(at >= 0, stdout);
			return at;
		});
	assert.ok(connected < need && need < gone && gone < off && off < look, stdout);
	assert.match(stdout, /^ {2}native +Portal +1 of 1 tools +2026-07-28$/m);
	assert.match(stdout, /^ {2}wiki +wiki +2 of 3 tools +2025-11-25$/m);
	assert.match(stdout.slice(need, gone), /^ {2}notion .*mcp-mux connect notion$/m);
	assert.match(stdout.slice(gone, off), /^ {2}gone: .*refused.*\n {6}check `url`/m);
	assert.match(stdout.slice(off, look), /^ {2}idle .*enabled = off \(.*mux\.ini:\d+\)$/m);
	assert.match(stdout.slice(look), /delete_\* \(.*mux\.ini:\d+\).*delete_page/);
	assert.doesNotMatch(stdout, HARMFUL);

	const json = JSON.parse((await cli(files, ['--json', 'status'], { env })).stdout);
	assert.equal(json.v, 1);
	assert.deepEqual(json.connectors.map(({ name, state }) => [name, state]), [['native', 'connected'], ['wiki', 'connected'],
		['gone', 'failed'], ['notion', 'signed_out'], ['idle', 'disabled']]);
	assert.deepEqual(json.connectors[1], { name: 'wiki', title: 'wiki', state: 'connected', account: null, exposed: 2,
		allowed: 3, changed: 0, tokens: json.connectors[1].tokens, expires_at: null, scope: null, revision: '2025-11-25', error: null });
	assert.ok(json.connectors[1].tokens > 0);
	assert.equal(typeof json.connectors[2].error, 'string');
	assert.equal(json.connectors[2].exposed, null);
});

test('tools shows hidden tools with the rule that hides them', async t => {
	const wiki = await Scripted.start(t, { tools: wikiTools });
	const files = writeIni(t, connector('wiki', wiki.url, 'allowed_tools = search, delete_*') +
		'[tools:wiki]\ndelete_space = off\n');
	const { tools, v } = JSON.parse((await cli(files, ['tools', 'wiki', '--json'])).stdout);
	assert.equal(v, 1);
	assert.deepEqual(tools.map(({ upstream }) => upstream), ['create', 'delete_page', 'delete_space', 'search']);
	assert.deepEqual(tools[2], { exposed: null, upstream: 'delete_space', connector: 'wiki', allowed: true, enabled: false,
		pin: null, verdict: 'toggled_off', reason: 'switched off by “delete_space”', rule: 'delete_space', file: files.ini, line: 6,
		alias: null, read_only: false, destructive: true, bytes: 0, tokens: 0 });
	assert.deepEqual(tools[0], { ...tools[0], exposed: null, allowed: false, enabled: false });
	assert.deepEqual(tools[1], { ...tools[1], exposed: 'wiki__delete_page', allowed: true, enabled: true, rule: 'delete_*',
		line: 4 });
	const { stdout, status } = await cli(files, ['tools']);
	assert.equal(status, 0);
	assert.match(stdout, /^wiki: 2 of 3 tools, 1 not read-only, about \d+ tokens/m);
	assert.match(stdout, /^ {2}wiki__delete_page +on +delete_page +may be destructive$/m);
	assert.match(stdout, /^ {2}- +off +delete_space/m);
	assert.match(stdout, /^ {2}- +not allowed +create/m);
});

test('a terminal is safe from what an upstream sends', async t => {
	const evil = '\u001b[31mred\u009b2J\u202e';
	const upstream = await Scripted.start(t, { tools: [tool(`a${evil}`)] });
	const failing = await Scripted.start(t, { on: { '*': x => x.end(500, { 'content-type': 'text/plain' }, evil) } });
	const files = writeIni(t, connector('evil', upstream.url) + connector('failing', failing.url));
	for (const args of [['tools'], ['tools', '--json'], ['status'], ['status', '--json'], ['doctor']]) {
		const { stdout, stderr } = await cli(files, args);
		assert.doesNotMatch(stdout + stderr, HARMFUL, args.join(' '));
	}
	const { tools } = JSON.parse((await cli(files, ['tools', '--json'])).stdout);
	assert.equal(tools[0].upstream, `a${evil}`);
});

test('a server that hangs costs list_timeout and no more', async t => {
	const wiki = await Scripted.start(t, { tools: wikiTools });
	const hanging = await Scripted.start(t, { on: { '*': () => {} } });
	const files = writeIni(t, '[mux]\nlist_timeout = 1\n' + connector('wiki', wiki.url) + connector('slow', hanging.url));
	const start = performance.now();
	const { connectors } = JSON.parse((await cli(files, ['status', '--json'])).stdout);
	assert.ok(performance.now() - start < 2800 * slow);
	assert.deepEqual(connectors.map(({ name, state }) => [name, state]), [['wiki', 'connected'], ['slow', 'failed']]);
	assert.match(connectors[1].error, /1 s/);
	assert.equal((await cli(files, ['tools', 'slow'])).status, 1);
});

test('sessions that a command opened are deleted', async t => {
	const wiki = await Scripted.start(t, { tools: wikiTools });
	const files = writeIni(t, connector('wiki', wiki.url));
	assert.equal((await cli(files, ['status'])).status, 0);
	assert.equal(wiki.requests.filter(({ req }) => req.method === 'DELETE').length, 1);
});

test('explain names one rule, file and line', async t => {
	const wiki = await Scripted.start(t, { tools: wikiTools });
	const files = writeIni(t, connector('wiki', wiki.url, 'allowed_tools = search, delete_*') +
		'[tools:wiki]\ndelete_space = off\n');
	for (const name of ['wiki__delete_space', 'delete_space']) {
		const { stdout, status } = await cli(files, ['explain', name]);
		assert.equal(status, 0);
		assert.equal(stdout, `wiki: delete_space is hidden: switched off by “delete_space” (${files.ini}:6)\n`);
	}
	assert.match((await cli(files, ['explain', 'create'])).stdout, /create is hidden: no entry of allowed_tools .*mux\.ini:4\)/);
	assert.match((await cli(files, ['explain', 'search'])).stdout, /exposed as wiki__search: .*“search” \(.*mux\.ini:4\)/);
	const { status, stderr } = await cli(files, ['explain', 'nothing']);
	assert.equal(status, 1);
	assert.match(stderr, /^mcp-mux: no tool “nothing” was seen$/m);
});

test('doctor runs in spite of a broken file and says which line', async t => {
	const files = writeIni(t, '[mux]\nmax_result = lots\n');
	const { stdout, status } = await cli(files, ['doctor']);
	assert.equal(status, 2);
	assert.match(stdout, new RegExp(`^problem  your file: ${files.ini}:2: .*\n +correct it; until then no command that needs it runs`));
	for (const command of ['status', 'tools', 'serve']) {
		const done = await cli(files, [command]);
		assert.equal(done.status, 2, command);
		assert.equal(done.stdout, '');
		assert.match(done.stderr, new RegExp(`^mcp-mux: ${files.ini}:2: [^\n]*\n$`));
	}
	assert.equal((await cli(files, ['--version'])).status, 0);
	assert.equal((await cli(files, ['status', '--help'])).status, 0);
});

test('doctor tells a healthy connector from a dead one', async t => {
	const wiki = await Scripted.start(t, { tools: wikiTools });
	const port = await freePort(t);
	const files = writeIni(t, connector('wiki', wiki.url) + connector('gone', `http://127.0.0.1:${port}/`) +
		'[connector:notion]\nurl = https://mcp.notion.example/mcp\n');
	const { env } = await Keyring.start(t);
	const { stdout, status } = await cli(files, ['doctor', '--json'], { env });
	assert.equal(status, 1);
	const checks = JSON.parse(stdout).checks.filter(({ check }) => check === 'connector');
	assert.deepEqual(checks.map(({ subject, good }) => [subject, good]), [['wiki', true], ['gone', false], ['notion', false]]);
	assert.match(checks[0].text, /2025-11-25, 4 tools offered, 4 allowed, 4 exposed/);
	assert.ok(checks[1].advice);
	assert.equal((await cli(files, ['doctor', 'wiki'])).status, 0);
	assert.equal((await cli(files, ['doctor', 'notion'], { env })).status, 3);
	assert.equal((await cli(files, ['tools', 'notion'], { env })).status, 3);
	const keyring = async options => JSON.parse((await cli(files, ['doctor', '--json'], options)).stdout).checks.find(({ check }) => check === 'keyring');
	assert.equal((await keyring({ env })).good, true);
	const without = await keyring({});
	assert.equal(without.good, false);
	assert.match(without.text, /session bus .*cannot be reached/);
});

test('enable and disable edit the file in place', async t => {
	const dir = tempDir(t);
	const real = join(dir, 'real.ini');
	const ini = join(dir, 'mux.ini');
	const before = '\ufeff; mine\r\n' + connector('wiki', 'http://127.0.0.1:9/').replaceAll('\n', '\r\n') +
		'\r\n[tools:wiki]\r\na = on ; because\r\n';
	writeFileSync(real, before);
	symlinkSync('real.ini', ini);
	const files = { home: dir, ini };
	const { stdout, status } = await cli(files, ['disable', 'wiki', 'a', 'b c']);
	assert.equal(status, 0);
	assert.deepEqual(stdout.trimEnd().split('\n'), [`wiki: a = off (${ini})`, `wiki: b?c = off (${ini})`]);
	assert.equal(readFileSync(real, 'utf8'), before.replace('a = on', 'a = off') + 'b?c = off\r\n');
	assert.ok(lstatSync(ini).isSymbolicLink());
	const refused = await cli(files, ['enable', 'nope', 'a']);
	assert.equal(refused.status, 2);
	assert.match(refused.stderr, /^mcp-mux: there is no connector “nope”; there are: wiki$/m);
});

test('forty edits at once all arrive', async t => {
	const files = writeIni(t, connector('wiki', 'http://127.0.0.1:9/'));
	const all = Array.from({ length: 40 }, (_, i) => `t${i}`);
	const done = await Promise.all(all.map(name => cli(files, ['disable', 'wiki', name])));
	assert.deepEqual(done.map(({ status }) => status), all.map(() => 0));
	const text = readFileSync(files.ini, 'utf8');
	for (const name of all) assert.ok(text.includes(`\n${name} = off\n`), name);
});

// In the user namespace in which tests/run puts a user who is not root, / belongs to nobody: no file is safe there.
const rootless = statSync('/').uid !== 0 && 'needs a / that belongs to root';

test('the administrator decides, the user narrows, status names what has no effect', { skip: rootless }, async t => {
	const wiki = await Scripted.start(t, { tools: wikiTools });
	const dir = tempDir(t);
	const admin = join(dir, 'admin.ini');
	writeFileSync(admin, connector('wiki', wiki.url, 'allowed_tools = search, delete_page') +
		connector('secret', wiki.url, 'allowed_tools = @all', 'allowed_users = nobody-at-all'));
	chmodSync(admin, 0o644);
	const ini = join(dir, 'user.ini');
	writeFileSync(ini, '[connector:wiki]\nallowed_tools = @read-only\ntitle = Mine\n');
	const files = { home: dir, ini };
	const env = { MCP_MUX_ADMIN_CONFIG: admin };
	const { connectors } = JSON.parse((await cli(files, ['status', '--json'], { env })).stdout);
	assert.deepEqual(connectors.map(({ name, exposed, allowed }) => [name, exposed, allowed]), [['wiki', 1, 2]]);
	assert.match((await cli(files, ['status'], { env })).stdout, new RegExp(`^ {2}${ini}:3: `, 'm'));
	chmodSync(admin, 0o666);
	const { status, stderr, stdout } = await cli(files, ['status'], { env });
	assert.equal(status, 2);
	assert.equal(stdout, '');
	assert.match(stderr, new RegExp(`^mcp-mux: ${admin}: not used`));
});

// A shell script in a mount namespace whose /etc is a copy, so that the real one stays as it is.
function withEtc(script, env) {
	const setup = 'd=$(mktemp -d) && mount -t tmpfs tmpfs "$d" && cp -L /etc/passwd /etc/group /etc/nsswitch.conf "$d" && ' +
		'chmod 755 "$d" && mount --bind "$d" /etc && mkdir /etc/mcp-mux && chmod 755 /etc/mcp-mux && a=/etc/mcp-mux/mcp-mux.ini && ';
	return spawnSync('unshare', ['-m', 'sh', '-c', setup + script], { encoding: 'utf8', env: { ...process.env, ...env } });
}
const canUnshare = process.getuid() === 0 && withEtc('true').status === 0 &&
	spawnSync('setpriv', ['--reuid=65534', '--regid=65534', '--clear-groups', binary, '--version']).status === 0;

test('nothing moves an administrator\'s file in /etc, and only root can have written it',
	{ skip: !canUnshare && 'needs root, mount namespaces and a binary that others can run' }, () => {
		const env = { MUX: binary, MCP_MUX_ADMIN_CONFIG: '/nowhere/else.ini', MCP_MUX_CONFIG: '/dev/null/none', HOME: '/nonexistent' };
		const as = 'setpriv --reuid=65534 --regid=65534 --clear-groups "$MUX" ';
		const write = "printf '[connector:%s]\\nurl = http://127.0.0.1:9/\\nenabled = off\\n%s\\n' one 'allowed_users = nobody' " +
			"two 'allowed_users = root' three 'allowed_users = @nogroup' >$a && chmod 644 $a && unset MCP_MUX_CONFIG && ";
		const seen = withEtc(`${write}${as} status --json`, env);
		assert.equal(seen.status, 0, seen.stderr);
		assert.deepEqual(JSON.parse(seen.stdout).connectors.map(({ name }) => name), ['one', 'three']);
		const root = withEtc(`${write}"$MUX" status --json`, env);
		assert.deepEqual(JSON.parse(root.stdout).connectors.map(({ name }) => name), ['two']);
		for (const [spoil, words] of [['chown 65534 $a', /belongs to user 65534, expected root/], ['chmod 600 $a', /Permission denied/],
			['chmod 664 $a', /writable/], ['chmod 777 /etc/mcp-mux', /\/etc\/mcp-mux on the way to it is writable/],
			['rm $a && ln -s missing $a', /mcp-mux\.ini/]]) {
			const { status, stderr, stdout } = withEtc(`${write}${spoil} && ${as} status`, env);
			assert.equal(status, 2, spoil);
			assert.equal(stdout, '');
			assert.match(stderr, words);
			assert.match(stderr, /^mcp-mux: \/etc\/mcp-mux\/mcp-mux\.ini: [^\n]+\n$/);
		}
	});

test('the default file is used where it is and may be missing', async t => {
	const home = tempDir(t);
	const files = { home };
	assert.match((await cli(files, ['status'], { config: false })).stdout, /No upstream is configured\. .*\.config\/mcp-mux\/mcp-mux\.ini/);
	mkdirSync(join(home, '.config/mcp-mux'), { recursive: true });
	writeFileSync(join(home, '.config/mcp-mux/mcp-mux.ini'), '[connector:notion]\nurl = https://mcp.notion.example/mcp\n');
	assert.match((await cli(files, ['status'], { config: false })).stdout, /^ {2}notion/m);
	const missing = await cli(files, ['status'], { config: false, env: { MCP_MUX_CONFIG: join(home, 'none.ini') } });
	assert.equal(missing.status, 2);
	assert.match(missing.stderr, /none\.ini/);
});

test('wrong command lines are refused in one line with status 2', async t => {
	const files = writeIni(t, '');
	for (const args of [['frobnicate'], ['enable'], ['enable', 'wiki'], ['tools', 'a', 'b'], ['--frobnicate'], ['-x'],
		['status', 'x'], ['--log-level', 'loud'], ['status', '--log-level'], ['serve', '--json'], ['connect'], ['audit', 'x'],
		['install', 'cursor'], ['--json=yes', 'status']]) {
		const { status, stdout, stderr } = await cli(files, args);
		assert.equal(status, 2, args.join(' '));
		assert.equal(stdout, '', args.join(' '));
		assert.match(stderr, /^mcp-mux: [^\n]+\n$/, args.join(' '));
	}
});

test('help lists what works, version names the libraries', async t => {
	const files = writeIni(t, '');
	const { stdout, status } = await cli(files, ['--help']);
	assert.equal(status, 0);
	for (const name of ['serve', 'status', 'tools', 'enable', 'disable', 'explain', 'diff', 'approve', 'doctor', 'connect',
		'disconnect', 'audit'])
		assert.match(stdout, new RegExp(`^ {2}${name} `, 'm'));
	assert.doesNotMatch(stdout, /install/);
	assert.match((await cli(files, ['--version'])).stdout, /^mcp-mux \d+\.\d+\.\d+\nlibcurl \d.*\nGLib \d.*\nlibmicrohttpd \d.*\nOpenSSL \d.*\nlibsecret \d.*\n$/);
});

test('connect and disconnect say what they cannot do', async t => {
	const files = writeIni(t, '[connector:notion]\nurl = https://mcp.notion.example/mcp\n' +
		'[connector:open]\nurl = https://open.example/mcp\nauth = none\n');
	for (const [args, expected, words] of [
		[['connect', 'notion'], 1, /^mcp-mux: .*session bus .*cannot be reached/],
		[['disconnect', 'notion'], 1, /^mcp-mux: .*session bus .*cannot be reached/],
		[['connect', 'open'], 1, /^mcp-mux: open has auth = none/],
		[['disconnect', 'open'], 1, /^mcp-mux: open has auth = none/],
		[['connect', 'nope'], 2, /nope/],
		[['disconnect', 'nope'], 2, /nope/],
		[['connect', 'notion', '--key-stdin'], 2, /--key-stdin is for keys/],
		[['connect', 'notion', '--json'], 2, /connect does not take --json/],
		[['status', '--no-browser'], 2, /status does not take --no-browser/],
		[['audit', '--no-browser'], 2, /audit does not take --no-browser/],
		[['status', '--since', '2h'], 2, /status does not take --since/],
		[['disconnect', 'notion', '--key-stdin'], 2, /disconnect does not take --key-stdin/],
	]) {
		const { status, stderr } = await cli(files, args);
		assert.equal(status, expected, `${args}: ${stderr}`);
		assert.match(stderr, words);
	}
});
