// The upstreams of featured.mjs as SDK v2 serves them: the stateless revision, alone or beside sessions of the
// handshake ones. Handlers answer with input_required; an older client is asked by the SDK in its own words.

import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { McpServer, ResourceNotFoundError, ResourceTemplate, UrlElicitationRequiredError, completable, createMcpHandler,
	inputRequired, isLegacyRequest } from '@modelcontextprotocol/server';
import { NodeStreamableHTTPServerTransport, toNodeHandler, toWebRequest } from '@modelcontextprotocol/node';
import { VISIT, completeDay, laterPrompt, laterTool, newSeen, offer, page, prompts, readSecret, serve, tools } from './featured.mjs';
import { handles, withSessions } from './featured_v1.mjs';
import { atEnd } from './raw.mjs';

// Goes through ROUNDS of questions, one result for each, then calls FINISH(answers).
function ask(rounds, { requestState, inputResponses }, finish) {
	const { asked = 0, answers = {} } = JSON.parse(requestState() ?? '{}');
	Object.assign(answers, inputResponses);
	const missing = asked > 0 && Object.keys(rounds[asked - 1]).some(key => !(key in answers));
	const next = missing ? asked - 1 : asked;
	if (next === rounds.length) return finish(answers);
	return inputRequired({ inputRequests: rounds[next], requestState: JSON.stringify({ asked: next + 1, answers }) });
}

// A call as the tools of featured.mjs see it.
function callOf(era, seen, { mcpReq }) {
	const { _meta: meta, signal, notify } = mcpReq;
	return {
		meta, signal, notify, token: meta?.progressToken,
		log: (level, data) => mcpReq.log(level, data, 'featured'),
		ask: async (rounds, finish) => ask(rounds, mcpReq, finish),
		async visit(finish) {
			if (era === 'modern') return ask([{ visit: VISIT }], mcpReq, finish);
			if (seen.visited) return finish();
			seen.visited = true;
			throw new UrlElicitationRequiredError([{ ...VISIT.params, elicitationId: randomUUID() }]);
		},
	};
}

function featured(label, era, seen, subscribed) {
	const mcp = new McpServer({ name: label, version: '2' }, {
		capabilities: { logging: {}, resources: { subscribe: true, listChanged: true } },
		enforceStrictCapabilities: true, instructions: `Use ${label} well.`,
	});
	const offered = offer(label);
	const call = ctx => callOf(era, seen, ctx);
	// Without a schema of arguments a handler gets the context alone.
	const handler = (schema, run) => schema ? (args, ctx) => run(args, call(ctx)) : ctx => run({}, call(ctx));
	const add = {
		tool: (name, [{ inputSchema, ...more }, run]) => mcp.registerTool(name,
			{ ...more, ...inputSchema && { inputSchema: z.object(inputSchema) } }, handler(inputSchema, run)),
		prompt: (name, [{ argsSchema, ...more }, run]) => mcp.registerPrompt(name,
			{ ...more, ...argsSchema && { argsSchema: z.object(argsSchema) } }, handler(argsSchema, run)),
	};
	for (const [name, tool] of Object.entries(tools(seen))) add.tool(name, tool);
	for (const [name, prompt] of Object.entries(prompts(seen, label, completable))) add.prompt(name, prompt);
	if (seen.later.tools) add.tool('later', laterTool);
	if (seen.later.prompts) add.prompt('later', laterPrompt);

	for (const [uri, content] of Object.entries(offered.contents))
		mcp.registerResource(uri, uri, {}, async () => ({ contents: [content] }));
	mcp.registerResource('secret', offered.secret, {}, (uri, ctx) => readSecret(seen, offered.secret, call(ctx)));
	const { uriTemplate, name, ...more } = offered.template;
	mcp.registerResource(name, new ResourceTemplate(uriTemplate, { list: undefined, complete: { date: completeDay(seen) } }),
		more, async ({ href: uri }, { date }) => {
			if (uri === offered.missing) throw new ResourceNotFoundError(uri);
			return { contents: [offered.day(date)] };
		});
	mcp.server.setRequestHandler('resources/list', async ({ params }) => page(offered, seen, params?.cursor));
	if (era === 'legacy') {
		mcp.server.setRequestHandler('resources/subscribe', async ({ params }) => {
			subscribed.add(params.uri);
			return {};
		});
		mcp.server.setRequestHandler('resources/unsubscribe', async ({ params }) => {
			subscribed.delete(params.uri);
			return {};
		});
	}
	return { mcp, add, subscribed, ask: ({ method, params }) => mcp.server.request({ method, params }) };
}

// The stateless revision, and beside it sessions for the others unless LEGACY is false.
export async function v2Featured(t, label = 'up', { legacy = true } = {}) {
	const [seen, map] = [newSeen(), new Map()];
	const modern = createMcpHandler(() => featured(label, 'modern', seen).mcp, { legacy: 'reject' });
	const older = withSessions(map, subscribed => featured(label, 'legacy', seen, subscribed), NodeStreamableHTTPServerTransport);
	const newer = toNodeHandler(modern);
	const upstream = await serve(t, `${label}, SDK v2${legacy ? '' : ' modern only'}`, async (req, res, body) => {
		const isOlder = legacy && await isLegacyRequest(await toWebRequest(req, body), body);
		return isOlder ? older(req, res, body) : newer(req, res, body);
	});
	atEnd(t, () => modern.close());
	const sessions = handles(map, seen);
	return {
		...upstream, ...sessions, seen, offered: offer(label),
		async change(kind) {
			await sessions.change(kind);
			modern.notify[`${kind}Changed`]();
		},
		async touch(uri) {
			await sessions.touch(uri);
			modern.notify.resourceUpdated(uri);
		},
	};
}

export const v2FeaturedModern = (t, label) => v2Featured(t, label, { legacy: false });
