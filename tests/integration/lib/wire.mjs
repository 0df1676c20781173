// What goes over a connection, recorded and held against the schema: between an IDE and mcp-mux, between mcp-mux
// and an upstream. tapStdio and tapHttp listen in on both.

import assert from 'node:assert/strict';
import { MODERN } from './raw.mjs';
import { faultsOf, kindOf } from './schema.mjs';
import { readBody } from './upstreams.mjs';

const VERSION = 'io.modelcontextprotocol/protocolVersion';

// What belongs together: the requests of both sides that wait for an answer, and the revision that was agreed on.
class Scope {
	revision;
	asked = { client: new Map(), server: new Map() };
}

export class Wire {
	log = []; // { from: 'client' or 'server', message, revision, exchange }, of a request { pending: { answer } }, of an
	// answer { request }
	faults = [];
	scope = new Scope();
	gets = new Set();

	// WHERE says what connection this is, for people.
	constructor(where) {
		this.where = where;
	}

	// Takes MESSAGE from one side. EXCHANGE, where there are several, is { scope, revision of its stream, headers }.
	take(from, message, exchange = { scope: this.scope }) {
		if (Array.isArray(message)) return message.map(each => this.take(from, each, exchange)).at(-1);
		const entry = { from, message, exchange, ...this.#judge(from, message, exchange.scope, exchange.revision) };
		this.log.push(entry);
		return entry;
	}

	takeText(from, text, exchange) {
		let message;
		try {
			message = JSON.parse(text);
		} catch (error) {
			return void this.faults.push(`${this.where}, from the ${from}: ${error.message}\n    ${text.slice(0, 600)}`);
		}
		return this.take(from, message, exchange);
	}

	#judge(from, message, scope, agreed) {
		const kind = kindOf(message);
		const id = JSON.stringify(message?.id);
		if (kind === 'result' || kind === 'error') {
			const asked = scope.asked[from === 'client' ? 'server' : 'client'].get(id);
			if (!asked) {
				// An error of the transport, before the message was read, has no id.
				if (kind !== 'error' || message.id != null) this.#fault(from, message, undefined, ['answers no request']);
				return {};
			}
			if (asked.answer) this.#fault(from, message, asked.revision, ['answers a second time']);
			asked.answer = message;
			const { method } = asked.message;
			if (method === 'initialize' && kind === 'result') scope.revision = message.result?.protocolVersion;
			const revision = method === 'initialize' && kind === 'result' ? scope.revision : asked.revision;
			this.#fault(from, message, revision, faultsOf(message, { from, revision, method }), method);
			return { revision, request: asked };
		}
		const opened = message?.method === 'initialize' ? message.params?.protocolVersion : undefined;
		const revision = message?.params?._meta?.[VERSION] ?? opened ?? agreed ?? scope.revision;
		if (from === 'client' && revision === MODERN) scope.revision ??= MODERN;
		this.#fault(from, message, revision, faultsOf(message, { from, revision }));
		if (kind === 'notification') return { revision };
		const entry = { from, message, revision };
		scope.asked[from].set(id, entry);
		return { revision, pending: entry };
	}

	#fault(from, message, revision, faults, method = message?.method) {
		const text = JSON.stringify(message);
		for (const fault of faults)
			this.faults.push(`${this.where}, from the ${from}, ${method ?? 'answer'} in ${revision}: ${fault}\n    ${text.slice(0, 600)}`);
	}

	// What one side asked or said, by its method.
	all(method, from = 'client') {
		return this.log.filter(entry => entry.from === from && entry.message?.method === method);
	}

	last(method, from = 'client') {
		return this.all(method, from).at(-1);
	}

	// What a server said of METHOD, as params.
	notices(method) {
		return this.all(method, 'server').map(entry => entry.message.params);
	}

	// The filters of the streams that subscriptions/listen opened and that are still open (HTTP only).
	listening() {
		return this.all('subscriptions/listen').filter(entry => !entry.exchange.closed)
			.map(entry => entry.message.params.notifications);
	}

	// The streams of GET that are open (HTTP only), as their requests' headers.
	streams() {
		return [...this.gets].filter(exchange => !exchange.closed).map(exchange => exchange.headers);
	}

	assertValid() {
		const faults = this.faults.splice(0);
		assert.ok(!faults.length, `${faults.length} invalid messages\n${faults.slice(0, 8).join('\n')}`);
	}
}

// Makes CLIENT, an official SDK's, record on WIRE what its StdioClientTransport carries. Before connect().
export function tapStdio(client, wire) {
	const connect = client.connect.bind(client);
	client.connect = (transport, ...more) => {
		// Of the transport itself SDK v2 would send server/discover to a second process; of what derives from it, it does not.
		Object.setPrototypeOf(transport, Object.create(Object.getPrototypeOf(transport)));
		const start = transport.start.bind(transport);
		transport.start = async () => {
			await start();
			const { stdin, stdout } = transport._process;
			const incoming = lines(line => wire.takeText('server', line));
			const outgoing = lines(line => wire.takeText('client', line));
			stdout.prependListener('data', incoming);
			const write = stdin.write.bind(stdin);
			stdin.write = (chunk, ...rest) => {
				outgoing(Buffer.from(chunk));
				return write(chunk, ...rest);
			};
		};
		return connect(transport, ...more);
	};
	return client;
}

function lines(take) {
	let rest = Buffer.alloc(0);
	return bytes => {
		rest = Buffer.concat([rest, bytes]);
		for (let end; (end = rest.indexOf(10)) >= 0; rest = rest.subarray(end + 1))
			take(rest.subarray(0, end).toString());
	};
}

// An HTTP handler that records on WIRE what goes to HANDLER(req, res, body), and what that answers.
export function tapHttp(wire, handler) {
	const sessions = new Map();
	const scopeOf = id => {
		if (id && !sessions.has(id)) sessions.set(id, new Scope());
		return sessions.get(id);
	};
	return async (req, res) => {
		const text = req.method === 'POST' ? await readBody(req) : '';
		const body = text ? JSON.parse(text) : undefined;
		const opening = body?.method === 'initialize';
		const named = req.headers['mcp-session-id'] ?? new URL(req.url, 'http://host').searchParams.get('sessionId');
		const exchange = { scope: scopeOf(named) ?? (opening ? new Scope() : wire.scope), headers: req.headers, closed: false,
			revision: opening ? undefined : req.headers['mcp-protocol-version'] };
		res.on('close', () => (exchange.closed = true));
		if (req.method === 'GET') wire.gets.add(exchange);
		if (body) {
			const taken = wire.take('client', body, exchange);
			if (!opening) exchange.revision = taken.revision;
		}
		watch(res, {
			head(headers) {
				if (!opening || exchange.scope === wire.scope || named) return;
				if (headers['mcp-session-id']) sessions.set(headers['mcp-session-id'], exchange.scope);
				else wire.scope = exchange.scope;
			},
			event(name, data) {
				if (name === 'endpoint') exchange.scope = scopeOf(new URL(data, 'http://host').searchParams.get('sessionId'));
				else if (data) wire.takeText('server', data, exchange);
			},
			json: data => wire.takeText('server', data, exchange),
		});
		return handler(req, res, body);
	};
}

// Reads along what is written to RES: head(headers) first, then event(name, data) for each event or json(text).
function watch(res, { head, event, json }) {
	const decoder = new TextDecoder();
	const given = {};
	let rest;
	const read = (chunk, last) => {
		if (rest === undefined) {
			rest = '';
			head({ ...res.getHeaders(), ...given });
		}
		if (chunk && typeof chunk !== 'function')
			rest += typeof chunk === 'string' ? chunk : decoder.decode(chunk, { stream: true });
		const type = String(given['content-type'] ?? res.getHeader('content-type') ?? '');
		if (type.startsWith('application/json')) return last && rest && json(rest);
		if (!type.startsWith('text/event-stream')) return undefined;
		for (let end; (end = rest.indexOf('\n\n')) >= 0; rest = rest.slice(end + 2)) {
			const fields = rest.slice(0, end).split('\n').map(line => /^(\w+): ?(.*)$/.exec(line)).filter(Boolean);
			const of = name => fields.filter(field => field[1] === name).map(field => field[2]).join('\n');
			event(of('event'), of('data'));
		}
		return undefined;
	};
	const { writeHead, write, end } = res;
	res.writeHead = (status, ...more) => {
		for (const [name, value] of headersOf(more.at(-1))) given[name.toLowerCase()] = value;
		return writeHead.call(res, status, ...more);
	};
	res.write = (chunk, ...more) => {
		read(chunk, false);
		return write.call(res, chunk, ...more);
	};
	res.end = (chunk, ...more) => {
		read(chunk, true);
		return end.call(res, chunk, ...more);
	};
}

// writeHead takes an object, an array of names and values in turn, or nothing.
function headersOf(headers) {
	if (!headers || typeof headers !== 'object') return [];
	if (!Array.isArray(headers)) return Object.entries(headers);
	return Array.from({ length: headers.length / 2 }, (_, i) => [headers[2 * i], headers[2 * i + 1]]);
}
