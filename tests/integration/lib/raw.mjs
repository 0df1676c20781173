// Starts mcp-mux as an IDE does: six variables, a pipe each way, a line a message. Mux speaks raw JSON-RPC
// and checks every line that comes out; what needs no package is here, the official SDK's clients in mux.mjs.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const top = process.env.TOP ?? process.cwd();
export const build = process.env.BUILD ?? join(top, 'build');
export const binary = join(build, 'mcp-mux');
export const MODERN = '2026-07-28';
const META = 'io.modelcontextprotocol/';

// Sanitized programs are several times slower; deadlines that tests assert are stretched by this.
export const slow = process.env.SANITIZE ? 4 : 1;
export const PATIENCE = 10_000 * slow;

export const sleep = ms => new Promise(resolve => setTimeout(resolve, ms));

// Fulfils with what CHECK returns as soon as that is truthy; rejects after MS, naming WHAT (or what it returns).
export async function until(check, what = 'condition', ms = PATIENCE) {
	for (const end = Date.now() + ms; Date.now() < end; await sleep(5)) {
		const value = await check();
		if (value) return value;
	}
	assert.fail(`timed out waiting for ${typeof what === 'function' ? what() : what}`);
}

// What is to be done when the test T ends: the last first, so that a server goes before the files that it uses, and
// all of them, whatever goes wrong.
const endings = new WeakMap();
export function atEnd(t, hook) {
	const hooks = endings.get(t);
	if (hooks) return void hooks.push(hook);
	endings.set(t, [hook]);
	t.after(async () => {
		const faults = [];
		for (const each of endings.get(t).reverse()) {
			try {
				await each();
			} catch (error) {
				faults.push(error);
			}
		}
		if (faults.length) throw faults.length > 1 ? new AggregateError(faults, faults.map(String).join('\n')) : faults[0];
	});
}

export function tempDir(t) {
	const dir = mkdtempSync(join(tmpdir(), 'mux-'));
	atEnd(t, () => rmSync(dir, { recursive: true, force: true }));
	return dir;
}

// A configuration file for TEXT, in a home of its own. `mux` lines come first, then the sections.
export function writeIni(t, text) {
	const home = tempDir(t);
	const ini = join(home, 'mux.ini');
	writeFileSync(ini, text);
	return { home, ini };
}

// A section: connector('wiki', url, 'allowed_tools = fetch'); the name native makes [native].
export function connector(name, url, ...more) {
	const section = name === 'native' ? '[native]' : `[connector:${name}]`;
	return [section, `url = ${url}`, 'auth = none', ...more, ''].join('\n');
}

// What SDK clients pass on, and where the build is sanitized what it needs to report.
export function environment(home) {
	const env = { HOME: home };
	for (const name of ['LOGNAME', 'PATH', 'SHELL', 'TERM', 'USER']) env[name] = process.env[name] ?? '';
	return { ...env, ...sanitizer() };
}

export function sanitizer() {
	const env = {};
	for (const name of ['ASAN_OPTIONS', 'UBSAN_OPTIONS', 'LSAN_OPTIONS'])
		if (process.env.SANITIZE && process.env[name]) env[name] = process.env[name];
	return env;
}

const REPORT = /AddressSanitizer|LeakSanitizer|runtime error:|\bCRITICAL\b|GLib-\w*-WARNING/;

export function assertClean(stderr) {
	assert.doesNotMatch(stderr, REPORT, `report on stderr:\n${stderr}`);
}

export class Mux {
	// CONFIG is the ini text; OPTIONS.args come after --config, OPTIONS.before before the program, OPTIONS.env is added.
	static start(t, config, options = {}) {
		const { home, ini } = options.files ?? writeIni(t, config);
		const mux = new Mux(home, ini, options);
		atEnd(t, () => mux.finish());
		return mux;
	}

	constructor(home, ini, { args = [], env = {}, before = [] }) {
		this.home = home;
		this.ini = ini;
		this.messages = []; // { text, json } of every line
		this.faults = []; // lines that are no message
		this.stderr = '';
		this.lastId = 0;
		this.watchers = new Set();
		const [command, ...words] = [...before, binary, '--config', ini, ...args];
		this.child = spawn(command, words, {
			env: { ...environment(home), ...env },
			stdio: ['pipe', 'pipe', 'pipe'],
		});
		this.child.stdin.on('error', () => {}); // EPIPE when it has exited: tests look at exit instead
		this.child.stderr.setEncoding('utf8').on('data', text => (this.stderr += text));
		this.rest = [];
		this.child.stdout.on('data', bytes => this.#read(bytes));
		this.exited = new Promise(resolve =>
			this.child.on('close', (code, signal) => {
				this.exit = { code, signal, at: performance.now() };
				if (this.rest.length) this.faults.push(Buffer.concat(this.rest).toString());
				for (const watcher of this.watchers) watcher();
				resolve(this.exit);
			}));
	}

	#read(bytes) {
		for (let end; (end = bytes.indexOf(10)) >= 0; bytes = bytes.subarray(end + 1)) {
			const text = Buffer.concat([...this.rest, bytes.subarray(0, end)]).toString();
			this.rest = [];
			try {
				const json = JSON.parse(text);
				const all = Array.isArray(json) ? json : [json];
				if (!all.length || all.some(message => message?.jsonrpc !== '2.0')) this.faults.push(text);
				this.messages.push({ text, json });
			} catch {
				this.faults.push(text);
			}
		}
		if (bytes.length) this.rest.push(bytes);
		for (const watcher of this.watchers) watcher();
	}

	// One line: an object is serialised, a string or buffer goes as it is.
	send(message) {
		const raw = typeof message === 'string' || Buffer.isBuffer(message);
		this.child.stdin.write(raw ? message : JSON.stringify(message));
		this.child.stdin.write('\n');
	}

	// The first message, from FROM on, for which MATCH holds.
	wait(match, what = 'a message', { ms = PATIENCE, from = 0 } = {}) {
		return new Promise((resolve, reject) => {
			let next = from;
			let timer;
			const done = (settle, value) => {
				clearTimeout(timer);
				this.watchers.delete(look);
				settle(value);
			};
			const look = () => {
				for (; next < this.messages.length; next++)
					if (match(this.messages[next].json)) return done(resolve, this.messages[next]);
				if (this.exit) done(reject, new Error(`ended (${JSON.stringify(this.exit)}) before ${what}\n${this.stderr}`));
			};
			timer = setTimeout(() => done(reject, new Error(`timed out waiting for ${what}\n${this.stderr}`)), ms);
			this.watchers.add(look);
			look();
		});
	}

	answer(id, options) {
		return this.wait(m => m.id === id && !('method' in m), `the answer to ${JSON.stringify(id)}`, options);
	}

	// A request under an id of our own; fulfils with the answer.
	async request(method, params, { id = ++this.lastId, ...options } = {}) {
		this.send({ jsonrpc: '2.0', id, method, ...(params && { params }) });
		return (await this.answer(id, options)).json;
	}

	notify(method, params) {
		this.send({ jsonrpc: '2.0', method, ...(params && { params }) });
	}

	async initialize(protocolVersion = '2025-11-25', capabilities = {}) {
		const answer = await this.request('initialize', {
			protocolVersion, capabilities, clientInfo: { name: 'raw', version: '1' },
		});
		this.notify('notifications/initialized');
		return answer;
	}

	// A request of the stateless revision.
	modern(method, params = {}, { version = MODERN, capabilities = {}, ...options } = {}) {
		return this.request(method, { ...params, _meta: { ...modernMeta(version, capabilities), ...params._meta } },
			options);
	}

	call(name, args, options) {
		return this.request('tools/call', { name, ...(args && { arguments: args }) }, options);
	}

	async tools() {
		const { result } = await this.request('tools/list');
		return names(result);
	}

	// Ends the input and expects a clean exit within a second.
	async close() {
		const start = performance.now();
		this.child.stdin.end();
		const { code, signal, at } = await this.exited;
		assert.deepEqual({ code, signal }, { code: 0, signal: null }, this.stderr);
		assert.ok(at - start < 1000 * slow, `exit took ${Math.round(at - start)} ms`);
		return at - start;
	}

	async finish() {
		if (!this.exit) {
			this.child.stdin.end();
			const timer = setTimeout(() => this.child.kill('SIGKILL'), 3000 * slow);
			await this.exited;
			clearTimeout(timer);
			assert.deepEqual([this.exit.code, this.exit.signal], [0, null], this.stderr);
		}
		assert.deepEqual(this.faults, [], 'lines on stdout that are no message');
		assertClean(this.stderr);
	}
}

export function modernMeta(version = MODERN, capabilities = {}) {
	return {
		[`${META}protocolVersion`]: version,
		[`${META}clientInfo`]: { name: 'raw', version: '1' },
		[`${META}clientCapabilities`]: capabilities,
	};
}

// The names in a tools/list result but for mcp-mux's own.
export function names(result) {
	return result.tools.map(tool => tool.name).filter(name => !name.startsWith('mcp_mux'));
}

export const text = result => result.content.map(part => part.text).join('');

// Runs one command to its end.
export function run(files, ...args) {
	const done = spawnSync(binary, args.length ? ['--config', files.ini, ...args] : ['--config', files.ini], {
		env: environment(files.home), encoding: 'utf8', input: '', timeout: 30_000,
	});
	assertClean(done.stderr);
	return done;
}
