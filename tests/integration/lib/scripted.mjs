// An upstream that answers exactly the bytes a test wants, and keeps what it was sent. For what no real server
// produces on demand: odd but legal JSON, faults, silence.

import { randomUUID } from 'node:crypto';
import { MODERN, until } from './raw.mjs';
import { listen, readBody } from './upstreams.mjs';

export const tool = (name, more = {}) => ({ name, description: name, inputSchema: { type: 'object' }, ...more });

export const sse = (...messages) => messages.map(m => `data: ${typeof m === 'string' ? m : JSON.stringify(m)}\n\n`).join('');

// The text of the request's id, as it was sent.
export const rawId = body => /"id"\s*:\s*("(?:[^"\\]|\\.)*"|[-0-9.eE+]+)/.exec(body)?.[1];

export class Scripted {
	// ERA is legacy or modern. ON maps a method (or GET, DELETE) to async (exchange) => …, which answers through
	// it; a method without one is answered as a decent server would. TOOLS is an array, or a JSON text.
	static async start(t, { era = 'legacy', tools = [tool('x')], on = {}, sessions = true, ms = 0, port = 0 } = {}) {
		const scripted = new Scripted();
		Object.assign(scripted, { era, tools, on, requests: [], open: new Set(), sessions: new Set(), useSessions: sessions, ms });
		const upstream = await listen(t, (req, res) => scripted.#handle(req, res).catch(() => res.destroy()), port);
		return Object.assign(scripted, upstream);
	}

	async #handle(req, res) {
		const body = await readBody(req);
		let message;
		try {
			message = JSON.parse(body);
		} catch {
			message = undefined;
		}
		const exchange = new Exchange(this, req, res, body, message);
		this.requests.push(exchange);
		this.open.add(exchange);
		res.on('close', () => {
			exchange.closed = true;
			this.open.delete(exchange);
		});
		const method = req.method === 'POST' ? message?.method ?? 'response' : req.method;
		const own = this.on[method] ?? this.on['*'];
		if (own) return own(exchange);
		return this.decent(exchange, method);
	}

	// How a server without faults answers.
	decent(exchange, method) {
		const { res } = exchange;
		if (method === 'GET') return exchange.end(405);
		if (method === 'DELETE') return exchange.end(200);
		if (method === 'response' || !('id' in exchange.message)) return exchange.end(202);
		if (this.era === 'modern') {
			if (method === 'server/discover')
				return exchange.result({ supportedVersions: [MODERN], capabilities: { tools: { listChanged: true } },
					resultType: 'complete', ttlMs: 0, cacheScope: 'private' });
			if (method === 'initialize') return exchange.error(-32022, 'modern only', { supported: [MODERN] }, 400);
		} else {
			if (method === 'server/discover') return exchange.error(-32000, 'Bad Request: not initialized', undefined, 400);
			if (method === 'initialize') {
				if (this.useSessions) {
					const id = randomUUID();
					this.sessions.add(id);
					res.setHeader('mcp-session-id', id);
				}
				return exchange.result({ protocolVersion: exchange.message.params.protocolVersion,
					capabilities: { tools: { listChanged: true } }, serverInfo: { name: 'scripted', version: '1' } });
			}
		}
		if (method === 'tools/list') {
			const tools = typeof this.tools === 'string' ? this.tools : JSON.stringify(this.tools);
			return exchange.rawResult(`{"tools":${tools}${this.era === 'modern' ? ',"resultType":"complete","ttlMs":0,"cacheScope":"private"' : ''}}`);
		}
		if (method === 'tools/call')
			return exchange.result({ content: [{ type: 'text', text: 'ok' }], ...(this.era === 'modern' && { resultType: 'complete' }) });
		if (method === 'ping') return exchange.result({});
		return exchange.error(-32601, 'Method not found', undefined, this.era === 'modern' ? 404 : 200);
	}

	// The requests of one JSON-RPC or HTTP method so far.
	of(method) {
		return this.requests.filter(r => (r.req.method === 'POST' ? r.message?.method : r.req.method) === method);
	}

	// Waits for the Nth request of METHOD.
	nth(method, n = 1) {
		return until(() => this.of(method)[n - 1], `${method} number ${n}`);
	}
}

export class Exchange {
	constructor(server, req, res, body, message) {
		Object.assign(this, { server, req, res, body, message, headers: req.headers, closed: false });
	}

	get id() {
		return rawId(this.body);
	}

	end(status, headers = {}, body) {
		this.res.writeHead(status, headers);
		this.res.end(body);
	}

	json(text, status = 200) {
		this.end(status, { 'content-type': 'application/json' }, text);
	}

	// A result in exactly these bytes.
	rawResult(result, status) {
		this.json(`{"jsonrpc":"2.0","id":${this.id},"result":${result}}`, status);
	}

	result(result) {
		this.rawResult(JSON.stringify(result));
	}

	error(code, message, data, status = 200) {
		this.json(`{"jsonrpc":"2.0","id":${this.id},"error":${JSON.stringify({ code, message, data })}}`, status);
	}

	// Opens an event stream; write() sends text to it.
	stream(headers = {}) {
		this.res.writeHead(200, { 'content-type': 'text/event-stream', ...headers });
		this.res.flushHeaders();
		return this;
	}

	write(text) {
		this.res.write(text);
		return this;
	}

	event(message) {
		return this.write(sse(message));
	}
}
