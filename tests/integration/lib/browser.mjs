// Browsers. BrowserStandIn is what BROWSER names: it returns at once, like a real one, and what it was asked to
// open is visited here by plain HTTP with cookies, through redirects and the login and consent forms of
// lib/oauth.mjs, up to the landing page. chromium() starts the real one, headless.

import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { atEnd, tempDir, until } from './raw.mjs';

class Cookies {
	#all = new Map(); // origin → Map of name → value

	header(url) {
		const own = this.#all.get(url.origin);
		return own?.size ? { cookie: Array.from(own, ([name, value]) => `${name}=${value}`).join('; ') } : {};
	}

	keep(url, response) {
		for (const line of response.headers.getSetCookie()) {
			const [, name, value] = /^([^=]+)=([^;]*)/.exec(line);
			const own = this.#all.get(url.origin) ?? new Map();
			this.#all.set(url.origin, own);
			if (!value || /expires=Thu, 01 Jan 1970/i.test(line)) own.delete(name);
			else own.set(name, value);
		}
	}
}

const unescape = text => text.replaceAll('&amp;', '&').replaceAll('&quot;', '"').replaceAll('&#39;', '\'');

// A person's way from an authorization URL to the page where it ends: { status, url, text, hops }. DENY: says no
// at the consent page. STOP(url): does not open that one, but hands it over as the result's url.
export async function visit(start, { login = 'alice', deny = false, stop = () => false } = {}) {
	const cookies = new Cookies();
	let request = { url: new URL(start), method: 'GET' };
	for (let hops = 0; hops < 20; hops++) {
		const { url, body } = request;
		if (stop(url)) return { url, hops };
		const response = await fetch(url, { method: request.method, body, redirect: 'manual', headers: cookies.header(url) });
		cookies.keep(url, response);
		const location = response.headers.get('location');
		if (location) {
			request = { url: new URL(location, url), method: 'GET' };
			continue;
		}
		const text = await response.text();
		const form = /<form[^>]*action="([^"]+)"[^>]*method="post"/i.exec(text);
		if (!form) return { status: response.status, url, text, headers: response.headers, hops };
		const prompt = /name="prompt" value="(\w+)"/.exec(text)[1];
		const abort = /href="([^"]+\/abort)"/.exec(text);
		if (deny && prompt === 'consent') {
			assert.ok(abort, 'no way to say no on the page');
			request = { url: new URL(unescape(abort[1]), url), method: 'GET' };
		} else {
			const fields = { prompt, ...(prompt === 'login' && { login, password: 'any' }) };
			request = { url: new URL(unescape(form[1]), url), method: 'POST', body: new URLSearchParams(fields) };
		}
	}
	assert.fail(`too many hops from ${start}`);
}

export class BrowserStandIn {
	// AUTO: visits what it is asked to open, with OPTIONS for visit(); else a test does so itself.
	static start(t, { auto = true, ...options } = {}) {
		const browser = new BrowserStandIn(tempDir(t));
		const timer = setInterval(() => browser.#look(auto, options), 10);
		atEnd(t, () => clearInterval(timer));
		return browser;
	}

	constructor(dir) {
		this.opened = []; // URLs
		this.visits = []; // promises of visit()
		this.log = join(dir, 'opened');
		this.command = join(dir, 'browser');
		// One write, so that two at once do not mix.
		writeFileSync(this.command, `#!/bin/sh\nfor last; do :; done\nprintf '%s\\n' "$last" >>'${this.log}'\n`, { mode: 0o755 });
	}

	get env() {
		return { BROWSER: this.command };
	}

	#look(auto, options) {
		if (!existsSync(this.log)) return;
		for (const url of readFileSync(this.log, 'utf8').split('\n').slice(0, -1).slice(this.opened.length)) {
			this.opened.push(url);
			if (auto) {
				const visited = visit(url, options);
				visited.catch(() => {}); // whoever waits for it hears of it
				this.visits.push(visited);
			}
		}
	}

	// The Nth URL that was opened.
	url(n = 1) {
		return until(() => this.opened[n - 1], `the browser to be opened (${n})`);
	}

	// Where the Nth visit ended.
	async landed(n = 1) {
		await this.url(n);
		return this.visits[n - 1];
	}
}

// Headless Chromium with a profile of its own; gives a page.
export async function chromium(t) {
	const { chromium: playwright } = await import('playwright-core');
	const profile = mkdtempSync(join(tmpdir(), 'chromium-'));
	const context = await playwright.launchPersistentContext(profile, {
		executablePath: '/usr/bin/chromium', headless: true,
		args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
			'--disable-component-update', '--disable-sync', '--disable-dev-shm-usage'],
	});
	atEnd(t, async () => {
		await context.close();
		rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
	});
	const page = context.pages()[0] ?? await context.newPage();
	// The provider's pages want a font from outside.
	await context.route(url => url.hostname !== '127.0.0.1' && url.hostname !== 'localhost', route => route.abort());
	return page;
}

// The same way in Chromium: fills in what is asked, gives the pages seen on the way as [{ url, text }].
export async function browse(page, start, { login = 'alice', deny = false } = {}) {
	const pages = [];
	await page.goto(start, { waitUntil: 'domcontentloaded' });
	for (let hops = 0; hops < 6; hops++) {
		pages.push({ url: page.url(), text: await page.locator('body').innerText() });
		const submit = page.locator('form [type=submit]');
		if (!await submit.count()) return pages;
		if (await page.locator('input[name=login]').count()) {
			await page.fill('input[name=login]', login);
			await page.fill('input[name=password]', 'any');
		}
		const target = deny && !await page.locator('input[name=login]').count() ? page.locator('a[href$="/abort"]') : submit;
		await Promise.all([page.waitForURL(url => url.href !== pages.at(-1).url, { waitUntil: 'domcontentloaded' }), target.first().click()]);
	}
	assert.fail(`no end of pages from ${start}`);
}
