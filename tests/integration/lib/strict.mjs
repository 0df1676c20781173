// An authorization server without mercy, and the MCP server that it guards, in one: whoever asks is let in without a
// page, but every rule is kept. Codes live once, verifiers must fit, redirect URIs and resources must be the same
// all along, refresh tokens rotate, and one that comes twice ends the sign-in for good. It can be slow, and be told
// what to do at each step, since `before` and `after` are awaited around every grant.

import { createHash, randomUUID } from 'node:crypto';
import { Scripted } from './scripted.mjs';
import { sleep } from './raw.mjs';

const digest = text => createHash('sha256').update(text).digest('base64url');

class Refusal extends Error {
	constructor(code, status = 400) {
		super(code);
		this.status = status;
	}

	// Its words repeat what was sent, as some servers' do: nobody may log that.
	body(form) {
		const sent = form.get('refresh_token') ?? form.get('code') ?? form.get('token') ?? 'nothing';
		return { error: this.message, error_description: `the strict server says ${this.message} to ${sent}` };
	}
}

function demand(holds, code, status) {
	if (!holds) throw new Refusal(code, status);
}

export class Strict {
	// LIFE: seconds that an access token lives (SAYS: what expires_in claims, LIFE by default); SLOW: milliseconds
	// that a refresh takes; SECRET: registered clients get one; the rest is for Scripted.
	static async start(t, { life = 3600, says, slow = 0, secret = false, revocation = true, ...options } = {}) {
		const strict = new Strict();
		Object.assign(strict, { life, says, slow, secret, revocation, clients: new Map(), codes: new Map(), refresh: new Map(),
			access: new Map(), grants: new Set(), secrets: new Set(), seen: [] });
		strict.scripted = await Scripted.start(t, { ...options, on: { '*': x => strict.#route(x, options.on ?? {}) } });
		const { port, url } = strict.scripted;
		return Object.assign(strict, { port, url, issuer: `http://127.0.0.1:${port}` });
	}

	// --- what a test looks at and does ---

	// Grants asked for so far: of('refresh_token'), with `.error` where refused.
	of(type) {
		return this.seen.filter(grant => grant.type === type);
	}

	// Every access token stops working, whatever expires_in said.
	expireAccess() {
		this.access.clear();
	}

	// The person signed out elsewhere: all that was granted is void.
	revokeAll() {
		this.grants.clear();
	}

	// --- the two servers ---

	async #route(exchange, on) {
		const { pathname, searchParams } = new URL(exchange.req.url, this.issuer);
		if (pathname === '/mcp') return this.#guarded(exchange, on);
		const form = new URLSearchParams(exchange.body);
		try {
			switch (pathname) {
			case '/.well-known/oauth-protected-resource/mcp':
				return this.#json(exchange, { resource: this.url, authorization_servers: [this.issuer], scopes_supported: ['tools'] });
			case '/.well-known/oauth-authorization-server': return this.#json(exchange, this.metadata());
			case '/register': return this.#json(exchange, this.#register(exchange.message), 201);
			case '/authorize': return this.#authorize(exchange, searchParams);
			case '/token': return await this.#token(exchange, form);
			case '/revoke': return this.#revoke(exchange, form);
			default: return exchange.end(404);
			}
		} catch (error) {
			if (!(error instanceof Refusal)) return exchange.end(503); // what a test threw
			this.#json(exchange, error.body(form), error.status);
		}
	}

	#json(exchange, body, status = 200) {
		exchange.end(status, { 'content-type': 'application/json', 'cache-control': 'no-store' }, JSON.stringify(body));
	}

	metadata() {
		return {
			issuer: this.issuer, authorization_endpoint: `${this.issuer}/authorize`, token_endpoint: `${this.issuer}/token`,
			registration_endpoint: `${this.issuer}/register`, scopes_supported: ['tools'],
			...(this.revocation && { revocation_endpoint: `${this.issuer}/revoke` }),
			response_types_supported: ['code'], grant_types_supported: ['authorization_code', 'refresh_token'],
			code_challenge_methods_supported: ['S256'], authorization_response_iss_parameter_supported: true,
			token_endpoint_auth_methods_supported: this.secret ? ['client_secret_basic'] : ['none'],
		};
	}

	// The MCP server. ON: what a test's own handlers do once the token is found good.
	#guarded(exchange, on) {
		const { req, message } = exchange;
		const token = /^Bearer (\S+)$/.exec(req.headers.authorization ?? '')?.[1];
		const { grant, until } = this.access.get(token) ?? {};
		if (!this.grants.has(grant) || Date.now() > until) {
			this.refusals = (this.refusals ?? 0) + 1;
			return exchange.end(401, { 'www-authenticate': `Bearer scope="tools", ${token ? 'error="invalid_token", ' : ''}` +
				`resource_metadata="${this.issuer}/.well-known/oauth-protected-resource/mcp"` });
		}
		const method = req.method === 'POST' ? message?.method ?? 'response' : req.method;
		return on[method] ? on[method](exchange) : this.scripted.decent(exchange, method);
	}

	#keep(secret) {
		this.secrets.add(secret);
		return secret;
	}

	#register({ redirect_uris, token_endpoint_auth_method, grant_types, application_type }) {
		demand(redirect_uris?.length === 1 && /^http:\/\/(127\.0\.0\.1|localhost):\d+\//.test(redirect_uris[0]), 'invalid_redirect_uri');
		demand(grant_types?.includes('refresh_token') && application_type === 'native', 'invalid_client_metadata');
		const client = { client_id: `client-${randomUUID()}`, redirect_uris, grant_types,
			token_endpoint_auth_method: this.secret ? 'client_secret_basic' : 'none' };
		demand(this.secret || token_endpoint_auth_method === 'none', 'invalid_client_metadata');
		if (this.secret) client.client_secret = this.#keep(`client-secret-${randomUUID()}`);
		this.clients.set(client.client_id, client);
		return client;
	}

	#authorize(exchange, query) {
		const ask = Object.fromEntries(query);
		const client = this.clients.get(ask.client_id);
		demand(client?.redirect_uris.includes(ask.redirect_uri), 'invalid_request');
		demand(Array.from(query.keys()).length === Object.keys(ask).length, 'invalid_request');
		demand(ask.response_type === 'code' && ask.code_challenge_method === 'S256' && ask.code_challenge, 'invalid_request');
		demand(ask.resource === this.url && ask.state, 'invalid_target');
		const code = this.#keep(`code-${randomUUID()}`);
		const grant = randomUUID();
		this.grants.add(grant);
		this.codes.set(code, { ...ask, grant });
		const back = new URL(ask.redirect_uri);
		for (const [name, value] of Object.entries({ code, state: ask.state, iss: this.issuer })) back.searchParams.set(name, value);
		exchange.end(302, { location: back.href });
	}

	#client(exchange, form) {
		const basic = /^Basic (\S+)$/.exec(exchange.req.headers.authorization ?? '')?.[1];
		if (basic) this.secrets.add(basic);
		const [id, secret] = basic ? Buffer.from(basic, 'base64').toString().split(':').map(decodeURIComponent) :
			[form.get('client_id'), undefined];
		const client = this.clients.get(id);
		demand(client && client.client_secret === secret && !form.has('client_secret'), 'invalid_client', 401);
		return client;
	}

	async #token(exchange, form) {
		const grant = { type: form.get('grant_type'), at: performance.now() };
		this.seen.push(grant);
		for (const name of ['code', 'code_verifier', 'refresh_token']) if (form.get(name)) this.secrets.add(form.get(name));
		try {
			await this.before?.(grant);
			const client = this.#client(exchange, form);
			demand(form.get('resource') === this.url, 'invalid_target');
			const answer = grant.type === 'authorization_code' ? this.#exchange(client, form) :
				grant.type === 'refresh_token' ? this.#rotate(client, form) : demand(false, 'unsupported_grant_type');
			if (grant.type === 'refresh_token') await sleep(this.slow);
			await this.after?.(grant);
			this.#json(exchange, answer);
		} catch (error) {
			grant.error = error.message;
			throw error;
		}
	}

	#exchange(client, form) {
		const code = this.codes.get(form.get('code'));
		demand(code, 'invalid_grant');
		if (code.used) this.grants.delete(code.grant);
		demand(!code.used && this.grants.has(code.grant), 'invalid_grant');
		code.used = true;
		demand(code.client_id === client.client_id && code.redirect_uri === form.get('redirect_uri'), 'invalid_grant');
		demand(digest(form.get('code_verifier') ?? '') === code.code_challenge, 'invalid_grant');
		return this.#issue(code.grant, client, code.scope);
	}

	#rotate(client, form) {
		const token = this.refresh.get(form.get('refresh_token'));
		demand(token && token.client === client.client_id, 'invalid_grant');
		if (token.used) this.grants.delete(token.grant);
		demand(this.grants.has(token.grant), 'invalid_grant');
		token.used = true;
		return this.#issue(token.grant, client, token.scope);
	}

	#issue(grant, client, scope) {
		const [access, refresh] = [this.#keep(`access-${randomUUID()}`), this.#keep(`refresh-${randomUUID()}`)];
		this.access.set(access, { grant, until: Date.now() + this.life * 1000 });
		this.refresh.set(refresh, { grant, client: client.client_id, scope });
		return { access_token: access, refresh_token: refresh, token_type: 'Bearer', expires_in: this.says ?? this.life,
			...(scope && { scope }) };
	}

	#revoke(exchange, form) {
		this.seen.push({ type: 'revocation' });
		this.#client(exchange, form);
		const token = this.refresh.get(form.get('token')) ?? this.access.get(form.get('token'));
		if (token) this.grants.delete(token.grant);
		exchange.end(200);
	}
}
