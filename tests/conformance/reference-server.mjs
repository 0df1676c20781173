// The server behind the server scenarios of the official conformance suite: made with the official SDK, with the tools,
// prompts and resources that the scenarios ask for by name. Everything is written once and served in both eras, over
// Streamable HTTP on a free port of the loopback, whose URL is printed, or with --stdio on the standard streams.

import { randomBytes, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { NodeStreamableHTTPServerTransport, localhostHostValidation, localhostOriginValidation, toNodeHandler,
	toWebRequest } from '@modelcontextprotocol/node';
import { CLIENT_CAPABILITIES_META_KEY, McpServer, PROTOCOL_VERSION_META_KEY, ResourceTemplate, UnsupportedProtocolVersionError,
	acceptedContent, completable, createMcpHandler, createRequestStateCodec, fromJsonSchema, inputRequired, inputResponse,
	isInitializeRequest, isLegacyRequest } from '@modelcontextprotocol/server';
import { StdioServerTransport, serveStdio } from '@modelcontextprotocol/server/stdio';
import { z } from 'zod';

const MODERN = '2026-07-28';

const STEP_MS = 50; // between two things that a tool does, as the scenarios want it
const AWAY_MS = 150; // how long test_reconnection works on without a stream
const RETRY_MS = 50; // when a client whose stream was closed is to come back

// One red pixel, and eight samples of silence.
const PNG = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==';
const WAV = Buffer.concat([Buffer.from('RIFF\x2c\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0', 'latin1'),
	Buffer.from('401f0000401f000001000800', 'hex'), Buffer.from('data\x08\0\0\0', 'latin1'), Buffer.alloc(8, 0x80)]).toString('base64');

const text = value => ({ type: 'text', text: value });
const embedded = (uri, mimeType, words) => ({ type: 'resource', resource: { uri, mimeType, text: words } });
const image = { type: 'image', data: PNG, mimeType: 'image/png' };
const say = value => ({ content: [text(value)] });
const user = content => ({ role: 'user', content });
const question = value => ({ messages: [user(text(value))], maxTokens: 100 });

const states = createRequestStateCodec({ key: randomBytes(32) });

// What comes and goes at the scenarios' request, for all clients of this process.
class Lists {
	shown = { tool: false, prompt: false };
	lasting = new Set(); // of { tool, prompt }: as registered with servers that outlast a request
	notify = { tool() {}, prompt() {} }; // tells those that listen to no such server

	toggle(kind) {
		this.shown[kind] = !this.shown[kind];
		for (const registered of this.lasting) this.#apply(registered, kind);
		this.notify[kind]();
	}

	#apply(registered, kind) {
		if (this.shown[kind]) registered[kind].enable();
		else registered[kind].disable();
	}

	add(server, registered, { outlasts }) {
		for (const kind of ['tool', 'prompt']) this.#apply(registered, kind);
		if (!outlasts) return;
		this.lasting.add(registered);
		server.server.onclose = () => this.lasting.delete(registered);
	}
}

const lists = new Lists();

// --- what the server needs of a person or a model ---

// A form with one field, and what was filled in: undefined as long as it was not.
function form(key, message, field, type) {
	return {
		requests: { [key]: inputRequired.elicit({ message, requestedSchema: z.object({ [field]: type }) }) },
		answer: ({ mcpReq }) => acceptedContent(mcpReq.inputResponses, key, z.object({ [field]: type }))?.[field],
	};
}

const name = form('user_name', 'What is your name?', 'name', z.string());
const confirmation = form('confirm', 'Please confirm', 'ok', z.boolean());
const context = form('user_context', 'What context should the prompt use?', 'context', z.string());
const steps = [form('step1', 'Step 1: What is your name?', 'name', z.string()),
	form('step2', 'Step 2: What is your favorite color?', 'color', z.string())];

const greet = () => inputRequired.createMessage(question('Generate a greeting'));
const view = (ctx, key) => inputResponse(ctx.mcpReq.inputResponses, key);

function ask(inputRequests, requestState) {
	return inputRequired({ inputRequests, ...(requestState !== undefined && { requestState }) });
}

// Asks for REQUESTED in raw JSON Schema and says what came back.
function elicit(message, requestedSchema, words) {
	return (args, ctx) => {
		const answer = view(ctx, 'input');
		if (answer.kind !== 'elicit') return ask({ input: inputRequired.elicit({ message: args.message ?? message, requestedSchema }) });
		return say(words(answer));
	};
}

const completed = ({ action, content }) => `Elicitation completed: action=${action}, content=${JSON.stringify(content ?? {})}`;
const response = ({ action, content }) => `User response: action: ${action}, content: ${JSON.stringify(content ?? {})}`;

const account = {
	type: 'object',
	properties: {
		username: { type: 'string', description: 'User\'s response' },
		email: { type: 'string', description: 'User\'s email address' },
	},
	required: ['username', 'email'],
};

const defaults = {
	type: 'object',
	properties: {
		name: { type: 'string', description: 'User name', default: 'John Doe' },
		age: { type: 'integer', description: 'User age', default: 30 },
		score: { type: 'number', description: 'User score', default: 95.5 },
		status: { type: 'string', description: 'User status', enum: ['active', 'inactive', 'pending'], default: 'active' },
		verified: { type: 'boolean', description: 'Verification status', default: true },
	},
	required: [],
};

const titled = (...titles) => titles.map((title, i) => ({ const: `value${i + 1}`, title }));
const enums = {
	type: 'object',
	properties: {
		untitledSingle: { type: 'string', enum: ['option1', 'option2', 'option3'] },
		titledSingle: { type: 'string', oneOf: titled('First Option', 'Second Option', 'Third Option') },
		legacyEnum: { type: 'string', enum: ['opt1', 'opt2', 'opt3'], enumNames: ['Option One', 'Option Two', 'Option Three'] },
		untitledMulti: { type: 'array', items: { type: 'string', enum: ['option1', 'option2', 'option3'] } },
		titledMulti: { type: 'array', items: { anyOf: titled('First Choice', 'Second Choice', 'Third Choice') } },
	},
	required: [],
};

// --- tools: name → [description, input schema, handler] ---

const nothing = z.object({});

const contents = {
	test_simple_text: ['A line of text', nothing, () => say('This is a simple text response for testing.')],
	test_image_content: ['An image', nothing, () => ({ content: [image] })],
	test_audio_content: ['A sound', nothing, () => ({ content: [{ type: 'audio', data: WAV, mimeType: 'audio/wav' }] })],
	test_embedded_resource: ['A resource inside the result', nothing, () => ({
		content: [embedded('test://embedded-resource', 'text/plain', 'This is an embedded resource content.')],
	})],
	test_multiple_content_types: ['Text, an image and a resource', nothing, () => ({
		content: [text('Multiple content types test:'), image,
			embedded('test://mixed-content-resource', 'application/json', '{"test":"data","value":123}')],
	})],
	test_error_handling: ['Always fails', nothing, () => {
		throw new Error('This tool intentionally returns an error for testing');
	}],
};

const behaviours = {
	test_tool_with_logging: ['Logs while it works', nothing, async (args, { mcpReq }) => {
		await mcpReq.log('info', 'Tool execution started');
		await sleep(STEP_MS);
		await mcpReq.log('info', 'Tool processing data');
		await sleep(STEP_MS);
		await mcpReq.log('info', 'Tool execution completed');
		return say('Tool with logging executed successfully');
	}],
	test_logging_tool: ['Logs, which only those hear who want to', nothing, async (args, { mcpReq }) => {
		await mcpReq.log('info', 'This is for those who asked for it');
		return say('Logged');
	}],
	test_tool_with_progress: ['Reports progress while it works', nothing, async (args, { mcpReq }) => {
		const progressToken = mcpReq._meta?.progressToken;
		for (const progress of [0, 50, 100]) {
			if (progress) await sleep(STEP_MS);
			if (progressToken !== undefined)
				await mcpReq.notify({ method: 'notifications/progress', params: { progressToken, progress, total: 100 } });
		}
		return say('Tool with progress executed successfully');
	}],
	test_reconnection: ['Closes its stream and works on', nothing, async (args, { http }) => {
		http?.closeSSE?.();
		await sleep(AWAY_MS);
		return say('The stream was closed and the client came back.');
	}],
	test_trigger_tool_change: ['Lets a tool come or go', nothing, () => {
		lists.toggle('tool');
		return say('The list of tools has changed');
	}],
	test_trigger_prompt_change: ['Lets a prompt come or go', nothing, () => {
		lists.toggle('prompt');
		return say('The list of prompts has changed');
	}],
};

const schemas = {
	json_schema_2020_12_tool: ['Its schema uses much of JSON Schema 2020-12', fromJsonSchema({
		$schema: 'https://json-schema.org/draft/2020-12/schema',
		type: 'object',
		$defs: {
			address: { $anchor: 'addressDef', type: 'object', properties: { street: { type: 'string' }, city: { type: 'string' } } },
		},
		properties: {
			name: { type: 'string' },
			address: { $ref: '#/$defs/address' },
			contactMethod: { type: 'string', enum: ['phone', 'email'] },
			phone: { type: 'string' },
			email: { type: 'string' },
		},
		allOf: [{ anyOf: [{ required: ['phone'] }, { required: ['email'] }] }],
		if: { properties: { contactMethod: { const: 'phone' } }, required: ['contactMethod'] },
		then: { required: ['phone'] },
		else: { required: ['email'] },
		additionalProperties: false,
	}), args => say(JSON.stringify(args))],
	test_header_parameters: ['Parameters that are headers as well', fromJsonSchema({
		type: 'object',
		properties: {
			region: { type: 'string', 'x-mcp-header': 'Region' },
			count: { type: 'integer', 'x-mcp-header': 'Count' },
			note: { type: 'string' },
		},
		required: ['region'],
	}), args => say(JSON.stringify(args))],
};

// Asked and answered in one way in both eras: as requests of the server's own, or as results that ask for input.
const inputs = {
	test_sampling: ['Asks the client\'s model', z.object({ prompt: z.string() }), ({ prompt }, ctx) => {
		const answer = view(ctx, 'input');
		if (answer.kind !== 'sampling') return ask({ input: inputRequired.createMessage(question(prompt)) });
		return say(`LLM response: ${[answer.result.content].flat()[0].text}`);
	}],
	test_elicitation: ['Asks the user', z.object({ message: z.string() }), elicit('', account, response)],
	test_elicitation_sep1034_defaults: ['Asks with defaults for everything', nothing, elicit('Please review the form', defaults, completed)],
	test_elicitation_sep1330_enums: ['Asks for choices of all kinds', nothing, elicit('Please select options', enums, completed)],
	test_streaming_elicitation: ['Asks the user, and never on its own', nothing, elicit('What is your name?', account, response)],
	test_missing_capability: ['Needs a client that samples', nothing, (args, ctx) =>
		view(ctx, 'input').kind === 'sampling' ? say('Sampled') : ask({ input: inputRequired.createMessage(question('Anything')) })],
};

const rounds = {
	test_input_required_result_elicitation: ['Asks for a name', nothing, (args, ctx) => {
		const answer = name.answer(ctx);
		return answer === undefined ? ask(name.requests) : say(`Hello, ${answer}!`);
	}],
	test_input_required_result_sampling: ['Asks the client\'s model', nothing, (args, ctx) => {
		const answer = view(ctx, 'capital_question');
		if (answer.kind !== 'sampling')
			return ask({ capital_question: inputRequired.createMessage(question('What is the capital of France?')) });
		return say([answer.result.content].flat()[0].text);
	}],
	test_input_required_result_list_roots: ['Asks for the client\'s roots', nothing, (args, ctx) => {
		const answer = view(ctx, 'client_roots');
		if (answer.kind !== 'roots') return ask({ client_roots: inputRequired.listRoots() });
		return say(`Roots: ${answer.roots.map(({ uri }) => uri).join(', ')}`);
	}],
	test_input_required_result_request_state: ['Wants its state back', nothing, async (args, ctx) => {
		const ok = ctx.mcpReq.requestState()?.asked && confirmation.answer(ctx) !== undefined;
		return ok ? say('state-ok') : ask(confirmation.requests, await states.mint({ asked: true }));
	}],
	test_input_required_result_tampered_state: ['Takes no state but its own', nothing, async (args, ctx) => {
		const ok = ctx.mcpReq.requestState()?.asked && confirmation.answer(ctx) !== undefined;
		return ok ? say('The state is intact') : ask(confirmation.requests, await states.mint({ asked: true }));
	}],
	test_input_required_result_multiple_inputs: ['Asks for three things at once', nothing, async (args, ctx) => {
		const [greeting, roots] = [view(ctx, 'greeting'), view(ctx, 'client_roots')];
		const answer = name.answer(ctx);
		if (answer !== undefined && greeting.kind === 'sampling' && roots.kind === 'roots' && ctx.mcpReq.requestState()?.asked)
			return say(`${[greeting.result.content].flat()[0].text} ${answer}, ${roots.roots.length} roots`);
		const requests = { ...name.requests, greeting: greet(), client_roots: inputRequired.listRoots() };
		return ask(requests, await states.mint({ asked: true }));
	}],
	test_input_required_result_multi_round: ['Asks twice', nothing, async (args, ctx) => {
		const state = ctx.mcpReq.requestState() ?? { answers: [] };
		const answers = [...state.answers];
		const answer = steps[answers.length].answer(ctx);
		if (answer !== undefined) answers.push(answer);
		if (answers.length === steps.length) return say(`Answers: ${answers.join(', ')}`);
		return ask(steps[answers.length].requests, await states.mint({ answers }));
	}],
	test_input_required_result_capabilities: ['Asks for no more than the client can do', nothing, (args, ctx) => {
		const able = ctx.mcpReq.envelope?.[CLIENT_CAPABILITIES_META_KEY] ?? {};
		const requests = {
			...(able.elicitation && name.requests),
			...(able.sampling && { greeting: greet() }),
			...(able.roots && { client_roots: inputRequired.listRoots() }),
		};
		const done = Object.keys(requests).every(key => view(ctx, key).kind !== 'missing');
		return done ? say(`Asked for: ${Object.keys(requests).join(', ')}`) : ask(requests);
	}],
};

function addTools(server) {
	const all = { ...contents, ...behaviours, ...schemas, ...inputs, ...rounds };
	for (const [name, [description, inputSchema, run]] of Object.entries(all))
		server.registerTool(name, { description, inputSchema }, run);
	return server.registerTool('test_comes_and_goes', { description: 'Not always there', inputSchema: nothing }, () => say('Here'));
}

// --- prompts and resources ---

function addPrompts(server) {
	const add = (name, description, args, run) =>
		server.registerPrompt(name, { description, ...(args && { argsSchema: z.object(args) }) }, args ? run : ctx => run({}, ctx));
	const cities = value => ['test', 'testing', 'paris', 'park', 'party'].filter(city => city.startsWith(value));
	add('test_simple_prompt', 'A line of text', undefined, () => ({ messages: [user(text('This is a simple prompt for testing.'))] }));
	add('test_prompt_with_arguments', 'Shows its arguments',
		{ arg1: completable(z.string().describe('First test argument'), cities), arg2: z.string().describe('Second test argument') },
		({ arg1, arg2 }) => ({ messages: [user(text(`Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`))] }));
	add('test_prompt_with_embedded_resource', 'Holds a resource', { resourceUri: z.string().describe('URI of the resource to embed') },
		({ resourceUri: uri }) => ({
			messages: [user(embedded(uri, 'text/plain', 'Embedded resource content for testing.')),
				user(text('Please process the embedded resource above.'))],
		}));
	add('test_prompt_with_image', 'Holds an image', undefined,
		() => ({ messages: [user(image), user(text('Please analyze the image above.'))] }));
	add('test_input_required_result_prompt', 'Asks for its context', undefined, (args, ctx) => {
		const answer = context.answer(ctx);
		return answer === undefined ? ask(context.requests) : { messages: [user(text(`Context: ${answer}`))] };
	});
	return add('test_comes_and_goes', 'Not always there', undefined, () => ({ messages: [user(text('Here'))] }));
}

function addResources(server) {
	const add = (name, uri, mimeType, content, more) =>
		server.registerResource(name, uri, { description: `The resource ${name}`, mimeType, ...more },
			({ href }) => ({ contents: [{ uri: href, mimeType, ...content }] }));
	add('static-text', 'test://static-text', 'text/plain', { text: 'This is the content of the static text resource.' },
		{ cacheHint: { ttlMs: 60_000, cacheScope: 'public' } });
	add('static-binary', 'test://static-binary', 'image/png', { blob: PNG });
	add('watched-resource', 'test://watched-resource', 'text/plain', { text: 'This resource can be watched.' });
	server.registerResource('template', new ResourceTemplate('test://template/{id}/data', { list: undefined }),
		{ description: 'Data by id', mimeType: 'application/json' }, ({ href: uri }, { id }) => {
			const data = { id, templateTest: true, data: `Data for ID: ${id}` };
			return { contents: [{ uri, mimeType: 'application/json', text: JSON.stringify(data) }] };
		});
	for (const method of ['resources/subscribe', 'resources/unsubscribe']) server.server.setRequestHandler(method, () => ({}));
}

// OUTLASTS: whether it serves more than one request.
function referenceServer(options) {
	const server = new McpServer({ name: 'reference-server', version: '1.0.0' }, {
		capabilities: {
			completions: {}, logging: {}, prompts: { listChanged: true }, resources: { listChanged: true, subscribe: true },
			tools: { listChanged: true },
		},
		requestState: { verify: states.verify },
		cacheHints: { 'tools/list': { ttlMs: 1000, cacheScope: 'private' } },
	});
	addResources(server);
	lists.add(server, { tool: addTools(server), prompt: addPrompts(server) }, options);
	return server;
}

// --- Streamable HTTP ---

// The SDK's event store: what was sent on each stream, to be sent again to who comes back.
class Events {
	#all = [];

	async storeEvent(stream, message) {
		return String(this.#all.push({ stream, message }) - 1);
	}

	async getStreamIdForEventId(id) {
		return this.#all[id]?.stream;
	}

	async replayEventsAfter(id, { send }) {
		const { stream } = this.#all[id];
		for (let i = Number(id) + 1; i < this.#all.length; i++) {
			const { stream: own, message } = this.#all[i];
			if (own === stream && 'jsonrpc' in message) await send(String(i), message);
		}
		return stream;
	}
}

// The handshake revisions, with a session for each client.
function sessionHandler() {
	const sessions = new Map();
	const open = async () => {
		const transport = new NodeStreamableHTTPServerTransport({
			sessionIdGenerator: randomUUID, eventStore: new Events(), retryInterval: RETRY_MS,
			onsessioninitialized: id => void sessions.set(id, transport),
			onsessionclosed: id => void sessions.delete(id),
		});
		await referenceServer({ outlasts: true }).connect(transport);
		return transport;
	};
	const refuse = (res, status, message) => res.writeHead(status, { 'content-type': 'application/json' })
		.end(JSON.stringify({ jsonrpc: '2.0', id: null, error: { code: -32000, message } }));
	return async (req, res, body) => {
		const id = req.headers['mcp-session-id'];
		if (id === undefined && !isInitializeRequest(body)) return refuse(res, 400, 'Bad Request: Mcp-Session-Id header is required');
		const transport = id === undefined ? await open() : sessions.get(id);
		if (!transport) return refuse(res, 404, 'Session not found');
		await transport.handleRequest(req, res, body);
	};
}

async function serveHttp() {
	const modern = createMcpHandler(() => referenceServer({ outlasts: false }), { legacy: 'reject' });
	lists.notify = { tool: modern.notify.toolsChanged, prompt: modern.notify.promptsChanged };
	const [serveModern, serveLegacy] = [toNodeHandler(modern), sessionHandler()];
	const guards = [localhostHostValidation(), localhostOriginValidation()];
	const server = createServer(async (req, res) => {
		if (!guards.every(guard => guard(req, res))) return;
		const request = await toWebRequest(req);
		const legacy = await isLegacyRequest(request);
		const body = await request.json().catch(() => undefined);
		await (legacy ? serveLegacy : serveModern)(req, res, body);
	});
	await new Promise(resolve => server.listen(0, '127.0.0.1', resolve));
	console.log(`http://127.0.0.1:${server.address().port}/mcp`);
}

// --- stdio ---

// The SDK looks at the revision of what opens the connection, and of later requests no more.
function serveStreams() {
	const wire = new StdioServerTransport();
	serveStdio(() => referenceServer({ outlasts: true }), { transport: wire });
	const deliver = wire.onmessage;
	wire.onmessage = message => {
		const requested = message.params?._meta?.[PROTOCOL_VERSION_META_KEY];
		if (requested === undefined || requested === MODERN || message.id === undefined) return deliver(message);
		const { code, message: words, data } = new UnsupportedProtocolVersionError({ supported: [MODERN], requested });
		wire.send({ jsonrpc: '2.0', id: message.id, error: { code, message: words, data } });
	};
}

if (process.argv.includes('--stdio')) serveStreams();
else await serveHttp();
