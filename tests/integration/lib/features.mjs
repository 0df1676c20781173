// What MCP has besides plain tools, feature by feature: each is asserted by what the other side received. A CELL is
// { ide, upstream, mode, speaks, name, muxed }: an Ide, one of featured.mjs's upstreams, its key in modes.mjs, the era
// in which it is spoken to, what one of its names is for the IDE, and whether mcp-mux is between them (else they are
// connected directly).

import assert from 'node:assert/strict';
import { EMBEDDED, FORM, LINKED, ROUNDS, SHARED, UI, greeting } from './featured.mjs';
import { ANSWERS } from './ides.mjs';
import { until } from './raw.mjs';

const clone = value => JSON.parse(JSON.stringify(value));
const text = result => result.content.map(part => part.text).join('');
const answersTo = tool => Object.assign({}, ...ROUNDS[tool].map(round =>
	Object.fromEntries(Object.keys(round).map(key => [key, ANSWERS[key]]))));

// All pages of a list, as they came over the wire to the IDE: entry by entry.
async function pages({ ide }, method, member) {
	const entries = [];
	let cursor;
	do {
		await ide.request(method, cursor ? { cursor } : {});
		const { result } = ide.wire.last(method).pending.answer;
		entries.push(...result[member]);
		cursor = result.nextCursor;
	} while (cursor);
	return entries;
}

// Checks that the list which the IDE gets has the upstream's definitions as they are, apart from the KEY that
// mcp-mux gives another name. Returns them as the upstream knows them.
async function same(cell, method, member, key) {
	const { upstream, muxed, name } = cell;
	const shown = await pages(cell, method, member);
	const there = new Map(upstream.wire.all(method).flatMap(({ pending }) => pending.answer?.result?.[member] ?? [])
		.map(definition => [definition[key], definition]));
	const prefix = key === 'name' ? name('') : '';
	const ours = shown.filter(definition => definition[key].startsWith(prefix) && !definition[key].startsWith('mcp_mux__'));
	if (muxed && prefix) assert.deepEqual(ours.map(d => d[key]), ours.map(d => d[key]).toSorted(), 'in order');
	const found = ours.map(definition => ({ ...definition, [key]: definition[key].slice(prefix.length) }));
	const byKey = (a, b) => (a[key] < b[key] ? -1 : 1);
	assert.deepEqual(found.toSorted(byKey), [...there.values()].toSorted(byKey));
	return found;
}

// Results that ask the IDE for input.
const inputRequired = wire => wire.log.filter(e => e.from === 'server' && e.message.result?.resultType === 'input_required')
	.map(e => e.message.result);

// All that a modern IDE was asked for so far.
const inputs = ({ ide }) => inputRequired(ide.wire).flatMap(({ inputRequests }) => Object.values(inputRequests ?? {}));

// The levels of the log messages that the IDE got since its log had FROM entries.
const levels = ({ ide }, from) => ide.wire.log.slice(from).filter(e => e.message.method === 'notifications/message')
	.map(e => e.message.params.level);

// Calls TOOL, which hangs in the end, and cancels that once READY holds.
async function cancelled({ ide, name }, tool, ready) {
	const abort = new AbortController();
	const call = ide.call(name(tool), {}, { signal: abort.signal });
	call.catch(() => {});
	await until(ready, `${tool} to hang`);
	abort.abort('changed my mind');
	await assert.rejects(call);
}

const listing = {
	async 'tools/list'(cell) {
		const found = await same(cell, 'tools/list', 'tools', 'name');
		assert.equal(found.find(tool => tool.name === 'board')._meta.ui.resourceUri, UI);
	},

	async 'prompts/list'(cell) {
		const found = await same(cell, 'prompts/list', 'prompts', 'name');
		assert.deepEqual(found.map(prompt => prompt.name).toSorted(), ['greet', 'shared', 'survey']);
		assert.equal(found.find(prompt => prompt.name === 'greet').arguments[0].description, 'Whom');
	},

	async 'prompts/get'({ ide, upstream, name }) {
		const args = { name: 'grace', tone: 'warmly' };
		const result = await ide.prompt({ name: name('greet'), arguments: args });
		assert.deepEqual(result.messages, greeting(args).messages);
		const { params } = upstream.wire.last('prompts/get').message;
		assert.equal(params.name, 'greet');
		assert.deepEqual(params.arguments, args);
		assert.deepEqual(upstream.seen.prompts.at(-1), args);
		await assert.rejects(ide.prompt({ name: name('greet'), arguments: {} }), { code: -32602 });
		await assert.rejects(ide.prompt({ name: name('nothing') }), { code: -32602 });
	},

	async 'resources/list'(cell) {
		const found = await same(cell, 'resources/list', 'resources', 'uri');
		assert.deepEqual(found.map(r => r.uri).toSorted(), cell.upstream.offered.listed.map(r => r.uri).toSorted());
	},

	async 'resources/templates/list'(cell) {
		const found = await same(cell, 'resources/templates/list', 'resourceTemplates', 'uriTemplate');
		assert.deepEqual(found, [cell.upstream.offered.template]);
	},
};

const reading = {
	async 'resources/read'({ ide, upstream, name }) {
		const { offered } = upstream;
		const day = offered.day('monday');
		await ide.call(name('link')); // names LINKED and EMBEDDED
		for (const content of [offered.contents[offered.text], offered.contents[offered.pixel], offered.contents[SHARED], day,
			offered.contents[LINKED], offered.contents[EMBEDDED], offered.contents[UI]]) {
			assert.deepEqual((await ide.read(content.uri)).contents, [content]);
			assert.equal(upstream.wire.last('resources/read').message.params.uri, content.uri);
		}
	},

	// SDK v2 gives its callers one code for both, so the wire is looked at. A lone upstream is asked for what it does not
	// list, too.
	async 'resources that are not there'({ ide, upstream, speaks }) {
		const codes = { legacy: -32002, modern: -32602 };
		const error = wire => wire.last('resources/read').pending.answer.error;
		for (const uri of ['note://nobody/knows', upstream.offered.missing]) {
			await assert.rejects(ide.read(uri));
			assert.equal(upstream.wire.last('resources/read').message.params.uri, uri);
			assert.equal(error(ide.wire).code, ide.era === speaks ? error(upstream.wire).code : codes[ide.era]);
			assert.deepEqual(error(ide.wire).data, error(upstream.wire).data);
		}
	},

	async 'completion of a prompt\'s argument'({ ide, upstream, name }) {
		const context = { arguments: { tone: 'warmly' } };
		const { completion } = await ide.client.complete({ ref: { type: 'ref/prompt', name: name('greet') },
			argument: { name: 'name', value: 'a' }, context });
		assert.deepEqual(completion.values, ['ada', 'alan']);
		const { params } = upstream.wire.last('completion/complete').message;
		assert.deepEqual(params.ref, { type: 'ref/prompt', name: 'greet' });
		assert.deepEqual(params.context, context);
	},

	async 'completion of a template\'s variable'({ ide, upstream }) {
		const ref = { type: 'ref/resource', uri: upstream.offered.template.uriTemplate };
		const { completion } = await ide.client.complete({ ref, argument: { name: 'date', value: 't' } });
		assert.deepEqual(completion.values, ['tuesday', 'thursday']);
		assert.deepEqual(upstream.wire.last('completion/complete').message.params.ref, ref);
	},
};

const changing = {
	async 'resource subscriptions'({ ide, upstream, speaks, name }) {
		const { text: uri, pixel } = upstream.offered;
		const subscribed = uri => speaks === 'legacy' ? upstream.subscribed().has(uri) :
			upstream.wire.listening().some(filter => filter.resourceSubscriptions?.includes(uri));
		const heard = () => ide.wire.notices('notifications/resources/updated').map(params => params.uri);
		const endText = await ide.subscribe(uri);
		await until(() => subscribed(uri), 'the subscription upstream');
		assert.ok(!subscribed(pixel));
		await upstream.touch(pixel);
		await upstream.touch(uri);
		await until(() => heard().length, 'the update');
		assert.deepEqual(heard(), [uri]);

		const endPixel = await ide.subscribe(pixel);
		await until(() => subscribed(uri) && subscribed(pixel), 'the second subscription upstream');
		await upstream.touch(pixel);
		await until(() => heard().length === 2, 'the second update');
		await endText();
		await until(() => !subscribed(uri) && subscribed(pixel), 'the end upstream');
		await upstream.touch(uri);
		await upstream.touch(pixel);
		await until(() => heard().length === 3, 'the third update');
		await endPixel();
		await until(() => !subscribed(pixel), 'the other end upstream');
		await upstream.touch(pixel);
		await ide.call(name('board'));
		assert.deepEqual(heard(), [uri, pixel, pixel]);
	},

	async 'notices of changed lists'(cell) {
		const { ide, upstream, name } = cell;
		const end = await ide.follow();
		if (ide.era === 'modern' && cell.speaks === 'modern')
			await until(() => upstream.wire.listening().some(filter => filter.promptsListChanged), 'the stream upstream');
		for (const [kind, method, key, later] of [['tools', 'tools/list', 'name', name('later')],
			['prompts', 'prompts/list', 'name', name('later')], ['resources', 'resources/list', 'uri', upstream.offered.later.uri]]) {
			const notices = () => ide.wire.notices(`notifications/${kind}/list_changed`);
			const before = notices().length;
			await upstream.change(kind);
			await until(() => notices().length > before, `the notice of changed ${kind}`);
			await until(async () => (await pages(cell, method, kind)).some(each => each[key] === later), `the later one of ${kind}`);
		}
		await end();
		assert.equal(text(await ide.call(name('later'))), 'late');
		assert.deepEqual((await ide.read(upstream.offered.later.uri)).contents, [upstream.offered.contents[upstream.offered.later.uri]]);
	},

	async 'log messages of a call'(cell) {
		const { ide, name } = cell;
		if (ide.era === 'modern') {
			const from = ide.wire.log.length;
			await ide.call(name('logs'));
			assert.deepEqual(levels(cell, from), [], 'without a level');
		}
		for (const [level, expected] of [['warning', ['warning', 'error']], ['error', ['error']],
			['debug', ['debug', 'info', 'warning', 'error']]]) {
			const meta = await ide.logFrom(level);
			const from = ide.wire.log.length;
			await ide.call(name('logs'), {}, { meta });
			assert.deepEqual(levels(cell, from), expected, level);
			const { params } = ide.wire.last('notifications/message', 'server').message;
			assert.deepEqual([params.logger, params.data], ['featured', { level: 'error' }]);
		}
	},

	async 'roots/list_changed'({ ide, upstream }) {
		await ide.client.sendRootsListChanged();
		await until(() => upstream.wire.last('notifications/roots/list_changed'), 'the notice');
	},
};

const asking = {
	...Object.fromEntries(['elicit_form', 'elicit_url', 'sample', 'roots', 'several', 'twice'].map(tool =>
		[`a tool that needs the client: ${tool}`, async ({ ide, upstream, speaks, name }) => {
			const [before, inputsBefore] = [ide.asked.length, inputs({ ide }).length];
			const result = await ide.call(name(tool));
			assert.ok(!result.isError, text(result));
			assert.deepEqual(upstream.seen.answers[tool], answersTo(tool));
			assert.deepEqual(JSON.parse(text(result)), answersTo(tool));
			const wanted = ROUNDS[tool].flatMap(round => Object.values(round));
			const asked = ide.asked.slice(before);
			const byMethod = (a, b) => (a.method < b.method ? -1 : 1);
			const order = tool === 'several' ? list => list.toSorted(byMethod) : list => list;
			assert.deepEqual(order(asked).map(({ method }) => method), order(wanted).map(({ method }) => method));
			for (const [i, { params = {} }] of order(wanted).entries())
				for (const [key, value] of Object.entries(params)) assert.deepEqual(order(asked)[i].params[key], value, key);
			if (ide.era === 'modern') assert.deepEqual(order(inputs({ ide }).slice(inputsBefore)), order(wanted));
			if (ide.era === 'modern' || tool !== 'elicit_url') return;
			// Only 2025-11-25 has ids for URLs, and a word when a person is done there.
			const { elicitationId } = asked[0].params;
			assert.equal(typeof elicitationId, 'string');
			if (speaks === 'modern')
				await until(() => ide.wire.notices('notifications/elicitation/complete').some(params =>
					params.elicitationId === elicitationId), 'the end of the visit');
		}])),

	async 'declining and dismissing a form'({ ide, upstream, name }) {
		for (const action of ['decline', 'cancel'])
			await ide.while(() => ({ action }), async () => {
				await ide.call(name('elicit_form'));
				assert.deepEqual(upstream.seen.answers.elicit_form, { form: { action } });
			});
	},

	async 'a prompt that needs the client'({ ide, upstream, name }) {
		const { messages } = await ide.prompt({ name: name('survey') });
		assert.deepEqual(messages, greeting({ name: 'Ada' }).messages);
		assert.deepEqual(upstream.seen.answers.survey, { form: ANSWERS.form });
	},

	async 'a resource that needs the client'({ ide, upstream }) {
		const { contents } = await ide.read(upstream.offered.secret);
		assert.deepEqual(contents, [{ uri: upstream.offered.secret, text: 'Ada' }]);
		assert.deepEqual(upstream.seen.answers.secret, { form: ANSWERS.form });
	},

	async 'calls that need the client at the same time'({ ide, name }) {
		const answer = ({ params }) => ({ action: 'accept', content: { name: params.message } });
		const results = await ide.while(answer, () => Promise.all(Array.from({ length: 4 }, () => ide.call(name('elicit_form')))));
		for (const result of results)
			assert.deepEqual(JSON.parse(text(result)), { form: { action: 'accept', content: { name: FORM.params.message } } });
	},

	async 'a URL to be visited first (-32042)'({ ide, upstream, speaks, name }) {
		upstream.seen.visited = false;
		if (ide.era === 'legacy' && speaks === 'legacy') {
			await assert.rejects(ide.call(name('visit_first')), error => {
				assert.equal(error.code, -32042);
				assert.equal(error.data.elicitations[0].url, 'https://example.com/consent?id=7&x=%20');
				return true;
			});
		}
		assert.equal(text(await ide.call(name('visit_first'))), 'visited');
	},

	async 'a question that the client fails to answer'({ ide, upstream, name }) {
		delete upstream.seen.answers.elicit_form;
		await ide.while(() => Promise.reject(new Error('no hands')), async () => {
			await ide.call(name('elicit_form')).then(result => assert.equal(result.isError, true, text(result)), () => {});
		});
		assert.equal(upstream.seen.answers.elicit_form, undefined);
		assert.equal(text(await ide.call(name('board'))), 'look');
	},

	// Of the server, in its session but not for a call: those of a modern IDE go nowhere.
	async 'what a server asks and says by itself'({ ide, upstream, name }) {
		await ide.call(name('board'));
		// A server that has no stream for it loses what it says.
		await until(() => upstream.wire.streams().length >= upstream.sessions().length, 'the streams of all sessions');
		const [session] = upstream.sessions().slice(-1);
		const heard = () => [ide.wire.notices('notifications/message').some(({ data }) => data === 'by itself'),
			ide.wire.notices('notifications/elicitation/complete').some(({ elicitationId }) => elicitationId === 'by-itself')];
		if (ide.era === 'modern') {
			await assert.rejects(session.ask(FORM), { code: -32601 });
		} else {
			await ide.client.ping();
			assert.deepEqual(clone(await session.ask(FORM)), ANSWERS.form);
			await ide.logFrom('error');
		}
		await session.say('error', 'by itself');
		await session.visited('by-itself');
		for (const each of upstream.sessions()) await each.ping(); // and with that all before was read
		if (ide.era === 'legacy') await until(() => heard().every(Boolean), 'the notices');
		else assert.deepEqual(heard(), [false, false]);
	},
};

const calling = {
	async 'progress'({ ide, upstream, name }) {
		const heard = upstream.seen.progress = [];
		await ide.call(name('steps'), { n: 3 }, { onprogress: ({ progress, total, message }) => heard.push([progress, total, message]) });
		assert.deepEqual(heard, [[1, 3, 'step 1'], [2, 3, 'step 2'], [3, 3, 'step 3']]);
	},

	async '_meta of requests'({ ide, upstream, name }) {
		const meta = { traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01', tracestate: 'vendor=1',
			baggage: 'user=7', 'com.example/unknown': { deep: [1, null, 'ü'] } };
		const { content } = await ide.call(name('echo_meta'), {}, { meta });
		await ide.prompt({ name: name('shared'), _meta: meta });
		await ide.client.readResource({ uri: upstream.offered.text, _meta: meta });
		for (const method of ['tools/call', 'prompts/get', 'resources/read']) {
			const got = upstream.wire.last(method).message.params._meta;
			for (const [key, value] of Object.entries(meta)) assert.deepEqual(got[key], value, `${method} ${key}`);
		}
		assert.equal(JSON.parse(content[0].text).traceparent, meta.traceparent);
	},

	async 'cancelling a call'(cell) {
		const { seen } = cell.upstream;
		const { hanging, aborted } = seen;
		await cancelled(cell, 'hang', () => seen.hanging > hanging);
		await until(() => seen.aborted > aborted, 'the cancellation');
		assert.equal(text(await cell.ide.call(cell.name('board'))), 'look');
	},

	async 'cancelling a call after it was answered a question'(cell) {
		const { seen } = cell.upstream;
		const { hanging, aborted } = seen;
		await cancelled(cell, 'ask_then_hang', () => seen.hanging > hanging);
		await until(() => seen.aborted > aborted, 'the cancellation');
	},

	async 'cancelling a call while its question is open'(cell) {
		const { ide, upstream, speaks } = cell;
		const [before, calls] = [ide.asked.length, upstream.wire.all('tools/call').length];
		delete upstream.seen.answers.elicit_form;
		// It never answers of itself.
		const waiting = ({ signal }) => new Promise((resolve, reject) => {
			signal?.addEventListener('abort', () => reject(new Error('withdrawn')));
		});
		await ide.while(waiting, async () => {
			await cancelled(cell, 'elicit_form', () => ide.asked.length > before);
			if (ide.era === 'legacy') await until(() => ide.asked.at(-1).signal.aborted, 'the question to be withdrawn');
		});
		if (ide.era === 'legacy' && speaks === 'legacy')
			await until(() => upstream.wire.last('notifications/cancelled'), 'the cancellation upstream');
		assert.equal(text(await ide.call(cell.name('board'))), 'look');
		// Nothing but the call itself and that last one.
		assert.equal(upstream.wire.all('tools/call').length, calls + 2);
		assert.equal(upstream.seen.answers.elicit_form, undefined);
	},
};

// What must hold of everything that was said, in the end.
const throughout = {
	async 'equal eras are not translated'({ ide, upstream, speaks, name, muxed }) {
		await ide.call(name('link'));
		await ide.prompt({ name: name('greet'), arguments: { name: 'ada' } });
		await ide.read(upstream.offered.text);
		for (const method of ['tools/call', 'prompts/get', 'resources/read']) {
			const [here, there] = [ide.wire, upstream.wire].map(wire => wire.last(method).pending.answer.result);
			if (ide.era === speaks) assert.deepEqual(here, there);
			else for (const member of ['content', 'messages', 'contents']) assert.deepEqual(here[member], there[member]);
		}
		if (ide.era !== 'modern') return;
		const states = wire => inputRequired(wire).map(({ requestState }) => requestState);
		if (muxed && speaks === 'legacy') for (const state of states(ide.wire)) assert.match(state, /^mcp-mux\.1\./);
		else assert.deepEqual(states(ide.wire), states(upstream.wire));
	},

	async 'an upstream gets nothing of another era'({ upstream, speaks }) {
		for (const { from, message, revision } of upstream.wire.log) {
			if (from !== 'client' || !message.params || revision === '2026-07-28') continue;
			const { _meta = {}, inputResponses, requestState } = message.params;
			assert.deepEqual(Object.keys(_meta).filter(key => key.startsWith('io.modelcontextprotocol/')), [], message.method);
			assert.deepEqual([inputResponses, requestState], [undefined, undefined], message.method);
		}
		if (speaks === 'modern') for (const { exchange } of upstream.wire.all('tools/call')) assert.ok(exchange.headers['mcp-method']);
	},

	async 'a modern IDE hears what it opted in for, tagged'({ ide }) {
		if (ide.era === 'legacy') return;
		const opted = { 'notifications/tools/list_changed': filter => filter.toolsListChanged,
			'notifications/prompts/list_changed': filter => filter.promptsListChanged,
			'notifications/resources/list_changed': filter => filter.resourcesListChanged,
			'notifications/resources/updated': (filter, { uri }) => filter.resourceSubscriptions?.includes(uri) };
		const filters = new Map(ide.wire.all('subscriptions/listen').map(({ message }) => [message.id, message.params.notifications]));
		for (const { from, message } of ide.wire.log) {
			if (from !== 'server' || !(message.method in opted)) continue;
			const filter = filters.get(message.params._meta?.['io.modelcontextprotocol/subscriptionId']);
			assert.ok(filter && opted[message.method](filter, message.params), JSON.stringify(message));
		}
	},

	async 'every message fits the schema of its revision'({ ide, upstream }) {
		ide.wire.assertValid();
		upstream.wire.assertValid();
	},
};

export const features = { ...listing, ...reading, ...calling, ...asking, ...changing, ...throughout };

// What an official server or client cannot do in some mode of its own, whatever is between them: of which upstream
// (by its key in modes.mjs), era of the IDE and era that the upstream is spoken to in; which features; why; and what
// happens instead.
const FOR_ASKING = [...Object.keys(asking).filter(name => /needs? the client|client fails/.test(name)), 'declining and dismissing a form',
	'cancelling a call after it was answered a question', 'cancelling a call while its question is open'];

async function refusesToAsk({ ide, upstream, name }) {
	const before = ide.asked.length;
	for (const tool of Object.keys(ROUNDS)) {
		const result = await ide.call(name(tool));
		assert.equal(result.isError, true);
		assert.match(text(result), /^Client does not support/);
	}
	await assert.rejects(ide.prompt({ name: name('survey') }), /Client does not support/);
	await assert.rejects(ide.read(upstream.offered.secret), /Client does not support/);
	assert.equal(ide.asked.length, before);
	assert.deepEqual(upstream.wire.log.filter(e => e.from === 'server' && e.message.method && e.message.id !== undefined), []);
}

// A modern IDE can be asked as part of a call alone, so the server hears that there is nobody to ask.
async function cannotBeAsked({ ide, upstream, name }) {
	const before = ide.asked.length;
	for (const tool of ['elicit_form', 'sample', 'roots']) {
		const result = await ide.call(name(tool));
		assert.equal(result.isError, true);
		assert.match(text(result), /-32601/);
	}
	await assert.rejects(ide.prompt({ name: name('survey') }));
	await assert.rejects(ide.read(upstream.offered.secret));
	assert.equal(ide.asked.length, before);
}

async function endsForTheIdeAlone(cell) {
	const { hanging } = cell.upstream.seen;
	await cancelled(cell, 'hang', () => cell.upstream.seen.hanging > hanging);
	assert.equal(text(await cell.ide.call(cell.name('board'))), 'look');
}

async function logsAtAnyLevel(cell) {
	await cell.ide.logFrom('warning');
	const from = cell.ide.wire.log.length;
	await cell.ide.call(cell.name('logs'));
	assert.deepEqual(levels(cell, from).slice(-2), ['warning', 'error']);
}

async function logsNothing(cell) {
	const meta = await cell.ide.logFrom('debug');
	const from = cell.ide.wire.log.length;
	await cell.ide.call(cell.name('logs'), {}, { meta });
	assert.deepEqual(levels(cell, from), []);
}

const LIMITS = [
	{ mode: 'SDK v1 stateless', features: FOR_ASKING, instead: refusesToAsk,
		why: 'a server made for one request has seen no initialize, so it believes that its client can do nothing' },
	{ mode: 'SDK v1 stateless', features: ['cancelling a call'], instead: endsForTheIdeAlone,
		why: 'without a session nothing ties a cancellation to its call' },
	{ mode: 'SDK v1 stateless', era: 'legacy', features: ['log messages of a call'], instead: logsAtAnyLevel,
		why: 'no server lives long enough to remember a level' },
	{ mode: 'SDK v1 stateless', features: ['resource subscriptions', 'notices of changed lists', 'what a server asks and says by itself'],
		why: 'it has no stream for them: GET is answered with 405' },
	{ mode: 'HTTP+SSE', era: 'modern', features: FOR_ASKING, instead: cannotBeAsked,
		why: 'one stream carries everything, so nothing ties a question to the call that it is for' },
	{ mode: 'HTTP+SSE', era: 'modern', features: ['log messages of a call'], instead: logsNothing,
		why: 'one stream carries everything, so nothing ties a message to the request that wanted it' },
	{ speaks: 'modern', features: ['what a server asks and says by itself', 'roots/list_changed'], why: 'the revision has none' },
	{ era: 'modern', features: ['roots/list_changed'], why: 'the revision has none' },
];

// Tests every feature in CELL.
export async function testFeatures(t, cell) {
	const { mode, ide, speaks } = cell;
	const limits = LIMITS.filter(limit => (limit.mode ?? mode) === mode && (limit.era ?? ide.era) === ide.era &&
		(limit.speaks ?? speaks) === speaks);
	for (const { features, why, instead } of limits) {
		const title = `not here: ${features.join(', ')}; ${why}`;
		if (instead) await t.test(title, () => instead(cell));
		else t.diagnostic(title);
	}
	const missing = new Set(limits.flatMap(limit => limit.features));
	for (const [feature, run] of Object.entries(features))
		if (!missing.has(feature)) await t.test(feature, () => run(cell));
}
