/* trace_help.c - see trace_help.h. */
#include "trace_help.h"
#include <dirent.h>
#include <lzma.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

static char folder[200];
static unsigned n_files;

int temp_begin(void **state)
{
	(void)state;
	const char *tmp = getenv("TMPDIR");
	snprintf(folder, sizeof folder, "%s/pageworks-test.XXXXXX", tmp && *tmp ? tmp : "/tmp");
	return mkdtemp(folder) ? 0 : -1;
}

int temp_end(void **state)
{
	(void)state;
	DIR *d = opendir(folder);
	struct dirent *e;
	while (d && (e = readdir(d))) {
		if (*e->d_name != '.')
			unlinkat(dirfd(d), e->d_name, 0);
	}
	if (d)
		closedir(d);
	return rmdir(folder);
}

char *temp_path(void)
{
	char *path = malloc(300);
	snprintf(path, 300, "%s/%u", folder, n_files++);
	return path;
}

char *temp_file(const void *bytes, size_t n)
{
	char *path = temp_path();
	FILE *f = fopen(path, "wb");
	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
	return path;
}

uint8_t *file_read(const char *path, size_t *ret_n)
{
	FILE *f = fopen(path, "rb");
	assert_non_null(f);
	struct stat st;
	assert_int_equal(fstat(fileno(f), &st), 0);
	*ret_n = (size_t)st.st_size;
	uint8_t *bytes = malloc(*ret_n + 1);
	assert_int_equal(fread(bytes, 1, *ret_n, f), *ret_n);
	fclose(f);
	return bytes;
}

static size_t gzip(const uint8_t *bytes, size_t n, uint8_t *to, size_t room)
{
	z_stream z = { .next_in = (uint8_t *)bytes, .avail_in = (unsigned)n, .next_out = to, .avail_out = (unsigned)room };
	assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	deflateEnd(&z);
	return room - z.avail_out;
}

uint8_t *bytes_pack(enum pack how, const uint8_t *bytes, size_t n, size_t *ret_n)
{
	size_t room = n + n / 2 + 1000, out = 0;
	uint8_t *to = malloc(room);
	if (how == PACK_GZIP) {
		out = gzip(bytes, n, to, room);
	} else if (how == PACK_XZ) {
		assert_int_equal(lzma_easy_buffer_encode(1, LZMA_CHECK_CRC32, NULL, bytes, n, to, &out, room), LZMA_OK);
	} else if (how == PACK_ZSTD) {
		ZSTD_CCtx *c = ZSTD_createCCtx();
		ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, 1);
		out = ZSTD_compress2(c, to, room, bytes, n);
		assert_false(ZSTD_isError(out));
		ZSTD_freeCCtx(c);
	} else {
		memcpy(to, bytes, out = n);
	}
	*ret_n = out;
	return to;
}

struct trace *open_or_fail(const char *name)
{
	struct trace *t;
	struct pw_why why;
	if (trace_open(name, &t, &why))
		fail_msg("%s", why.text);
	return t;
}

static void add_refs(struct stream *s, const struct trace_item *item)
{
	if (s->n_refs + item->n_refs > s->room) {
		s->room = 2 * s->room + item->n_refs;
		s->refs = realloc(s->refs, s->room * sizeof *s->refs);
		s->pid = realloc(s->pid, s->room * sizeof *s->pid);
		s->tid = realloc(s->tid, s->room * sizeof *s->tid);
	}
	for (uint64_t i = 0; i < item->n_refs; i++) {
		s->refs[s->n_refs] = item->refs[i];
		s->pid[s->n_refs] = item->pid;
		s->tid[s->n_refs++] = item->tid;
	}
}

static void add_event(struct stream *s, const struct trace_item *item)
{
	s->events = realloc(s->events, (s->n_events + 1) * sizeof *s->events);
	struct stream_event *e = &s->events[s->n_events++];
	*e = (struct stream_event){ .after = s->n_refs, .pid = item->pid, .tid = item->tid, .event = item->event };
	e->event.name = strdup(item->event.name);
}

void stream_add(struct stream *s, const struct trace_item *item)
{
	if (item->kind == TRACE_ITEM_REFS)
		add_refs(s, item);
	else if (item->kind == TRACE_ITEM_EVENT)
		add_event(s, item);
}

struct stream stream_read(struct trace *t)
{
	struct stream s = { 0 };
	struct trace_item item;
	do {
		trace_next(t, &item);
		stream_add(&s, &item);
	} while (item.kind != TRACE_ITEM_END);
	trace_next(t, &item);
	assert_int_equal(item.kind, TRACE_ITEM_END);
	return s;
}

void stream_free(struct stream *s)
{
	for (uint64_t i = 0; i < s->n_events; i++)
		free((char *)s->events[i].event.name);
	free(s->events);
	free(s->refs);
	free(s->pid);
	free(s->tid);
	*s = (struct stream){ 0 };
}

static bool event_differs(const struct stream_event *x, const struct stream_event *y)
{
	const struct trace_event *a = &x->event, *b = &y->event;
	return x->after != y->after || x->pid != y->pid || x->tid != y->tid || a->kind != b->kind || a->prot != b->prot ||
	       a->flags != b->flags || a->other != b->other || a->start.v != b->start.v || a->to.v != b->to.v ||
	       a->bytes != b->bytes || a->to_bytes != b->to_bytes || a->offset != b->offset || a->count != b->count ||
	       a->file_id != b->file_id || a->file_bytes != b->file_bytes || strcmp(a->name, b->name);
}

bool stream_differs(const struct stream *a, const struct stream *b)
{
	if (a->n_refs != b->n_refs || a->n_events != b->n_events)
		return true;
	for (uint64_t i = 0; i < a->n_refs; i++) {
		if (a->refs[i].word != b->refs[i].word || a->pid[i] != b->pid[i] || a->tid[i] != b->tid[i])
			return true;
	}
	for (uint64_t i = 0; i < a->n_events; i++) {
		if (event_differs(&a->events[i], &b->events[i]))
			return true;
	}
	return false;
}

char *stream_text(struct trace *t)
{
	struct stream s = stream_read(t);
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);
	for (uint64_t i = 0; i < s.n_refs; i++)
		fprintf(f, "%u.%u %c %lx\n", s.pid[i], s.tid[i], "LSF"[ref_kind(s.refs[i])], ref_va(s.refs[i]).v);
	fclose(f);
	stream_free(&s);
	return text;
}

void stream_sweep(const char *name, enum inject_site site, enum pw_err expected)
{
	struct trace *t = open_or_fail(name);
	struct stream whole = stream_read(t);
	trace_close(t);
	for (uint64_t k = 1; ; k++) {
		struct pw_why why = { "" };
		inject_arm(site, k, INJECT_ONCE);
		enum pw_err err = trace_open(name, &t, &why);
		struct stream s = { 0 };
		if (!err) {
			s = stream_read(t);
			err = trace_error(t, &why);
			trace_close(t);
		}
		bool reached = inject_count(site) >= k;
		inject_disarm();
		if (err != (reached ? expected : PW_OK) || (err && (!*why.text || strchr(why.text, '\n'))) ||
		    (!err && stream_differs(&s, &whole)))
			fail_msg("%s, failure %lu of site %d: %s: %s", name, k, (int)site, pw_err_text(err), why.text);
		stream_free(&s);
		if (!reached)
			break;
	}
	stream_free(&whole);
}
