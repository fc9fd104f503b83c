/* write_text.c - lines of text out of references.
 *
 * Problem: a trace of a billion references is tens of gigabytes of text, so a line may not cost a call into stdio; and the formats
 * hold less than a trace does.
 * Idea: each format is one function that writes one reference at a pointer; a buffer is filled with whole lines and goes out when it
 * is nearly full.  What a format cannot say is counted, so that whoever converts can say so.
 *
 * 1. A line is at most LINE_MAX_BYTES, and the buffer has room for one before it is written.
 * 2. What is written is read back by the reader of the same name as the same references (lackey, din, csv; course without fetches,
 *    pages without kinds and offsets).
 * Rejected: joining a load and a store at one address to lackey's M (nothing says that they were one instruction). */
#include "write_text.h"
#include "../base/mem.h"
#include "../base/text.h"
#include "sink.h"
#include <stdio.h>
#include <string.h>

enum { BUFFER_BYTES = 256 << 10, LINE_MAX_BYTES = 80, LACKEY_DIGITS = 8, PAGE_SHIFT = 12 };

typedef char *put_line_fn(char *p, const struct trace_item *item, ref_t ref);

static inline char *put_hex(char *p, uint64_t v, unsigned digits_least)
{
	static const char digit[] = "0123456789abcdef";
	unsigned digits = v ? (unsigned)(67 - __builtin_clzll(v)) / 4 : 1;
	digits = digits > digits_least ? digits : digits_least;
	for (unsigned i = digits; i--; v >>= 4)
		p[i] = digit[v & 15];
	return p + digits;
}

static inline char *put_decimal(char *p, uint64_t v)
{
	char digits[20];
	unsigned n = 0;
	do {
		digits[n++] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	while (n)
		*p++ = digits[--n];
	return p;
}

static char *put_lackey(char *p, const struct trace_item *item, ref_t ref)
{
	static const char start[ACCESS_KINDS][4] = { " L ", " S ", "I  " };
	(void)item;
	p = put_hex(mempcpy(p, start[ref_kind(ref)], 3), ref_va(ref).v, LACKEY_DIGITS);
	return mempcpy(p, ",1\n", 3);
}

static char *put_din(char *p, const struct trace_item *item, ref_t ref)
{
	(void)item;
	*p++ = (char)('0' + ref_kind(ref));
	*p++ = ' ';
	p = put_hex(p, ref_va(ref).v, 1);
	*p++ = '\n';
	return p;
}

static char *put_course(char *p, const struct trace_item *item, ref_t ref)
{
	(void)item;
	p = put_hex(p, ref_va(ref).v, 8);
	return mempcpy(p, ref_kind(ref) == ACCESS_STORE ? " W\n" : " R\n", 3);
}

static char *put_pages(char *p, const struct trace_item *item, ref_t ref)
{
	(void)item;
	p = put_decimal(p, ref_va(ref).v >> PAGE_SHIFT);
	*p++ = '\n';
	return p;
}

static char *put_csv(char *p, const struct trace_item *item, ref_t ref)
{
	static const char kind[ACCESS_KINDS] = { 'r', 'w', 'x' };
	p = put_decimal(p, item->pid);
	*p++ = ',';
	p = put_decimal(p, item->tid);
	*p++ = ',';
	*p++ = kind[ref_kind(ref)];
	p = put_hex(mempcpy(p, ",0x", 3), ref_va(ref).v, 1);
	*p++ = '\n';
	return p;
}

/* What a format can say beside addresses. */
enum { SAYS_STORES = 1, SAYS_FETCHES = 2, SAYS_THREADS = 4 };
enum {
	SAYS_lackey = SAYS_STORES | SAYS_FETCHES,
	SAYS_din = SAYS_STORES | SAYS_FETCHES,
	SAYS_course = SAYS_STORES,
	SAYS_pages = 0,
	SAYS_csv = SAYS_STORES | SAYS_FETCHES | SAYS_THREADS,
};

static const struct text_format {
	const char *name, *about;
	put_line_fn *put;
	unsigned says;
} formats[] = {
#define X(name, about) { #name, about, put_##name, SAYS_##name },
	TEXT_FORMAT_LIST(X)
#undef X
};
enum { FORMATS = sizeof formats / sizeof *formats };

struct text_writer {
	struct sink *sink;
	const struct text_format *format;
	struct text_lost lost;
	bool any;
	uint32_t pid, tid;     /* of the first references */
	char *buffer;
	size_t n;
};

const char *text_format_name(unsigned i)
{
	return i < FORMATS ? formats[i].name : NULL;
}

const char *text_format_about(unsigned i)
{
	return i < FORMATS ? formats[i].about : NULL;
}

static enum pw_err flush(struct text_writer *w)
{
	enum pw_err err = sink_put(w->sink, w->buffer, w->n);
	w->n = 0;
	return err;
}

/* Notes what of these references the format cannot say. */
static void note_lost(struct text_writer *w, const struct trace_item *item)
{
	if (!w->any) {
		w->pid = item->pid;
		w->tid = item->tid;
		w->any = true;
	}
	unsigned says = w->format->says;
	w->lost.threads |= !(says & SAYS_THREADS) && (item->pid != w->pid || item->tid != w->tid);
	for (uint64_t i = 0; i < item->n_refs && !w->lost.kinds && !(says & SAYS_FETCHES); i++) {
		enum access_kind kind = ref_kind(item->refs[i]);
		w->lost.kinds = kind == ACCESS_FETCH || (kind == ACCESS_STORE && !(says & SAYS_STORES));
	}
}

static enum pw_err put_refs(struct text_writer *w, const struct trace_item *item)
{
	note_lost(w, item);
	for (uint64_t i = 0; i < item->n_refs;) {
		char *p = w->buffer + w->n, *last = w->buffer + BUFFER_BYTES - LINE_MAX_BYTES;
		for (; i < item->n_refs && p < last; i++)
			p = w->format->put(p, item, item->refs[i]);
		w->n = (size_t)(p - w->buffer);
		if (p >= last && flush(w))
			break;
	}
	return sink_error(w->sink, NULL);
}

enum pw_err text_write_item(struct text_writer *w, const struct trace_item *item, struct pw_why *why)
{
	if (item->kind == TRACE_ITEM_EVENT)
		w->lost.events++;
	if (item->kind == TRACE_ITEM_REFS && put_refs(w, item))
		return sink_error(w->sink, why);
	return PW_OK;
}

static enum pw_err find_format(const char *name, const struct text_format **ret, struct pw_why *why)
{
	const char *names[FORMATS];
	for (unsigned i = 0; i < FORMATS; i++) {
		names[i] = formats[i].name;
		if (!strcmp(names[i], name)) {
			*ret = &formats[i];
			return PW_OK;
		}
	}
	const char *near = text_nearest(name, names, FORMATS);
	return pw_fail(why, PW_NOTFOUND, "'%s' is no format that can be written%s%s%s", name, near ? "; did you mean '" : "",
	               near ? near : "", near ? "'?" : "");
}

enum pw_err text_writer_create(const char *path, const char *format, struct text_writer **ret, struct pw_why *why)
{
	*ret = NULL;
	struct text_writer *w = mem_zalloc(1, sizeof *w);
	enum pw_err err = w ? find_format(format, &w->format, why) : PW_NOMEM;
	if (!err && !(w->buffer = mem_alloc(BUFFER_BYTES)))
		err = PW_NOMEM;
	if (err == PW_NOMEM)
		pw_fail(why, err, "%s: out of memory while creating", path);
	err = err ? err : sink_open(path, true, &w->sink, why);
	if (err) {
		if (w)
			mem_free(w->buffer);
		mem_free(w);
		return err;
	}
	if (w->format->put == put_csv)
		w->n = (size_t)((char *)mempcpy(w->buffer, "pid,tid,op,address\n", 19) - w->buffer);
	*ret = w;
	return PW_OK;
}

enum pw_err text_writer_finish(struct text_writer *w, struct pw_why *why)
{
	flush(w); /* the sink keeps what goes wrong */
	enum pw_err err = sink_close(w->sink, why);
	mem_free(w->buffer);
	mem_free(w);
	return err;
}

void text_writer_remove(struct text_writer *w)
{
	sink_remove(w->sink);
	mem_free(w->buffer);
	mem_free(w);
}

struct text_lost text_writer_lost(const struct text_writer *w)
{
	return w->lost;
}

uint64_t text_writer_bytes(const struct text_writer *w)
{
	return sink_bytes(w->sink) + w->n;
}
