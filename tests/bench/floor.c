/* The bare libcurl program that mcp-mux is measured against: sends one captured tools/call request
 * (argv: --request FILE, the raw head and body as mcp-mux sent them) over and over with the multi
 * interface, --inflight at a time, no stdio in between, and prints one line:
 *
 *   P50 P90 P99 CPU ELAPSED PEAK
 *
 * latencies in nanoseconds, CPU nanoseconds per call, nanoseconds for all calls, peak resident KiB.
 * Settings are those that make libcurl fast here: easy handles and header lists made once, the body by
 * CURLOPT_POSTFIELDS, no Expect, no cap on connections per host, the pool as large as what is in flight.
 * A whole answer is held in memory and looked at, as any client must; large ones are freed after it. */
#include "wire.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <time.h>

enum { INFLIGHT_MAX = 512, KEEP_MAX = 1 << 20 };

struct Call {
	CURL *easy;
	char *body;
	size_t len, cap;
	uint64_t from_ns;
};

struct Floor {
	CURLM *multi;
	struct Call calls[INFLIGHT_MAX];
	struct curl_slist *headers;
	char *request, *url;
	struct Span body;
	unsigned inflight;
	uint64_t *latency;
	size_t started, done, wanted;
};

static void die(const char *what)
{
	fprintf(stderr, "floor: %s\n", what);
	exit(1);
}

static size_t append(char *data, size_t size, size_t n, void *user)
{
	struct Call *call = user;
	size_t need = call->len + size * n;

	if (need > call->cap) {
		curl_off_t length = -1;
		curl_easy_getinfo(call->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
		size_t cap = length > 0 && (size_t)length >= need ? (size_t)length : need * 2;
		char *grown = realloc(call->body, cap);
		if (!grown)
			return 0;
		call->body = grown;
		call->cap = cap;
	}
	memcpy(call->body + call->len, data, size * n);
	call->len = need;
	return size * n;
}

/* Splits the captured request into its URL, its headers (without what libcurl adds by itself) and its
 * body. */
static void read_request(struct Floor *f, const char *path, unsigned port)
{
	FILE *in = fopen(path, "re");
	size_t cap = 1 << 20;
	char *text = calloc(1, cap);

	if (!in || !text)
		die("cannot read the request");
	size_t len = fread(text, 1, cap - 1, in);
	fclose(in);
	char *blank = strstr(text, "\r\n\r\n"), *target = strchr(text, ' ');
	char *target_end = target ? strchr(target + 1, ' ') : NULL;
	if (!blank || !target_end)
		die("not an HTTP request");
	f->request = text;
	f->body = (struct Span){blank + 4, len - (size_t)(blank + 4 - text)};
	if (asprintf(&f->url, "http://127.0.0.1:%u%.*s", port, (int)(target_end - target - 1),
		    target + 1) < 0)
		die("out of memory");
	blank[2] = '\0';
	for (char *line = strstr(text, "\r\n") + 2; *line;) {
		char *end = strstr(line, "\r\n");
		*end = '\0';
		if (strncasecmp(line, "host:", 5) != 0 &&
			strncasecmp(line, "content-length:", 15) != 0)
			f->headers = curl_slist_append(f->headers, line);
		line = end + 2;
	}
	f->headers = curl_slist_append(f->headers, "Expect:");
}

static void prepare(struct Floor *f)
{
	f->multi = curl_multi_init();
	curl_multi_setopt(f->multi, CURLMOPT_MAXCONNECTS, (long)f->inflight + 1);
	for (unsigned i = 0; i < f->inflight; i++) {
		CURL *easy = f->calls[i].easy = curl_easy_init();
		if (!easy)
			die("curl_easy_init");
		curl_easy_setopt(easy, CURLOPT_URL, f->url);
		curl_easy_setopt(easy, CURLOPT_PROXY, "");
		curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
		curl_easy_setopt(easy, CURLOPT_HTTPHEADER, f->headers);
		curl_easy_setopt(easy, CURLOPT_POSTFIELDS, f->body.data);
		curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)f->body.len);
		curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, append);
		curl_easy_setopt(easy, CURLOPT_WRITEDATA, &f->calls[i]);
		curl_easy_setopt(easy, CURLOPT_PRIVATE, &f->calls[i]);
	}
}

static void start(struct Floor *f, struct Call *call)
{
	f->started++;
	call->len = 0;
	call->from_ns = wire_now_ns();
	if (curl_multi_add_handle(f->multi, call->easy) != CURLM_OK)
		die("curl_multi_add_handle");
}

static void check(const struct Call *call, CURLcode result)
{
	long status = 0;

	curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
	if (result != CURLE_OK)
		die(curl_easy_strerror(result));
	if (status != 200 ||
		!memmem(call->body, call->len < 4096 ? call->len : 4096, "\"result\"", 8))
		die("the upstream answered an error");
}

static void finish(struct Floor *f, CURLMsg *message)
{
	struct Call *call = NULL;

	curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&call);
	f->latency[f->done++] = wire_now_ns() - call->from_ns;
	check(call, message->data.result);
	curl_multi_remove_handle(f->multi, call->easy);
	if (call->cap > KEEP_MAX) {
		free(call->body);
		call->body = NULL;
		call->cap = 0;
	}
	if (f->started < f->wanted)
		start(f, call);
}

static void run(struct Floor *f, size_t calls)
{
	int running, left;

	f->started = f->done = 0;
	f->wanted = calls;
	for (unsigned i = 0; i < f->inflight && i < calls; i++)
		start(f, &f->calls[i]);
	while (f->done < calls) {
		CURLMsg *message;
		curl_multi_perform(f->multi, &running);
		while ((message = curl_multi_info_read(f->multi, &left)))
			if (message->msg == CURLMSG_DONE)
				finish(f, message);
		if (f->done < calls)
			curl_multi_poll(f->multi, NULL, 0, 1000, NULL);
	}
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static uint64_t cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

int main(int argc, char **argv)
{
	static struct Floor f;
	size_t calls = 1000, warmup = 100;
	unsigned port = 0;
	const char *request = NULL;
	struct rusage usage;

	f.inflight = 1;
	for (int i = 1; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--port") == 0)
			port = (unsigned)wire_number(argv[i + 1], 65535, argv[i]);
		else if (strcmp(argv[i], "--calls") == 0)
			calls = wire_number(argv[i + 1], 10000000, argv[i]);
		else if (strcmp(argv[i], "--warmup") == 0)
			warmup = wire_number(argv[i + 1], 10000000, argv[i]);
		else if (strcmp(argv[i], "--inflight") == 0)
			f.inflight = (unsigned)wire_number(argv[i + 1], INFLIGHT_MAX, argv[i]);
		else if (strcmp(argv[i], "--request") == 0)
			request = argv[i + 1];
		else
			die("unknown option");
	}
	if (!request || !port || !calls || !f.inflight)
		die("--port, --request, --calls and --inflight are needed");
	curl_global_init(CURL_GLOBAL_DEFAULT);
	read_request(&f, request, port);
	prepare(&f);
	f.latency = calloc(calls > warmup ? calls : warmup, sizeof(*f.latency));
	if (!f.latency)
		die("out of memory");
	if (warmup)
		run(&f, warmup);
	uint64_t cpu = cpu_ns(), from = wire_now_ns();
	run(&f, calls);
	uint64_t elapsed = wire_now_ns() - from;
	cpu = cpu_ns() - cpu;
	qsort(f.latency, calls, sizeof(*f.latency), by_size);
	getrusage(RUSAGE_SELF, &usage);
	fprintf(stdout, "%llu %llu %llu %llu %llu %ld\n", (unsigned long long)f.latency[calls / 2],
		(unsigned long long)f.latency[calls * 9 / 10],
		(unsigned long long)f.latency[calls * 99 / 100], (unsigned long long)(cpu / calls),
		(unsigned long long)elapsed, usage.ru_maxrss);
	return 0;
}
