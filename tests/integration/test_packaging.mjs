// What a platform team hands out: the Debian packages of the program and of an administrator's file, the Ansible role,
// and `make install`. Everything is packed in folders of the test's own, from the program that is built already.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { basename, join } from 'node:path';
import test from 'node:test';
import { binary, build, connector, environment, tempDir, top } from './lib/raw.mjs';

const version = /^VERSION = (.*)$/m.exec(readFileSync(join(top, 'Makefile'), 'utf8'))[1];
const packaging = join(top, 'packaging');
const orgBuild = join(packaging, 'org-config/build');
const checkConfig = join(packaging, 'check-config');
// In the user namespace in which tests/run puts a user who is not root, / belongs to nobody: no file is safe there.
const rootless = statSync('/').uid !== 0 && 'needs a / that belongs to root';

function run(command, args, { env = {}, cwd = top, status = 0 } = {}) {
	const seen = spawnSync(command, args, { encoding: 'utf8', cwd, env: { ...process.env, MCP_MUX: binary, ...env } });
	assert.ifError(seen.error);
	assert.equal(seen.status, status, `${command} ${args.join(' ')}\n${seen.stdout}${seen.stderr}`);
	return seen;
}

const text = (command, args, options) => run(command, args, options).stdout;

const digest = file => createHash('sha256').update(readFileSync(file)).digest('hex');

// What a package installs: path → [mode, owner]. Folders end in a slash.
function contents(deb) {
	return Object.fromEntries(text('dpkg-deb', ['-c', deb]).trim().split('\n').map(line => {
		const [mode, owner, , , , path] = line.split(/\s+/);
		return [path.slice(1), [mode, owner]];
	}));
}

function field(deb, name) {
	return text('dpkg-deb', ['-f', deb, name]).trim();
}

function buildDeb(t) {
	const folder = tempDir(t);
	const { stdout } = run(join(packaging, 'build-deb'), [folder, version], {
		env: { MCP_MUX_BINARY: binary, DEB_BUILD_OPTIONS: 'noautodbgsym' },
	});
	const deb = stdout.trim().split('\n').at(-1);
	assert.match(basename(deb), new RegExp(`^mcp-mux_${version}_[a-z0-9]+\\.deb$`));
	return deb;
}

function write(t, words, name = 'mcp-mux.ini') {
	const file = join(tempDir(t), name);
	writeFileSync(file, words);
	return file;
}

test('make install puts everything below DESTDIR and PREFIX, and uninstall takes it away', t => {
	const root = tempDir(t);
	const make = target => run('make', ['-s', target, `BUILD=${build}`, `DESTDIR=${root}`, 'PREFIX=/opt/mux']);
	make('install-files');
	const files = text('find', [join(root, 'opt/mux'), '-type', 'f', '-printf', '%P %m\n']).trim().split('\n').sort();
	for (const wanted of ['bin/mcp-mux 755', 'lib/mcp-mux/check-config 755', 'share/man/man1/mcp-mux.1 644',
		'share/man/man5/mcp-mux.ini.5 644', 'share/bash-completion/completions/mcp-mux 644', 'share/doc/mcp-mux/README.md 644',
		'share/doc/mcp-mux/LICENSE 644', 'share/doc/mcp-mux/mcp-mux.ini.example 644',
		'share/doc/mcp-mux/packaging/org-config/build 755'])
		assert.ok(files.includes(wanted), `${wanted} is not among\n${files.join('\n')}`);
	const entry = JSON.parse(readFileSync(join(root, 'opt/mux/share/doc/mcp-mux/contrib/cursor/mcp.json')));
	assert.equal(entry.mcpServers['mcp-mux'].command, '/opt/mux/bin/mcp-mux');
	make('uninstall');
	assert.equal(text('find', [root, '-type', 'f']), '');
});

test('the package of mcp-mux: what it holds, what it needs, and that it runs', t => {
	const deb = buildDeb(t);
	const files = contents(deb);
	for (const [path, [mode, owner]] of Object.entries(files)) {
		assert.equal(owner, 'root/root', path);
		assert.match(mode, path.endsWith('/') ? /^drwxr-xr-x$/ : /^-rw(-r--r--|xr-xr-x)$/, path);
	}
	const modes = Object.fromEntries(Object.entries(files).map(([path, [mode]]) => [path, mode]));
	const doc = '/usr/share/doc/mcp-mux/';
	for (const path of ['/usr/bin/mcp-mux', '/usr/lib/mcp-mux/check-config', `${doc}packaging/org-config/build`])
		assert.equal(modes[path], '-rwxr-xr-x', path);
	for (const path of ['/usr/share/man/man1/mcp-mux.1.gz', '/usr/share/man/man5/mcp-mux.ini.5.gz',
		'/usr/share/bash-completion/completions/mcp-mux', `${doc}README.md`, `${doc}mcp-mux.ini.example`, `${doc}copyright`,
		`${doc}changelog.gz`, `${doc}packaging/README.md`, `${doc}packaging/ansible/roles/mcp_mux/tasks/main.yml`])
		assert.equal(modes[path], '-rw-r--r--', path);
	assert.equal(modes['/etc/mcp-mux/'], 'drwxr-xr-x');
	assert.deepEqual(Object.keys(files).filter(path => path.startsWith('/etc/') && !path.endsWith('/')), []);

	assert.equal(field(deb, 'Version'), version);
	for (const library of ['libc6', 'libcurl', 'libglib2.0', 'libinih1', 'libmicrohttpd', 'libsecret-1-0', 'libssl3'])
		assert.match(field(deb, 'Depends'), new RegExp(`(^|, )${library.replaceAll('.', '\\.')}`));
	assert.match(field(deb, 'Recommends'), /gnome-keyring \|.*xdg-utils/);
	const control = tempDir(t);
	run('dpkg-deb', ['-e', deb, control]);
	assert.deepEqual(readdirSync(control).sort(), ['control', 'md5sums']); // no conffiles, no scripts

	const root = tempDir(t);
	run('dpkg-deb', ['-x', deb, root]);
	assert.match(text(join(root, 'usr/bin/mcp-mux'), ['--version']), new RegExp(`^mcp-mux ${version.replaceAll('.', '\\.')}\n`));
	const entry = JSON.parse(readFileSync(join(root, doc, 'contrib/claude-code/mcp.json')));
	assert.equal(entry.mcpServers['mcp-mux'].command, '/usr/bin/mcp-mux');
	// The check is made by the program that came with it.
	run(join(root, 'usr/lib/mcp-mux/check-config'), [join(top, 'mcp-mux.ini.example')], { env: { MCP_MUX: '' } });

	// Once more, where the program is not several times its size.
	if (!process.env.SANITIZE) assert.equal(digest(buildDeb(t)), digest(deb), 'the same tree gave another package');
});

test('the changelog of the package speaks of the version that is built', t => {
	const { stderr } = run(join(packaging, 'build-deb'), [tempDir(t), '9.9.9'], { status: 1 });
	assert.match(stderr, new RegExp(`changelog speaks of ${version}, the Makefile of 9\\.9\\.9`));
});

test('check-config takes what mcp-mux takes, and names file and line of what it does not', t => {
	const good = write(t, connector('wiki', 'https://wiki.example.com/mcp', 'allowed_tools = search', 'allowed_users = alice'));
	assert.deepEqual(Object.values(run(checkConfig, [good])).filter(value => typeof value === 'string'), ['', '']);
	const bad = write(t, '[connector:wiki]\nurl = https://wiki.example.com/mcp\nalowed_tools = search\n');
	const toggles = write(t, '[mux]\naudit = on\n[tools:wiki]\nsearch = off\n');
	for (const [file, words] of [[bad, /:3: alowed_tools: .*did you mean allowed_tools/], [toggles, /:3: \[tools:wiki\]/]]) {
		const { stderr } = run(checkConfig, [file], { status: 2 });
		assert.ok(stderr.startsWith(`mcp-mux: ${file}:`), stderr);
		assert.match(stderr, words);
	}
	assert.match(run(checkConfig, [join(top, 'no-such.ini')], { status: 1 }).stderr, /no-such\.ini/);
	assert.match(run(checkConfig, [good], { env: { MCP_MUX: '/nowhere' }, status: 1 }).stderr, /not installed/);
	run(checkConfig, [good, bad], { status: 1 });
	// Nobody's own file takes part in it.
	run(checkConfig, [good], { env: { MCP_MUX_CONFIG: bad, XDG_CONFIG_HOME: '/nowhere' } });
});

// In a mount namespace whose /etc is a copy, so that the real one stays as it is.
const withFileInForce = script => ['-m', 'sh', '-c', 'd=$(mktemp -d) && mount -t tmpfs none "$d" && chmod 755 "$d" && ' +
	'cp -L /etc/passwd /etc/group "$d" && mount --bind "$d" /etc && mkdir -m 755 /etc/mcp-mux && ' +
	`echo "[mux]" >/etc/mcp-mux/mcp-mux.ini && chmod 644 /etc/mcp-mux/mcp-mux.ini && ${script}`];

const noMounts = (process.getuid() !== 0 || spawnSync('unshare', withFileInForce('true')).status !== 0) &&
	'needs root and mount namespaces';

test('check-config checks another file than the one that is in force, and that one in its place', { skip: noMounts }, t => {
	const bad = write(t, '[mux]\naudt = on\n');
	const good = write(t, '[mux]\naudit = required\n');
	const env = { CHECK: checkConfig, GOOD: good, BAD: bad };
	run('unshare', withFileInForce('"$CHECK" && "$CHECK" "$GOOD"'), { env });
	assert.ok(run('unshare', withFileInForce('"$CHECK" "$BAD"'), { env, status: 2 }).stderr.startsWith(`mcp-mux: ${bad}:2: audt`));
	assert.match(run('unshare', withFileInForce('chmod 775 /etc/mcp-mux; "$CHECK"'), { env, status: 2 }).stderr,
		/mcp-mux\.ini: not used .*writable by its group/);
	assert.match(run('unshare', withFileInForce('rm /etc/mcp-mux/mcp-mux.ini; "$CHECK"'), { env, status: 1 }).stderr,
		/there is no \/etc\/mcp-mux\/mcp-mux\.ini/);
});

test('the package of an administrator\'s file holds that file, no conffile, and wants the mcp-mux that took it', t => {
	const folder = tempDir(t);
	run(orgBuild, ['acme', '2026.11.21'], { cwd: folder });
	const deb = join(folder, 'mcp-mux-config-acme_2026.11.21_all.deb');
	assert.deepEqual(contents(deb), {
		'/': ['drwxr-xr-x', 'root/root'], '/etc/': ['drwxr-xr-x', 'root/root'], '/etc/mcp-mux/': ['drwxr-xr-x', 'root/root'],
		'/etc/mcp-mux/mcp-mux.ini': ['-rw-r--r--', 'root/root'],
	});
	assert.equal(field(deb, 'Package'), 'mcp-mux-config-acme');
	assert.equal(field(deb, 'Version'), '2026.11.21');
	assert.equal(field(deb, 'Depends'), `mcp-mux (>= ${version})`);
	assert.equal(field(deb, 'Conflicts'), 'mcp-mux-config');
	const root = tempDir(t);
	run('dpkg-deb', ['-R', deb, root]);
	assert.deepEqual(readdirSync(join(root, 'DEBIAN')).sort(), ['control', 'md5sums', 'preinst']);
	assert.equal(readFileSync(join(root, 'etc/mcp-mux/mcp-mux.ini'), 'utf8'),
		readFileSync(join(packaging, 'org-config/mcp-mux.ini'), 'utf8'));
	run('sh', ['-n', join(root, 'DEBIAN/preinst')]);
	run('md5sum', ['--check', '--quiet', 'DEBIAN/md5sums'], { cwd: root });

	const again = tempDir(t);
	run(orgBuild, ['acme', '2026.11.21', join(packaging, 'org-config/mcp-mux.ini'), again]);
	assert.equal(digest(join(again, basename(deb))), digest(deb));
	run(orgBuild, ['acme', '3', join(packaging, 'org-config/mcp-mux.ini'), again], { env: { MAINTAINER: 'A & B <a@example.com>' } });
	assert.equal(field(join(again, 'mcp-mux-config-acme_3_all.deb'), 'Maintainer'), 'A & B <a@example.com>');
});

test('a file that mcp-mux does not take is not packed, and named with its line', t => {
	const folder = tempDir(t);
	const bad = write(t, '[connector:wiki]\nurl = https://wiki.example.com/mcp\nauth = nonesuch\n', 'acme.ini');
	const { stderr } = run(orgBuild, ['acme', '1', bad, folder], { status: 2 });
	assert.ok(stderr.startsWith(`mcp-mux: ${bad}:3: auth = nonesuch: `), stderr);
	const good = write(t, '[mux]\naudit = on\n');
	for (const args of [['Acme', '1', good], ['', '1', good], ['acme', 'one', good], ['acme', '1', join(folder, 'none.ini')], ['acme']])
		run(orgBuild, [...args, ...(args.length === 3 ? [folder] : [])], { status: 2 });
	assert.deepEqual(readdirSync(folder), []);
});

test('mcp-mux obeys the file that the package brings', { skip: rootless }, t => {
	const folder = tempDir(t);
	const file = write(t, connector('wiki', 'http://127.0.0.1:9/mcp', 'allowed_tools = search', 'enabled = off'));
	run(orgBuild, ['acme', '1', file, folder]);
	const root = tempDir(t);
	run('dpkg-deb', ['-x', join(folder, 'mcp-mux-config-acme_1_all.deb'), root]);
	const home = tempDir(t);
	const user = write(t, '[connector:other]\nurl = https://other.example.com/mcp\n');
	const env = { ...environment(home), MCP_MUX_ADMIN_CONFIG: join(root, 'etc/mcp-mux/mcp-mux.ini'), MCP_MUX_CONFIG: user };
	const { connectors } = JSON.parse(text(binary, ['status', '--json'], { env }));
	assert.deepEqual(connectors.map(({ name, state }) => [name, state]), [['wiki', 'disabled']]);
	const { checks } = JSON.parse(text(binary, ['doctor', '--json'], { env }));
	assert.deepEqual(checks.filter(({ check, subject }) => check === 'configuration' && /:\d+$/.test(subject))
		.map(({ subject }) => subject), [`${user}:1`]);
});

// Without looking for an interpreter, and without copying each module.
const ansible = { ANSIBLE_NOCOLOR: '1', ANSIBLE_PYTHON_INTERPRETER: '/usr/bin/python3', ANSIBLE_PIPELINING: '1' };

// Runs the role on this machine, below PREFIX, with VARS. What ansible-playbook printed, and its recap as numbers.
function play(prefix, vars, { args = [], status = 0 } = {}) {
	const all = {
		mcp_mux_package: '', mcp_mux_config_dir: join(prefix, 'etc/mcp-mux'), mcp_mux_check_config: checkConfig,
		mcp_mux_owner: userInfo().username, mcp_mux_group: text('id', ['-gn']).trim(), ...vars,
	};
	const playbook = join(prefix, 'play.yml'); // JSON is YAML
	writeFileSync(playbook, JSON.stringify([{ hosts: 'all', gather_facts: false, roles: [join(packaging, 'ansible/roles/mcp_mux')] }]));
	const printed = text('ansible-playbook', ['--inventory', 'desk,', '--connection', 'local', ...args,
		'--extra-vars', JSON.stringify(all), playbook], { status, cwd: prefix, env: ansible });
	const recap = Object.fromEntries([...printed.matchAll(/(\w+)=(\d+)/g)].map(([, name, n]) => [name, Number(n)]));
	return { printed, recap };
}

const example = ['--extra-vars', `@${join(packaging, 'ansible/group_vars/developers.yml')}`];

test('the Ansible role puts the file in place, once, and keeps the old one where the new one is broken', { skip: rootless }, t => {
	const prefix = tempDir(t);
	const file = join(prefix, 'etc/mcp-mux/mcp-mux.ini');
	mkdirSync(join(prefix, 'etc'));

	const { printed, recap: tried } = play(prefix, {}, { args: [...example, '--check', '--diff'] });
	assert.equal(tried.changed, 2);
	assert.match(printed, /^\+\[connector:tracker\]$/m);
	assert.ok(!existsSync(join(prefix, 'etc/mcp-mux')), '--check made something');

	assert.equal(play(prefix, {}, { args: example }).recap.changed, 2);
	assert.equal(statSync(join(prefix, 'etc/mcp-mux')).mode & 0o7777, 0o755);
	assert.equal(statSync(file).mode & 0o7777, 0o644);
	const made = readFileSync(file, 'utf8');
	assert.equal(made, `# Ansible managed
# The administrator's file of mcp-mux; see mcp-mux.ini(5).

[mux]
audit = "required"
audit_syslog = on
pin_tools = "block"
user_connectors = off

[native]
title = "Port"
url = "https://mcp.port.io/v1"

[connector:handbook]
title = "Handbook"
description = "Rules and how-tos of the company"
url = "https://mcp.example.com/handbook"
auth = "none"
allowed_tools = "@read-only"
allowed_prompts = "@all"
allowed_resources = "docs://handbook/*"

[connector:tracker]
title = "Tracker"
description = "Issues and plans"
url = "https://mcp.example.com/tracker"
allowed_tools = "search, get_*, create_issue, add_comment"
allowed_users = "@developers"
`);
	assert.equal(play(prefix, {}, { args: example }).recap.changed, 0);

	const broken = play(prefix, { mcp_mux_settings: { audt: true } }, { args: example, status: 2 });
	assert.match(broken.printed, /:5: audt: an unknown key/);
	assert.equal(readFileSync(file, 'utf8'), made);
});

test('the Ansible role takes a file as it is, refuses two sources, and takes the file away', { skip: rootless }, t => {
	const prefix = tempDir(t);
	const file = join(prefix, 'etc/mcp-mux/mcp-mux.ini');
	mkdirSync(join(prefix, 'etc'));
	const words = connector('wiki', 'https://wiki.example.com/mcp', 'title = "a \\"b\\" ; c"');
	const own = join(prefix, 'own.ini');
	writeFileSync(own, words);
	assert.equal(play(prefix, { mcp_mux_config_file: own }).recap.changed, 2);
	assert.equal(readFileSync(file, 'utf8'), words);
	writeFileSync(own, '[mux]\naudit = perhaps\n');
	assert.match(play(prefix, { mcp_mux_config_file: own }, { status: 2 }).printed, /:2: audit = perhaps: /);
	assert.equal(readFileSync(file, 'utf8'), words);
	assert.match(play(prefix, { mcp_mux_config_file: own }, { args: example, status: 2 }).printed, /Expected mcp_mux_state/);
	assert.equal(play(prefix, { mcp_mux_state: 'absent' }).recap.changed, 1);
	assert.ok(!existsSync(file));
});

test('values keep their quotes, semicolons and kinds on the way through the Ansible role', { skip: rootless }, t => {
	const prefix = tempDir(t);
	mkdirSync(join(prefix, 'etc'));
	play(prefix, { mcp_mux_connectors: [{ name: 'wiki', url: 'https://wiki.example.com/mcp', title: 'a "b" ; c\\d', enabled: false,
		redirect_port: 8765, allowed_tools: ['x', 'y_*'], 'header.X-Team': 'a;b' }] });
	assert.equal(readFileSync(join(prefix, 'etc/mcp-mux/mcp-mux.ini'), 'utf8').split('[connector:wiki]\n')[1],
		'url = "https://wiki.example.com/mcp"\ntitle = "a \\"b\\" ; c\\\\d"\nenabled = off\nredirect_port = 8765\n' +
		'allowed_tools = "x, y_*"\nheader.X-Team = "a;b"\n');
	const env = { ...environment(prefix), MCP_MUX_ADMIN_CONFIG: join(prefix, 'etc/mcp-mux/mcp-mux.ini') };
	const { connectors } = JSON.parse(text(binary, ['status', '--json'], { env }));
	assert.deepEqual(connectors.map(({ title, state }) => [title, state]), [['a "b" ; c\\d', 'disabled']]);
});

test('the example playbook is one that Ansible understands', () => {
	run('ansible-playbook', ['--syntax-check', '--inventory', 'inventory.ini', 'site.yml'],
		{ cwd: join(packaging, 'ansible'), env: ansible });
});
