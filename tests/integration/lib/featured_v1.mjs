// The upstreams of featured.mjs as SDK v1 serves them: with sessions, without, and over the deprecated HTTP+SSE.

import { randomUUID } from 'node:crypto';
import { completable } from '@modelcontextprotocol/sdk/server/completable.js';
import { McpServer, ResourceTemplate } from '@modelcontextprotocol/sdk/server/mcp.js';
import { SSEServerTransport } from '@modelcontextprotocol/sdk/server/sse.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { ListResourcesRequestSchema, McpError, SubscribeRequestSchema, UnsubscribeRequestSchema, UrlElicitationRequiredError,
} from '@modelcontextprotocol/sdk/types.js';
import { VISIT, completeDay, laterPrompt, laterTool, newSeen, offer, page, prompts, readSecret, serve, tools } from './featured.mjs';

// Asks the client what REQUEST says; OPTIONS.relatedRequestId puts it on that call's stream.
function ask({ server }, { method, params }, options) {
	if (method === 'roots/list') return server.listRoots(params, options);
	if (method === 'sampling/createMessage') return server.createMessage(params, options);
	return server.elicitInput(params.mode === 'url' ? { ...params, elicitationId: randomUUID() } : params, options);
}

// A call as the tools of featured.mjs see it.
function callOf(mcp, seen, { _meta: meta, sessionId, signal, requestId, sendNotification: notify }) {
	return {
		meta, signal, notify, token: meta?.progressToken,
		async log(level, data) {
			if (!mcp.server.isMessageIgnored(level, sessionId))
				await notify({ method: 'notifications/message', params: { level, logger: 'featured', data } });
		},
		async ask(rounds, finish) {
			const answers = {};
			for (const round of rounds)
				await Promise.all(Object.entries(round).map(async ([key, request]) => {
					answers[key] = await ask(mcp, request, { relatedRequestId: requestId, signal });
				}));
			return finish(answers);
		},
		async visit(finish) {
			if (seen.visited) return finish();
			seen.visited = true;
			throw new UrlElicitationRequiredError([{ ...VISIT.params, elicitationId: randomUUID() }]);
		},
	};
}

// A server; SUBSCRIBED collects the URIs that its client subscribes to.
function featured(label, seen, subscribed) {
	const mcp = new McpServer({ name: label, version: '1' }, {
		capabilities: { logging: {}, resources: { subscribe: true, listChanged: true } },
		enforceStrictCapabilities: true, instructions: `Use ${label} well.`,
	});
	const offered = offer(label);
	const call = extra => callOf(mcp, seen, extra);
	// Without a schema of arguments a handler gets the extra part alone.
	const handler = (schema, run) => schema ? (args, extra) => run(args, call(extra)) : extra => run({}, call(extra));
	const add = {
		tool: (name, [definition, run]) => mcp.registerTool(name, definition, handler(definition.inputSchema, run)),
		prompt: (name, [definition, run]) => mcp.registerPrompt(name, definition, handler(definition.argsSchema, run)),
	};
	for (const [name, tool] of Object.entries(tools(seen))) add.tool(name, tool);
	for (const [name, prompt] of Object.entries(prompts(seen, label, completable))) add.prompt(name, prompt);
	if (seen.later.tools) add.tool('later', laterTool);
	if (seen.later.prompts) add.prompt('later', laterPrompt);

	for (const [uri, content] of Object.entries(offered.contents))
		mcp.registerResource(uri, uri, {}, async () => ({ contents: [content] }));
	mcp.registerResource('secret', offered.secret, {}, (uri, extra) => readSecret(seen, offered.secret, call(extra)));
	const { uriTemplate, name, ...more } = offered.template;
	mcp.registerResource(name, new ResourceTemplate(uriTemplate, { list: undefined, complete: { date: completeDay(seen) } }),
		more, async ({ href: uri }, { date }) => {
			if (uri === offered.missing) throw new McpError(-32002, 'Resource not found', { uri });
			return { contents: [offered.day(date)] };
		});
	mcp.server.setRequestHandler(ListResourcesRequestSchema, async ({ params }) => page(offered, seen, params?.cursor));
	mcp.server.setRequestHandler(SubscribeRequestSchema, async ({ params }) => {
		subscribed.add(params.uri);
		return {};
	});
	mcp.server.setRequestHandler(UnsubscribeRequestSchema, async ({ params }) => {
		subscribed.delete(params.uri);
		return {};
	});
	return { mcp, add, subscribed, ask: request => ask(mcp, request) };
}

// What a test does to all open sessions of MAP, an id → { transport, mcp, add, subscribed, ask }.
export function handles(map, seen) {
	const open = () => [...map.values()];
	return {
		subscribed: () => new Set(open().flatMap(({ subscribed }) => [...subscribed])),
		async change(kind) {
			seen.later[kind] = true;
			for (const { mcp, add } of open()) {
				if (kind === 'tools') add.tool('later', laterTool);
				else if (kind === 'prompts') add.prompt('later', laterPrompt);
				else await mcp.server.sendResourceListChanged();
			}
		},
		async touch(uri) {
			for (const { mcp, subscribed } of open())
				if (subscribed.has(uri)) await mcp.server.sendResourceUpdated({ uri });
		},
		sessions: () => open().map(({ mcp, ask }) => ({
			ask,
			ping: () => mcp.server.ping(),
			say: (level, data) => mcp.server.sendLoggingMessage({ level, data }),
			visited: id => mcp.server.createElicitationCompletionNotifier(id)(),
		})),
	};
}

function refuse(res, status, code, message) {
	res.writeHead(status, { 'content-type': 'application/json' });
	res.end(JSON.stringify({ jsonrpc: '2.0', error: { code, message }, id: null }));
}

// A handler(req, res, body) that keeps a session of MAP for each client: a Transport and what MAKE(subscribed) gives.
export function withSessions(map, make, Transport) {
	return async (req, res, body) => {
		const id = req.headers['mcp-session-id'];
		let transport = id && map.get(id)?.transport;
		if (id && !transport) return refuse(res, 404, -32001, 'Session not found');
		if (!transport) {
			const server = make(new Set());
			transport = new Transport({
				sessionIdGenerator: randomUUID,
				onsessioninitialized: id => { map.set(id, { transport, ...server }); },
				onsessionclosed: id => { map.delete(id); },
			});
			await server.mcp.connect(transport);
		}
		await transport.handleRequest(req, res, body);
	};
}

export async function v1Featured(t, label = 'up') {
	const [seen, map] = [newSeen(), new Map()];
	const handler = withSessions(map, subscribed => featured(label, seen, subscribed), StreamableHTTPServerTransport);
	return { ...await serve(t, `${label}, SDK v1`, handler), ...handles(map, seen), seen, offered: offer(label) };
}

// A server for each request, which knows nothing of the ones before.
export async function v1FeaturedStateless(t, label = 'up') {
	const seen = newSeen();
	const upstream = await serve(t, `${label}, SDK v1 stateless`, async (req, res, body) => {
		if (req.method !== 'POST') return refuse(res, 405, -32000, 'Method not allowed.');
		const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: undefined });
		const { mcp } = featured(label, seen, new Set());
		res.on('close', () => mcp.close());
		await mcp.connect(transport);
		await transport.handleRequest(req, res, body);
	});
	return { ...upstream, ...handles(new Map(), seen), seen, offered: offer(label) };
}

// The transport of 2024-11-05: one stream for all that the server says, and an address for what it is told.
export async function v1FeaturedSse(t, label = 'up') {
	const [seen, map] = [newSeen(), new Map()];
	const upstream = await serve(t, `${label}, HTTP+SSE`, async (req, res, body) => {
		const { pathname, searchParams } = new URL(req.url, 'http://host');
		if (req.method === 'GET' && pathname === '/sse') {
			const transport = new SSEServerTransport('/messages', res);
			const server = featured(label, seen, new Set());
			map.set(transport.sessionId, { transport, ...server });
			res.on('close', () => map.delete(transport.sessionId));
			return server.mcp.connect(transport);
		}
		const session = map.get(searchParams.get('sessionId'));
		if (req.method === 'POST' && pathname === '/messages' && session)
			return session.transport.handlePostMessage(req, res, body);
		res.writeHead(404, { 'content-type': 'text/html' });
		return res.end(`Cannot ${req.method} ${pathname}`);
	}, '/sse');
	return { ...upstream, ...handles(map, seen), seen, offered: offer(label) };
}
