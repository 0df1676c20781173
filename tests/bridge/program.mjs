// A program that speaks MCP on its standard streams, one message a line.

import { spawn } from 'node:child_process';

const END_MS = 10_000; // from the end of its input to its own

export class Program {
	// COMMAND is { command, args, env }. ON_MESSAGE gets each of its messages, ON_END is called once when it has ended.
	// NOTES.said gets what it writes to stderr; what is no message, and a bad end, goes to NOTES.faults, in words.
	constructor({ command, args = [], env }, notes, { onMessage, onEnd }) {
		this.onMessage = onMessage;
		this.notes = notes;
		this.rest = [];
		this.child = spawn(command, args, { env, stdio: ['pipe', 'pipe', 'pipe'] });
		this.child.stdin.on('error', () => {}); // it has ended, which is seen below
		this.child.stderr.setEncoding('utf8').on('data', text => (notes.said += text));
		this.child.stdout.on('data', bytes => this.#read(bytes));
		this.child.on('error', error => notes.faults.push(`${command}: ${error.message}`));
		this.ended = new Promise(resolve => this.child.on('close', (code, signal) => {
			if (code !== 0) notes.faults.push(`${command} ended with ${signal ?? code}`);
			onEnd();
			resolve();
		}));
	}

	#read(bytes) {
		for (let end; (end = bytes.indexOf(10)) >= 0; bytes = bytes.subarray(end + 1)) {
			const line = Buffer.concat([...this.rest, bytes.subarray(0, end)]).toString();
			this.rest = [];
			for (const message of this.#parse(line)) this.onMessage(message);
		}
		if (bytes.length) this.rest.push(bytes);
	}

	// The messages of a line: 2025-03-26 has batches.
	#parse(line) {
		try {
			const messages = [JSON.parse(line)].flat();
			if (messages.every(message => message?.jsonrpc === '2.0')) return messages;
		} catch {
			// as below
		}
		this.notes.faults.push(`no message: ${line}`);
		return [];
	}

	send(message) {
		this.child.stdin.write(`${JSON.stringify(message)}\n`);
	}

	// Ends its input and waits for it to end.
	async stop() {
		this.child.stdin.end();
		const timer = setTimeout(() => this.child.kill('SIGKILL'), END_MS);
		await this.ended;
		clearTimeout(timer);
	}
}
