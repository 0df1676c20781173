// What `tools`, `explain`, `status`, `connect` and `doctor` say of tools: for each that is hidden the one rule, with file
// and line, and of the list what it costs and runs into.

import assert from 'node:assert/strict';
import { chmodSync, chownSync, mkdirSync, rmdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { HARMFUL, cli } from './lib/command.mjs';
import { Desk, account } from './lib/desk.mjs';
import { Keyring } from './lib/keyring.mjs';
import { Mux, connector, tempDir, writeIni } from './lib/raw.mjs';
import { Scripted, tool } from './lib/scripted.mjs';
import { Strict } from './lib/strict.mjs';
import { freePort, v1Sessions, v2 } from './lib/upstreams.mjs';

// In the user namespace in which tests/run puts a user who is not root, / belongs to nobody: no file is safe there.
const rootless = statSync('/').uid !== 0 && 'needs a / that belongs to root';

const OWN = ['mcp_mux__connectors', 'mcp_mux__connect'];
const readOnly = { annotations: { readOnlyHint: true } };
const many = (n, prefix = 't') => Array.from({ length: n }, (_, i) => tool(`${prefix}${i}`, readOnly));

// Both files of an administrator and a user, in a folder of their own.
function writeBoth(t, admin, user) {
	const home = tempDir(t);
	const files = { home, admin: join(home, 'admin.ini'), ini: join(home, 'user.ini') };
	writeFileSync(files.admin, admin);
	chmodSync(files.admin, 0o644);
	writeFileSync(files.ini, user);
	return { files, env: { MCP_MUX_ADMIN_CONFIG: files.admin } };
}

// The line of FILE's text that holds TEXT.
const lineOf = (text, part) => text.split('\n').findIndex(line => line.includes(part)) + 1;

// What explain prints on stdout; its exit status must be as EXPECTED.
async function explain(files, name, { env, expected = 0 } = {}) {
	const { status, stdout, stderr } = await cli(files, ['explain', name], { env });
	assert.equal(status, expected, `${name}: ${stdout}${stderr}`);
	return expected ? stderr : stdout;
}

async function json(files, args, options) {
	const { status, stdout, stderr } = await cli(files, [...args, '--json'], options);
	assert.ok(stdout.startsWith('{"v":1,'), stderr);
	return { ...JSON.parse(stdout), status };
}

test('every rule of two files, each with its line', { skip: rootless }, async t => {
	const portal = await v2(t);
	const up = await v1Sessions(t);
	const admin = '[mux]\nbuiltin_tools = on\n' + connector('native', portal.url) +
		connector('up', up.url, 'allowed_tools = add, echo, h*, steps') + connector('mute', up.url) +
		connector('secret', up.url, 'allowed_tools = @all', 'allowed_users = nobody-at-all') +
		connector('idle', up.url, 'enabled = off') + connector('mine', up.url);
	const user = '[connector:up]\nallowed_tools = add, e*, hang\n[connector:mine]\nenabled = off\n' +
		'[tools:up]\nhang = off\n[tools:native]\nf* = off\n' + connector('own', up.url) + connector('other', up.url, 'prefix = o');
	const { files, env } = writeBoth(t, admin, user);
	const at = (file, part) => `(${files[file]}:${lineOf(file === 'ini' ? user : admin, part)})`;
	const noRoom = 'the administrator\'s file does not define it and leaves no room for others (user_connectors = off)';
	const afterwards = (section, part) => `(${files.admin}:${lineOf(admin, section) + lineOf(admin.slice(admin.indexOf(section)), part) - 1})`;
	for (const [name, words] of [
		['up__add', `up: exposed as up__add: admitted by “add” ${at('ini', 'allowed_tools')}`],
		['up__echo', `up: exposed as up__echo: admitted by “e*” ${at('ini', 'allowed_tools')}`],
		['up__fail', `up: fail is hidden: no entry of allowed_tools admits it ${at('admin', 'allowed_tools = add')}`],
		['up__steps', `up: steps is hidden: your own allowed_tools leaves it out ${at('ini', 'allowed_tools')}`],
		['up__hang', `up: hang is hidden: switched off by “hang” ${at('ini', 'hang = off')}`],
		['mute__add', `mute: add is hidden: the administrator's section has no allowed_tools ${at('admin', '[connector:mute]')}`],
		['secret__add', 'secret: secret__add is hidden: the connector is not for you: allowed_users names neither you nor a group of ' +
			`yours ${at('admin', 'allowed_users')}`],
		['idle__add', `idle: idle__add is hidden: the connector is switched off by “enabled = off” ${afterwards('[connector:idle]', 'enabled')}`],
		['mine__add', `mine: mine__add is hidden: the connector is switched off by “enabled = off” ${at('ini', 'enabled = off')}`],
		['own__add', `own: own__add is hidden: the connector has no effect: ${noRoom} ${at('ini', '[connector:own]')}`],
		['o__add', `other: o__add is hidden: the connector has no effect: ${noRoom} ${at('ini', '[connector:other]')}`],
		[OWN[1], `mcp_mux__connect is mcp-mux's own: exposed by “builtin_tools = on” ${at('admin', 'builtin_tools')}`],
	])
		assert.equal(await explain(files, name, { env }), `${words}\n`);
	const foreign = await json(files, ['explain', 'secret__add'], { env });
	assert.deepEqual([foreign.status, foreign.tools], [0, []]);
	assert.deepEqual(foreign.connectors.map(({ name, verdict, rule, file, line }) => [name, verdict, rule, file, line]),
		[['secret', 'not_for_user', 'allowed_users', files.admin, lineOf(admin, 'allowed_users')]]);
	const own = await json(files, ['explain', 'own__add'], { env });
	assert.deepEqual(own.connectors.map(({ name, verdict, rule, file, line }) => [name, verdict, rule, file, line]),
		[['own', 'connector_without_effect', null, files.ini, lineOf(user, '[connector:own]')]]);
	assert.match(await explain(files, 'other__add', { env, expected: 1 }), /^mcp-mux: no tool “other__add” was seen\n/);
	assert.equal(await explain(files, 'fail', { env }),
		`native: fail is hidden: switched off by “f*” ${at('ini', 'f* = off')}\n` +
		`up: fail is hidden: no entry of allowed_tools admits it ${at('admin', 'allowed_tools = add')}\n` +
		`mute: fail is hidden: the administrator's section has no allowed_tools ${at('admin', '[connector:mute]')}\n`);
	assert.match(await explain(files, 'echo', { env }), /^native: exposed as echo: no rule leaves it out \(default: every tool\)$/m);

	const { tools } = await json(files, ['tools', 'up'], { env });
	assert.deepEqual(tools.map(({ upstream, exposed, allowed, enabled, verdict, rule, file, line }) =>
		[upstream, exposed, allowed, enabled, verdict, rule, file, line]), [
		['add', 'up__add', true, true, 'exposed', 'add', files.ini, 2],
		['echo', 'up__echo', true, true, 'exposed', 'e*', files.ini, 2],
		['fail', null, false, false, 'not_allowed', null, files.admin, lineOf(admin, 'allowed_tools = add')],
		['hang', null, true, false, 'toggled_off', 'hang', files.ini, 6],
		['steps', null, true, false, 'narrowed', null, files.ini, 2],
	]);
	const { stdout } = await cli(files, ['tools'], { env });
	assert.ok(stdout.includes(`steps  your own allowed_tools leaves it out ${at('ini', 'allowed_tools')}`), stdout);
	assert.match(stdout, /^up: 2 of 4 tools, 1 not read-only, about \d+ tokens$/m);
	assert.match(stdout, /^In all: \d+ tools, about \d+ tokens \(bytes \/ 4, an estimate\)$/m);
	assert.match((await cli(files, ['tools', 'up'], { env })).stdout,
		/^up: 2 of 4 tools, 1 not read-only, about \d+ tokens \(bytes \/ 4, an estimate\)$/m);
	assert.match(stdout, /^idle: no tools to show, it is switched off\n {2}the connector is switched off by “enabled = off” \(.*admin\.ini:\d+\)$/m);
	assert.match((await cli(files, ['status'], { env })).stdout, /^ {2}up +up +2 of 4 tools/m);
});

test('explain as JSON says the same', async t => {
	const up = await v2(t);
	const files = writeIni(t, connector('up', up.url, 'allowed_tools = add') + connector('idle', up.url, 'enabled = off'));
	const found = await json(files, ['explain', 'up__fail']);
	assert.deepEqual([found.status, found.name, found.connectors], [0, 'up__fail', []]);
	assert.deepEqual(found.tools, [{ exposed: null, upstream: 'fail', connector: 'up', allowed: false, enabled: false, pin: null,
		verdict: 'not_allowed', reason: 'no entry of allowed_tools admits it', rule: null, file: files.ini, line: 4, alias: null,
		read_only: false, destructive: true, bytes: 0, tokens: 0 }]);
	const off = await json(files, ['explain', 'idle__x']);
	assert.deepEqual([off.status, off.tools, off.connectors], [0, [], [{ name: 'idle', verdict: 'connector_off',
		reason: 'the connector is switched off by “enabled = off”', rule: 'enabled = off', file: files.ini, line: 8 }]]);
	const own = await json(files, ['explain', OWN[0]]);
	assert.deepEqual(own.tools.map(({ exposed, connector, verdict, read_only, file }) => [exposed, connector, verdict, read_only, file]),
		[[OWN[0], null, 'exposed', true, null]]);
	const none = await json(files, ['explain', 'nothing']);
	assert.deepEqual([none.status, none.tools, none.connectors.map(({ name }) => name)], [1, [], ['idle']]);
});

test('mcp-mux\'s own tools: shown, counted, and hidden by one line', async t => {
	const up = await v2(t);
	const files = writeIni(t, connector('up', up.url));
	for (const name of OWN)
		assert.equal(await explain(files, name), `${name} is mcp-mux's own: exposed by “builtin_tools = on”, the default\n`);
	for (const command of ['diff', 'approve']) {
		const { status, stderr } = await cli(files, [command, OWN[0]]);
		assert.deepEqual([status, stderr], [1, `mcp-mux: ${OWN[0]} is mcp-mux's own: it is not compared with anything\n`]);
	}
	assert.match((await cli(files, ['tools'])).stdout,
		/^mcp-mux's own: 2 of 2 tools, about \d+ tokens\n {2}exposed by .*\n {2}mcp_mux__connectors\n {2}mcp_mux__connect\nIn all: 7 tools/m);
	const off = writeIni(t, `[mux]\nseparator = -\nbuiltin_tools = off\n${connector('up', up.url)}`);
	for (const name of ['mcp_mux-connectors', 'mcp_mux-connect'])
		assert.equal(await explain(off, name), `${name} is mcp-mux's own: hidden by “builtin_tools = off” (${off.ini}:3)\n`);
	const { tools, own, total } = await json(off, ['tools']);
	assert.deepEqual(own, { exposed: 0, bytes: 0, tokens: 0 });
	assert.equal(total.exposed, 5);
	assert.deepEqual(tools.slice(-2).map(({ exposed, upstream, verdict, line }) => [exposed, upstream, verdict, line]),
		[[null, 'mcp_mux-connectors', 'builtin_off', 3], [null, 'mcp_mux-connect', 'builtin_off', 3]]);
	assert.match((await cli(off, ['tools'])).stdout, /^mcp-mux's own: 0 of 2 tools, about 0 tokens\n.*\nIn all: 5 tools/m);
});

test('a definition that cannot be shown says why', async t => {
	const properties = { a: { type: 'string', 'x-mcp-header': 'not a name' } };
	const up = await Scripted.start(t, { era: 'modern', tools: [tool('fine'), tool('bad', { inputSchema: { type: 'object', properties } }),
		tool('worse', { inputSchema: [] })] });
	const files = writeIni(t, connector('up', up.url));
	assert.equal(await explain(files, 'bad'), 'up: bad is hidden: its definition cannot be shown: x-mcp-header "not a name" is no header name\n');
	assert.match(await explain(files, 'up__worse'), /^up: worse is hidden: its definition cannot be shown: .*inputSchema/);
	const { tools } = await json(files, ['tools']);
	assert.deepEqual(tools.slice(0, 3).map(({ upstream, verdict, rule, file }) => [upstream, verdict, rule, file]),
		[['bad', 'invalid', null, null], ['fine', 'exposed', null, null], ['worse', 'invalid', null, null]]);
});

test('a name that had to change says from what and why', async t => {
	const long = 'l'.repeat(60);
	const portal = await Scripted.start(t, { tools: [tool('up__same'), tool('mcp_mux__mine'), tool('a b')] });
	const up = await Scripted.start(t, { tools: [tool('same'), tool(long), tool('dotted.name'), tool('plain')] });
	const files = writeIni(t, connector('native', portal.url) + connector('up', up.url) + '[tools:up]\nnone = off\n');
	const { tools } = await json(files, ['tools']);
	const of = name => tools.find(({ upstream }) => upstream === name);
	const aliased = [
		['same', /^its own name is same, and up__same is the name of a tool of native$/],
		[long, new RegExp(`^its own name is ${long}, and up__${long} has 64 characters where max_tool_name is 48$`)],
		['dotted.name', /^its own name is dotted\.name, which holds other characters than letters, digits, _ and -$/],
		['a b', /^its own name is a b, which holds other characters/],
		['mcp_mux__mine', /^its own name is mcp_mux__mine, and mcp_mux__mine would look like one of mcp-mux's own$/],
	];
	for (const [name, why] of aliased) {
		const { alias, exposed } = of(name);
		assert.match(alias, why);
		assert.match(exposed, /_[0-9a-f]{8}$/);
		for (const asked of [name, exposed])
			assert.ok((await explain(files, asked)).includes(`exposed as ${exposed}: no rule leaves it out (default: every tool)\n  ${alias}\n`));
	}
	for (const name of ['plain', 'up__same']) assert.equal(of(name).alias, null);
	// A hidden tool is still found by the name that it had.
	writeFileSync(files.ini, connector('up', up.url) + `[tools:up]\n${long.slice(0, 50)}* = off\n`);
	assert.equal(await explain(files, of(long).exposed), `up: ${long} is hidden: switched off by “${long.slice(0, 50)}*” (${files.ini}:5)\n`);
});

test('what is not known is said of the connector: certain or not', async t => {
	const up = await v2(t);
	const port = await freePort(t);
	const files = writeIni(t, '[connector:notion]\nurl = https://mcp.notion.example/mcp\n' +
		connector('gone', `http://127.0.0.1:${port}/mcp`) + connector('up', up.url));
	const { env } = await Keyring.start(t);
	const out = 'nobody has signed in to it: mcp-mux connect notion signs you in';
	assert.equal(await explain(files, 'notion__x', { env }), `notion: notion__x is hidden: ${out}\n`);
	const gone = await explain(files, 'gone__x', { env, expected: 1 });
	assert.match(gone, /^mcp-mux: no tool “gone__x” was seen\nmcp-mux: gone: its tools are not known: cannot connect to .*refused\n$/);
	const none = await explain(files, 'up__none', { env, expected: 1 });
	assert.match(none, /^mcp-mux: no tool “up__none” was seen\nmcp-mux: notion: nobody has signed in .*\nmcp-mux: gone: its tools are not known: /);
	const { stdout } = await cli(files, ['tools'], { env });
	assert.match(stdout, new RegExp(`^notion: no tools to show, it needs a sign-in\n {2}${out}$`, 'm'));
	assert.match(stdout, /^gone: no tools to show, it is not available\n {2}its tools are not known: .*\n {2}check `url`/m);
	const { connectors } = await json(files, ['tools'], { env });
	assert.deepEqual(connectors.map(({ name, state, verdict, exposed }) => [name, state, verdict, exposed]),
		[['notion', 'signed_out', 'signed_out', undefined], ['gone', 'failed', 'unavailable', undefined], ['up', 'connected', undefined, 5]]);
});

test('a sign-in that has ended is told from one that never was', async t => {
	const strict = await Strict.start(t);
	const desk = await Desk.start(t, account('wiki', strict.url));
	const hidden = await desk.run(['explain', 'wiki__x']);
	assert.deepEqual([hidden.status, hidden.stdout], [0, 'wiki: wiki__x is hidden: nobody has signed in to it: mcp-mux connect wiki signs you in\n']);
	await desk.connect('wiki');
	assert.match((await desk.run(['explain', 'wiki__x'])).stdout, /^wiki: exposed as wiki__x: /);
	strict.revokeAll();
	const { status, stdout, stderr } = await desk.run(['explain', 'wiki__x']);
	assert.deepEqual([status, stdout], [1, '']);
	assert.match(stderr, /^mcp-mux: wiki: its sign-in has ended: mcp-mux connect wiki renews it \(a server that runs goes on listing its tools/m);
	assert.match((await desk.run(['tools', 'wiki'])).stdout, /it needs a sign-in\n {2}its sign-in has ended/);
});

test('connect counts the tools that are not read-only and names risky patterns', async t => {
	const key = 'key-77';
	const wiki = await Scripted.start(t, { tools: [tool('search', readOnly), tool('create', { annotations: { destructiveHint: false } }),
		tool('delete_page'), tool('delete_space'), tool('other')], on: { '*': exchange =>
		exchange.headers.authorization === `Bearer ${key}`
			? wiki.decent(exchange, exchange.req.method === 'POST' ? exchange.message?.method ?? 'response' : exchange.req.method)
			: exchange.end(401, { 'www-authenticate': 'Bearer' }) } });
	const desk = await Desk.start(t, account('wiki', wiki.url, 'auth = api-key', 'allowed_tools = search, create, delete_*'));
	const { stdout } = await desk.connect('wiki', { args: ['--key-stdin'], input: key });
	assert.equal(stdout, 'Connected to wiki: 4 of 4 tools, 3 of them not read-only.\n' +
		`wiki: delete_* (${desk.files.ini}:4) lets through tools that may be destructive, delete_page among them\n`);
	const doctor = await desk.run(['doctor', 'wiki']);
	assert.equal(doctor.status, 0);
	assert.match(doctor.stdout, /^ok {7}worth a look: wiki: delete_\* .*delete_page among them$/m);
});

// --- pins ---

// A connector whose tools a server has seen, so that they count as approved; then `edit` changes while nobody looks.
async function changed(t, mode) {
	const up = await Scripted.start(t, { tools: [tool('edit', readOnly), tool('keep', readOnly), tool('other', readOnly)] });
	const files = writeIni(t, `[mux]\npin_tools = ${mode}\n${connector('up', up.url, 'allowed_tools = edit, keep')}`);
	const mux = Mux.start(t, '', { files });
	await mux.initialize();
	assert.deepEqual(await mux.tools(), ['up__edit', 'up__keep']);
	await mux.close();
	const before = await json(files, ['tools']);
	assert.deepEqual(before.tools.slice(0, 3).map(({ upstream, pin }) => [upstream, pin]), [['edit', 'approved'], ['keep', 'approved'], ['other', null]]);
	up.tools = [tool('edit', { ...readOnly, description: 'Something else' }), ...up.tools.slice(1)];
	return files;
}

test('a changed definition that is held back: rule, line, and what to do', async t => {
	const files = await changed(t, 'block');
	const words = 'its definition changed since it was approved, and pin_tools = block: mcp-mux diff up__edit shows how, ' +
		'mcp-mux approve up__edit accepts it';
	for (const name of ['up__edit', 'edit'])
		assert.equal(await explain(files, name), `up: edit is hidden: ${words} (${files.ini}:2)\n`);
	const { tools, connectors, warnings } = await json(files, ['tools']);
	assert.deepEqual(tools.slice(0, 2).map(({ exposed, allowed, enabled, pin, verdict, rule, line }) => [exposed, allowed, enabled, pin, verdict, rule, line]),
		[[null, true, true, 'changed', 'pin_changed', 'pin_tools = block', 2], ['up__keep', true, true, 'approved', 'exposed', 'keep', 6]]);
	assert.deepEqual(connectors.map(({ exposed, allowed, changed }) => [exposed, allowed, changed]), [[1, 2, 1]]);
	const warning = 'up: 1 tool changed since it was approved, and is held back: see mcp-mux diff up__edit, and mcp-mux approve up__edit';
	assert.deepEqual(warnings, [warning]);
	const { stdout } = await cli(files, ['status']);
	assert.match(stdout, /^ {2}up +up +1 of 2 tools; 1 tool changed since it was approved +2025-11-25$/m);
	assert.ok(stdout.includes(`Worth a look\n  ${warning}\n`));
	assert.equal((await json(files, ['status'])).connectors[0].changed, 1);
	assert.match((await cli(files, ['tools'])).stdout, /^ {2}- +changed +edit +its definition changed since it was approved, and pin_tools = block/m);
});

test('a changed definition that is shown all the same is marked', async t => {
	const files = await changed(t, 'warn');
	assert.equal(await explain(files, 'up__edit'), `up: exposed as up__edit: admitted by “edit” (${files.ini}:6)\n` +
		'  its definition changed since it was approved: mcp-mux diff up__edit shows how, mcp-mux approve up__edit accepts it\n');
	const { tools, warnings } = await json(files, ['tools']);
	assert.deepEqual([tools[0].pin, tools[0].verdict], ['changed', 'exposed']);
	assert.deepEqual(warnings, ['up: 1 tool changed since it was approved: see mcp-mux diff up__edit, and mcp-mux approve up__edit']);
	assert.match((await cli(files, ['tools'])).stdout, /^ {2}up__edit +on +edit +changed since it was approved$/m);
	assert.match((await cli(files, ['status'])).stdout, /2 of 2 tools; 1 tool changed since it was approved/);
});

// --- what the list costs, and what it runs into ---

test('the estimate is of the list that the IDE gets', async t => {
	const portal = await v2(t);
	const up = await v1Sessions(t);
	const odd = await Scripted.start(t, { tools: '[ { "name" : "d.x", "inputSchema" : {"type": "object"},\n"description":"\\u00e9" } ]' });
	const files = writeIni(t, connector('native', portal.url) + connector('up', up.url, 'allowed_tools = a*, h*') + connector('odd', odd.url));
	const { tools, connectors, own, total, estimate } = await json(files, ['tools']);
	const mux = Mux.start(t, '', { files });
	await mux.initialize();
	await mux.request('tools/list');
	const { text, json: { result } } = mux.messages.at(-1);
	const list = text.slice(text.indexOf('"tools":[') + '"tools":['.length, text.lastIndexOf(']'));
	assert.equal(total.exposed, result.tools.length);
	assert.equal(total.bytes + total.exposed - 1, Buffer.byteLength(list), 'all but the commas');
	assert.equal(estimate, 'tokens = bytes / 4');
	assert.equal(total.tokens, Math.ceil(total.bytes / 4));
	assert.equal(total.bytes, own.bytes + connectors.reduce((sum, { bytes }) => sum + bytes, 0));
	assert.deepEqual(connectors.map(({ exposed, allowed, offered, not_read_only }) => [exposed, allowed, offered, not_read_only]),
		[[5, 5, 5, 4], [2, 2, 5, 2], [1, 1, 1, 1]]);
	for (const { exposed, bytes } of tools.filter(({ connector }) => connector === 'up'))
		assert.equal(bytes, exposed ? Buffer.byteLength(JSON.stringify(result.tools.find(({ name }) => name === exposed))) : 0);
});

test('limits of IDEs are measured on the whole list, and on one connector if that passes them alone', async t => {
	const one = await Scripted.start(t, { tools: many(30) });
	const other = await Scripted.start(t, { tools: many(30) });
	const large = await Scripted.start(t, { tools: many(100) });
	const files = writeIni(t, connector('one', one.url) + connector('other', other.url));
	const warnings = async (...args) => (await json(files, args)).warnings;
	assert.deepEqual(await warnings('tools', 'one'), []);
	for (const command of ['tools', 'status']) {
		const [first, ...more] = await warnings(command);
		assert.match(first, /^62 tools: older versions of Cursor .* 40 .*mcp-mux disable NAME TOOL.*allowed_tools$/);
		assert.deepEqual(more, []);
	}
	assert.match((await cli(files, ['status'])).stdout, /^Worth a look\n {2}62 tools: /m);
	assert.match((await cli(files, ['tools'])).stdout, /^warning: 62 tools: /m);
	writeFileSync(files.ini, connector('one', one.url) + connector('large', large.url));
	assert.deepEqual((await warnings('tools')).map(line => line.slice(0, 20)), ['132 tools: Cursor wa', '132 tools: VS Code t']);
	assert.deepEqual((await warnings('tools', 'large')).map(line => line.slice(0, 20)), ['100 tools: Cursor wa']);
	assert.deepEqual(await warnings('tools', 'one'), []);
});

test('names and definitions that are too long for IDEs', async t => {
	const portal = await Scripted.start(t, { tools: [tool('n'.repeat(55), { ...readOnly, description: 'd'.repeat(110_000) })] });
	const files = writeIni(t, connector('native', portal.url));
	const { warnings } = await json(files, ['tools']);
	assert.equal(warnings.length, 3);
	assert.match(warnings[0], /^1 tool with a name over 52 characters, n{55} among them: Cursor .*max_tool_name = 52/);
	assert.match(warnings[1], /^1 tool with a name over 50 characters, n{55} among them: Claude .*max_tool_name = 50/);
	assert.match(warnings[2], /^about 2[78]\d{3} tokens of definitions \(bytes \/ 4, an estimate\): Claude Code warns above 25000/);
});

// --- status, doctor ---

test('status --json tells of lines without effect and of what is worth a look', { skip: rootless }, async t => {
	const wiki = await Scripted.start(t, { tools: [tool('delete_page'), tool('search', readOnly)] });
	const { files, env } = writeBoth(t, connector('wiki', wiki.url, 'allowed_tools = *'), '[connector:wiki]\ntitle = Mine\n');
	const { notes, warnings } = await json(files, ['status'], { env });
	assert.deepEqual(notes.map(({ file, line }) => [file, line]), [[files.ini, 2]]);
	assert.match(notes[0].text, /title/);
	assert.deepEqual(warnings, [`wiki: * (${files.admin}:4) lets through tools that may be destructive, delete_page among them`]);
});

test('doctor looks at files and folders', { skip: rootless }, async t => {
	const up = await v2(t);
	const { files, env } = writeBoth(t, `[mux]\naudit = required\n${connector('up', up.url, 'allowed_tools = @read-only')}`, '');
	const state = join(files.home, '.local/state/mcp-mux');
	const cache = join(files.home, '.cache/mcp-mux');
	const of = ({ checks }, kind) => checks.filter(({ check }) => check === kind).map(({ subject, good, text, advice }) => [subject, good, text, advice]);
	const fresh = await json(files, ['doctor'], { env });
	assert.equal(fresh.status, 0);
	assert.deepEqual(of(fresh, 'safety').map(([subject, good]) => [subject, good]), [[files.admin, true], [files.ini, true]]);
	assert.deepEqual(of(fresh, 'audit'), [[join(state, 'audit.jsonl'), true, 'can be written (audit = required)', null]]);
	assert.deepEqual(of(fresh, 'pins'), [[join(state, 'pins'), true, 'is not there yet', null]]);
	assert.deepEqual(of(fresh, 'cache'), [[join(cache, 'lists'), true, 'is not there yet', null]]);

	mkdirSync(join(state, 'audit.jsonl'), { recursive: true, mode: 0o700 });
	mkdirSync(join(state, 'pins'), { mode: 0o700 });
	assert.deepEqual(of(await json(files, ['doctor'], { env }), 'pins').map(([, good, text]) => [good, text]),
		[[true, 'is yours, and nobody else can write it']]);
	chmodSync(join(state, 'pins'), 0o777);
	mkdirSync(cache, { recursive: true });
	writeFileSync(join(cache, 'lists'), '');
	chmodSync(files.ini, 0o666);
	const spoilt = await json(files, ['doctor'], { env });
	assert.equal(spoilt.status, 1);
	assert.deepEqual(of(spoilt, 'audit'), [[join(state, 'audit.jsonl'), false, 'is no regular file (audit = required)',
		'no call is made until it can be written']]);
	assert.deepEqual(of(spoilt, 'pins').map(([, good, text]) => [good, text]), [[false, 'can be written by others (mode 0777)']]);
	assert.deepEqual(of(spoilt, 'cache').map(([, good, text]) => [good, text]), [[false, 'is no directory']]);
	assert.match(of(spoilt, 'safety')[1][2], /^others can write it/);
	rmdirSync(join(state, 'pins'));
	symlinkSync('nowhere', join(state, 'pins'));
	assert.match(of(await json(files, ['doctor'], { env }), 'pins')[0][2], /^cannot be looked at: No such file/);
});

test('doctor knows what is somebody else\'s', { skip: rootless || (process.getuid() !== 0 && 'needs root') }, async t => {
	const up = await v2(t);
	const files = writeIni(t, connector('up', up.url));
	const state = join(files.home, '.local/state/mcp-mux');
	mkdirSync(join(state, 'pins'), { recursive: true, mode: 0o700 });
	writeFileSync(join(state, 'audit.jsonl'), '');
	for (const path of ['pins', 'audit.jsonl']) chownSync(join(state, path), 65534, 65534);
	const { checks, status } = await json(files, ['doctor']);
	assert.equal(status, 1);
	assert.deepEqual(checks.filter(({ good }) => !good).map(({ check, text }) => [check, text]),
		[['audit', 'belongs to user 65534, not to you (audit = on)'], ['pins', 'belongs to user 65534, not to you']]);
});

test('doctor says what cannot be made, and what is not wanted', async t => {
	const up = await v2(t);
	const files = writeIni(t, `[mux]\npin_tools = off\n${connector('up', up.url)}`);
	mkdirSync(join(files.home, '.local'));
	writeFileSync(join(files.home, '.local/state'), '');
	const { checks, status } = await json(files, ['doctor']);
	assert.equal(status, 1);
	const of = kind => checks.filter(({ check }) => check === kind).map(({ good, text, advice }) => [good, text, advice]);
	assert.deepEqual(of('audit'), [[false, `cannot be made: ${files.home}/.local/state is no directory (audit = on)`,
		'calls go on, but what was done is not written down']]);
	assert.deepEqual(of('pins'), []);
	writeFileSync(files.ini, `[mux]\npin_tools = off\naudit = off\n${connector('up', up.url)}`);
	const off = await json(files, ['doctor']);
	assert.deepEqual(off.checks.filter(({ check }) => check === 'audit').map(({ good, text }) => [good, text]), [[true, 'is not written: audit = off']]);
});

test('nothing that a server says reaches the terminal raw', async t => {
	const evil = '\u001b[31mred\u009b2J\u202e';
	const up = await Scripted.start(t, { tools: [tool(`a${evil}`), tool(`b${evil}`, { inputSchema: [] })] });
	const files = writeIni(t, connector('up', up.url, 'allowed_tools = *') + '[tools:up]\nc = off\n');
	for (const args of [['tools'], ['tools', '--json'], ['status', '--json'], ['doctor', '--json'], ['explain', `a${evil}`],
		['explain', `b${evil}`], ['explain', `a${evil}`, '--json'], ['explain', evil]]) {
		const { stdout, stderr } = await cli(files, args);
		assert.doesNotMatch(stdout + stderr, HARMFUL, args.join(' '));
	}
});
