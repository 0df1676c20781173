// Official SDK clients in front of mcp-mux, and all of raw.mjs.

import assert from 'node:assert/strict';
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport as StdioV1 } from '@modelcontextprotocol/sdk/client/stdio.js';
import { Client as ClientV2 } from '@modelcontextprotocol/client';
import { StdioClientTransport as StdioV2 } from '@modelcontextprotocol/client/stdio';
import { MODERN, assertClean, atEnd, binary, sanitizer, writeIni } from './raw.mjs';

export * from './raw.mjs';

export const clients = {
	'SDK v1': { era: 'legacy', make: () => new ClientV1({ name: 'test', version: '1' }), Stdio: StdioV1 },
	'SDK v2 legacy': {
		era: 'legacy', Stdio: StdioV2,
		make: () => new ClientV2({ name: 'test', version: '1' }, { versionNegotiation: { mode: 'legacy' } }),
	},
	'SDK v2 modern': {
		era: 'modern', Stdio: StdioV2,
		make: () => new ClientV2({ name: 'test', version: '1' }, { versionNegotiation: { mode: { pin: MODERN } } }),
	},
};

// A client of KIND connected through a fresh mcp-mux, with the SDK's own default environment but for HOME and ENV.
export async function connect(t, kind, config, { client = clients[kind].make(), files = writeIni(t, config), env = {} } = {}) {
	const { home, ini } = files;
	const transport = new clients[kind].Stdio({
		command: binary, args: ['--config', ini], env: { HOME: home, ...sanitizer(), ...env }, stderr: 'pipe',
	});
	const faults = [];
	let stderr = '';
	let exit;
	transport.stderr.on('data', bytes => (stderr += bytes));
	// The SDK reports progress that it reads together with the answer as one of an unknown token.
	client.onerror = error => /unknown token/.test(error.message) || faults.push(error);
	atEnd(t, async () => {
		await client.close();
		if (exit) {
			const { code, signal } = await exit;
			assert.deepEqual({ code, signal }, { code: 0, signal: null }, stderr);
		}
		assert.deepEqual(faults, []);
		assertClean(stderr);
	});
	await client.connect(transport);
	const child = transport._process;
	exit = new Promise(resolve => child.on('exit', (code, signal) => resolve({ code, signal })));
	return client;
}
