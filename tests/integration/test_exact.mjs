// What passes through arrives with the same bytes, both ways and in both eras, whatever it holds.

import assert from 'node:assert/strict';
import test from 'node:test';
import { Mux, connector, modernMeta } from './lib/mux.mjs';
import { Scripted, rawId, sse, tool } from './lib/scripted.mjs';

// White space between tokens may change on the way; these have none.
const ODD = [
	'{"n":[1.10,1.0,-0,1e400,1E+2,12345678901234567890,123456789012345678901234567890,0.1000000000000000055511151231257827]}',
	'{"z":1,"a":2,"m":{"b":[],"a":{}},"":0}',
	'{"s":"\\u00e9\\/\\ud83d\\ude00\\u0000\\b\\f\\n\\r\\t\\"\\\\ é 😀 \u2028\u007f"}',
	'{"lone":"\\ud800 \\udfff"}',
	'{"dup":1,"dup":2}',
	'{"jsonrpc":"1","id":7,"method":"x","params":{},"result":1,"error":2,"_meta":{"a":1}}',
	`{"deep":${'['.repeat(200)}${']'.repeat(200)}}`,
	'{}',
];

// The text of the value of "key" in a document made of tokens without white space.
function rawValue(document, key) {
	const at = document.indexOf(`"${key}":`) + key.length + 3;
	let depth = 0;
	for (let i = at; i < document.length; i++) {
		if (document[i] === '"') {
			for (i++; document[i] !== '"'; i++) if (document[i] === '\\') i++;
		} else if ('[{'.includes(document[i])) depth++;
		else if (']}'.includes(document[i])) depth--;
		if (depth === 0 && ']}"'.includes(document[i])) return document.slice(at, i + 1);
	}
	assert.fail(`no ${key}`);
}

const request = (id, args, ide) =>
	`{"jsonrpc":"2.0","id":${id},"method":"tools/call","params":{"name":"up__x","arguments":${args}` +
	`${ide === 'modern' ? `,"_meta":${JSON.stringify(modernMeta())}` : ''}}}`;

for (const ide of ['legacy', 'modern']) {
	for (const era of ['legacy', 'modern']) {
		test(`arguments, results and errors: ${ide} IDE, ${era} upstream`, async t => {
			let respond;
			const upstream = await Scripted.start(t, { era, on: { 'tools/call': exchange => respond(exchange) } });
			const mux = Mux.start(t, connector('up', upstream.url));
			if (ide === 'legacy') await mux.initialize();
			const type = era === 'modern' ? ',"resultType":"complete"' : '';
			for (const [i, odd] of ODD.entries()) {
				for (const [way, send] of Object.entries({
					json: (x, message) => x.json(message),
					sse: (x, message) => x.end(200, { 'content-type': 'text/event-stream' }, sse(message)),
				})) {
					const id = `"${way}${i}"`;
					respond = x => send(x, `{"jsonrpc":"2.0","id":${x.id},"result":{"content":[],"structuredContent":${odd},"vendor":${odd}${type}}}`);
					mux.send(request(id, odd, ide));
					const { text } = await mux.answer(JSON.parse(id));
					assert.equal(rawValue(upstream.of('tools/call').at(-1).body, 'arguments'), odd);
					assert.equal(rawValue(text, 'structuredContent'), odd);
					assert.equal(rawValue(text, 'vendor'), odd);

					const errorId = `"error ${way}${i}"`;
					respond = x => send(x, `{"jsonrpc":"2.0","id":${x.id},"error":{"code":-31999,"message":"odd \\u00e9","data":${odd}}}`);
					mux.send(request(errorId, '{}', ide));
					const failed = (await mux.answer(JSON.parse(errorId))).text;
					assert.equal(rawValue(failed, 'error'), `{"code":-31999,"message":"odd \\u00e9","data":${odd}}`);
				}
			}
		});

		test(`progress and unknown members of params and _meta: ${ide} IDE, ${era} upstream`, async t => {
			const upstream = await Scripted.start(t, { era, on: { 'tools/call': x => {
				const token = x.message.params._meta.progressToken;
				x.stream().event(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":${JSON.stringify(token)},` +
					'"progress":1.10,"total":12345678901234567890,"message":"\\u00e9","odd":{"b":1,"a":1.0}}}');
				x.event(`{"jsonrpc":"2.0","id":${x.id},"result":{"content":[]${era === 'modern' ? ',"resultType":"complete"' : ''}}}`);
				x.res.end();
			} } });
			const mux = Mux.start(t, connector('up', upstream.url));
			if (ide === 'legacy') await mux.initialize();
			const meta = { progressToken: 'tok\u00e9n', 'vendor/odd': [1] , ...(ide === 'modern' && modernMeta()) };
			mux.send({ jsonrpc: '2.0', id: 50, method: 'tools/call', params: { name: 'up__x', odd: { z: 1, a: 2 }, _meta: meta } });
			const progress = await mux.wait(m => m.method === 'notifications/progress', 'progress');
			assert.equal(progress.json.params.progressToken, 'tok\u00e9n');
			assert.ok(progress.text.includes('"progress":1.10,"total":12345678901234567890,"message":"\\u00e9","odd":{"b":1,"a":1.0}'), progress.text);
			await mux.answer(50);
			const { params } = upstream.of('tools/call')[0].message;
			assert.deepEqual(params.odd, { z: 1, a: 2 });
			assert.deepEqual(params._meta['vendor/odd'], [1]);
			assert.equal('io.modelcontextprotocol/protocolVersion' in params._meta, era === 'modern');
		});
	}
}

test('tool definitions keep every byte but their name', async t => {
	const definition = name => `{"x":1.10,"inputSchema":{"type":"object","properties":{"b":{"maximum":12345678901234567890},"a":{}}},` +
		`"name":${name},"description":"\\u00e9\\/","annotations":{"readOnlyHint":true,"vendor":[1.0]},"icons":[]}`;
	const upstream = await Scripted.start(t, { tools: `[${definition('"one"')},${definition('"tw\\u006f"')}]` });
	const mux = Mux.start(t, connector('up', upstream.url) + connector('native', upstream.url));
	await mux.initialize();
	mux.send('{"jsonrpc":"2.0","id":"list","method":"tools/list"}');
	const { text } = await mux.answer('list');
	for (const name of ['"one"', '"up__one"', '"up__two"']) assert.ok(text.includes(definition(name)), `${name}: ${text}`);
	await mux.call('up__two');
	assert.equal(upstream.of('tools/call')[0].message.params.name, 'two');
});

test('a pretty-printed answer becomes one line with the same tokens', async t => {
	const upstream = await Scripted.start(t, { on: { 'tools/call': x =>
		x.json(`{\r\n  "jsonrpc": "2.0",\r\n  "id": ${x.id},\n  "result": {\n    "content": [],\n    "s": "a\\nb  c"\n  }\n}\n`) } });
	const mux = Mux.start(t, connector('up', upstream.url));
	await mux.initialize();
	const { result } = await mux.call('up__x');
	assert.deepEqual(result, { content: [], s: 'a\nb  c' });
});

test('an event of several data lines, split anywhere, arrives whole', async t => {
	const upstream = await Scripted.start(t, { on: { 'tools/call': async x => {
		const bytes = Buffer.from(`\ufeff: hello\r\nid: 7\r\nevent: message\r\ndata: {"jsonrpc":"2.0",\r\ndata:"id":${x.id},\r\ndata:  "result":{"content":[{"type":"text","text":"é😀"}]}}\r\n\r\n`);
		x.stream();
		for (const byte of bytes) {
			x.res.write(Buffer.from([byte]));
			if (byte % 16 === 0) await new Promise(resolve => setTimeout(resolve, 1));
		}
		x.res.end();
	} } });
	const mux = Mux.start(t, connector('up', upstream.url));
	await mux.initialize();
	assert.equal((await mux.call('up__x')).result.content[0].text, 'é😀');
});

test('a result of several MiB arrives unharmed, one over max_result is refused in words', async t => {
	const upstream = await Scripted.start(t, { on: { 'tools/call': x =>
		x.rawResult(`{"content":[{"type":"text","text":"${'é'.repeat(x.message.params.arguments.n / 2)}"}]}`) } });
	const mux = Mux.start(t, connector('up', upstream.url));
	await mux.initialize();
	const big = (await mux.call('up__x', { n: 8 << 20 })).result;
	assert.equal(big.content[0].text, 'é'.repeat(4 << 20));
	const refused = (await mux.call('up__x', { n: 12 << 20 })).result;
	assert.equal(refused.isError, true);
	assert.match(refused.content[0].text, /12(\.\d+)? ?Mi?B|max_result|large/i);
	assert.equal((await mux.call('up__x', { n: 2 })).result.content[0].text, 'é');
});

test('names that are not legal or collide get stable aliases, and are called by their own name', async t => {
	const long = 'a'.repeat(70);
	const odd = ['plain', 'with space', 'with.dot', 'with/dot', 'ünï', long, `${long}b`];
	const upstream = await Scripted.start(t, { tools: odd.map(name => tool(name)), on: { 'tools/call': x =>
		x.result({ content: [{ type: 'text', text: x.message.params.name }] }) } });
	const list = async () => {
		const mux = Mux.start(t, connector('up', upstream.url));
		await mux.initialize();
		return [mux, await mux.tools()];
	};
	const [mux, first] = await list();
	const [, second] = await list();
	assert.deepEqual(first, second);
	assert.equal(new Set(first).size, odd.length);
	for (const name of first) assert.match(name, /^up__[A-Za-z0-9_-]{1,44}$/);
	const called = [];
	for (const name of first) called.push((await mux.call(name)).result.content[0].text);
	assert.deepEqual(called.toSorted(), odd.toSorted());
	assert.equal(rawId(upstream.of('tools/call')[0].body).match(/^\d+$/)?.length, 1, 'ids upstream are our own integers');
});
