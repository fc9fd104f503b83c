/* fuzz_trace.c - see fuzz_trace.h. */
#include "fuzz_trace.h"
#include "../../../src/trace/trace.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void complain(const char *what, const struct pw_why *why)
{
	fprintf(stderr, "the reader broke its promise: %s (%s)\n", what, why->text);
	abort();
}

struct digest {
	uint64_t refs, sum, events;
	enum pw_err error;
};

static void digest_item(struct digest *d, const struct trace_item *item, const struct pw_why *why)
{
	if (item->kind == TRACE_ITEM_EVENT) {
		if (item->event.kind >= TRACE_EVENT_KINDS || !item->event.name)
			complain("an event makes no sense", why);
		d->events++;
		d->sum += strlen(item->event.name);
	}
	for (uint64_t i = 0; i < item->n_refs; i++) {
		if (ref_kind(item->refs[i]) >= ACCESS_KINDS)
			complain("a reference is of no kind", why);
		d->sum = (d->sum ^ item->refs[i].word ^ item->pid ^ item->tid) * 0x100000001b3ull;
	}
	d->refs += item->n_refs;
}

static struct digest read_all(struct trace *t)
{
	struct digest d = { 0 };
	struct trace_item item;
	struct pw_why why = { "" };
	do {
		trace_next(t, &item);
		digest_item(&d, &item, &why);
	} while (item.kind != TRACE_ITEM_END);
	d.error = trace_error(t, &why);
	if (d.error && (!*why.text || strchr(why.text, '\n')))
		complain("an error is not explained in one line", &why);
	if (trace_describe(t).progress > 1)
		complain("progress beyond the end", &why);
	return d;
}

static void read_twice(struct trace *t)
{
	struct pw_why why = { "" };
	struct digest a = read_all(t);
	if (trace_rewind(t, &why))
		complain("a file cannot be rewound", &why);
	struct digest b = read_all(t);
	if (a.refs != b.refs || a.sum != b.sum || a.events != b.events || a.error != b.error)
		complain("the second reading differs from the first", &why);
}

void fuzz_trace_as(const char *format, const char *keys, const uint8_t *bytes, size_t size)
{
	char name[400];
	struct trace *t;
	struct pw_why why = { "" };
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	if (fd < 0 || write(fd, bytes, size) != (ssize_t)size) {
		perror("memfd");
		exit(99);
	}
	snprintf(name, sizeof name, "%s%s/proc/self/fd/%d%s", format ? format : "", format ? ":" : "", fd, keys);
	enum pw_err err = trace_open(name, &t, &why);
	if (!err) {
		read_twice(t);
		trace_close(t);
	} else if (!*why.text || strchr(why.text, '\n') || t) {
		complain("a refusal is not explained in one line", &why);
	}
	close(fd);
}

void fuzz_trace(const uint8_t *bytes, size_t size)
{
	fuzz_trace_as(NULL, "", bytes, size);
}

size_t fuzz_text_seed(const char *const *texts, unsigned n, unsigned i, uint8_t *bytes, size_t max)
{
	if (i >= n || strlen(texts[i]) > max)
		return 0;
	memcpy(bytes, texts[i], strlen(texts[i]));
	return strlen(texts[i]);
}
