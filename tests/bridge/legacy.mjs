// Streamable HTTP of the handshake revisions in front of a stdio program: a program of its own for each session, so
// that ids pass as they are. What it writes says nothing of streams, so this decides: an answer goes to the stream of
// its request, progress to that of its token. A request or a notification that belongs to a call goes to the one in
// flight if there is exactly one; everything else goes to the stream that the client opened by GET, and waits for it.
// What was sent on a stream is kept until the client has it, and sent again to one that comes back for it.

import { randomUUID } from 'node:crypto';
import { INTERNAL_ERROR, INVALID_REQUEST, LEGACY, accepted, accepts, answerJson, isRequest, isResponse, openEvents, refuse,
	writeEvent } from './http.mjs';
import { Program } from './program.mjs';

const RETRY_MS = 500;
const ANSWERS = { POST: ['application/json', 'text/event-stream'], GET: ['text/event-stream'], DELETE: [] };

// Notifications that belong to no call.
const UNRELATED = /^notifications\/(?:(?:tools|prompts|resources)\/list_changed|resources\/updated|elicitation\/complete)$/;

// From 2025-11-25 on a stream begins with an event that has an id and nothing else; older clients take that for a message.
const primed = version => version >= '2025-11-25';

const keyOf = id => JSON.stringify(id);

class Stream {
	constructor(number) {
		this.number = number;
		this.messages = [];
		this.written = 0;
		this.over = false;
	}

	// Gives it a connection: what comes after the first FROM messages goes there.
	attach(res, { from = this.written, prime = false } = {}) {
		this.res = res;
		this.written = from;
		res.on('close', () => this.res === res && (this.res = undefined));
		openEvents(res);
		if (prime) writeEvent(res, undefined, { id: `${this.number}.${from}`, retry: RETRY_MS });
		this.#write();
	}

	send(message) {
		this.messages.push(message);
		this.#write();
	}

	end() {
		this.over = true;
		this.#write();
	}

	#write() {
		if (!this.res) return;
		for (; this.written < this.messages.length; this.written++)
			writeEvent(this.res, this.messages[this.written], { id: `${this.number}.${this.written + 1}` });
		if (this.over) this.res.end();
	}

	get delivered() {
		return this.over && this.res !== undefined;
	}
}

class Session {
	constructor(command, notes, onEnd) {
		this.id = randomUUID();
		this.notes = notes;
		this.calls = new Map(); // key of the id → { token, answered, stream }
		this.cancelled = new Set(); // keys whose answers may come all the same
		this.general = new Stream(0);
		this.streams = new Map([[0, this.general]]);
		this.lastStream = 0;
		this.program = new Program(command, notes, {
			onMessage: message => this.#route(message),
			onEnd: () => {
				for (const { answered } of this.calls.values()) answered?.(undefined);
				for (const stream of this.streams.values()) stream.end();
				onEnd();
			},
		});
	}

	// Asks for the session's own opening; fulfils with the answer, or undefined if the program ends first.
	initialize(message) {
		return new Promise(answered => {
			this.calls.set(keyOf(message.id), { answered });
			this.program.send(message);
		});
	}

	#route(message) {
		if (isResponse(message)) return this.#answer(message);
		(this.#callOf(message)?.stream ?? this.general).send(message);
	}

	#answer(message) {
		const key = keyOf(message.id);
		const call = this.calls.get(key);
		if (!this.calls.delete(key)) {
			if (!this.cancelled.has(key)) this.notes.faults.push(`an answer to nothing: ${JSON.stringify(message)}`);
			return;
		}
		if (call.answered) return call.answered(message);
		call.stream.send(message);
		this.#finish(call.stream);
	}

	#cancel(id) {
		const call = this.calls.get(keyOf(id));
		if (!this.calls.delete(keyOf(id))) return;
		this.cancelled.add(keyOf(id));
		this.#finish(call.stream);
	}

	#finish(stream) {
		if (Array.from(this.calls.values()).some(call => call.stream === stream)) return; // the rest of a batch
		stream.end();
		if (stream.delivered) this.streams.delete(stream.number);
	}

	#callOf({ method, params }) {
		if (UNRELATED.test(method)) return undefined;
		const calls = Array.from(this.calls.values());
		const token = method === 'notifications/progress' ? params?.progressToken : undefined;
		return calls.find(call => call.token !== undefined && call.token === token) ?? (calls.length === 1 ? calls[0] : undefined);
	}

	post(res, messages) {
		const requests = messages.filter(isRequest);
		const taken = requests.find(({ id }) => this.calls.has(keyOf(id)));
		if (taken) return refuse(res, 400, 'this id is in use', { code: INVALID_REQUEST, id: taken.id });
		if (requests.length) {
			const stream = new Stream(++this.lastStream);
			this.streams.set(stream.number, stream);
			for (const { id, params } of requests) this.calls.set(keyOf(id), { stream, token: params?._meta?.progressToken });
			stream.attach(res, { prime: primed(this.version) });
		}
		for (const message of messages) {
			if (message.method === 'notifications/cancelled') this.#cancel(message.params?.requestId);
			this.program.send(message);
		}
		if (!requests.length) accepted(res);
	}

	get(req, res) {
		const last = req.headers['last-event-id'];
		const [, number, from] = /^(\d+)\.(\d+)$/.exec(last ?? '0.0') ?? [];
		const stream = this.streams.get(Number(number));
		if (!stream || Number(from) > stream.messages.length) return refuse(res, 400, `no stream with event ${last}`);
		if (stream.res) return refuse(res, 409, 'this stream is open');
		stream.attach(res, { from: last === undefined ? undefined : Number(from), prime: primed(this.version) });
		if (stream.delivered) this.streams.delete(stream.number);
	}
}

export class Legacy {
	// What the programs say and do wrong goes to NOTES, as in program.mjs.
	constructor(command, notes) {
		Object.assign(this, { command, notes, sessions: new Map(), ending: new Set() });
	}

	async handle(req, res, body) {
		if (!accepts(req, ...ANSWERS[req.method])) return refuse(res, 406, `Accept must name ${ANSWERS[req.method].join(' and ')}`);
		const id = req.headers['mcp-session-id'];
		if (id === undefined && body?.method === 'initialize' && isRequest(body)) return this.#open(res, body);
		if (id === undefined) return refuse(res, 400, 'Mcp-Session-Id is missing');
		const session = this.sessions.get(id);
		if (!session) return refuse(res, 404, 'there is no such session');
		const version = req.headers['mcp-protocol-version'];
		if (version !== undefined && !LEGACY.includes(version)) return refuse(res, 400, `${version} is not supported`);
		if (req.method === 'GET') return session.get(req, res);
		if (req.method === 'DELETE') return this.#delete(res, session);
		if (Array.isArray(body) && session.version !== '2025-03-26')
			return refuse(res, 400, 'there are no batches in this revision', { code: INVALID_REQUEST });
		session.post(res, [body].flat());
	}

	async #open(res, message) {
		const session = new Session(this.command, this.notes, () => this.sessions.delete(session.id));
		const answer = await session.initialize(message);
		if (answer?.result) {
			session.version = answer.result.protocolVersion;
			this.sessions.set(session.id, session);
			return answerJson(res, 200, answer, { 'mcp-session-id': session.id });
		}
		this.#end(session);
		if (answer) answerJson(res, 200, answer);
		else refuse(res, 502, 'the program has ended', { code: INTERNAL_ERROR, id: message.id });
	}

	#delete(res, session) {
		this.sessions.delete(session.id);
		this.#end(session);
		res.writeHead(204).end();
	}

	#end(session) {
		const ending = session.program.stop().then(() => this.ending.delete(ending));
		this.ending.add(ending);
	}

	async stop() {
		for (const session of this.sessions.values()) this.#end(session);
		await Promise.all(this.ending);
	}
}
