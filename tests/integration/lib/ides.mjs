// IDEs made with the official SDKs' clients, which can do everything that a server may ask of one: with one set of
// words for both lines and all eras, and a record of what they were asked.

import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js';
import { CreateMessageRequestSchema, ElicitRequestSchema, ListRootsRequestSchema, ResultSchema } from '@modelcontextprotocol/sdk/types.js';
import { Client as ClientV2 } from '@modelcontextprotocol/client';
import { MODERN, clients, connect } from './mux.mjs';
import { Wire, tapStdio } from './wire.mjs';

const CAPABLE = { elicitation: { form: {}, url: {} }, sampling: {}, roots: { listChanged: true } };

// What the person and the model behind an IDE answer.
export const ANSWERS = {
	form: { action: 'accept', content: { name: 'Ada', age: 36 } },
	visit: { action: 'accept' },
	sample: { role: 'assistant', content: { type: 'text', text: 'word' }, model: 'test-model', stopReason: 'endTurn' },
	roots: { roots: [{ uri: 'file:///home/ada/project', name: 'project' }] },
};

const SCHEMAS = { 'elicitation/create': ElicitRequestSchema, 'sampling/createMessage': CreateMessageRequestSchema,
	'roots/list': ListRootsRequestSchema };
const NEEDS = { 'elicitation/create': 'elicitation', 'sampling/createMessage': 'sampling', 'roots/list': 'roots' };

export class Ide {
	asked = []; // { method, params, signal } of what it was asked, in any era
	wire;

	// REVISION is the legacy one to offer, where that is not the newest.
	constructor(kind, { capabilities = CAPABLE, revision } = {}) {
		this.kind = kind;
		this.era = clients[kind].era;
		this.wire = new Wire(`IDE (${kind}${revision ? ` ${revision}` : ''})`);
		const info = { name: 'ide', version: '1' };
		this.client = kind === 'SDK v1' ? new ClientV1(info, { capabilities }) : new ClientV2(info, {
			capabilities, versionNegotiation: { mode: this.era === 'modern' ? { pin: MODERN } : 'legacy' },
			...revision && { supportedProtocolVersions: [revision] },
		});
		for (const [method, need] of Object.entries(NEEDS)) {
			if (!capabilities[need]) continue;
			this.client.setRequestHandler(kind === 'SDK v1' ? SCHEMAS[method] : method, (request, extra) =>
				this.#asked({ method, params: request.params, signal: extra?.signal ?? extra?.mcpReq?.signal }));
		}
		this.client.fallbackNotificationHandler = async () => {};
	}

	// Through a fresh mcp-mux.
	static async connect(t, kind, config, options = {}) {
		const ide = new Ide(kind, options);
		await connect(t, kind, config, { client: tapStdio(ide.client, ide.wire) });
		return ide;
	}

	#asked(question) {
		this.asked.push(question);
		return this.answer(question);
	}

	// How it answers; tests replace it.
	answer = Ide.willing;

	static willing({ method, params }) {
		if (method === 'roots/list') return ANSWERS.roots;
		if (method === 'sampling/createMessage') return ANSWERS.sample;
		return params.mode === 'url' ? ANSWERS.visit : ANSWERS.form;
	}

	// Answers as TEMPORARY says while WORK runs.
	async while(temporary, work) {
		this.answer = temporary;
		try {
			return await work();
		} finally {
			this.answer = Ide.willing;
		}
	}

	call(name, args = {}, { meta, ...options } = {}) {
		const params = { name, arguments: args, ...meta && { _meta: meta } };
		// v1 has a result schema before the options.
		return this.kind === 'SDK v1' ? this.client.callTool(params, undefined, options) : this.client.callTool(params, options);
	}

	request(method, params) {
		return this.kind === 'SDK v1' ? this.client.request({ method, params }, ResultSchema) : this.client.request({ method, params });
	}

	get prompt() {
		return this.client.getPrompt.bind(this.client);
	}

	get read() {
		return (uri, options) => this.client.readResource({ uri }, options);
	}

	// Wants to hear of changes of URI; fulfils with what ends that.
	async subscribe(uri) {
		if (this.era === 'modern') {
			const subscription = await this.client.listen({ resourceSubscriptions: [uri] });
			return () => subscription.close();
		}
		await this.client.subscribeResource({ uri });
		return () => this.client.unsubscribeResource({ uri });
	}

	// Wants to hear of changed lists, which legacy clients do without asking.
	async follow() {
		if (this.era === 'legacy') return () => {};
		const subscription = await this.client.listen({ toolsListChanged: true, promptsListChanged: true,
			resourcesListChanged: true });
		return () => subscription.close();
	}

	// Wants log messages from LEVEL on; what it gives goes into the `meta` of calls.
	async logFrom(level) {
		if (this.era === 'modern') return { 'io.modelcontextprotocol/logLevel': level };
		await this.client.setLoggingLevel(level);
		return undefined;
	}
}
