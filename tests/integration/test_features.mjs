// The whole protocol: every official client in front of every official server mode, over all that MCP has besides
// plain tools (test_matrix.mjs), with mcp-mux translating between the eras. Every message on both of its sides is
// held against the schema of the revision in use.

import assert from 'node:assert/strict';
import test from 'node:test';
import { FORM, LINKED, SHARED, UI } from './lib/featured.mjs';
import { testFeatures } from './lib/features.mjs';
import { ANSWERS, Ide } from './lib/ides.mjs';
import { modes } from './lib/modes.mjs';
import { Mux, clients, connector, text, until } from './lib/mux.mjs';

const { make: v1 } = modes['SDK v1 with sessions'];
const { make: v2 } = modes['SDK v2 modern only'];

for (const [kind, { era }] of Object.entries(clients)) {
	for (const [mode, { make, eras }] of Object.entries(modes)) {
		const speaks = eras.includes(era) ? era : eras[0];

		test(`${kind}, ${mode}`, async t => {
			const upstream = await make(t);
			const ide = await Ide.connect(t, kind, connector('up', upstream.url));
			await testFeatures(t, { ide, upstream, mode, speaks, name: name => `up__${name}`, muxed: true });
		});

		test(`${kind} that can do nothing, ${mode}`, async t => {
			const upstream = await make(t);
			const ide = await Ide.connect(t, kind, connector('up', upstream.url), { capabilities: {} });
			for (const tool of ['elicit_form', 'elicit_url', 'sample', 'roots', 'several'])
				await ide.call(`up__${tool}`).then(result => assert.equal(result.isError, true, text(result)), () => {});
			await assert.rejects(ide.prompt({ name: 'up__survey' }));
			assert.equal(text(await ide.call('up__board')), 'look');
			assert.deepEqual(offered(upstream, speaks), []);
			assert.deepEqual(upstream.wire.log.filter(e => e.from === 'server' && e.message.id !== undefined && e.message.method), []);
		});
	}

	test(`${kind} that can be asked with a form alone`, async t => {
		const [old, modern] = [await v1(t, 'old'), await v2(t, 'modern')];
		const ide = await Ide.connect(t, kind, connector('old', old.url) + connector('modern', modern.url),
			{ capabilities: { elicitation: { form: {} } } });
		for (const [upstream, speaks] of [[old, 'legacy'], [modern, 'modern']]) {
			await ide.call(`${upstream.offered.label}__elicit_form`);
			assert.deepEqual(upstream.seen.answers.elicit_form, { form: ANSWERS.form });
			assert.deepEqual(offered(upstream, speaks), ['elicitation']);
		}
		// -32042 is for clients that can open URLs; people get the URL to read.
		const result = await ide.call('old__visit_first');
		assert.equal(result.isError, true);
		assert.ok(text(result).includes('https://example.com/consent?id=7&x=%20'), text(result));
	});

	test(`${kind}, two upstreams with the same names and URIs`, async t => {
		const [a, b] = [await v1(t, 'a'), await v2(t, 'b')];
		const ide = await Ide.connect(t, kind, connector('a', a.url) + connector('b', b.url));
		const { prompts } = await ide.client.listPrompts();
		assert.deepEqual(prompts.map(prompt => prompt.name),
			['a__greet', 'a__shared', 'a__survey', 'b__greet', 'b__shared', 'b__survey']);
		for (const upstream of [a, b]) {
			const { label, text: uri, contents, day } = upstream.offered;
			assert.equal((await ide.prompt({ name: `${label}__shared` })).messages[0].content.text, `Greet ${label} kindly`);
			for (const content of [contents[uri], day('tuesday')]) assert.deepEqual((await ide.read(content.uri)).contents, [content]);
		}
		// The first one's, unless one of them names it.
		assert.equal((await ide.read(SHARED)).contents[0].text, 'what a shares');
		for (const label of ['a', 'b', 'a']) {
			await ide.call(`${label}__link`);
			assert.equal((await ide.read(LINKED)).contents[0].text, `what ${label} linked`);
		}
		assert.equal((await ide.read(UI)).contents[0].text, '<p>a</p>');
		const reads = [a, b].map(({ wire }) => wire.all('resources/read').length);
		await assert.rejects(ide.read('note://nobody/knows'));
		assert.equal(ide.wire.last('resources/read').pending.answer.error.code, era === 'legacy' ? -32002 : -32602);
		assert.deepEqual([a, b].map(({ wire }) => wire.all('resources/read').length), reads, 'neither is asked');

		// Both ask at the same time, and each gets its own answer.
		const answer = ({ method }) => method === 'roots/list' ? ANSWERS.roots : ANSWERS.form;
		await ide.while(answer, () => Promise.all([ide.call('a__elicit_form'), ide.call('b__roots'), ide.call('b__elicit_form'),
			ide.call('a__roots')]));
		for (const { seen } of [a, b])
			assert.deepEqual([seen.answers.elicit_form, seen.answers.roots], [{ form: ANSWERS.form }, { roots: ANSWERS.roots }]);

		const end = await ide.follow();
		await a.change('prompts');
		await until(() => ide.wire.notices('notifications/prompts/list_changed').length, 'the notice');
		await until(async () => (await ide.client.listPrompts()).prompts.some(({ name }) => name === 'a__later'), 'a__later');
		await end();
	});
}

test('a modern IDE and a question of a legacy server, by hand', async t => {
	const upstream = await v1(t);
	const ide = await Ide.connect(t, 'SDK v2 modern', connector('up', upstream.url));
	const call = (more, name = 'up__twice') => ide.client.request({ method: 'tools/call', params: { name, arguments: {}, ...more } },
		{ allowInputRequired: true });
	const refused = more => assert.rejects(call(more), { code: -32602 });

	const first = await call();
	assert.deepEqual(Object.values(first.inputRequests), [FORM]);
	const [form] = Object.keys(first.inputRequests);
	await refused({ requestState: `${first.requestState.slice(0, -4)}AAAA`, inputResponses: { [form]: ANSWERS.form } });
	await refused({ requestState: 'mcp-mux.1.', inputResponses: {} });
	await refused({ requestState: 'of somebody else', inputResponses: {} });
	await assert.rejects(call({ requestState: first.requestState, inputResponses: { [form]: ANSWERS.form } }, 'up__elicit_form'),
		{ code: -32602 });

	const second = await call();
	assert.notEqual(second.requestState, first.requestState);
	const [again] = Object.keys(second.inputRequests);
	const third = await call({ requestState: second.requestState, inputResponses: { [again]: ANSWERS.form } });
	const [sample] = Object.keys(third.inputRequests);
	assert.equal(third.inputRequests[sample].method, 'sampling/createMessage');
	await refused({ requestState: second.requestState, inputResponses: { [again]: ANSWERS.form } });
	const last = await call({ requestState: third.requestState, inputResponses: { [sample]: ANSWERS.sample } });
	assert.deepEqual(JSON.parse(text(last)), { form: ANSWERS.form, sample: ANSWERS.sample });
});

test('capabilities that differ from request to request', async t => {
	const [old, modern] = [await v1(t, 'old'), await v2(t, 'modern')];
	const mux = Mux.start(t, connector('old', old.url) + connector('modern', modern.url));
	for (const [upstream, speaks] of [[old, 'legacy'], [modern, 'modern']]) {
		const name = `${upstream.offered.label}__elicit_form`;
		const call = capabilities => mux.modern('tools/call', { name, arguments: {} }, { capabilities });
		for (const capabilities of [{}, { sampling: {} }, {}]) {
			const { result, error } = await call(capabilities);
			assert.ok(result ? result.isError : error.code, JSON.stringify(result));
		}
		const { result } = await call({ elicitation: {} });
		assert.equal(result.resultType, 'input_required');
		const [key] = Object.keys(result.inputRequests);
		const again = await mux.modern('tools/call', { name, arguments: {}, requestState: result.requestState,
			inputResponses: { [key]: ANSWERS.form } }, { capabilities: { elicitation: {} } });
		assert.deepEqual(JSON.parse(text(again.result)), { form: ANSWERS.form });
		assert.deepEqual(offered(upstream, speaks).toSorted(), ['elicitation', 'sampling']);
	}
	// A session has its capabilities for good; the same ones share one.
	assert.deepEqual(old.wire.all('initialize').map(({ message }) => Object.keys(message.params.capabilities).join()).toSorted(),
		['', 'elicitation', 'sampling']);
});

// What older clients know is less. An upstream of the handshake is offered the IDE's own revision.
for (const revision of ['2024-11-05', '2025-03-26', '2025-06-18']) {
	test(`an IDE of ${revision}`, async t => {
		const [old, modern] = [await v1(t, 'old'), await v2(t, 'modern')];
		const capabilities = { roots: { listChanged: true }, sampling: {}, ...revision > '2025-06' && { elicitation: {} } };
		const ide = await Ide.connect(t, 'SDK v2 legacy', connector('old', old.url) + connector('modern', modern.url),
			{ revision, capabilities });
		assert.equal(ide.client.getNegotiatedProtocolVersion(), revision);
		for (const upstream of [old, modern]) {
			const { offered: { label, contents, text: uri, pixel, template }, seen, wire } = upstream;
			assert.ok((await ide.client.listTools()).tools.some(({ name }) => name === `${label}__board`));
			assert.ok((await ide.client.listPrompts()).prompts.some(({ name }) => name === `${label}__greet`));
			for (const each of [uri, pixel]) assert.deepEqual((await ide.read(each)).contents, [contents[each]]);
			const { messages } = await ide.prompt({ name: `${label}__greet`, arguments: { name: 'ada' } });
			assert.equal(messages[0].content.text, 'Greet ada kindly');
			const { completion } = await ide.client.complete({ ref: { type: 'ref/resource', uri: template.uriTemplate },
				argument: { name: 'date', value: 'm' } });
			assert.deepEqual(completion.values, ['monday']);
			for (const tool of ['sample', 'roots']) {
				await ide.call(`${label}__${tool}`);
				assert.deepEqual(seen.answers[tool], { [tool]: ANSWERS[tool] });
			}
			if (capabilities.elicitation) {
				await ide.call(`${label}__elicit_form`);
				assert.deepEqual(seen.answers.elicit_form, { form: ANSWERS.form });
			}
			await ide.client.setLoggingLevel('error');
			await ide.call(`${label}__logs`);
			assert.deepEqual(ide.wire.last('notifications/message', 'server').message.params.data, { level: 'error' });
			// Content that this revision does not know passes as it is.
			await ide.client.request({ method: 'tools/call', params: { name: `${label}__link`, arguments: {} } });
			assert.deepEqual(ide.wire.last('tools/call').pending.answer.result.content,
				wire.last('tools/call').pending.answer.result.content);
		}
		assert.equal(old.wire.last('initialize').pending.answer.result.protocolVersion, revision);
		const { params } = ide.asked.find(({ method }) => method === 'elicitation/create') ?? { params: FORM.params };
		assert.equal(params.message, FORM.params.message);
		ide.wire.assertValid();
	});
}

// Which of the three things that servers may ask UPSTREAM was offered, at any time.
function offered({ wire }, speaks) {
	const key = 'io.modelcontextprotocol/clientCapabilities';
	const all = speaks === 'legacy' ? wire.all('initialize').map(({ message }) => message.params.capabilities) :
		wire.log.filter(({ from, message }) => from === 'client' && message.params?._meta?.[key])
			.map(({ message }) => message.params._meta[key]);
	assert.ok(all.length);
	return [...new Set(all.flatMap(Object.keys))].filter(name => ['elicitation', 'sampling', 'roots'].includes(name));
}
