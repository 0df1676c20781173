// The official conformance suite's server scenarios: all that 2025-11-25 and 2026-07-28 require, each on its own wire,
// and what is run with them but never scored, but for extensions. They are run against a reference server of our own,
// and again through an HTTP bridge (tests/bridge) and mcp-mux, which has that server as its native upstream. Check by
// check, what holds directly must hold through mcp-mux, unless bridge-losses.yml says that the bridge alone loses it;
// that is proved by the bridge in front of the reference server itself. A warning counts as a failure, and so does a
// scenario in which nothing was checked.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { parse } from 'yaml';
import { assertClean, atEnd, binary, connector, environment, slow, tempDir, top, writeIni } from '../integration/lib/raw.mjs';
import { program } from '../integration/lib/upstreams.mjs';
import { Bridge } from '../bridge/bridge.mjs';

const here = join(top, 'tests/conformance');
const suite = join(top, 'tests/node_modules/@modelcontextprotocol/conformance');
const reference = join(here, 'reference-server.mjs');
const SCENARIO_MS = 10_000 * slow;
const RUN_MS = 50_000 * slow;
const SUSPECTS = 4; // of those that bridge-losses.yml does not name, how many are tried without mcp-mux, for what a failure says

const yaml = file => parse(readFileSync(file, 'utf8'));
const losses = yaml(join(here, 'bridge-losses.yml'));

function required(revision) {
	const { server, not_scored } = yaml(join(suite, 'requirements', `${revision}.yaml`));
	const more = not_scored.filter(({ leg, reason }) => leg === 'server' && reason !== 'extension');
	return [...server, ...more.map(({ scenario }) => scenario)];
}

// --- running the suite ---

// The checks of one scenario by name; the second of a name gets a number.
function byName(checks) {
	const all = new Map();
	for (const check of checks) {
		const name = `${check.id} (${check.name})`;
		let n = 1;
		while (all.has(n === 1 ? name : `${name} ${n}`)) n++;
		all.set(n === 1 ? name : `${name} ${n}`, check);
	}
	return all;
}

// Runs the suite against URL with ARGS: scenario → its checks by name. One that did not come to its end is not there.
async function run(t, url, ...args) {
	const out = tempDir(t);
	const command = [join(suite, 'dist/index.js'), 'server', '--url', url, ...args, '-o', out, '--timeout', String(SCENARIO_MS)];
	const child = spawn(process.execPath, command, { stdio: 'ignore' });
	const timer = setTimeout(() => child.kill('SIGKILL'), RUN_MS);
	await new Promise(resolve => child.on('close', resolve));
	clearTimeout(timer);
	return new Map(globSync('**/checks.json', { cwd: out }).map(file => {
		const [, scenario] = /^server-(.*)-\d{4}-\d\d-\d\dT[^/]*$/.exec(dirname(file));
		return [scenario, byName(JSON.parse(readFileSync(join(out, file), 'utf8')))];
	}));
}

const bad = ({ status }) => status === 'FAILURE' || status === 'WARNING';
const words = (name, check) => `${check.status} ${name}: ${check.errorMessage ?? check.description}`;

function problems(checks) {
	if (!checks) return ['it was not run to its end'];
	const found = Array.from(checks).filter(([, check]) => bad(check)).map(([name, check]) => words(name, check));
	if (!found.length && !Array.from(checks.values()).some(({ status }) => status === 'SUCCESS')) found.push('nothing was checked');
	return found;
}

// What CHECKS lose of DIRECT: name → in words.
function lost(direct, checks = new Map()) {
	const found = new Map(Array.from(checks).filter(([name, check]) => bad(check) && !bad(direct.get(name) ?? {}))
		.map(([name, check]) => [name, words(name, check)]));
	for (const [name, { status }] of direct) {
		const now = checks.get(name);
		if (status === 'SUCCESS' && now?.status !== 'SUCCESS') found.set(name, now ? words(name, now) : `${name} was not made`);
	}
	return found;
}

// --- what it is run against ---

async function referenceServer(t) {
	const { value } = await program(t, process.execPath, [reference], { ready: text => /^(http:\S+)\n/.exec(text)?.[1] });
	return value;
}

async function bridge(t, command) {
	const started = await Bridge.start(command);
	atEnd(t, () => started.stop());
	return started;
}

async function throughMux(t) {
	const { home, ini } = writeIni(t, connector('native', await referenceServer(t)));
	return bridge(t, { command: binary, args: ['--config', ini], env: environment(home) });
}

const bridgeAlone = t => bridge(t, { command: process.execPath, args: [reference, '--stdio'], env: process.env });

// --- the comparison ---

for (const revision of ['2025-11-25', '2026-07-28']) {
	describe(revision, () => {
		const hooks = [];
		const t = { after: hook => hooks.push(hook) };
		const named = losses[revision] ?? {};
		const scenarios = required(revision);
		const alone = new Map(); // scenario → what the bridge loses on its own
		let [direct, through, mux] = [];

		before(async () => {
			mux = await throughMux(t);
			// One after the other: the suite waits for half a second only at some places.
			direct = await run(t, await referenceServer(t), '--requirements', revision);
			through = await run(t, mux.url, '--requirements', revision);
			const made = scenarios.filter(scenario => direct.has(scenario));
			const suspects = made.filter(scenario => !named[scenario] && lost(direct.get(scenario), through.get(scenario)).size);
			const { url } = await bridgeAlone(t);
			for (const scenario of [...made.filter(scenario => named[scenario]), ...suspects.slice(0, SUSPECTS)]) {
				const checks = await run(t, url, '--scenario', scenario, '--spec-version', revision);
				alone.set(scenario, lost(direct.get(scenario), checks.get(scenario)));
			}
		});
		after(async () => {
			for (const hook of hooks.reverse()) await hook();
		});

		for (const scenario of scenarios)
			test(scenario, t => {
				const [expected, own] = [direct.get(scenario), alone.get(scenario) ?? new Map()];
				assert.deepEqual(problems(expected), [], 'against the reference server itself');
				const found = Array.from(lost(expected, through.get(scenario)), ([name, text]) => ({ name, text, id: expected.get(name)?.id }));
				const excused = found.filter(({ id }) => named[scenario]?.[id]);
				const unexplained = found.filter(each => !excused.includes(each));
				assert.deepEqual(unexplained.map(({ name, text }) => text + (own.has(name) ? ' (and so without mcp-mux)' : '')), [],
					'lost through mcp-mux');
				assert.deepEqual(excused.filter(({ name }) => !own.has(name)), [], 'the bridge alone does not lose what bridge-losses.yml names');
				const stale = Object.keys(named[scenario] ?? {}).filter(id => !excused.some(each => each.id === id));
				assert.deepEqual(stale, [], 'it passes: take it out of bridge-losses.yml');
				for (const { name } of excused) t.diagnostic(`lost by the bridge: ${name}`);
			});

		test('what mcp-mux wrote and how it ended', async () => {
			await mux.stop();
			assert.deepEqual(mux.notes.faults, []);
			assertClean(mux.notes.said);
		});

		test('bridge-losses.yml names scenarios that there are', () => {
			assert.deepEqual(Object.keys(named).filter(scenario => !scenarios.includes(scenario)), []);
		});
	});
}
