// Upstreams that use every feature of MCP, in every mode that the official SDKs serve. What they offer and do is
// written down here once; featured_v1.mjs and featured_v2.mjs put it into the words of each SDK. Each has
//   url, wire     where it is, and what went over that connection (wire.mjs)
//   offered       offer() of its label
//   seen          what its handlers learnt: answers of the client by tool, _meta, arguments, calls in flight
//   change(kind)  adds one to its tools, prompts or resources, and says so
//   touch(uri)    says that a resource was updated
//   subscribed()  the URIs that clients are subscribed to in sessions
//   sessions()    a handle on each open session for what happens outside of calls: ping, ask, say, visited

import { z } from 'zod';
import { atEnd, sleep, until } from './raw.mjs';
import { listen } from './upstreams.mjs';
import { Wire, tapHttp } from './wire.mjs';

// What a server asks a client for.
export const FORM = { method: 'elicitation/create', params: {
	mode: 'form', message: 'Who are you?',
	requestedSchema: {
		type: 'object', required: ['name'],
		properties: { name: { type: 'string', title: 'Name' }, age: { type: 'integer', minimum: 0 } },
	},
} };
export const VISIT = { method: 'elicitation/create', params: {
	mode: 'url', message: 'Please allow it there', url: 'https://example.com/consent?id=7&x=%20',
} };
const SAMPLE = { method: 'sampling/createMessage', params: {
	messages: [{ role: 'user', content: { type: 'text', text: 'Say a word' } }], systemPrompt: 'Be brief', maxTokens: 20,
} };
const ROOTS = { method: 'roots/list' };

// Tools that need the client: the rounds one after the other, each with what is asked at once.
export const ROUNDS = {
	elicit_form: [{ form: FORM }],
	elicit_url: [{ visit: VISIT }],
	sample: [{ sample: SAMPLE }],
	roots: [{ roots: ROOTS }],
	several: [{ form: FORM, sample: SAMPLE, roots: ROOTS }],
	twice: [{ form: FORM }, { sample: SAMPLE }],
	ask_then_hang: [{ form: FORM }],
};

const LEVELS = ['debug', 'info', 'warning', 'error'];
export const UI = 'ui://board/view.html';
export const LINKED = 'note://linked/by-a-tool';
export const EMBEDDED = 'note://embedded/in-a-result';
export const SHARED = 'note://shared';
const PIXEL = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

const NAMES = ['ada', 'alan', 'grace'];
const DAYS = ['monday', 'tuesday', 'thursday'];

// What a server called LABEL says of its resources.
export function offer(label) {
	const own = `note://${label}`;
	return {
		label,
		text: `${own}/text`, pixel: `${own}/pixel`, secret: `${own}/secret`,
		listed: [
			{ uri: `${own}/text`, name: 'text', title: 'A text', description: 'To be read', mimeType: 'text/plain', size: 42,
				annotations: { audience: ['user'], priority: 0.5 } },
			{ uri: `${own}/pixel`, name: 'pixel', mimeType: 'image/png' },
			{ uri: SHARED, name: 'shared', mimeType: 'text/plain' },
			{ uri: `${own}/secret`, name: 'secret', mimeType: 'text/plain' },
		],
		later: { uri: `${own}/later`, name: 'later', mimeType: 'text/plain' },
		template: { uriTemplate: `${own}/day/{date}`, name: 'day', title: 'A day', mimeType: 'text/plain' },
		missing: `${own}/day/never`, // which the template describes
		day: date => ({ uri: `${own}/day/${date}`, mimeType: 'text/plain', text: `${date} of ${label}` }),
		// What can be read without a question, listed or not.
		contents: Object.fromEntries([
			{ uri: `${own}/text`, mimeType: 'text/plain', text: `the text of ${label}` },
			{ uri: `${own}/pixel`, mimeType: 'image/png', blob: PIXEL },
			{ uri: `${own}/later`, mimeType: 'text/plain', text: 'late' },
			{ uri: SHARED, mimeType: 'text/plain', text: `what ${label} shares` },
			{ uri: LINKED, mimeType: 'text/plain', text: `what ${label} linked` },
			{ uri: EMBEDDED, mimeType: 'text/plain', text: `what ${label} embedded` },
			{ uri: UI, mimeType: 'text/html;profile=mcp-app', text: `<p>${label}</p>` },
		].map(content => [content.uri, content])),
	};
}

const said = text => ({ content: [{ type: 'text', text }] });

export const greeting = ({ name, tone = 'kindly' }) => ({
	description: 'A greeting',
	messages: [
		{ role: 'user', content: { type: 'text', text: `Greet ${name} ${tone}` } },
		{ role: 'assistant', content: { type: 'resource', resource: { uri: EMBEDDED, mimeType: 'text/plain', text: 'hello' } } },
	],
});

// Waits for the end of a call, and keeps count.
function hang(seen, signal) {
	seen.hanging++;
	return new Promise((resolve, reject) => signal.addEventListener('abort', () => {
		seen.aborted++;
		reject(new Error('aborted'));
	}));
}

async function steps(seen, { n }, { token, notify }) {
	for (let progress = 1; progress <= n && token !== undefined; progress++) {
		await notify({ method: 'notifications/progress',
			params: { progressToken: token, progress, total: n, message: `step ${progress}` } });
		await sleep(30);
	}
	// The SDK's clients lose progress that comes in one read with the answer, which may wait for what a test gathers.
	if (seen.progress) await until(() => seen.progress.length >= n, 'the client to hear of all progress');
	return said('done');
}

// The tools: [definition, run(args, call)]. A call is { meta, token, signal, notify(notification), log(level, data),
// ask(rounds, finish), visit(finish) }; `ask` ends with what finish(answers by key) makes of them.
export function tools(seen) {
	const asking = Object.entries(ROUNDS).map(([name, rounds]) => [name, [{ description: `Needs the client: ${name}` },
		(args, call) => call.ask(rounds, answers => {
			seen.answers[name] = answers;
			return name === 'ask_then_hang' ? hang(seen, call.signal) : said(JSON.stringify(answers));
		})]]);
	return {
		...Object.fromEntries(asking),
		board: [{ description: 'Shown by a page', _meta: { ui: { resourceUri: UI } } }, async () => said('look')],
		echo_meta: [{ description: 'Says what _meta came', annotations: { readOnlyHint: true } }, async (args, { meta }) => {
			seen.meta.push(meta);
			return said(JSON.stringify(meta ?? null));
		}],
		hang: [{ description: 'Ends when it is cancelled' }, (args, { signal }) => hang(seen, signal)],
		link: [{ description: 'Names resources' }, async () => ({ content: [
			{ type: 'text', text: 'see' },
			{ type: 'resource_link', uri: LINKED, name: 'linked', mimeType: 'text/plain', description: 'Not in any list' },
			{ type: 'resource', resource: { uri: EMBEDDED, mimeType: 'text/plain', text: 'in short' } },
		] })],
		logs: [{ description: 'Logs at every level' }, async (args, { log }) => {
			for (const level of LEVELS) await log(level, { level });
			return said('logged');
		}],
		steps: [{ description: 'Tells of its progress', inputSchema: { n: z.number() } }, (args, call) => steps(seen, args, call)],
		visit_first: [{ description: 'Wants a URL visited' }, (args, call) => call.visit(async () => said('visited'))],
	};
}
export const laterTool = [{ description: 'Came later' }, async () => said('late')];

// The prompts: [definition with argsSchema, run(args, call)]. COMPLETABLE is the SDK's.
export function prompts(seen, label, completable) {
	const greet = {
		name: completable(z.string().describe('Whom'), value => {
			seen.completions.push(value);
			return NAMES.filter(name => name.startsWith(value));
		}),
		tone: z.string().optional(),
	};
	return {
		greet: [{ title: 'Greeting', description: 'Greets somebody', argsSchema: greet }, async args => {
			seen.prompts.push(args);
			return greeting(args);
		}],
		survey: [{ description: 'Asks first' }, (args, call) => call.ask(ROUNDS.elicit_form, answers => {
			seen.answers.survey = answers;
			return greeting({ name: answers.form.content?.name ?? answers.form.action });
		})],
		shared: [{ description: `The one of ${label}` }, async () => greeting({ name: label })],
	};
}
export const laterPrompt = [{ description: 'Came later' }, async () => greeting({ name: 'late' })];

export function completeDay(seen) {
	return value => {
		seen.completions.push(value);
		return DAYS.filter(day => day.startsWith(value));
	};
}

// A resource whose reading needs the client.
export function readSecret(seen, uri, call) {
	return call.ask(ROUNDS.elicit_form, answers => {
		seen.answers.secret = answers;
		return { contents: [{ uri, text: answers.form.content?.name ?? answers.form.action }] };
	});
}

// More can be read than is listed, and the list has two pages.
export function page({ listed, later }, seen, cursor) {
	if (cursor !== 'page 2') return { resources: listed.slice(0, 2), nextCursor: 'page 2' };
	return { resources: [...listed.slice(2), ...seen.later.resources ? [later] : []] };
}

export const newSeen = () => ({ answers: {}, meta: [], prompts: [], completions: [], hanging: 0, aborted: 0, later: {} });

// Serves HANDLER(req, res, body) under PATH with everything recorded and judged.
export async function serve(t, where, handler, path = '/mcp') {
	const wire = new Wire(where);
	const tapped = tapHttp(wire, handler);
	const upstream = await listen(t, (req, res) => tapped(req, res).catch(error => {
		wire.faults.push(`${where}: ${error.stack}`);
		res.destroy();
	}));
	atEnd(t, () => wire.assertValid());
	return { ...upstream, url: `http://127.0.0.1:${upstream.port}${path}`, wire };
}
