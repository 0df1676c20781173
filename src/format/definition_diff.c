/* The difference of two definitions, as lines that a person reads. Both texts are laid out, their lines numbered so that
 * equal ones have equal numbers, and compared by Myers's algorithm ("An O(ND) Difference Algorithm and Its Variations",
 * 1986), which gives up beyond a bound, since a peer chose what it works on. */
#include "format/definition.h"

#include "format/json_bytes.h"

/* ---- laid out in lines ---- */

enum { INDENT = 2, INDENT_MAX = 60, NO_LINE = -1, CONTEXT = 3 };

struct Line {
	uint32_t start, end; /* in the text */
	int parent; /* the line that opens what it stands in, or NO_LINE */
	unsigned id; /* equal lines have the same */
	unsigned op; /* its place among what is shown */
	bool kept; /* the other side has it too */
};

struct Layout {
	GString *text;
	GArray *lines; /* struct Line */
	GArray *opened; /* int: the lines that opened what is open */
};

static void begin_line(struct Layout *layout)
{
	static const char spaces[INDENT_MAX + 1] =
		"                                                            ";
	struct Line line = {.start = (uint32_t)layout->text->len, .parent = NO_LINE};
	unsigned depth = layout->opened->len;
	if (depth > 0)
		line.parent = g_array_index(layout->opened, int, depth - 1);
	g_array_append_val(layout->lines, line);
	g_string_append_len(layout->text, spaces, MIN(depth * INDENT, (unsigned)INDENT_MAX));
}

static void end_line(struct Layout *layout)
{
	g_array_index(layout->lines, struct Line, layout->lines->len - 1).end =
		(uint32_t)layout->text->len;
}

static void open_line(struct Layout *layout)
{
	int line = (int)layout->lines->len - 1;
	g_array_append_val(layout->opened, line);
}

/* Of characters that the categories do not tell. */
static bool is_blank(gunichar c)
{
	return c == 0x34f || c == 0x115f || c == 0x1160 || c == 0x17b4 || c == 0x17b5 ||
	       (c >= 0x180b && c <= 0x180f) || c == 0x2800 || c == 0x3164 || c == 0xffa0 ||
	       (c >= 0xfe00 && c <= 0xfe0f) || (c >= 0xe0000 && c <= 0xe0fff);
}

/* The kinds of characters that leave nothing to see, or that nobody can know. */
static const uint32_t hidden_kinds =
	1u << G_UNICODE_CONTROL | 1u << G_UNICODE_FORMAT | 1u << G_UNICODE_UNASSIGNED |
	1u << G_UNICODE_PRIVATE_USE | 1u << G_UNICODE_SURROGATE | 1u << G_UNICODE_LINE_SEPARATOR |
	1u << G_UNICODE_PARAGRAPH_SEPARATOR | 1u << G_UNICODE_SPACE_SEPARATOR;

/* Whether C, which is not ASCII's, cannot be seen. */
static bool is_hidden(gunichar c)
{
	return (hidden_kinds >> g_unichar_type(c) & 1) || is_blank(c);
}

/* A string of a canonical text, whose quote is at P; its end. */
static const char *lay_string(struct Layout *layout, const char *p)
{
	GString *out = layout->text;
	bool is_broken = false;
	g_string_append_c(out, *p++);
	while (*p != '"') {
		if (*p == '\\') {
			bool breaks = p[1] == 'n' && p[2] != '"';
			g_string_append_len(out, p, 2);
			p += 2;
			if (!breaks)
				continue;
			end_line(layout);
			if (!is_broken)
				open_line(layout);
			is_broken = true;
			begin_line(layout);
			continue;
		}
		gunichar c = g_utf8_get_char(p);
		const char *next = g_utf8_next_char(p);
		if (c >= 0x7f && is_hidden(c))
			g_string_append_printf(out, "\\u{%x}", c);
		else
			g_string_append_len(out, p, next - p);
		p = next;
	}
	if (is_broken)
		g_array_set_size(layout->opened, layout->opened->len - 1);
	g_string_append_c(out, *p++);
	return p;
}

/* What begins a member or an element stands at P; its end, or the beginning of what is in it. */
static const char *lay_item(struct Layout *layout, const char *p, const char *end)
{
	begin_line(layout);
	if (*p == '"') {
		p = json_skip_space(lay_string(layout, p), end);
		if (p < end && *p == ':') {
			g_string_append(layout->text, ": ");
			p = json_skip_space(p + 1, end);
		} else {
			end_line(layout);
			return p;
		}
	}
	const char *from = p;
	if (*p == '"') {
		p = lay_string(layout, p);
	} else if (*p == '{' || *p == '[') {
		const char *inside = json_skip_space(p + 1, end);
		bool is_empty = *inside == '}' || *inside == ']';
		p = is_empty ? inside + 1 : p + 1;
		g_string_append_len(layout->text, from, 1);
		if (is_empty)
			g_string_append_c(layout->text, *inside);
		else
			open_line(layout);
	} else {
		while (p < end && !json_is_space(*p) && *p != ',' && *p != ']' && *p != '}')
			p++;
		g_string_append_len(layout->text, from, p - from);
	}
	end_line(layout);
	return p;
}

static void lay_out(struct Layout *layout, struct Slice json)
{
	layout->text = g_string_new(NULL);
	layout->lines = g_array_new(FALSE, FALSE, sizeof(struct Line));
	layout->opened = g_array_new(FALSE, FALSE, sizeof(int));
	const char *p = json.data ? json.data : "";
	const char *end = p + json.len;
	while (p < end) {
		if (json_is_space(*p) || *p == ',') {
			p++;
		} else if (*p == '}' || *p == ']') {
			g_array_set_size(layout->opened, layout->opened->len - 1);
			begin_line(layout);
			g_string_append_c(layout->text, *p++);
			end_line(layout);
		} else {
			p = lay_item(layout, p, end);
		}
	}
}

static void layout_release(struct Layout *layout)
{
	g_string_free(layout->text, TRUE);
	g_array_unref(layout->lines);
	g_array_unref(layout->opened);
}

/* ---- compared ---- */

enum {
	EDITS_MAX = 1000, /* lines that differ */
	STEPS_MAX = 20 * 1000 * 1000,
};

static struct Line *line_at(const struct Layout *layout, unsigned i)
{
	return &g_array_index(layout->lines, struct Line, i);
}

struct Numbered {
	struct Slice text;
	struct Line *line;
};

static int by_text(const void *a, const void *b)
{
	const struct Slice *one = &((const struct Numbered *)a)->text;
	const struct Slice *other = &((const struct Numbered *)b)->text;
	if (one->len != other->len)
		return one->len < other->len ? -1 : 1;
	return memcmp(one->data, other->data, one->len);
}

static void gather_lines(const struct Layout *layout, struct Numbered *out)
{
	for (unsigned i = 0; i < layout->lines->len; i++) {
		struct Line *line = line_at(layout, i);
		out[i].text =
			(struct Slice){layout->text->str + line->start, line->end - line->start};
		out[i].line = line;
	}
}

/* Numbers the lines: equal ones have equal numbers. By sorting, since a peer could see to it that a hash is of no use. */
static void number_lines(const struct Layout *a, const struct Layout *b)
{
	size_t n = a->lines->len + b->lines->len;
	g_autofree struct Numbered *all = g_new(struct Numbered, n + 1);
	gather_lines(a, all);
	gather_lines(b, all + a->lines->len);
	qsort(all, n, sizeof(*all), by_text);
	for (size_t i = 0; i < n; i++)
		all[i].line->id =
			i == 0 ? 0 : all[i - 1].line->id + !slice_eq(all[i - 1].text, all[i].text);
}

/* What is compared: N lines of the one from its line A on, M of the other from B on. */
struct Compared {
	const struct Layout *old, *new_one;
	int a, b, n, m;
	GArray *trace; /* int: how far each diagonal got with 0, 1, 2, … edits */
	int64_t steps;
};

static bool is_same(const struct Compared *c, int x, int y)
{
	return line_at(c->old, (unsigned)(c->a + x))->id ==
	       line_at(c->new_one, (unsigned)(c->b + y))->id;
}

/* Of the diagonals of D - 1 edits: how far K gets with one edit more, before what is equal. FAR is at diagonal 0. */
static int step(const int *far, int k, int d)
{
	if (k == -d || (k != d && far[k - 1] < far[k + 1]))
		return far[k + 1];
	return far[k - 1] + 1;
}

/* The least number of edits that make the one of the other, -1 where they are too many; FAR has room for each diagonal. */
static int count_edits(struct Compared *c, int *far)
{
	far[1] = 0;
	for (int d = 0; d <= MIN(EDITS_MAX, c->n + c->m); d++) {
		for (int k = -d; k <= d; k += 2) {
			int x = step(far, k, d);
			int from = x;
			while (x < c->n && x - k < c->m && is_same(c, x, x - k))
				x++;
			far[k] = x;
			c->steps += x - from + 1;
			if (x >= c->n && x - k >= c->m) {
				g_array_append_vals(c->trace, far - d, (unsigned)(2 * d + 1));
				return d;
			}
			if (c->steps > STEPS_MAX)
				return -1;
		}
		g_array_append_vals(c->trace, far - d, (unsigned)(2 * d + 1));
	}
	return -1;
}

static void keep(const struct Compared *c, int x, int y)
{
	line_at(c->old, (unsigned)(c->a + x))->kept = true;
	line_at(c->new_one, (unsigned)(c->b + y))->kept = true;
}

/* Goes back the way that count_edits found: what it passed without an edit is in both. Diagonals beyond the ends are passed
 * over too, so their places are not looked at. */
static void keep_common(const struct Compared *c, int edits)
{
	int x = c->n, y = c->m;
	for (int d = edits; d >= 0; d--) {
		int k = x - y;
		int before_x = 0, before_y = 0;
		if (d > 0) {
			/* The diagonals of D - 1 edits lie behind those of fewer: 1 + 3 + 5 + …, squares. */
			const int *far =
				(const int *)(void *)c->trace->data + (d - 1) * (d - 1) + (d - 1);
			bool down = k == -d || (k != d && far[k - 1] < far[k + 1]);
			int before_k = down ? k + 1 : k - 1;
			before_x = far[before_k];
			before_y = before_x - before_k;
		}
		while (x > before_x && y > before_y && is_same(c, x - 1, y - 1))
			keep(c, --x, --y);
		x = before_x;
		y = before_y;
	}
}

/* Marks the lines that are in both. */
static void compare(const struct Layout *old, const struct Layout *new_one)
{
	struct Compared c = {
		.old = old,
		.new_one = new_one,
		.n = (int)old->lines->len,
		.m = (int)new_one->lines->len,
	};
	while (c.n > 0 && c.m > 0 && is_same(&c, c.n - 1, c.m - 1))
		keep(&c, --c.n, --c.m);
	while (c.n > 0 && c.m > 0 && is_same(&c, 0, 0)) {
		keep(&c, 0, 0);
		c.a++, c.b++, c.n--, c.m--;
	}
	if (c.n == 0 || c.m == 0)
		return;
	c.trace = g_array_new(FALSE, FALSE, sizeof(int));
	g_autofree int *far = g_new0(int, 2 * EDITS_MAX + 3);
	int edits = count_edits(&c, far + EDITS_MAX + 1);
	if (edits >= 0)
		keep_common(&c, edits);
	g_array_unref(c.trace);
}

/* ---- shown ---- */

struct Op {
	const struct Layout *layout;
	const struct Line *line;
	char sign;
	bool shown;
	bool walked; /* what it stands in is shown too */
};

static void add_op(GArray *ops, const struct Layout *layout, unsigned i, char sign)
{
	struct Line *line = line_at(layout, i);
	struct Op op = {.layout = layout, .line = line, .sign = sign};
	line->op = ops->len;
	g_array_append_val(ops, op);
}

static GArray *list_ops(const struct Layout *old, const struct Layout *new_one)
{
	GArray *ops = g_array_new(FALSE, FALSE, sizeof(struct Op));
	unsigned i = 0, j = 0;
	while (i < old->lines->len || j < new_one->lines->len) {
		while (i < old->lines->len && !line_at(old, i)->kept)
			add_op(ops, old, i++, '-');
		while (j < new_one->lines->len && !line_at(new_one, j)->kept)
			add_op(ops, new_one, j++, '+');
		for (; i < old->lines->len && j < new_one->lines->len && line_at(old, i)->kept &&
			line_at(new_one, j)->kept;
			i++, j++) {
			line_at(old, i)->op = ops->len;
			add_op(ops, new_one, j, ' ');
		}
	}
	return ops;
}

/* Shows what OP stands in. */
static void show_parents(GArray *ops, struct Op *op)
{
	const struct Layout *layout = op->layout;
	for (int parent = op->line->parent; parent != NO_LINE && !op->walked;
		parent = line_at(layout, (unsigned)parent)->parent) {
		op->walked = true;
		op = &g_array_index(ops, struct Op, line_at(layout, (unsigned)parent)->op);
		op->shown = true;
	}
}

static void choose_shown(GArray *ops)
{
	for (unsigned i = 0; i < ops->len; i++) {
		struct Op *op = &g_array_index(ops, struct Op, i);
		if (op->sign == ' ')
			continue;
		unsigned first = i > CONTEXT ? i - CONTEXT : 0;
		for (unsigned j = first; j < ops->len && j <= i + CONTEXT; j++)
			g_array_index(ops, struct Op, j).shown = true;
		show_parents(ops, op);
	}
}

/* One line, or several where it is too long. */
static void add_line(GPtrArray *out, const struct Op *op)
{
	const char *p = op->layout->text->str + op->line->start;
	const char *end = op->layout->text->str + op->line->end;
	do {
		const char *to = end;
		if (to - p >= DEFINITION_LINE_BYTES) {
			to = p + DEFINITION_LINE_BYTES - 1;
			while (((unsigned char)*to & 0xc0) == 0x80)
				to--;
		}
		size_t len = (size_t)(to - p);
		char *line = g_malloc(len + 2);
		line[0] = op->sign;
		memcpy(line + 1, p, len);
		line[len + 1] = '\0';
		g_ptr_array_add(out, line);
		p = to;
	} while (p < end);
}

static GPtrArray *show(const struct Layout *old, const struct Layout *new_one)
{
	GPtrArray *out = g_ptr_array_new_with_free_func(g_free);
	g_autoptr(GArray) ops = list_ops(old, new_one);
	choose_shown(ops);
	bool gap = false;
	for (unsigned i = 0; i < ops->len; i++) {
		const struct Op *op = &g_array_index(ops, struct Op, i);
		if (op->shown)
			add_line(out, op);
		else if (!gap)
			g_ptr_array_add(out, g_strdup(" …"));
		gap = !op->shown;
	}
	return out;
}

GPtrArray *definition_diff(struct Slice old, struct Slice new_one)
{
	if (slice_eq(old, new_one))
		return g_ptr_array_new_with_free_func(g_free);
	struct Layout a, b;
	lay_out(&a, old);
	lay_out(&b, new_one);
	number_lines(&a, &b);
	compare(&a, &b);
	GPtrArray *out = show(&a, &b);
	layout_release(&a);
	layout_release(&b);
	return out;
}
