/* read_csv.c - tables with named columns: one access a line.
 *
 * Definition: lines of fields between commas, semicolons, tabs, bars or spaces; a first line that names the columns, or a
 * specification that says them: "csv:FILE,address=2,op=3" (csv.h has the words, pageworks-trace(7) explains them).
 *
 *     address   bytes, decimal or 0x; hexadecimal throughout when one of the first lines has letters in it, or base=16
 *     page      a number of pages of unit= bytes (4 KiB; 512 under a heading such as lba)
 *     id        any text or number: a page for each (numbers.h)
 *     op        r w x, read write fetch, load store, 0 1 2 as in din, get set, SCSI commands in hexadecimal (28 2a ...);
 *               absent: a load
 *     size      bytes; an access of an address or page touches every page of 4 KiB that it reaches into
 *     pid, tid  numbers; absent: 1 (without tid the thread is that of the process: its pid)
 *     time      not looked at: lines come in the order of time
 *
 * An empty field is like an absent one, except for the place.  A line without a place, or with a word that makes no sense, is
 * rejected. */
#include "csv.h"
#include "lines.h"
#include "numbers.h"
#include <string.h>
#include <xxhash.h>

enum { SIZE_MOST = 1 << 30 };

struct csv {
	struct lines l;
	struct csv_shape shape;
	struct numbers numbers;
	bool begun;   /* the heading, if there is one, is behind us */
};

struct row {
	uint64_t place, size;
	uint32_t pid, tid;
	enum access_kind kind;
	bool placed, tid_said;
};

/* word of two letters and more, kind; what people write for the three. */
#define OP_LIST(X) \
	X("read", LOAD) X("write", STORE) X("fetch", FETCH) X("load", LOAD) X("store", STORE) X("ifetch", FETCH) \
	X("exec", FETCH) X("get", LOAD) X("gets", LOAD) X("set", STORE) X("put", STORE) X("add", STORE) X("replace", STORE) \
	X("cas", STORE) X("append", STORE) X("prepend", STORE) X("rs", LOAD) X("ws", STORE) \
	X("08", LOAD) X("28", LOAD) X("88", LOAD) X("a8", LOAD) X("0a", STORE) X("2a", STORE) X("8a", STORE) \
	X("aa", STORE) X("0x28", LOAD) X("0x88", LOAD) X("0x2a", STORE) X("0x8a", STORE)

/* The word is one letter or digit: no search. */
static bool read_letter(char c, enum access_kind *ret)
{
	static const uint8_t kind_and_one[256] = {
		['r'] = 1 + ACCESS_LOAD, ['R'] = 1 + ACCESS_LOAD, ['l'] = 1 + ACCESS_LOAD, ['L'] = 1 + ACCESS_LOAD, ['0'] = 1 + ACCESS_LOAD,
		['8'] = 1 + ACCESS_LOAD, ['w'] = 1 + ACCESS_STORE, ['W'] = 1 + ACCESS_STORE, ['s'] = 1 + ACCESS_STORE,
		['S'] = 1 + ACCESS_STORE, ['1'] = 1 + ACCESS_STORE, ['a'] = 1 + ACCESS_STORE, ['A'] = 1 + ACCESS_STORE,
		['x'] = 1 + ACCESS_FETCH, ['X'] = 1 + ACCESS_FETCH, ['i'] = 1 + ACCESS_FETCH, ['I'] = 1 + ACCESS_FETCH,
		['f'] = 1 + ACCESS_FETCH, ['F'] = 1 + ACCESS_FETCH, ['2'] = 1 + ACCESS_FETCH,
	};
	unsigned known = kind_and_one[(uint8_t)c];
	*ret = (enum access_kind)(known - 1);
	return known;
}

static bool read_op(const struct csv_field *f, enum access_kind *ret)
{
	static const struct { const char *word; uint8_t length, kind; } ops[] = {
#define X(word, kind) { word, sizeof word - 1, ACCESS_##kind },
		OP_LIST(X)
#undef X
	};
	size_t length = (size_t)(f->end - f->p);
	if (length == 1)
		return read_letter(*f->p, ret);
	for (unsigned i = 0; i < sizeof ops / sizeof *ops; i++) {
		if (ops[i].length == length && !strncasecmp(ops[i].word, f->p, length)) {
			*ret = (enum access_kind)ops[i].kind;
			return true;
		}
	}
	return false;
}

static inline bool read_number(const struct csv_field *f, bool hex, uint64_t *ret)
{
	const char *p = f->p;
	if (p[0] == '0' && (p[1] | 0x20) == 'x')
		return scan_hex(p + 2, ret) == f->end;
	return (hex ? scan_hex(p, ret) : scan_decimal(p, ret)) == f->end;
}

static bool read_thread(const struct csv_field *f, uint32_t *ret)
{
	uint64_t v;
	if (!read_number(f, false, &v) || v > UINT32_MAX)
		return false;
	*ret = (uint32_t)v;
	return true;
}

/* The number of an object: its own when it is one, else one made of its text. */
static uint64_t name_of(const struct csv_field *f)
{
	uint64_t v;
	return read_number(f, false, &v) ? v : XXH64(f->p, (size_t)(f->end - f->p), 0) | NUMBERS_OWN;
}

static bool read_place(const struct csv_shape *s, const struct csv_field *f, struct row *row)
{
	row->placed = f->p < f->end;
	if (s->place == CSV_ID) {
		row->place = name_of(f);
		return row->placed;
	}
	if (!read_number(f, s->hex, &row->place))
		return false;
	return !__builtin_mul_overflow(row->place, s->unit, &row->place) && (s->place == CSV_ADDRESS || row->place < 1ull << 62);
}

/* => false: the field makes no sense. */
static bool read_field(const struct csv_shape *s, enum csv_column column, const struct csv_field *f, struct row *row)
{
	if (column == s->place)
		return read_place(s, f, row);
	if (f->p == f->end)
		return true;
	switch (column) {
	case CSV_OP: return read_op(f, &row->kind);
	case CSV_SIZE: return read_number(f, false, &row->size) && row->size <= SIZE_MOST;
	case CSV_PID: return read_thread(f, &row->pid);
	case CSV_TID: return row->tid_said = read_thread(f, &row->tid);
	default: return true;
	}
}

/* csv_field, for the usual field: no quotes, no blanks around it, not empty. */
static inline const char *scan_field(const char *p, char delimiter, struct csv_field *ret)
{
	const char *first = p;
	if (*p <= ' ' || *p == '"' || *p == delimiter || delimiter == ' ')
		return csv_field(p, delimiter, ret);
	while (*p != delimiter && *p != '\n')
		p++;
	*ret = (struct csv_field){ first, p };
	return p[-1] > ' ' ? p : csv_field(first, delimiter, ret);
}

/* => past the newline, or NULL: no record. */
static const char *scan_row(const struct csv_shape *s, const char *p, struct row *ret)
{
	struct csv_field f;
	*ret = (struct row){ .pid = 1, .kind = ACCESS_LOAD };
	for (unsigned i = 0; i < CSV_WIDTH; i++) {
		p = scan_field(p, s->delimiter, &f);
		if (s->column[i] != CSV_NONE && !read_field(s, (enum csv_column)s->column[i], &f, ret))
			return NULL;
		if (*p++ == '\n')
			break;
	}
	ret->tid = ret->tid_said ? ret->tid : ret->pid;
	return !ret->placed ? NULL : p[-1] == '\n' ? p : line_next(p);
}

/* => false: out of memory. */
static bool add(struct csv *c, const struct row *row)
{
	uint64_t address = row->place;
	if (c->shape.place != CSV_ID) {
		batch_add_access(&c->l.batch, address, row->size, row->kind);
		return true;
	}
	if (!numbers_of(&c->numbers, row->place, &address)) {
		c->l.trace.error = pw_fail(&c->l.trace.why, PW_NOMEM, "%s: out of memory for the objects", input_name(c->l.in));
		return false;
	}
	batch_add(&c->l.batch, address * BATCH_PAGE_BYTES, row->kind);
	return true;
}

static const char *csv_eat(struct lines *l, const char *p, const char *end)
{
	struct csv *c = (struct csv *)l;
	struct row row;
	if (!l->line) {
		numbers_clear(&c->numbers);
		c->begun = !c->shape.heading;
	}
	while (p < end && batch_has_room(&l->batch)) {
		if (line_is_blank(p) || !c->begun) {
			c->begun = c->begun || !line_is_blank(p);
			l->line++;
			p = line_next(p);
			continue;
		}
		const char *next = scan_row(&c->shape, p, &row);
		if (!next) {
			p = lines_reject(l, p, end);
			continue;
		}
		if (l->batch.n && (row.pid != l->pid || row.tid != l->tid))
			break;
		l->pid = row.pid;
		l->tid = row.tid;
		if (!add(c, &row))
			break;
		p = next;
		l->line++;
		l->trace.info.records++;
	}
	return p;
}

static void csv_fini(struct lines *l)
{
	numbers_fini(&((struct csv *)l)->numbers);
}

/* The first lines, whole ones; a last line without a newline gets one.  buf has room for LINES_WINDOW + 1. */
static size_t first_lines(const uint8_t *first, size_t n, char *buf)
{
	bool all = n < LINES_WINDOW;
	n = all ? n : LINES_WINDOW;
	memcpy(buf, first, n);
	const char *newline = memrchr(buf, '\n', n);
	if (all && n && buf[n - 1] != '\n')
		buf[n++] = '\n';
	else if (!all)
		n = newline ? (size_t)(newline + 1 - buf) : 0;
	return n;
}

static enum pw_err csv_open(struct input *in, struct spec *spec, struct trace **ret, struct pw_why *why)
{
	struct lines *l;
	*ret = NULL;
	enum pw_err err = lines_open_sized(in, &reader_csv, 0, sizeof(struct csv), csv_eat, &l, why);
	if (err)
		return err;
	struct csv *c = (struct csv *)l;
	l->fini = csv_fini;
	size_t n;
	const uint8_t *first = input_peek(in, LINES_WINDOW, &n);
	err = csv_shape(l->tail, first_lines(first, n, l->tail), spec, &c->shape, why);
	if (!err && numbers_init(&c->numbers))
		err = pw_fail(why, PW_NOMEM, "%s: out of memory while opening", input_name(in));
	if (err) {
		enum pw_err before = n ? PW_OK : input_error(in, why);
		trace_close(&l->trace);
		return before ? before : err;
	}
	if (c->shape.place != CSV_ADDRESS)
		l->trace.info.granule_shift = c->shape.place == CSV_ID ? 12 : (unsigned)__builtin_ctzll(c->shape.unit | 1 << 30);
	*ret = &l->trace;
	return PW_OK;
}

static unsigned csv_begins(const uint8_t *first, size_t n)
{
	struct csv_shape shape;
	return csv_recognise((const char *)first, n + 1, &shape) ? READER_SURE : 0;
}

const struct reader reader_csv = {
	.name = "csv", .example = "(a heading such as 'address,op,pid', or csv:FILE,address=2,op=3)", .begins = csv_begins,
	.open_with = csv_open, .keys = CSV_KEYS,
};
