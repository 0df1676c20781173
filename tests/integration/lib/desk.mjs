// A person at a desk: a home with a configuration, a keyring, a browser, a terminal, and mcp-mux as commands and
// as the server that an IDE starts.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { Mux, PATIENCE, assertClean, atEnd, binary, environment, until, writeIni } from './raw.mjs';
import { BrowserStandIn } from './browser.mjs';
import { Keyring } from './keyring.mjs';

// A section: account('wiki', url, 'auth = oauth', …).
export function account(name, url, ...lines) {
	return [name === 'native' ? '[native]' : `[connector:${name}]`, `url = ${url}`, ...lines, ''].join('\n');
}

// What waits for no answer of a person: the words that a command or a call must name.
export const toConnect = name => new RegExp(`mcp-mux connect ${name}\\b`);

class Running {
	constructor(child) {
		this.child = child;
		this.stdout = this.stderr = '';
		child.stdout.setEncoding('utf8').on('data', text => (this.stdout += text));
		child.stderr.setEncoding('utf8').on('data', text => (this.stderr += text));
		child.stdin.on('error', () => {}); // it may end without reading
		this.done = new Promise(resolve => child.on('close', (status, signal) => {
			this.ended = { status, signal };
			resolve({ status, signal, stdout: this.stdout, stderr: this.stderr });
		}));
	}

	// What MATCH finds in the output so far, as soon as it does.
	seen(match, what = String(match)) {
		return until(() => match.exec(this.stdout + this.stderr) ?? (this.ended && assert.fail(`ended before ${what}: ${this.all}`)),
			() => `${what} in: ${this.all}`);
	}

	get all() {
		return this.stdout + this.stderr;
	}

	type(text) {
		this.child.stdin.write(text);
	}
}

export class Desk {
	// CONFIG is the ini's text. KEYRING: options of Keyring.start, BROWSER: of BrowserStandIn.start.
	static async start(t, config, { keyring, browser } = {}) {
		const desk = new Desk();
		Object.assign(desk, { t, files: writeIni(t, config), running: new Set() });
		desk.keyring = await Keyring.start(t, keyring);
		desk.browser = BrowserStandIn.start(t, browser);
		atEnd(t, async () => {
			for (const running of desk.running) running.child.kill('SIGKILL');
			await Promise.all(Array.from(desk.running, running => running.done));
		});
		return desk;
	}

	get env() {
		return { ...this.keyring.env, ...this.browser.env };
	}

	// BEFORE: what defaultBus gave; the six variables alone are set then.
	#spawn(words, { env = this.env, input, before = [] } = {}) {
		const [command, ...args] = [...before, ...words];
		const running = new Running(spawn(command, args, {
			env: { ...environment(this.files.home), ...(before.length ? {} : env) }, stdio: ['pipe', 'pipe', 'pipe'],
		}));
		this.running.add(running);
		running.done.then(() => this.running.delete(running));
		if (input !== undefined) running.child.stdin.end(input);
		return running;
	}

	// Starts a command and gives it at once. INPUT is all of its stdin, ENV stands in place of this.env.
	begin(args, { input = '', ...options } = {}) {
		return this.#spawn([binary, '--config', this.files.ini, ...args], { input, ...options });
	}

	// Runs it to its end: { status, stdout, stderr }.
	async run(args, options) {
		const done = await this.begin(args, options).done;
		assertClean(done.stderr);
		assert.equal(done.signal, null, done.stderr);
		return done;
	}

	// A command on a terminal: what it prints comes as stdout, type() types.
	terminal(args, options = {}) {
		const command = [binary, '--config', this.files.ini, ...args].map(word => `'${word.replaceAll('\'', '\'\\\'\'')}'`).join(' ');
		return this.#spawn(['script', '--quiet', '--return', '--flush', '--command', command, '/dev/null'], options);
	}

	// Signs in and expects that it works. ARGS: more of them.
	async connect(name, { args = [], ...options } = {}) {
		const done = await this.run(['connect', name, ...args], options);
		assert.equal(done.status, 0, done.stdout + done.stderr);
		return done;
	}

	async disconnect(name, options) {
		const done = await this.run(['disconnect', name], options);
		assert.equal(done.status, 0, done.stdout + done.stderr);
		return done;
	}

	// What `status --json` says of a connector.
	async status(name, options) {
		const { stdout, stderr } = await this.run(['status', '--json'], options);
		const found = JSON.parse(stdout || '{}').connectors?.find(connector => connector.name === name);
		assert.ok(found, `${stdout}${stderr}`);
		return found;
	}

	// The server, with an IDE's raw end of it.
	serve({ args = [], env = this.env, before = [] } = {}) {
		return Mux.start(this.t, '', { files: this.files, args, before, env: before.length ? {} : env });
	}
}

// A call's result as { isError, text }.
export async function called(mux, name, args = {}) {
	const { result, error } = await mux.call(name, args, { ms: 2 * PATIENCE });
	assert.equal(error, undefined, JSON.stringify(error));
	return { isError: result.isError ?? false, text: result.content.map(part => part.text ?? '').join('\n') };
}

// Whether a mount namespace can be had, and how.
const unshare = [['unshare', '-m'], ['unshare', '-rm']].find(([command, ...args]) =>
	spawnSync(command, [...args, 'true']).status === 0);

// What to put before a command so that it finds BUS (a socket; null: none) where a session bus is by default and
// nowhere else; undefined where that cannot be had.
export function defaultBus(bus) {
	if (!unshare) return undefined;
	const [uid, gid] = [process.getuid(), process.getgid()];
	const script = ['mount -t tmpfs tmpfs /run', `mkdir -p /run/user/${uid}`,
		...(bus ? [`touch /run/user/${uid}/bus`, `mount --bind '${bus}' /run/user/${uid}/bus`] : []),
		uid ? `exec unshare --map-user=${uid} --map-group=${gid} "$@"` : 'exec "$@"'].join(' && ');
	return [...unshare, 'sh', '-c', script, 'sh'];
}
