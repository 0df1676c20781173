// Streamable HTTP on the loopback in front of a program that speaks MCP on its standard streams. Messages pass as they
// are, each in the era in which it came; the bridge translates nothing. What HTTP has and stdio has not, it does itself:
// sessions and streams (legacy.mjs), exchanges and mirrored headers (modern.mjs), and the check of Host and Origin.

import { createServer } from 'node:http';
import { INTERNAL_ERROR, LEGACY, PARSE_ERROR, isJson, readBody, rebinds, refuse } from './http.mjs';
import { VERSION_KEY } from './headers.mjs';
import { Legacy } from './legacy.mjs';
import { Modern } from './modern.mjs';

// A message is of the stateless revision if it says so in its body; else its headers count.
function isModern({ headers }, body) {
	if (body?.params?._meta?.[VERSION_KEY] !== undefined) return true;
	const version = headers['mcp-protocol-version'];
	return version !== undefined && !LEGACY.includes(version) && headers['mcp-session-id'] === undefined;
}

export class Bridge {
	// COMMAND is { command, args, env } of the program, started as often as there are clients for it.
	static async start(command) {
		const bridge = new Bridge(command);
		await new Promise(resolve => bridge.server.listen(0, '127.0.0.1', resolve));
		bridge.url = `http://127.0.0.1:${bridge.server.address().port}/mcp`;
		return bridge;
	}

	constructor(command) {
		this.notes = { faults: [], said: '' }; // what a program did that it must not do, in words; what it wrote to stderr
		this.legacy = new Legacy(command, this.notes);
		this.modern = new Modern(command, this.notes);
		this.server = createServer((req, res) => this.#handle(req, res).catch(error => {
			this.notes.faults.push(`bridge: ${error.stack}`);
			if (!res.headersSent) refuse(res, 500, 'Internal error', { code: INTERNAL_ERROR });
		}));
	}

	async #handle(req, res) {
		const foreign = rebinds(req);
		if (foreign) return refuse(res, 403, `${foreign} is not allowed`);
		if (new URL(req.url, 'http://localhost').pathname !== '/mcp') return refuse(res, 404, 'there is nothing here');
		if (!['POST', 'GET', 'DELETE'].includes(req.method)) return res.writeHead(405, { allow: 'POST, GET, DELETE' }).end();
		if (req.method !== 'POST') return this.legacy.handle(req, res);
		if (!isJson(req)) return refuse(res, 415, 'Content-Type must be application/json');
		const text = await readBody(req);
		if (text === undefined) return refuse(res, 413, 'the body is too large');
		let body;
		try {
			body = JSON.parse(text);
		} catch {
			return refuse(res, 400, 'the body is not JSON', { code: PARSE_ERROR });
		}
		if (body === null || typeof body !== 'object') return refuse(res, 400, 'the body is no message', { code: PARSE_ERROR });
		await (isModern(req, body) ? this.modern : this.legacy).handle(req, res, body);
	}

	// Ends all programs by the end of their input, and then what is still open over HTTP.
	async stop() {
		await Promise.all([this.legacy.stop(), this.modern.stop()]);
		this.server.closeAllConnections();
		await new Promise(resolve => this.server.close(resolve));
	}
}
