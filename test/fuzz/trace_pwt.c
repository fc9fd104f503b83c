/* trace_pwt.c - fuzz target: .pwt, with its checksums put right, so that the damage gets past them to the decoder. */
#include "../../src/base/mem.h"
#include "../../src/base/rng.h"
#include "../../src/trace/pwt.h"
#include "driver/fuzz.h"
#include "driver/fuzz_trace.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Some references of two threads with events between them, more of both with i. */
static enum pw_err stream_write(struct pwt_writer *w, unsigned i)
{
	ref_t refs[64];
	struct rng r;
	rng_init(&r, i);
	enum pw_err err = PW_OK;
	for (unsigned k = 0; k < 3 * i && !err; k++) {
		struct trace_item item = { .kind = k % 3 ? TRACE_ITEM_REFS : TRACE_ITEM_EVENT, .pid = 1, .tid = 1 + k % 2 };
		item.event = (struct trace_event){ .kind = (enum trace_event_kind)(k % TRACE_EVENT_KINDS), .start = vaddr(k << 12),
			.bytes = 4096, .name = k % 2 ? "libc.so.6" : "" };
		item.refs = refs;
		item.n_refs = k % 3 ? 1 + rng_below(&r, 64) : 0;
		for (uint64_t n = 0; n < item.n_refs; n++)
			refs[n] = ref_make(vaddr(rng_below(&r, 20 + 5 * i) << 12), (enum access_kind)(n % ACCESS_KINDS));
		err = pwt_write_item(w, &item, NULL);
	}
	return err;
}

size_t fuzz_seed(unsigned i, uint8_t *bytes, size_t max)
{
	struct pwt_writer *w;
	char name[40];
	int fd = i < 12 ? memfd_create("seed", MFD_CLOEXEC) : -1;
	if (fd < 0)
		return 0;
	snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
	struct pwt_options o = { .granule_shift = i % 2 ? 12 : 0, .has_events = true, .command = "true" };
	ssize_t n = 0;
	if (!pwt_writer_create(name, &o, &w, NULL)) {
		enum pw_err err = stream_write(w, i);
		err = pwt_writer_finish(w, NULL) ? PW_IO : err;
		n = err ? 0 : pread(fd, bytes, max, 0);
	}
	close(fd);
	return n > 0 ? (size_t)n : 0;
}

/* Makes the checksum of one frame right.  => its size, or 0: the walk ends here. */
static size_t frame_seal(uint8_t *at, size_t left)
{
	struct pwt_frame f;
	if (left < sizeof f)
		return 0;
	memcpy(&f, at, sizeof f);
	uint64_t body = (uint64_t)f.part[0].packed_bytes + f.part[1].packed_bytes + f.part[2].packed_bytes;
	if (f.magic != PWT_FRAME_MAGIC || body > left - sizeof f)
		return 0;
	f.checksum = pwt_sum(&f, offsetof(struct pwt_frame, checksum), at + sizeof f, body);
	memcpy(at, &f, sizeof f);
	return sizeof f + body;
}

static void seal(uint8_t *bytes, size_t size)
{
	struct pwt_header h;
	if (size < sizeof h)
		return;
	memcpy(&h, bytes, sizeof h);
	if (h.text_bytes > size - sizeof h)
		return;
	h.sum = pwt_sum(&h, offsetof(struct pwt_header, sum), bytes + sizeof h, h.text_bytes);
	memcpy(bytes, &h, sizeof h);
	for (size_t at = sizeof h + h.text_bytes, n = 1; n; at += n)
		n = frame_seal(bytes + at, size - at);
}

/* References and events of a trace, to its end. */
struct count {
	uint64_t refs, events;
	enum pw_err error;
};

static struct count count_all(struct trace *t)
{
	struct count c = { 0 };
	struct trace_item item;
	do {
		trace_next(t, &item);
		c.refs += item.n_refs;
		c.events += item.kind == TRACE_ITEM_EVENT;
	} while (item.kind != TRACE_ITEM_END);
	c.error = trace_error(t, NULL);
	return c;
}

/* What skimming counts is what reading finds, unless the references cannot be unpacked; an outline is right or refused. */
static void fuzz_ends(const uint8_t *bytes, size_t size)
{
	char name[40];
	struct trace *t;
	struct pwt_outline outline;
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
	if (fd >= 0 && write(fd, bytes, size) == (ssize_t)size && !trace_open(name, &t, NULL)) {
		struct count full = count_all(t), skimmed = { 0 };
		enum pw_err err = pwt_outline(t, &outline, NULL);
		if (!err && !full.error && outline.refs != full.refs)
			abort();
		if (!trace_rewind(t, NULL) && pwt_skim(t)) {
			skimmed = count_all(t);
			if (!full.error && (skimmed.refs != full.refs || skimmed.events != full.events))
				abort();
			if (skimmed.refs < full.refs)
				abort();
		}
		trace_close(t);
	}
	close(fd);
}

void fuzz_one(const uint8_t *bytes, size_t size)
{
	uint8_t *copy = mem_alloc(size);
	if (!copy)
		return;
	memcpy(copy, bytes, size);
	if (size % 4)
		seal(copy, size);
	fuzz_trace(copy, size);
	fuzz_ends(copy, size);
	mem_free(copy);
}
