// Commands of mcp-mux beside upstreams of the test's own process.

import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { assertClean, binary } from './raw.mjs';

// What a terminal could obey, or be misled by.
export const HARMFUL = /[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/;

// Runs a command to its end. FILES is what writeIni gave.
export async function cli(files, args, { env = {}, config = true } = {}) {
	const child = spawn(binary, config ? ['--config', files.ini, ...args] : args, {
		env: {
			HOME: files.home, LOGNAME: 'tester', PATH: process.env.PATH, SHELL: '/bin/sh', TERM: 'xterm', USER: 'tester',
			// Nobody's own keyring: without this, the bus of a login would be found.
			DBUS_SESSION_BUS_ADDRESS: `unix:path=${join(files.home, 'no-bus')}`,
			...Object.fromEntries(Object.entries(process.env).filter(([name]) => /SAN_OPTIONS$/.test(name))), ...env,
		},
		stdio: ['ignore', 'pipe', 'pipe'],
	});
	const read = async stream => {
		let all = '';
		for await (const part of stream.setEncoding('utf8')) all += part;
		return all;
	};
	const exited = new Promise(resolve => child.on('close', resolve));
	const [stdout, stderr, status] = await Promise.all([read(child.stdout), read(child.stderr), exited]);
	assertClean(stderr);
	return { stdout, stderr, status };
}
