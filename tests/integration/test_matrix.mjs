// Every official client era in front of every official server mode: lists, calls, progress, errors, cancellation.

import assert from 'node:assert/strict';
import test from 'node:test';
import { clients, connect, connector, sleep, text, until } from './lib/mux.mjs';
import { TOOLS, demo, everything, v1Sessions, v1Stateless, v2 } from './lib/upstreams.mjs';

const upstreams = {
	'SDK v1 with sessions': { make: t => v1Sessions(t), cancels: () => true },
	'SDK v1 with sessions, JSON answers': { make: t => v1Sessions(t, { json: true }), cancels: () => true, streams: false },
	// Without a session nothing ties a legacy cancellation to the call.
	'SDK v1 stateless': { make: t => v1Stateless(t), cancels: () => false },
	'SDK v2 of both eras': { make: t => v2(t), cancels: era => era === 'modern' },
	'SDK v2 modern only': { make: t => v2(t, { legacy: 'reject' }), cancels: () => true },
};

const sum = { name: 'up__add', arguments: { a: 2, b: 40 } };

for (const [kind, { era }] of Object.entries(clients)) {
	for (const [mode, { make, cancels, streams = true }] of Object.entries(upstreams)) {
		test(`${kind} client, ${mode}`, async t => {
			const upstream = await make(t);
			const client = await connect(t, kind, connector('up', upstream.url));

			const { tools } = await client.listTools();
			const ours = tools.filter(tool => tool.name.startsWith('up__'));
			assert.deepEqual(ours.map(tool => tool.name), TOOLS.map(name => `up__${name}`));
			assert.match(ours[0].description, /^add of v[12]$/);
			assert.equal(ours[0].inputSchema.properties.a.type, 'number');
			assert.equal(ours[1].annotations.readOnlyHint, true);

			assert.equal(text(await client.callTool(sum)), '42');
			const odd = 'naïve \u{1f600} "quoted" \\ \u2028 line\n';
			assert.equal(text(await client.callTool({ name: 'up__echo', arguments: { text: odd } })), odd);

			const failed = await client.callTool({ name: 'up__fail', arguments: {} });
			assert.equal(failed.isError, true);
			assert.equal(text(failed), 'it failed');

			if (streams) {
				const progress = upstream.seen.progress = [];
				const steps = await client.callTool({ name: 'up__steps', arguments: { n: 3 } }, ...callOptions(kind, {
					onprogress: p => progress.push(p.progress),
				}));
				assert.equal(text(steps), 'done');
				assert.deepEqual(progress, [1, 2, 3]);
			}

			await assert.rejects(client.callTool({ name: 'up__nothing', arguments: {} }), { code: -32602 });
			await assert.rejects(client.callTool({ name: 'nothing', arguments: {} }), { code: -32602 });

			const all = await Promise.all(Array.from({ length: 50 }, (_, i) =>
				client.callTool({ name: 'up__add', arguments: { a: i, b: 1 } })));
			assert.deepEqual(all.map(text), Array.from({ length: 50 }, (_, i) => String(i + 1)));

			if (cancels(era)) {
				const abort = new AbortController();
				const hung = client.callTool({ name: 'up__hang', arguments: {} }, ...callOptions(kind, { signal: abort.signal }));
				hung.catch(() => {});
				await until(() => upstream.seen.hanging === 1, 'the call to arrive');
				abort.abort('changed my mind');
				await assert.rejects(hung);
				await until(() => upstream.seen.aborted === 1, 'the cancellation to arrive');
				assert.equal(text(await client.callTool(sum)), '42');
			}
		});
	}

	test(`${kind} client, the reference server`, async t => {
		const upstream = await everything(t);
		const client = await connect(t, kind, connector('every', upstream.url));
		const { tools } = await client.listTools();
		const listed = tools.map(tool => tool.name).filter(name => name.startsWith('every__'));
		assert.ok(listed.length >= 10, listed.join());
		assert.deepEqual(listed, listed.toSorted());
		assert.equal(text(await client.callTool({ name: 'every__echo', arguments: { message: 'hello' } })), 'Echo: hello');
		const progress = [];
		const done = await client.callTool({ name: 'every__trigger-long-running-operation', arguments: { duration: 0.4, steps: 4 } },
			...callOptions(kind, { onprogress: p => progress.push(p.progress) }));
		assert.match(text(done), /completed/i);
		assert.ok(progress.length >= 3, `progress ${progress}`);
		const image = await client.callTool({ name: 'every__get-tiny-image', arguments: {} });
		assert.ok(image.content.some(part => part.type === 'image' && part.data.length > 100));
	});

	test(`${kind} client, native and connectors of both eras at once`, async t => {
		const [native, old, portal, wiki] = [await v2(t, { legacy: 'reject' }), await v1Sessions(t), await demo(t, 'demo-portal'),
			await demo(t, 'demo-wiki')];
		const client = await connect(t, kind, connector('native', native.url) + connector('zeta', old.url) +
			connector('portal', portal.url) + connector('wiki', wiki.url, 'title = Team wiki', 'description = Runbooks'));
		const { tools } = await client.listTools();
		assert.deepEqual(tools.map(tool => tool.name).filter(name => !name.startsWith('mcp_mux')), [
			...TOOLS, ...TOOLS.map(name => `zeta__${name}`),
			'portal__create_incident', 'portal__get_scorecard', 'portal__get_service', 'portal__list_services',
			'wiki__create-page', 'wiki__fetch', 'wiki__search',
		]);
		assert.equal(text(await client.callTool({ name: 'echo', arguments: { text: 'native' } })), 'native');
		assert.equal(text(await client.callTool({ name: 'zeta__echo', arguments: { text: 'old' } })), 'old');
		assert.match(text(await client.callTool({ name: 'wiki__search', arguments: { query: 'checkout' } })), /Restart checkout/);
		const progress = [];
		const card = await client.callTool({ name: 'portal__get_scorecard', arguments: { name: 'ledger' } },
			...callOptions(kind, { onprogress: p => progress.push(p.message) }));
		assert.match(text(card), /2 of 3/);
		assert.deepEqual(progress, ['has an owner', 'has a runbook', 'has alerts']);

		const instructions = client.getInstructions();
		assert.match(instructions, /Team wiki/);
		assert.match(instructions, /Runbooks/);
		assert.match(instructions, /wiki__/);
	});
}

test('a v2 client that probes finds the modern era', async t => {
	const upstream = await v1Sessions(t);
	const { Client } = await import('@modelcontextprotocol/client');
	const client = new Client({ name: 'auto', version: '1' }, { versionNegotiation: { mode: 'auto' } });
	await connect(t, 'SDK v2 modern', connector('up', upstream.url), { client });
	assert.equal(client.getNegotiatedProtocolVersion(), '2026-07-28');
	assert.equal(text(await client.callTool(sum)), '42');
});

test('sessions are deleted at exit, and nothing stays behind', async t => {
	const upstream = await v1Sessions(t);
	const client = await connect(t, 'SDK v1', connector('up', upstream.url));
	await client.callTool(sum);
	assert.equal(upstream.sessions.size, 1);
	const { pid } = client.transport;
	await client.close();
	await until(() => upstream.sessions.size === 0, 'DELETE');
	assert.equal(upstream.seen.deleted, 1);
	await sleep(50);
	assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' });
});

// v1 has a result schema before the options.
function callOptions(kind, options) {
	return kind === 'SDK v1' ? [undefined, options] : [options];
}
