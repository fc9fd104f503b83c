/* trace_write_test.c - traces written as text, and surveyed: what comes back, what is lost, what happens when writing fails. */
#include "../src/trace/pwt.h"
#include "../src/trace/survey.h"
#include "../src/trace/write_text.h"
#include "trace_help.h"
#include <unistd.h>

/* Random references of three threads of two processes, with events between them. */
static struct stream some_stream(uint64_t seed, unsigned items)
{
	static const char *const names[] = { "", "/lib/libc.so.6", "[heap]" };
	struct stream s = { 0 };
	struct rng r;
	ref_t refs[50];
	rng_init(&r, seed);
	for (unsigned i = 0; i < items; i++) {
		struct trace_item item = { .kind = TRACE_ITEM_REFS, .pid = 1 + (uint32_t)rng_below(&r, 2), .refs = refs };
		item.tid = item.pid + (uint32_t)rng_below(&r, 2) * (item.pid == 2);
		if (rng_below(&r, 8) == 0) {
			item.kind = TRACE_ITEM_EVENT;
			item.event = (struct trace_event){ .kind = (enum trace_event_kind)rng_below(&r, TRACE_EVENT_KINDS),
				.bytes = rng_below(&r, 1 << 20), .count = rng_below(&r, 9), .name = names[rng_below(&r, 3)] };
		} else {
			item.n_refs = 1 + rng_below(&r, 50);
		}
		for (uint64_t k = 0; k < item.n_refs; k++) {
			uint64_t address = rng_next(&r) >> (64 - rng_below(&r, 47) - 1);
			refs[k] = ref_make(vaddr(rng_below(&r, 50) ? address : 0xffff800000000000 | address), rng_below(&r, 3));
		}
		stream_add(&s, &item);
	}
	return s;
}

/* Gives a stream item by item: references of one thread up to the next event.  => false: none is left. */
static bool stream_next(const struct stream *s, uint64_t *ref, uint64_t *event, struct trace_item *ret)
{
	if (*event < s->n_events && s->events[*event].after == *ref) {
		const struct stream_event *e = &s->events[(*event)++];
		*ret = (struct trace_item){ .kind = TRACE_ITEM_EVENT, .pid = e->pid, .tid = e->tid, .event = e->event };
		return true;
	}
	uint64_t end = *event < s->n_events ? s->events[*event].after : s->n_refs, n = 0;
	while (*ref + n < end && s->pid[*ref + n] == s->pid[*ref] && s->tid[*ref + n] == s->tid[*ref])
		n++;
	*ret = (struct trace_item){ .kind = TRACE_ITEM_REFS, .pid = s->pid[*ref], .tid = s->tid[*ref], .refs = s->refs + *ref,
		.n_refs = n };
	*ref += n;
	return n > 0;
}

static enum pw_err write_text(const struct stream *s, const char *path, const char *format, struct text_lost *lost, struct pw_why *why)
{
	struct text_writer *w;
	struct trace_item item;
	uint64_t ref = 0, event = 0;
	enum pw_err err = text_writer_create(path, format, &w, why);
	if (err)
		return err;
	while (!err && stream_next(s, &ref, &event, &item))
		err = text_write_item(w, &item, why);
	*lost = text_writer_lost(w);
	enum pw_err finish = text_writer_finish(w, err ? NULL : why);
	assert_true(!err || finish == err);
	return finish;
}

/* What a format cannot say, taken out of a stream. */
static void reduce(struct stream *s, const char *format)
{
	for (uint64_t i = 0; i < s->n_refs; i++) {
		enum access_kind kind = ref_kind(s->refs[i]);
		uint64_t address = ref_va(s->refs[i]).v;
		if (strcmp(format, "csv"))
			s->pid[i] = s->tid[i] = 1;
		if (!strcmp(format, "course") && kind == ACCESS_FETCH)
			kind = ACCESS_LOAD;
		if (!strcmp(format, "pages")) {
			kind = ACCESS_LOAD;
			address = address >> 12 << 12;
		}
		s->refs[i] = ref_make(vaddr(address), kind);
	}
	for (uint64_t i = 0; i < s->n_events; i++)
		free((char *)s->events[i].event.name);
	s->n_events = 0;
}

static void text_comes_back(void **state)
{
	(void)state;
	for (unsigned f = 0; text_format_name(f); f++) {
		const char *format = text_format_name(f);
		for (uint64_t seed = 1; seed <= 3; seed++) {
			struct stream s = some_stream(seed, seed == 3 ? 4000 : 30);
			/* The reader of page numbers takes no addresses of the upper half. */
			for (uint64_t i = 0; i < s.n_refs && !strcmp(format, "pages"); i++)
				s.refs[i] = ref_make(vaddr(ref_va(s.refs[i]).v & 0x7fffffffffff), ref_kind(s.refs[i]));
			char *path = temp_path();
			struct text_lost lost;
			struct pw_why why;
			assert_int_equal(write_text(&s, path, format, &lost, &why), PW_OK);
			assert_int_equal(lost.events, s.n_events);
			assert_int_equal(lost.threads, strcmp(format, "csv") != 0);
			assert_int_equal(lost.kinds, !strcmp(format, "course") || !strcmp(format, "pages"));
			struct trace *t = open_or_fail(path);
			assert_string_equal(trace_describe(t).format, format);
			struct stream back = stream_read(t);
			assert_int_equal(trace_describe(t).rejected, 0);
			reduce(&s, format);
			if (stream_differs(&s, &back))
				fail_msg("%s, seed %lu: the text does not read back the same", format, seed);
			trace_close(t);
			stream_free(&s), stream_free(&back);
			remove(path);
			free(path);
		}
	}
}

static void failing_writes_leave_no_text(void **state)
{
	(void)state;
	struct stream s = some_stream(7, 3000);
	char *path = temp_path();
	struct text_lost lost;
	for (enum inject_site site = INJECT_ALLOC; ; site = INJECT_FILE_WRITE) {
		for (uint64_t k = 1; ; k++) {
			struct pw_why why = { "" };
			inject_arm(site, k, INJECT_ONCE);
			enum pw_err err = write_text(&s, path, "lackey", &lost, &why);
			bool reached = inject_count(site) >= k;
			inject_disarm();
			assert_int_equal(err, !reached ? PW_OK : site == INJECT_ALLOC ? PW_NOMEM : PW_IO);
			assert_int_equal(access(path, F_OK), reached ? -1 : 0);
			assert_true(!reached || strstr(why.text, path));
			if (!reached)
				break;
		}
		remove(path);
		if (site == INJECT_FILE_WRITE)
			break;
	}
	struct pw_why why;
	assert_int_equal(write_text(&s, path, "lacky", &lost, &why), PW_NOTFOUND);
	assert_non_null(strstr(why.text, "did you mean 'lackey'"));
	free(path);
	stream_free(&s);
}

/* A writer whose file is to be whole or not at all, against one that keeps its frames. */
static void failing_pwt_files(void **state)
{
	(void)state;
	struct stream s = some_stream(8, 40000);
	for (int whole = 0; whole < 2; whole++) {
		char *path = temp_path();
		struct pwt_options o = { .whole = whole };
		struct pwt_writer *w;
		struct trace_item item;
		uint64_t ref = 0, event = 0;
		struct pw_why why;
		assert_int_equal(pwt_writer_create(path, &o, &w, &why), PW_OK);
		inject_arm(INJECT_FILE_WRITE, 3, INJECT_FROM_THEN_ON);
		enum pw_err err = PW_OK;
		while (!err && stream_next(&s, &ref, &event, &item))
			err = pwt_write_item(w, &item, &why);
		assert_int_equal(err, PW_IO);
		assert_int_equal(pwt_writer_end(w, &why), PW_IO);
		assert_int_equal(pwt_writer_finish(w, &why), PW_IO);
		inject_disarm();
		assert_int_equal(access(path, F_OK), whole ? -1 : 0);
		if (!whole) {
			struct trace *t = open_or_fail(path);
			struct pwt_outline outline;
			assert_int_equal(pwt_outline(t, &outline, &why), PW_UNSUPPORTED);
			struct stream back = stream_read(t);
			assert_int_equal(trace_error(t, &why), PW_TRUNCATED);
			assert_true(back.n_refs > 0 && back.n_refs < s.n_refs && back.n_refs % PWT_FRAME_REFS == 0);
			trace_close(t);
			stream_free(&back);
		}
		free(path);
	}
	stream_free(&s);
}

static void outline_is_the_end_of_the_file(void **state)
{
	(void)state;
	struct stream s = some_stream(9, 30000);
	char *path = temp_path();
	struct pwt_options o = { 0 };
	struct pwt_writer *w;
	struct trace_item item;
	uint64_t ref = 0, event = 0;
	assert_int_equal(pwt_writer_create(path, &o, &w, NULL), PW_OK);
	while (stream_next(&s, &ref, &event, &item))
		assert_int_equal(pwt_write_item(w, &item, NULL), PW_OK);
	assert_int_equal(pwt_writer_end(w, NULL), PW_OK);
	uint64_t bytes = pwt_writer_bytes(w);
	assert_int_equal(pwt_writer_finish(w, NULL), PW_OK);
	struct trace *t = open_or_fail(path);
	struct pwt_outline outline;
	assert_int_equal(trace_describe(t).file_bytes, bytes);
	assert_int_equal(pwt_outline(t, &outline, NULL), PW_OK);
	assert_int_equal(outline.refs, s.n_refs);
	assert_int_equal(outline.frames, (s.n_refs + PWT_FRAME_REFS - 1) / PWT_FRAME_REFS);
	struct stream back = stream_read(t);
	assert_false(stream_differs(&s, &back));
	/* Skimmed, it has the same events after as many references of the same threads. */
	assert_int_equal(trace_rewind(t, NULL), PW_OK);
	assert_true(pwt_skim(t));
	uint64_t events = 0, refs = 0;
	for (trace_next(t, &item); item.kind != TRACE_ITEM_END; trace_next(t, &item)) {
		assert_true(item.kind == TRACE_ITEM_EVENT || !item.refs);
		if (item.kind == TRACE_ITEM_EVENT)
			assert_true(s.events[events].after == refs && s.events[events].event.kind == item.event.kind), events++;
		else
			assert_true(s.pid[refs] == item.pid && s.tid[refs] == item.tid);
		refs += item.n_refs;
	}
	assert_true(refs == s.n_refs && events == s.n_events && !trace_error(t, NULL));
	/* A damaged index is told, and does not hide what is before it. */
	FILE *f = fopen(path, "r+b");
	fseek(f, -(long)outline.index_bytes + 60, SEEK_END);
	int c = fgetc(f);
	fseek(f, -1, SEEK_CUR);
	fputc(c ^ 1, f);
	fclose(f);
	struct pw_why why;
	assert_int_equal(pwt_outline(t, &outline, &why), PW_CORRUPT);
	trace_close(t);
	t = open_or_fail(path);
	struct stream again = stream_read(t);
	assert_int_equal(again.n_refs, s.n_refs);
	assert_int_equal(trace_error(t, NULL), PW_CORRUPT);
	trace_close(t);
	stream_free(&s), stream_free(&back), stream_free(&again);
	free(path);
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return (x > y) - (x < y);
}

/* How many different numbers. */
static uint64_t distinct(uint64_t *v, uint64_t n)
{
	uint64_t count = n > 0;
	qsort(v, n, sizeof *v, by_value);
	for (uint64_t i = 1; i < n; i++)
		count += v[i] != v[i - 1];
	return count;
}

/* Pages of one process (0: all), of one kind of access (ACCESS_KINDS: any), by sorting. */
static uint64_t pages_of(const struct stream *s, uint32_t pid, unsigned kind)
{
	uint64_t *v = malloc((s->n_refs + 1) * sizeof *v), n = 0;
	for (uint64_t i = 0; i < s->n_refs; i++) {
		if ((!pid || s->pid[i] == pid) && (kind == ACCESS_KINDS || ref_kind(s->refs[i]) == kind))
			v[n++] = ref_va(s->refs[i]).v >> 12 | (uint64_t)s->pid[i] << 56;
	}
	n = distinct(v, n);
	free(v);
	return n;
}

static void surveys_count_right(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed < 4; seed++) {
		struct stream s = some_stream(seed, 3000);
		/* Few pages, so that most references are to pages seen before. */
		for (uint64_t i = 0; i < s.n_refs; i++)
			s.refs[i] = ref_make(vaddr(ref_va(s.refs[i]).v % (seed << 24)), ref_kind(s.refs[i]));
		struct survey v;
		struct trace_item item;
		uint64_t ref = 0, event = 0, events = 0;
		assert_int_equal(survey_init(&v, 12), PW_OK);
		while (stream_next(&s, &ref, &event, &item))
			assert_int_equal(survey_item(&v, &item), PW_OK);
		assert_int_equal(v.n_refs, s.n_refs);
		assert_int_equal(v.n_pages, pages_of(&s, 0, ACCESS_KINDS));
		for (unsigned kind = 0; kind < ACCESS_KINDS; kind++)
			assert_int_equal(v.pages[kind], pages_of(&s, 0, kind));
		assert_int_equal(v.refs[0] + v.refs[1] + v.refs[2], s.n_refs);
		assert_int_equal(v.n_processes, 2);
		for (unsigned i = 0; i < 2; i++) {
			assert_int_equal(v.process[i].pages, pages_of(&s, v.process[i].pid, ACCESS_KINDS));
			assert_int_equal(v.process[i].threads, v.process[i].pid);
		}
		for (unsigned k = 0; k < TRACE_EVENT_KINDS; k++)
			events += v.events[k];
		assert_int_equal(events, s.n_events);
		assert_int_equal(v.n_mappings, 3);
		assert_int_equal(v.mapping[0].count + v.mapping[1].count + v.mapping[2].count, v.events[TRACE_MAP]);
		survey_fini(&v);
		stream_free(&s);
	}
}

static void surveys_survive_lack_of_memory(void **state)
{
	(void)state;
	struct stream s = some_stream(5, 300);
	for (uint64_t k = 1; ; k++) {
		struct survey v;
		struct trace_item item;
		uint64_t ref = 0, event = 0;
		inject_arm(INJECT_ALLOC, k, INJECT_ONCE);
		enum pw_err err = survey_init(&v, 12);
		while (!err && stream_next(&s, &ref, &event, &item))
			err = survey_item(&v, &item);
		bool reached = inject_count(INJECT_ALLOC) >= k;
		inject_disarm();
		survey_fini(&v);
		assert_int_equal(err, reached ? PW_NOMEM : PW_OK);
		if (!reached)
			break;
	}
	stream_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_comes_back), cmocka_unit_test(failing_writes_leave_no_text), cmocka_unit_test(failing_pwt_files),
		cmocka_unit_test(outline_is_the_end_of_the_file), cmocka_unit_test(surveys_count_right),
		cmocka_unit_test(surveys_survive_lack_of_memory),
	};
	return cmocka_run_group_tests(tests, temp_begin, temp_end);
}
