// The official inspector's command-line mode in front of mcp-mux.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import test from 'node:test';
import { promisify } from 'node:util';
import { binary, connector, top, writeIni } from './lib/mux.mjs';
import { demo } from './lib/upstreams.mjs';

async function inspect(files, method, ...args) {
	const { stdout } = await promisify(execFile)(process.execPath, [
		join(top, 'tests/node_modules/.bin/mcp-inspector'), '--cli', '--method', method, ...args, '--',
		binary, 'serve', '--config', files.ini,
	], { env: { ...process.env, HOME: files.home }, timeout: 60_000 });
	return JSON.parse(stdout);
}

test('the inspector lists and calls tools of both eras', async t => {
	const [portal, wiki] = [await demo(t, 'demo-portal'), await demo(t, 'demo-wiki')];
	const files = writeIni(t, connector('native', portal.url) + connector('wiki', wiki.url));
	const { tools } = await inspect(files, 'tools/list');
	assert.deepEqual(tools.map(({ name }) => name).filter(name => !name.startsWith('mcp_mux')),
		['create_incident', 'get_scorecard', 'get_service', 'list_services', 'wiki__create-page', 'wiki__fetch', 'wiki__search']);
	const native = await inspect(files, 'tools/call', '--tool-name', 'get_service', '--tool-arg', 'name=search');
	assert.match(native.content[0].text, /discovery/);
	const prefixed = await inspect(files, 'tools/call', '--tool-name', 'wiki__fetch', '--tool-arg', 'id=page-1');
	assert.match(prefixed.content[0].text, /Drain the node/);
});
