// The official conformance suite's client scenarios, with an IDE in front of mcp-mux as the client (adapter.mjs): all
// that the handshake revision 2025-11-25 and the stateless 2026-07-28 require, each on its own wire, what is run with
// them but never scored, and the old authorization of 2025-03-26. A warning counts as a failure, and so does a scenario
// in which nothing was checked or with which the adapter was not content.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { before, describe, test } from 'node:test';
import { parse } from 'yaml';
import { sleep, slow, top, until } from '../integration/lib/raw.mjs';

const here = join(top, 'tests/conformance');
const suite = join(top, 'tests/node_modules/@modelcontextprotocol/conformance');
const AT_ONCE = 4;
const RUN_MS = 60_000 * slow;
const GRACE_MS = 1000; // from the last file written to the suite's end

const yaml = file => parse(readFileSync(file, 'utf8'));
const expected = new Set(yaml(join(here, 'expected-failures.yml')).client);

function required(revision) {
	const { client, not_scored } = yaml(join(suite, 'requirements', `${revision}.yaml`));
	return [...client, ...not_scored.filter(({ leg }) => leg === 'client').map(({ scenario }) => scenario)];
}

// By revision: what the suite is told to run, and which scenarios those are.
const plan = {
	'2025-03-26': {
		args: ['--suite', 'backcompat', '--spec-version', '2025-03-26'],
		scenarios: ['auth/2025-03-26-oauth-metadata-backcompat', 'auth/2025-03-26-oauth-endpoint-fallback'],
	},
	'2025-11-25': { args: ['--requirements', '2025-11-25'], scenarios: required('2025-11-25') },
	'2026-07-28': { args: ['--requirements', '2026-07-28'], scenarios: required('2026-07-28') },
};

// The suite starts all clients at once. Each waits here for a byte, and AT_ONCE have one until they hang up.
async function openGate() {
	const waiting = [];
	let going = 0;
	const next = () => {
		for (; going < AT_ONCE && waiting.length; going++) waiting.shift().write('.');
	};
	const server = createServer(socket => {
		let gone = false;
		waiting.push(socket);
		socket.on('error', () => {}).on('close', () => {
			const at = waiting.indexOf(socket);
			if (at >= 0) waiting.splice(at, 1);
			else if (!gone) going--;
			gone = true;
			next();
		});
		socket.resume();
		next();
	});
	await new Promise(resolve => server.listen(0, '127.0.0.1', resolve));
	return server;
}

// Runs the suite: scenario → { checks, said (by the adapter, where something was wrong) }. It does not always end once
// it has written everything down, since its servers may still wait for somebody.
async function run({ args, scenarios }) {
	const out = mkdtempSync(join(tmpdir(), 'conformance-'));
	const gate = await openGate();
	try {
		const child = spawn(process.execPath, [join(suite, 'dist/index.js'), 'client', ...args, '-o', out, '--timeout', String(RUN_MS),
			'--command', `${process.execPath} ${join(here, 'adapter.mjs')}`],
		{ stdio: ['ignore', 'ignore', 'ignore'], env: { ...process.env, CONFORMANCE_GATE: gate.address().port } });
		const ended = new Promise(resolve => child.on('close', resolve));
		const written = () => globSync('**/stderr.txt', { cwd: out }).length;
		await Promise.race([ended, until(() => written() >= scenarios.length, 'the suite', RUN_MS).catch(() => {}).then(() => sleep(GRACE_MS))]);
		child.kill('SIGKILL');
		return new Map(globSync('**/checks.json', { cwd: out }).map(file => {
			const [folder, read] = [dirname(file), name => readFileSync(join(out, dirname(file), name), 'utf8')];
			return [folder.replace(/-\d{4}-\d\d-\d\dT[^/]*$/, ''), { checks: JSON.parse(read('checks.json')), said: read('stderr.txt') }];
		}));
	} finally {
		gate.close();
		rmSync(out, { recursive: true, force: true });
	}
}

function problems(result) {
	if (!result) return ['it was not run to its end'];
	const { checks, said } = result;
	const bad = checks.filter(check => check.status === 'FAILURE' || check.status === 'WARNING')
		.map(check => `${check.status} ${check.id}: ${check.errorMessage ?? check.description}`);
	if (!bad.length && !checks.some(check => check.status === 'SUCCESS')) bad.push('nothing was checked');
	if (said) bad.push(said);
	return bad;
}

for (const [revision, { args, scenarios }] of Object.entries(plan)) {
	describe(revision, () => {
		let results;
		before(async () => (results = await run({ args, scenarios })));
		for (const scenario of scenarios)
			test(scenario, t => {
				const found = problems(results.get(scenario));
				if (!expected.has(scenario)) return assert.deepEqual(found, []);
				assert.notDeepEqual(found, [], 'it passes: take it out of expected-failures.yml');
				t.todo('expected to fail');
			});
	});
}

test('expected-failures.yml names scenarios that there are', () => {
	const all = Object.values(plan).flatMap(({ scenarios }) => scenarios);
	assert.deepEqual(Array.from(expected).filter(scenario => !all.includes(scenario)), []);
});
