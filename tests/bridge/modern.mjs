// Streamable HTTP of 2026-07-28 in front of a stdio program. Every request is an HTTP exchange of its own, and all of
// them share one program: ids, progress tokens and subscription ids are numbers of this bridge there, and the client's
// own again on the way back; nothing else changes. An answer goes to its exchange, progress by its token, what a
// subscription brings by its id. A log message names no request: it goes to the one in flight that asked for log messages,
// and is lost, as a fault, where two have. A client that closes its exchange cancels the request.

import { HEADER_MISMATCH, INTERNAL_ERROR, INVALID_REQUEST, accepted, accepts, answerJson, isRequest, isResponse, openEvents,
	refuse, writeEvent } from './http.mjs';
import { VERSION_KEY, annotations, headerProblem } from './headers.mjs';
import { Program } from './program.mjs';

const KEY = 'io.modelcontextprotocol/';
const CAPABILITIES_KEY = `${KEY}clientCapabilities`;
const LOG_KEY = `${KEY}logLevel`;
const SUBSCRIPTION_KEY = `${KEY}subscriptionId`;

const OWN_META = {
	[VERSION_KEY]: '2026-07-28', [`${KEY}clientInfo`]: { name: 'bridge', version: '1.0.0' }, [CAPABILITIES_KEY]: {},
};

// The HTTP status of an error. One in _meta is seen in the request, since its code means other things as well.
function statusOf({ error }, { params }) {
	if (!error) return 200;
	if (error.code === -32601) return 404;
	if ([-32020, -32021, -32022, -32600, -32700].includes(error.code)) return 400;
	const meta = params?._meta ?? {};
	return error.code === -32602 && !(VERSION_KEY in meta && CAPABILITIES_KEY in meta) ? 400 : 200;
}

// VALUE with the member at PATH replaced, where it has one.
function replaced(value, path, member) {
	if (!path.length) return member;
	const [key, ...rest] = path;
	if (value === null || typeof value !== 'object' || !(key in value)) return value;
	return { ...value, [key]: replaced(value[key], rest, member) };
}

// One request and its response.
class Exchange {
	constructor(res, request) {
		Object.assign(this, { res, request, token: request.params?._meta?.progressToken });
		this.logs = request.params?._meta?.[LOG_KEY] !== undefined;
	}

	notify(message) {
		if (!this.res.headersSent) openEvents(this.res);
		writeEvent(this.res, message);
	}

	answer(message) {
		if (!this.res.headersSent) return answerJson(this.res, statusOf(message, this.request), message);
		writeEvent(this.res, message);
		this.res.end();
	}
}

class Worker {
	constructor(command, notes) {
		this.notes = notes;
		this.lastId = 0;
		this.open = new Map(); // our id → Exchange, or { answer } for a request of the bridge's own
		this.cancelled = new Set(); // our ids, of which there may be messages all the same
		this.tools = new Map(); // name → annotations
		this.program = new Program(command, notes, {
			onMessage: message => this.#route(message),
			onEnd: () => {
				this.over = true;
				for (const id of this.open.keys()) this.#fail(id);
			},
		});
		this.ready = this.#begin();
	}

	// A client of both eras asks a stdio server first which it is, and then does not mix them.
	async #begin() {
		await this.#ask('server/discover');
		await this.learnTools();
	}

	#ask(method, params = {}) {
		return new Promise(answer => this.#send({ answer }, { jsonrpc: '2.0', method, params: { ...params, _meta: OWN_META } }));
	}

	#send(exchange, message) {
		const id = ++this.lastId;
		this.open.set(id, exchange);
		if (this.over) this.#fail(id);
		else this.program.send({ ...replaced(message, ['params', '_meta', 'progressToken'], id), id });
		return id;
	}

	#fail(id) {
		this.#answer({ jsonrpc: '2.0', id, error: { code: INTERNAL_ERROR, message: 'the program has ended' } });
	}

	// Which parameters are headers stands in the tools' definitions.
	async learnTools() {
		for (let cursor, first = true; first || cursor !== undefined; first = false) {
			const { result } = await this.#ask('tools/list', cursor === undefined ? {} : { cursor });
			this.#note(result?.tools);
			cursor = result?.nextCursor;
		}
	}

	#note(tools) {
		for (const { name, inputSchema } of Array.isArray(tools) ? tools : []) this.tools.set(name, annotations(inputSchema));
	}

	send(exchange) {
		const id = this.#send(exchange, exchange.request);
		exchange.res.on('close', () => this.#close(id));
	}

	#close(id) {
		if (!this.open.delete(id) || this.over) return; // it was answered
		this.cancelled.add(id);
		this.program.send({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: id } });
	}

	#route(message) {
		const { method, params } = message;
		if (isResponse(message)) return this.#answer(message);
		if (isRequest(message)) return this.#lost(message); // there are none in this revision
		const subscription = params?._meta?.[SUBSCRIPTION_KEY];
		if (method === 'notifications/cancelled') return this.#end(params?.requestId, message);
		if (method === 'notifications/progress') return this.#notify(params?.progressToken, message, ['params', 'progressToken']);
		if (subscription !== undefined) return this.#notify(subscription, message, ['params', '_meta', SUBSCRIPTION_KEY]);
		const asked = Array.from(this.open.values()).filter(({ logs }) => logs);
		if (method === 'notifications/message' && asked.length === 1) return asked[0].notify(message);
		this.#lost(message);
	}

	#lost(message) {
		this.notes.faults.push(`a message that belongs to no exchange: ${JSON.stringify(message)}`);
	}

	#notify(id, message, path) {
		const exchange = this.open.get(id);
		const own = path.includes('progressToken') ? exchange?.token : exchange?.request.id;
		if (exchange) exchange.notify(replaced(message, path, own));
		else if (!this.cancelled.has(id)) this.#lost(message);
	}

	// A server ends a subscription by its result and by this, which may come after it.
	#end(id, message) {
		const exchange = this.open.get(id);
		if (!this.open.delete(id)) return;
		exchange.notify(replaced(message, ['params', 'requestId'], exchange.request.id));
		exchange.res.end();
	}

	#answer(message) {
		const exchange = this.open.get(message.id);
		if (!this.open.delete(message.id)) return void (this.cancelled.has(message.id) || this.#lost(message));
		if (!exchange.request) return exchange.answer(message);
		const { id, method } = exchange.request;
		if (method === 'tools/list') this.#note(message.result?.tools);
		exchange.answer({ ...replaced(message, ['result', '_meta', SUBSCRIPTION_KEY], id), id });
	}
}

export class Modern {
	// What the programs say and do wrong goes to NOTES, as in program.mjs.
	constructor(command, notes) {
		Object.assign(this, { command, notes });
	}

	async handle(req, res, message) {
		if (!accepts(req, 'application/json', 'text/event-stream'))
			return refuse(res, 406, 'Accept must name application/json and text/event-stream');
		if (Array.isArray(message) || typeof message.method !== 'string')
			return refuse(res, 400, 'the body must be one request or notification', { code: INVALID_REQUEST });
		// The one notification that there is, for cancelling, is not for HTTP, where the client closes the exchange.
		if (!isRequest(message)) return accepted(res);
		const worker = this.#worker();
		await worker.ready;
		const problem = headerProblem(req.headers, message, await this.#annotations(worker, message));
		if (problem) return refuse(res, 400, `Header mismatch: ${problem}`, { code: HEADER_MISMATCH, id: message.id });
		if (!res.destroyed) worker.send(new Exchange(res, message));
	}

	// One that has ended is started again for the next request.
	#worker() {
		if (!this.worker || this.worker.over) this.worker = new Worker(this.command, this.notes);
		return this.worker;
	}

	async #annotations(worker, { method, params }) {
		if (method !== 'tools/call') return [];
		if (!worker.tools.has(params?.name)) await worker.learnTools();
		return worker.tools.get(params?.name);
	}

	async stop() {
		await this.worker?.program.stop();
	}
}
