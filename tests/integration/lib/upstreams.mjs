// Real upstreams on loopback: both lines of the official SDK in every mode they serve, and the public reference
// server. Those of the SDKs all offer the same tools (TOOLS) and note in `seen` what reached them.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { join } from 'node:path';
import express from 'express';
import { z } from 'zod';
import { McpServer as ServerV1 } from '@modelcontextprotocol/sdk/server/mcp.js';
import { SSEServerTransport } from '@modelcontextprotocol/sdk/server/sse.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { McpServer as ServerV2, createMcpHandler } from '@modelcontextprotocol/server';
import { toNodeHandler } from '@modelcontextprotocol/node';
import { atEnd, build, sleep, top, until } from './raw.mjs';

export const TOOLS = ['add', 'echo', 'fail', 'hang', 'steps'];

// Listens on a free port; closes with the test, connections and all.
export async function listen(t, handler, at = 0) {
	const server = createServer(handler);
	await new Promise(resolve => server.listen(at, '127.0.0.1', resolve));
	const close = () => new Promise(resolve => {
		server.close(resolve);
		server.closeAllConnections();
	});
	atEnd(t, () => server.listening && close());
	const { port } = server.address();
	return { server, port, url: `http://127.0.0.1:${port}/mcp`, close };
}

export async function readBody(req) {
	const parts = [];
	for await (const part of req) parts.push(part);
	return Buffer.concat(parts).toString();
}

const reply = value => ({ content: [{ type: 'text', text: String(value) }] });

// The tools as plain functions of (args, { notify, signal, token }).
function toolset(seen) {
	return {
		add: [{ a: z.number(), b: z.number() }, async ({ a, b }) => reply(a + b)],
		echo: [{ text: z.string() }, async ({ text }) => reply(text)],
		fail: [{}, async () => ({ ...reply('it failed'), isError: true })],
		hang: [{}, (args, { signal }) => {
			seen.hanging = (seen.hanging ?? 0) + 1;
			return new Promise((resolve, reject) => signal.addEventListener('abort', () => {
				seen.aborted = (seen.aborted ?? 0) + 1;
				reject(new Error('aborted'));
			}));
		}],
		steps: [{ n: z.number() }, async ({ n }, { notify, token }) => {
			for (let i = 1; i <= n && token !== undefined; i++) {
				await notify({ method: 'notifications/progress', params: { progressToken: token, progress: i, total: n } });
				await sleep(30);
			}
			// The SDK's clients lose progress that comes in one read with the answer, which may wait for what a test gathers.
			if (seen.progress) await until(() => seen.progress.length >= n, 'the client to hear of all progress');
			return reply('done');
		}],
	};
}

function serverV1(seen, extend) {
	const server = new ServerV1({ name: 'v1', version: '1' });
	for (const [name, [shape, run]] of Object.entries(toolset(seen)))
		server.registerTool(name, { description: `${name} of v1`, inputSchema: shape, annotations: { readOnlyHint: name === 'echo' } },
			(args, extra) => run(args, { notify: n => extra.sendNotification(n), signal: extra.signal,
				token: extra._meta?.progressToken }));
	extend?.(server);
	return server;
}

function serverV2(seen, extend) {
	const server = new ServerV2({ name: 'v2', version: '2' });
	for (const [name, [shape, run]] of Object.entries(toolset(seen)))
		server.registerTool(name, { description: `${name} of v2`, inputSchema: z.object(shape), annotations: { readOnlyHint: name === 'echo' } },
			(args, { mcpReq }) => run(args, { notify: n => mcpReq.notify(n), signal: mcpReq.signal,
				token: mcpReq._meta?.progressToken }));
	extend?.(server);
	return server;
}

// SDK v1 with sessions. `sessions` can be cleared to make the server forget them.
export async function v1Sessions(t, { extend, json = false } = {}) {
	const seen = { deleted: 0 };
	const sessions = new Map();
	const servers = new Set();
	const upstream = await listen(t, async (req, res) => {
		const id = req.headers['mcp-session-id'];
		let transport = id && sessions.get(id);
		if (id && !transport) {
			res.writeHead(404, { 'content-type': 'application/json' });
			return res.end('{"jsonrpc":"2.0","error":{"code":-32001,"message":"Session not found"},"id":null}');
		}
		if (req.method === 'DELETE') seen.deleted++;
		if (req.method === 'GET') seen.gets = (seen.gets ?? 0) + 1;
		if (!transport) {
			transport = new StreamableHTTPServerTransport({
				enableJsonResponse: json, sessionIdGenerator: randomUUID,
				onsessioninitialized: id => { sessions.set(id, transport); },
				onsessionclosed: id => { sessions.delete(id); },
			});
			const server = serverV1(seen, extend);
			servers.add(server);
			await server.connect(transport);
		}
		await transport.handleRequest(req, res);
	});
	return { ...upstream, seen, sessions, servers };
}

// SDK v1 without sessions: a server a request.
export async function v1Stateless(t) {
	const seen = {};
	const upstream = await listen(t, async (req, res) => {
		const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: undefined });
		const server = serverV1(seen);
		res.on('close', () => server.close());
		await server.connect(transport);
		await transport.handleRequest(req, res);
	});
	return { ...upstream, seen };
}

// SDK v1 over the transport that came before Streamable HTTP: a stream at /sse, which names /messages. `transports` are
// those whose stream is open, `servers` all that there were.
export async function v1Sse(t, { extend, port = 0 } = {}) {
	const seen = { gets: 0, posts: [] };
	const transports = new Map();
	const servers = [];
	const app = express();
	app.get('/sse', async (req, res) => {
		seen.gets++;
		const transport = new SSEServerTransport('/messages', res);
		transports.set(transport.sessionId, transport);
		res.on('close', () => transports.delete(transport.sessionId));
		servers.push(serverV1(seen, extend));
		await servers.at(-1).connect(transport);
	});
	app.post('/messages', async (req, res) => {
		const transport = transports.get(req.query.sessionId);
		if (!transport) return void res.status(400).send('No transport found for sessionId');
		const message = JSON.parse(await readBody(req));
		seen.posts.push({ method: message.method, headers: req.headers, message });
		await transport.handlePostMessage(req, res, message);
	});
	const upstream = await listen(t, app, port);
	return { ...upstream, url: upstream.url.replace(/mcp$/, 'sse'), seen, transports, servers };
}

// SDK v2: the stateless revision and, unless LEGACY is 'reject', the handshake ones too.
export async function v2(t, { legacy = 'stateless', extend, ...options } = {}) {
	const seen = {};
	const handler = createMcpHandler(() => serverV2(seen, extend), { legacy, ...options });
	atEnd(t, () => handler.close());
	const node = toNodeHandler(handler);
	const upstream = await listen(t, (req, res) => {
		(seen.headers ??= []).push(req.headers);
		return node(req, res);
	});
	return { ...upstream, seen, handler };
}

// A port that nothing listens on.
export async function freePort(t) {
	const { port, close } = await listen(t, () => {});
	await close();
	return port;
}

// A program of ours or of npm that serves until the test ends; READY(output) says from what it prints when.
export async function program(t, command, args, { env = {}, ready }) {
	const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
	const out = { text: '' };
	child.stdout.on('data', bytes => (out.text += bytes));
	child.stderr.on('data', bytes => (out.text += bytes));
	const exited = new Promise(resolve => child.on('exit', resolve).on('error', resolve));
	atEnd(t, async () => {
		child.kill('SIGTERM');
		const timer = setTimeout(() => child.kill('SIGKILL'), 2000);
		await exited;
		clearTimeout(timer);
	});
	exited.then(end => (out.ended = `ended: ${end}`));
	const value = await until(() => out.ended ?? ready(out.text), () => `${command} ${args[0] ?? ''}: ${out.text}`);
	assert.ok(!out.ended, `${command} ${args[0] ?? ''} ${out.ended}: ${out.text}`);
	return { child, value, out };
}

// The public reference server over Streamable HTTP, with sessions; or with TRANSPORT 'sse' over the one before it.
export async function everything(t, transport = 'streamableHttp') {
	const port = await freePort(t);
	const url = `http://127.0.0.1:${port}/${transport === 'sse' ? 'sse' : 'mcp'}`;
	await program(t, process.execPath,
		[join(top, 'tests/node_modules/@modelcontextprotocol/server-everything/dist/index.js'), transport],
		{ env: { PORT: String(port) }, ready: () => fetch(url, { method: 'POST' }).then(() => true, () => false) });
	return { url, port, seen: {} };
}

// One of the project's own demo upstreams.
export async function demo(t, name) {
	const { value, child } = await program(t, join(build, 'tests/demo', name), [],
		{ ready: text => /^(http:\S+)\n/.exec(text)?.[1] });
	return { url: value, child };
}
