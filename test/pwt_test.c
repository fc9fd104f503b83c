/* pwt_test.c - the native format: what goes in comes out; what is cut off or damaged is noticed; what cannot be written is said. */
#include "../src/base/inject.h"
#include "../src/trace/pwt.h"
#include "trace_help.h"
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* Draws one by one, so that the order does not depend on the compiler: the stream of a seed is kept in test/data. */
static struct trace_event event_make(struct rng *r, unsigned i)
{
	static const char *const names[] = { "", "heap", "/usr/lib/x86_64-linux-gnu/libc.so.6", "\xff odd \n name" };
	struct trace_event e = { .prot = 5, .other = i, .to_bytes = UINT64_MAX, .offset = i, .count = 7, .file_bytes = 4096 };
	e.kind = (enum trace_event_kind)rng_below(r, TRACE_EVENT_KINDS);
	e.flags = (uint32_t)rng_next(r);
	e.start = vaddr(rng_next(r));
	e.to = vaddr(rng_below(r, 2));
	e.bytes = rng_next(r);
	e.file_id = rng_next(r);
	e.name = names[rng_below(r, 4)];
	return e;
}

/* A run over few pages, with far jumps. */
static void run_make(struct rng *r, ref_t *refs, uint64_t n)
{
	uint64_t base = rng_next(r), far = rng_below(r, 50);
	for (uint64_t k = 0; k < n; k++) {
		uint64_t at = base + (rng_below(r, 300) << 12);
		at += rng_below(r, 4096);
		if (rng_below(r, 100) < far)
			at = rng_next(r);
		refs[k] = ref_make(vaddr(at), (enum access_kind)rng_below(r, 3));
	}
}

/* A random stream of several threads, with every kind of event. */
static struct stream stream_make(uint64_t seed, unsigned items, unsigned longest_run)
{
	struct stream s = { 0 };
	struct rng r;
	ref_t *refs = malloc(longest_run * sizeof *refs);
	rng_init(&r, seed);
	for (unsigned i = 0; i < items; i++) {
		struct trace_item item = { .pid = 1 + (uint32_t)rng_below(&r, 3), .refs = refs };
		unsigned bits = 32 + (unsigned)rng_below(&r, 32);
		item.tid = (uint32_t)(rng_next(&r) >> bits);
		if (rng_below(&r, 4) == 0) {
			item.kind = TRACE_ITEM_EVENT;
			item.event = event_make(&r, i);
		} else {
			item.kind = TRACE_ITEM_REFS;
			item.n_refs = 1 + rng_below(&r, longest_run);
			run_make(&r, refs, item.n_refs);
		}
		stream_add(&s, &item);
	}
	free(refs);
	return s;
}

/* Writes a stream, its runs cut into batches of at most batch references. */
static enum pw_err stream_write(const struct stream *s, struct pwt_writer *w, uint64_t batch, struct pw_why *why)
{
	uint64_t at = 0, event = 0;
	enum pw_err err = PW_OK;
	while (!err && (at < s->n_refs || event < s->n_events)) {
		struct trace_item item = { .kind = TRACE_ITEM_REFS };
		if (event < s->n_events && s->events[event].after == at) {
			const struct stream_event *e = &s->events[event++];
			item = (struct trace_item){ .kind = TRACE_ITEM_EVENT, .pid = e->pid, .tid = e->tid, .event = e->event };
		} else {
			uint64_t end = event < s->n_events ? s->events[event].after : s->n_refs;
			item.pid = s->pid[at];
			item.tid = s->tid[at];
			item.refs = s->refs + at;
			while (at < end && item.n_refs < batch && s->pid[at] == item.pid && s->tid[at] == item.tid)
				item.n_refs++, at++;
		}
		err = pwt_write_item(w, &item, why);
	}
	return err;
}

static char *stream_save(const struct stream *s, unsigned shift)
{
	char *path = temp_path();
	struct pwt_options o = {
		.granule_shift = shift, .has_events = true, .command = "sort numbers", .machine = "x86-64", .seed = 7,
	};
	struct pwt_writer *w;
	struct pw_why why;
	if (pwt_writer_create(path, &o, &w, &why) || stream_write(s, w, 1000, &why) || pwt_writer_finish(w, &why))
		fail_msg("%s", why.text);
	return path;
}

static void cut_to_granules(struct stream *s, unsigned shift)
{
	for (uint64_t i = 0; i < s->n_refs; i++)
		s->refs[i] = ref_make(vaddr(ref_va(s->refs[i]).v >> shift << shift), ref_kind(s->refs[i]));
}

static void what_goes_in_comes_out(void **state)
{
	(void)state;
	static const struct { unsigned items, run, shift; } some[] = {
		{ 0, 1, 0 }, { 1, 1, 0 }, { 50, 5, 0 }, { 200, 50, 12 }, { 3000, 3, 12 }, { 300, 5000, 0 }, { 200, 9000, 12 },
		{ 20, 600000, 4 },
	};
	for (unsigned i = 0; i < sizeof some / sizeof *some; i++) {
		struct stream in = stream_make(i + 1, some[i].items, some[i].run);
		char *path = stream_save(&in, some[i].shift);
		cut_to_granules(&in, some[i].shift);
		struct trace *t = open_or_fail(path);
		struct stream out = stream_read(t), again;
		struct trace_info info = trace_describe(t);
		if (stream_differs(&in, &out) || trace_error(t, NULL))
			fail_msg("case %u: %s", i, t->why.text);
		assert_string_equal(info.format, "pwt");
		assert_int_equal(info.refs_total, in.n_refs);
		assert_int_equal(info.records, in.n_refs);
		assert_int_equal(info.granule_shift, some[i].shift);
		assert_true(info.has_events);
		assert_string_equal(pwt_text(t, "command"), "sort numbers");
		assert_string_equal(pwt_text(t, "machine"), "x86-64");
		assert_string_equal(pwt_text(t, "seed"), "7");
		assert_null(pwt_text(t, "comm"));
		assert_int_equal(trace_rewind(t, NULL), PW_OK);
		again = stream_read(t);
		assert_false(stream_differs(&in, &again));
		trace_close(t);
		stream_free(&in), stream_free(&out), stream_free(&again);
		free(path);
	}
}

/* A .pwt may itself be packed, and then cannot be entered in the middle, but is otherwise the same. */
static void packed_pwt_reads_the_same(void **state)
{
	(void)state;
	struct stream in = stream_make(3, 60, 3000);
	char *path = stream_save(&in, 0);
	size_t n, packed_n;
	uint8_t *bytes = file_read(path, &n);
	for (enum pack how = PACK_GZIP; how <= PACK_ZSTD; how++) {
		uint8_t *packed = bytes_pack(how, bytes, n, &packed_n);
		char *packed_path = temp_file(packed, packed_n);
		struct trace *t = open_or_fail(packed_path);
		struct stream out = stream_read(t);
		uint64_t at;
		assert_int_equal(trace_error(t, NULL), PW_OK);
		assert_false(stream_differs(&in, &out));
		assert_int_equal(trace_describe(t).refs_total, 0);
		assert_int_equal(pwt_seek(t, 5, &at, NULL), PW_UNSUPPORTED);
		assert_int_equal(trace_rewind(t, NULL), PW_OK);
		stream_free(&out);
		out = stream_read(t);
		assert_false(stream_differs(&in, &out));
		trace_close(t);
		stream_free(&out);
		free(packed), free(packed_path);
	}
	stream_free(&in);
	free(bytes), free(path);
}

/* Is a what b begins with? */
static bool is_beginning(const struct stream *a, const struct stream *b)
{
	struct stream first = *b;
	first.n_refs = a->n_refs < b->n_refs ? a->n_refs : b->n_refs;
	first.n_events = a->n_events < b->n_events ? a->n_events : b->n_events;
	return !stream_differs(a, &first);
}

/* What is read of a damaged file: the stream up to somewhere, and an error, or (at opening) an error alone. */
static enum pw_err read_damaged(const uint8_t *bytes, size_t n, const struct stream *whole, uint64_t *ret_refs)
{
	char *path = temp_file(bytes, n);
	struct trace *t;
	struct pw_why why = { "" };
	enum pw_err err = trace_open(path, &t, &why);
	*ret_refs = 0;
	if (!err) {
		struct stream s = stream_read(t);
		err = trace_error(t, &why);
		assert_true(is_beginning(&s, whole));
		*ret_refs = s.n_refs;
		stream_free(&s);
		trace_close(t);
	}
	if (err && (!strstr(why.text, path) || strchr(why.text, '\n')))
		fail_msg("badly explained: %s", why.text);
	unlink(path);
	free(path);
	return err;
}

static void cut_off_files_give_whole_frames(void **state)
{
	(void)state;
	struct stream in = stream_make(5, 40, 60000);
	char *path = stream_save(&in, 12);
	size_t n;
	uint8_t *bytes = file_read(path, &n);
	cut_to_granules(&in, 12);
	uint64_t got, before = 0, steps = 0;
	for (size_t cut = 1, step; cut < n; cut += step) {
		step = cut < 100 || cut >= n - 100 ? 1 : cut + n / 50 < n - 100 ? n / 50 : n - 100 - cut;
		enum pw_err err = read_damaged(bytes, cut, &in, &got);
		if (err != PW_TRUNCATED && !(cut < PWT_MAGIC_BYTES && err == PW_FORMAT))
			fail_msg("cut at %zu of %zu: %s", cut, n, pw_err_text(err));
		assert_true(got >= before);
		assert_true(got == in.n_refs || got % PWT_FRAME_REFS == 0);
		steps += got > before;
		before = got;
	}
	assert_true(steps >= 2);
	assert_int_equal(before, in.n_refs);
	stream_free(&in);
	free(bytes), free(path);
}

static void every_damaged_byte_is_noticed(void **state)
{
	(void)state;
	struct stream in = stream_make(6, 30, 20);
	char *path = stream_save(&in, 12);
	size_t n;
	uint8_t *bytes = file_read(path, &n);
	cut_to_granules(&in, 12);
	uint64_t got;
	for (size_t i = 0; i < n; i++) {
		unsigned bit = i * 5 & 7;
		bytes[i] ^= (uint8_t)(1 << bit);
		if (!read_damaged(bytes, n, &in, &got))
			fail_msg("bit %u of byte %zu of %zu can be flipped unnoticed", bit, i, n);
		bytes[i] ^= (uint8_t)(1 << bit);
	}
	bytes = realloc(bytes, n + 1);
	bytes[n] = 0;
	assert_int_equal(read_damaged(bytes, n + 1, &in, &got), PW_FORMAT);
	assert_int_equal(read_damaged(bytes, n, &in, &got), PW_OK);
	stream_free(&in);
	free(bytes), free(path);
}

/* Puts right the sums of a header whose fields were changed. */
static void header_seal(uint8_t *bytes)
{
	struct pwt_header h;
	memcpy(&h, bytes, sizeof h);
	h.sum = pwt_sum(&h, offsetof(struct pwt_header, sum), bytes + sizeof h, h.text_bytes);
	memcpy(bytes, &h, sizeof h);
}

static void newer_versions_are_refused(void **state)
{
	(void)state;
	struct stream in = stream_make(7, 10, 20);
	char *path = stream_save(&in, 0);
	size_t n;
	uint8_t *bytes = file_read(path, &n);
	struct trace *t;
	struct pw_why why;
	bytes[8] = 2;
	header_seal(bytes);
	char *newer = temp_file(bytes, n);
	assert_int_equal(trace_open(newer, &t, &why), PW_UNSUPPORTED);
	assert_non_null(strstr(why.text, "is .pwt version 2; this pageworks reads version 1"));
	bytes[8] = 1;
	header_seal(bytes);
	struct pwt_header h;
	struct pwt_frame f;
	memcpy(&h, bytes, sizeof h);
	uint8_t *at = bytes + sizeof h + h.text_bytes;
	memcpy(&f, at, sizeof f);
	size_t body = f.part[0].packed_bytes + f.part[1].packed_bytes + f.part[2].packed_bytes;
	f.kind = 77;
	f.checksum = pwt_sum(&f, offsetof(struct pwt_frame, checksum), at + sizeof f, body);
	memcpy(at, &f, sizeof f);
	uint64_t got;
	assert_int_equal(read_damaged(bytes, n, &in, &got), PW_UNSUPPORTED);
	stream_free(&in);
	free(bytes), free(path), free(newer);
}

static void seeking_lands_in_the_stream(void **state)
{
	(void)state;
	struct stream in = stream_make(8, 40, 90000);
	char *path = stream_save(&in, 0);
	struct trace *t = open_or_fail(path);
	struct rng r;
	rng_init(&r, 1);
	for (int i = 0; i < 30; i++) {
		uint64_t want = rng_below(&r, in.n_refs + 10), at;
		struct pw_why why;
		if (pwt_seek(t, want, &at, &why))
			fail_msg("%s", why.text);
		assert_true(at <= want && (want >= in.n_refs || want - at < PWT_FRAME_REFS));
		struct trace_item item = { 0 };
		for (int k = 0; k < 5 && at < in.n_refs;) {
			trace_next(t, &item);
			for (uint64_t j = 0; j < item.n_refs; j++, at++) {
				assert_int_equal(item.refs[j].word, in.refs[at].word);
				assert_int_equal(item.tid, in.tid[at]);
			}
			k += item.kind == TRACE_ITEM_REFS;
		}
	}
	assert_int_equal(trace_rewind(t, NULL), PW_OK);
	struct stream out = stream_read(t);
	assert_false(stream_differs(&in, &out));
	trace_close(t);
	stream_free(&in), stream_free(&out);
	free(path);
}

static void copies_stop_where_told(void **state)
{
	(void)state;
	static const uint64_t limits[] = { 0, 1, 4096, 5000, 600000, 10000000 };
	for (unsigned i = 0; i < sizeof limits / sizeof *limits; i++) {
		struct trace *from = open_or_fail("zipf:pages=5000,refs=700000,writes=0.2"), *copy;
		char *path = temp_path();
		struct pwt_writer *w;
		struct pw_why why;
		assert_int_equal(pwt_writer_create(path, &(struct pwt_options){ .granule_shift = 12 }, &w, &why), PW_OK);
		assert_int_equal(trace_copy(from, w, limits[i], &why), PW_OK);
		uint64_t refs = pwt_writer_refs(w);
		assert_int_equal(refs, limits[i] && limits[i] < 700000 ? limits[i] : 700000);
		assert_int_equal(pwt_writer_finish(w, &why), PW_OK);
		copy = open_or_fail(path);
		assert_int_equal(trace_rewind(from, NULL), PW_OK);
		struct stream a = stream_read(from), b = stream_read(copy);
		assert_int_equal(b.n_refs, refs);
		assert_true(is_beginning(&b, &a));
		trace_close(from);
		trace_close(copy);
		stream_free(&a), stream_free(&b);
		free(path);
	}
}

/* Writes with the k-th operation of a site failing: an error that says why, and a file that can be read as far as it goes. */
static void write_sweep(const struct stream *in, enum inject_site site, enum pw_err expected)
{
	char *path = temp_path();
	for (uint64_t k = 1; ; k++) {
		struct pwt_writer *w;
		struct pw_why why = { "" };
		inject_arm(site, k, INJECT_ONCE);
		enum pw_err err = pwt_writer_create(path, &(struct pwt_options){ .has_events = true }, &w, &why);
		if (!err) {
			err = stream_write(in, w, 5000, &why);
			enum pw_err end = pwt_writer_finish(w, &why);
			assert_true(!err || end == err);
			err = end;
		}
		bool reached = inject_count(site) >= k;
		inject_disarm();
		if (err != (reached ? expected : PW_OK) || (err && !strstr(why.text, path)))
			fail_msg("failure %lu of site %d: %s: %s", k, (int)site, pw_err_text(err), why.text);
		struct trace *t;
		if (!trace_open(path, &t, &why)) {
			struct stream out = stream_read(t);
			assert_true(is_beginning(&out, in));
			assert_int_equal(trace_error(t, NULL), reached ? PW_TRUNCATED : PW_OK);
			stream_free(&out);
			trace_close(t);
		}
		unlink(path);
		if (!reached)
			break;
	}
	free(path);
}

static void read_sweep(const char *path, const struct stream *whole, enum inject_site site, enum pw_err expected)
{
	for (uint64_t k = 1; ; k++) {
		struct trace *t;
		struct stream s = { 0 };
		struct pw_why why = { "" };
		inject_arm(site, k, INJECT_ONCE);
		enum pw_err err = trace_open(path, &t, &why);
		if (!err) {
			s = stream_read(t);
			err = trace_error(t, &why);
			trace_close(t);
		}
		bool reached = inject_count(site) >= k;
		inject_disarm();
		if (err != (reached ? expected : PW_OK) || (err && !strstr(why.text, path)) || !is_beginning(&s, whole))
			fail_msg("failure %lu of site %d: %s: %s", k, (int)site, pw_err_text(err), why.text);
		stream_free(&s);
		if (!reached)
			break;
	}
}

static void failures_are_reported(void **state)
{
	(void)state;
	struct stream in = stream_make(9, 30, 60000);
	write_sweep(&in, INJECT_ALLOC, PW_NOMEM);
	write_sweep(&in, INJECT_FILE_WRITE, PW_IO);
	char *path = stream_save(&in, 0);
	read_sweep(path, &in, INJECT_ALLOC, PW_NOMEM);
	read_sweep(path, &in, INJECT_FILE_READ, PW_IO);
	stream_free(&in);
	free(path);
}

/* A full disk, a pipe that nobody reads, a place where nothing can be created. */
static void writers_say_what_is_wrong(void **state)
{
	(void)state;
	struct pwt_writer *w;
	struct pw_why why;
	struct pwt_options o = { 0 };
	assert_int_equal(pwt_writer_create("/dev/full", &o, &w, &why), PW_IO);
	assert_null(w);
	assert_non_null(strstr(why.text, strerror(ENOSPC)));
	assert_int_equal(pwt_writer_create("/nonexistent/x.pwt", &o, &w, &why), PW_IO);
	assert_non_null(strstr(why.text, strerror(ENOENT)));
	assert_int_equal(pwt_writer_create("x", &(struct pwt_options){ .granule_shift = 40 }, &w, &why), PW_INVALID);

	int ends[2];
	char name[40];
	assert_int_equal(pipe(ends), 0);
	snprintf(name, sizeof name, "/proc/self/fd/%d", ends[1]);
	assert_int_equal(pwt_writer_create(name, &o, &w, &why), PW_OK);
	close(ends[0]);
	assert_int_equal(pwt_writer_finish(w, &why), PW_IO);
	assert_non_null(strstr(why.text, strerror(EPIPE)));
	close(ends[1]);
}

/* The format stays: this file was written by the first version, and must read the same for ever. */
static void old_files_read_for_ever(void **state)
{
	(void)state;
	struct stream in = stream_make(4, 25, 30);
	cut_to_granules(&in, 12);
	struct trace *t = open_or_fail("test/data/version1.pwt");
	struct stream out = stream_read(t);
	assert_int_equal(trace_error(t, NULL), PW_OK);
	assert_false(stream_differs(&in, &out));
	assert_string_equal(pwt_text(t, "command"), "sort numbers");
	trace_close(t);
	stream_free(&in), stream_free(&out);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_goes_in_comes_out), cmocka_unit_test(packed_pwt_reads_the_same),
		cmocka_unit_test(cut_off_files_give_whole_frames), cmocka_unit_test(every_damaged_byte_is_noticed),
		cmocka_unit_test(newer_versions_are_refused), cmocka_unit_test(seeking_lands_in_the_stream),
		cmocka_unit_test(copies_stop_where_told), cmocka_unit_test(failures_are_reported),
		cmocka_unit_test(writers_say_what_is_wrong), cmocka_unit_test(old_files_read_for_ever),
	};
	if (argc == 3 && !strcmp(argv[1], "--write-golden")) {
		temp_begin(NULL);
		struct stream in = stream_make(4, 25, 30);
		char *path = stream_save(&in, 12);
		int failed = rename(path, argv[2]);
		stream_free(&in);
		free(path);
		return temp_end(NULL) || failed;
	}
	return cmocka_run_group_tests(tests, temp_begin, temp_end);
}
