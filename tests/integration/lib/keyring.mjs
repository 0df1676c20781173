// A keyring of one's own: a session bus with gnome-keyring on it, both private to a test, in a home that goes with it.
// Nothing on the bus is started on demand, so that an absent service stays absent.

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { atEnd, until } from './raw.mjs';

const PASSWORD = 'correct horse';
const SERVICE = 'org.freedesktop.secrets';
const SERVICE_PATH = '/org/freedesktop/secrets';
const LOGIN = `${SERVICE_PATH}/collection/login`;

const busConfig = path => `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
	<type>session</type>
	<listen>unix:path=${path}</listen>
	<auth>EXTERNAL</auth>
	<policy context="default">
		<allow send_destination="*" eavesdrop="true"/>
		<allow eavesdrop="true"/>
		<allow own="*"/>
	</policy>
</busconfig>
`;

// Ends CHILD, a stopped one too.
async function end(child) {
	if (!child || child.exitCode !== null || child.signalCode !== null) return;
	const exited = new Promise(resolve => child.once('exit', resolve));
	child.kill('SIGKILL');
	await exited;
}

export class Keyring {
	// An unlocked one, unless LOCKED or, with no service on the bus, ABSENT.
	static async start(t, { locked = false, absent = false } = {}) {
		const keyring = new Keyring();
		atEnd(t, () => keyring.stop());
		await keyring.#startBus();
		if (!absent) await keyring.startService({ locked });
		return keyring;
	}

	constructor() {
		this.dir = mkdtempSync(join(tmpdir(), 'ring-'));
		this.home = join(this.dir, 'home');
		this.runtime = join(this.dir, 'run');
		this.bus = join(this.dir, 'bus');
		mkdirSync(this.home, { mode: 0o700 });
		mkdirSync(this.runtime, { mode: 0o700 });
	}

	// What a program needs besides its six variables to find this bus.
	get env() {
		return { DBUS_SESSION_BUS_ADDRESS: `unix:path=${this.bus}`, XDG_RUNTIME_DIR: this.runtime };
	}

	// The file with the items, which is the one place where secrets may lie.
	get file() {
		return join(this.home, '.local/share/keyrings/login.keyring');
	}

	#spawn(command, args, input) {
		const child = spawn(command, args, {
			env: { PATH: process.env.PATH, HOME: this.home, ...this.env }, stdio: ['pipe', 'pipe', 'ignore'],
		});
		child.stdout.resume();
		child.stdin.on('error', () => {}); // it may be gone already; whoever waits for it says so
		child.stdin.end(input);
		return child;
	}

	async #startBus() {
		const config = join(this.dir, 'bus.conf');
		writeFileSync(config, busConfig(this.bus));
		this.busDaemon = this.#spawn('dbus-daemon', [`--config-file=${config}`, '--nofork', '--nopidfile', '--print-address=1']);
		let listens = false;
		this.busDaemon.stdout.on('data', () => (listens = true)); // its address, once it does
		await until(() => listens, 'the session bus');
	}

	// The daemon anew, on the items that are there. LOCKED: it does not get the right password.
	async startService({ locked = false } = {}) {
		if (locked && !existsSync(this.file)) {
			await this.startService();
			await this.stopService();
		}
		this.daemon = this.#spawn('gnome-keyring-daemon', ['--foreground', '--unlock', '--components=secrets'],
			locked ? 'wrong' : PASSWORD);
		await until(() => this.owned(), 'the keyring');
		assert.equal(await this.isLocked(), locked);
	}

	// As if the daemon had crashed; what it kept stays.
	stopService() {
		return end(this.daemon);
	}

	async #call(destination, path, method, ...args) {
		const { stdout } = await promisify(execFile)('dbus-send',
			['--bus=' + this.env.DBUS_SESSION_BUS_ADDRESS, '--print-reply=literal', `--dest=${destination}`, path, method, ...args]);
		return stdout;
	}

	async owned() {
		const reply = await this.#call('org.freedesktop.DBus', '/', 'org.freedesktop.DBus.NameHasOwner', `string:${SERVICE}`);
		return /true/.test(reply);
	}

	async isLocked() {
		const reply = await this.#call(SERVICE, LOGIN, 'org.freedesktop.DBus.Properties.Get',
			'string:org.freedesktop.Secret.Collection', 'string:Locked');
		return /true/.test(reply);
	}

	async lock() {
		await this.#call(SERVICE, SERVICE_PATH, 'org.freedesktop.Secret.Service.Lock', `array:objpath:${LOGIN}`);
		assert.equal(await this.isLocked(), true);
	}

	// As the login screen does: over the daemon's control socket (a byte for the credentials, then the length of
	// it all, the operation, and the password behind its length).
	async unlock() {
		const packet = Buffer.alloc(1 + 12 + PASSWORD.length);
		packet.writeUInt32BE(12 + PASSWORD.length, 1);
		packet.writeUInt32BE(1, 5);
		packet.writeUInt32BE(PASSWORD.length, 9);
		packet.write(PASSWORD, 13);
		const socket = connect(join(this.runtime, 'keyring/control'));
		await new Promise((resolve, reject) => socket.on('data', resolve).on('error', reject).write(packet));
		socket.destroy();
		assert.equal(await this.isLocked(), false);
	}

	// It owns its name and answers nothing, until wake().
	silence() {
		this.daemon.kill('SIGSTOP');
	}

	wake() {
		this.daemon.kill('SIGCONT');
	}

	// The attributes of mcp-mux's items that match ATTRIBUTES, locked ones too. The key of the audit log, which any call
	// may make, is left out where its kind is not asked for.
	async items(attributes = {}) {
		const pairs = Object.entries({ application: 'mcp-mux', ...attributes }).flat().join();
		const found = await this.#call(SERVICE, SERVICE_PATH, 'org.freedesktop.Secret.Service.SearchItems',
			`dict:string:string:${pairs}`);
		const items = await Promise.all(found.match(/\/org\/freedesktop\/secrets\/collection\/\S+/g)?.map(async path => {
			const reply = await this.#call(SERVICE, path, 'org.freedesktop.DBus.Properties.Get',
				'string:org.freedesktop.Secret.Item', 'string:Attributes');
			return Object.fromEntries(Array.from(reply.matchAll(/dict entry\(\s+(\S+)\s+(.*?)\s+\)/g), ([, key, value]) => [key, value]));
		}) ?? []);
		return items.filter(({ kind }) => kind !== 'audit-key' || attributes.kind === kind);
	}

	async stop() {
		await end(this.daemon);
		await end(this.busDaemon);
		rmSync(this.dir, { recursive: true, force: true });
	}
}
