// What both eras need of HTTP: bodies, answers, server-sent events, and who may ask at all.

export const LEGACY = ['2024-11-05', '2025-03-26', '2025-06-18', '2025-11-25'];

const MAX_BODY = 16 * 1024 * 1024;
const OWN_HOSTS = ['localhost', '127.0.0.1', '[::1]'];

// Errors that HTTP answers before a server sees the message: the codes of JSON-RPC, and one for all the rest.
export const PARSE_ERROR = -32700;
export const INVALID_REQUEST = -32600;
export const INTERNAL_ERROR = -32603;
export const HEADER_MISMATCH = -32020;
const REFUSED = -32000;

export const isRequest = message => typeof message?.method === 'string' && 'id' in message;
export const isResponse = message => !('method' in message) && 'id' in message;

// Resolves with the body's text, or undefined where there is too much of it.
export async function readBody(req) {
	const parts = [];
	let size = 0;
	for await (const part of req) {
		if ((size += part.length) > MAX_BODY) return undefined;
		parts.push(part);
	}
	return Buffer.concat(parts).toString();
}

export function answerJson(res, status, message, headers = {}) {
	res.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(message));
}

export function refuse(res, status, text, { code = REFUSED, id } = {}) {
	answerJson(res, status, { jsonrpc: '2.0', ...(id !== undefined && { id }), error: { code, message: text } });
}

export const accepted = res => res.writeHead(202).end();

export function openEvents(res, headers = {}) {
	res.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache', 'x-accel-buffering': 'no', ...headers });
	res.flushHeaders();
}

// One event; without a message it only tells its id, and RETRY when to come back (ms).
export function writeEvent(res, message, { id, retry } = {}) {
	const lines = [id !== undefined && `id: ${id}`, retry !== undefined && `retry: ${retry}`,
		message ? 'event: message' : false, `data: ${message ? JSON.stringify(message) : ''}`];
	res.write(`${lines.filter(Boolean).join('\n')}\n\n`);
}

export function accepts(req, ...types) {
	const ranges = (req.headers.accept ?? '').split(',').map(range => range.split(';')[0].trim().toLowerCase());
	return types.every(type => ranges.some(range => [type, '*/*', `${type.split('/')[0]}/*`].includes(range)));
}

export const isJson = req => (req.headers['content-type'] ?? '').split(';')[0].trim().toLowerCase() === 'application/json';

const hostname = url => {
	try {
		return new URL(url).hostname;
	} catch {
		return undefined;
	}
};

// A page in a browser reaches a server on this machine by a name of its own that leads here (DNS rebinding). Its name
// stands in Host, and where the page came from in Origin.
export function rebinds({ headers }) {
	if (!OWN_HOSTS.includes(hostname(`http://${headers.host}`))) return `Host ${headers.host}`;
	if (headers.origin !== undefined && !OWN_HOSTS.includes(hostname(headers.origin))) return `Origin ${headers.origin}`;
	return undefined;
}
