/* trace_formats_test.c - the formats of other tools, written out byte by byte: what their readers give, that no format is taken for
 * another, what happens to files that are cut off, damaged or called by the wrong name. */
#include "../src/trace/pwt.h"
#include "trace_help.h"
#include <zstd.h>

struct bytes {
	uint8_t *p;
	size_t n;
};

static void put(struct bytes *b, uint64_t v, unsigned bytes)
{
	b->p = realloc(b->p, b->n + bytes);
	for (unsigned i = 0; i < bytes; i++)
		b->p[b->n++] = (uint8_t)(v >> 8 * i);
}

static void put_all(struct bytes *b, unsigned bytes, unsigned n, const uint64_t *v)
{
	for (unsigned i = 0; i < n; i++)
		put(b, v[i], bytes);
}

static void put_champsim(struct bytes *b, uint64_t ip, unsigned branch, unsigned taken, const uint64_t store[2],
                         const uint64_t load[4])
{
	put(b, ip, 8), put(b, branch, 1), put(b, taken, 1), put(b, 0x060507190a02, 6);
	put_all(b, 8, 2, store), put_all(b, 8, 4, load);
}

static void put_champsim96(struct bytes *b, uint64_t ip, unsigned branch, const uint64_t store[4], const uint64_t load[4])
{
	put(b, ip, 8), put(b, branch, 1), put(b, branch, 1), put(b, 0x0807060504030201, 8), put(b, 0, 6);
	put_all(b, 8, 4, store), put_all(b, 8, 4, load), put(b, 0x0001, 8);
}

static void put_dr(struct bytes *b, unsigned type, unsigned size, uint64_t value)
{
	put(b, type, 2), put(b, size, 2), put(b, value, 8);
}

static void put_oracle(struct bytes *b, uint32_t time, uint64_t object, uint32_t size, int64_t next)
{
	put(b, time, 4), put(b, object, 8), put(b, size, 4), put(b, (uint64_t)next, 8);
}

static void put_vscsi1(struct bytes *b, uint32_t length, unsigned command, uint64_t block)
{
	put(b, 7, 4), put(b, length, 4), put(b, 1, 4), put(b, command, 2), put(b, 0x100, 2), put(b, block, 8), put(b, 5633898000000, 8);
}

static void put_vscsi2(struct bytes *b, uint32_t length, unsigned command, uint64_t block)
{
	put(b, command, 2), put(b, 0x200, 2), put(b, 7, 4), put(b, length, 4), put(b, 1, 4), put(b, block, 8);
	put(b, 5633898000000, 8), put(b, 900, 8);
}

static struct bytes champsim(void)
{
	struct bytes b = { 0 };
	put_champsim(&b, 0x401000, 0, 0, (uint64_t[2]){ 0x7ffc00001000, 0 }, (uint64_t[4]){ 0x601234, 0, 0x602000, 0 });
	put_champsim(&b, 0x401004, 1, 1, (uint64_t[2]){ 0, 0 }, (uint64_t[4]){ 0, 0, 0, 0 });
	put_champsim(&b, 0xffffffff81000000, 1, 0, (uint64_t[2]){ 0, 0x10 }, (uint64_t[4]){ 0, 0, 0, 8 });
	return b;
}
#define CHAMPSIM_TEXT "1.1 F 401000\n1.1 L 601234\n1.1 L 602000\n1.1 S 7ffc00001000\n1.1 F 401004\n" \
	"1.1 F ffffffff81000000\n1.1 L 8\n1.1 S 10\n"

static struct bytes champsim96(void)
{
	struct bytes b = { 0 };
	put_champsim96(&b, 0x401000, 0, (uint64_t[4]){ 1, 2, 3, 4 }, (uint64_t[4]){ 5, 6, 7, 8 });
	put_champsim96(&b, 0x401004, 1, (uint64_t[4]){ 0, 0, 0, 0 }, (uint64_t[4]){ 0, 0, 0, 0x9000 });
	return b;
}
#define CHAMPSIM96_TEXT "1.1 F 401000\n1.1 L 5\n1.1 L 6\n1.1 L 7\n1.1 L 8\n1.1 S 1\n1.1 S 2\n1.1 S 3\n1.1 S 4\n1.1 F 401004\n" \
	"1.1 L 9000\n"

static struct bytes drmemtrace(void)
{
	struct bytes b = { 0 };
	put_dr(&b, 25, 0, 5);                       /* header, version 5 */
	put_dr(&b, 28, 9, 0xe40);                   /* marker: file type */
	put_dr(&b, 22, 4, 3691), put_dr(&b, 24, 4, 3690);
	put_dr(&b, 28, 2, 0x2fe1c4a8d3e71f);        /* marker: time */
	put_dr(&b, 47, 3, 0xe78948);                /* encoding */
	put_dr(&b, 10, 3, 0x7fc205a61943);
	put_dr(&b, 1, 8, 0x7fff9a9e3528);
	put_dr(&b, 48, 2, 0x7fc205a61ffe);          /* a jump that is taken, its last byte in the next page's first */
	put_dr(&b, 0, 16, 0x7fc205a61ff8);          /* a load over the end of a page */
	put_dr(&b, 29, 2, 0x7fc205a61ffe);          /* not fetched again */
	put_dr(&b, 3, 64, 0x5000);                  /* prefetch */
	put_dr(&b, 17, 3, 0x040302);                /* bundle: 2, 3 and 4 bytes behind the jump */
	put_dr(&b, 22, 4, 3692);
	put_dr(&b, 16, 1, 0x401000);
	put_dr(&b, 23, 4, 3692), put_dr(&b, 26, 0, 0);
	return b;
}
#define DRMEMTRACE_TEXT "3690.3691 F 7fc205a61943\n3690.3691 S 7fff9a9e3528\n3690.3691 F 7fc205a61ffe\n3690.3691 L 7fc205a61ff8\n" \
	"3690.3691 L 7fc205a62000\n3690.3691 F 7fc205a62000\n3690.3691 F 7fc205a62002\n3690.3691 F 7fc205a62005\n3690.3692 F 401000\n"

static struct bytes oracle(void)
{
	struct bytes b = { 0 };
	put_oracle(&b, 100, 42932745, 512, 3);
	put_oracle(&b, 100, 0xdeadbeefcafef00d, 4096, -1);
	put_oracle(&b, 101, 42932745, 512, INT64_MAX);
	put_oracle(&b, 107, 0x8000000000000001, 1, 5);
	put_oracle(&b, 107, 0x8000000000000001, 1, -1);
	put_oracle(&b, 200, 0x3ffffffff, 1, -1);
	return b;
}
#define ORACLE_TEXT "1.1 L 28f1a09000\n1.1 L 400000000000\n1.1 L 28f1a09000\n1.1 L 400000001000\n1.1 L 400000001000\n" \
	"1.1 L 3ffffffff000\n"

static struct bytes vscsi1(void)
{
	struct bytes b = { 0 };
	put_vscsi1(&b, 512, 0x2a, 9), put_vscsi1(&b, 12288, 0x28, 15), put_vscsi1(&b, 0, 0x35, 0), put_vscsi1(&b, 4096, 0x8a, 1 << 20);
	return b;
}
static struct bytes vscsi2(void)
{
	struct bytes b = { 0 };
	put_vscsi2(&b, 512, 0x2a, 9), put_vscsi2(&b, 12288, 0x28, 15), put_vscsi2(&b, 0, 0x35, 0), put_vscsi2(&b, 4096, 0x8a, 1 << 20);
	return b;
}
#define VSCSI_TEXT "1.1 S 1200\n1.1 L 1e00\n1.1 L 2000\n1.1 L 3000\n1.1 L 4000\n1.1 S 20000000\n"

static const char csv_text[] = "time;pid;tid;op;address;size\n1;7;8;read;0x1000;4\n2;7;8;W;8190;4\n3;9;;fetch;\"12288\";\n";
#define CSV_GOLDEN "7.8 L 1000\n7.8 S 1ffe\n7.8 S 2000\n9.9 F 3000\n"

static const char drview_text[] =
	"Output format:\n<--record#-> <--instr#->: <---tid---> <record details>\n"
	"------------------------------------------------------------\n"
	"           1           0: W0.T3256418 <marker: version 5>\n"
	"          10           2: W0.T3256418 ifetch       3 byte(s) @ 0x00007fc205a61943 48 89 e7             mov    %rsp, %rdi\n"
	"          11           2: W0.T3256418 write        8 byte(s) @ 0x00007fff9a9e3528 by PC 0x00007fc205a61943\n"
	"          12           3: W0.T3256418 ifetch      10 byte(s) @ 0x00007fc205a61ff8 48 b8 00 00 00 00 00 mov    $0x0, %rax\n"
	"                                                                   00 00 00\n"
	"          13           3: W1.T3256419 pref-r-L1   64 byte(s) @ 0x0000000000001000 by PC 0x00007fc205a61943\n"
	"          14           3: W1.T3256419 read         8 byte(s) @ 0x0000000000001000 by PC 0x00007fc205a61943\r\n"
	"       47446       37770:     2765543 read         8 byte(s) @ 0x00007fdf64e2adc8 by PC 0x0000000000404a7e\n";
#define DRVIEW_GOLDEN "1.3256418 F 7fc205a61943\n1.3256418 S 7fff9a9e3528\n1.3256418 F 7fc205a61ff8\n1.3256418 F 7fc205a62000\n" \
	"2.3256419 L 1000\n1.2765543 L 7fdf64e2adc8\n"

static const char pin_text[] =
	"0x7f6a3d2a3093: W 0x7ffd4c1b5a38\n0x7f6a3d2a30a1: R 0x7f6a3d2c5e70\n0x40: R      0x1000  8  0x12\r\n#eof\n";
#define PIN_GOLDEN "1.1 S 7ffd4c1b5a38\n1.1 L 7f6a3d2c5e70\n1.1 L 1000\n"

struct sample {
	const char *format, *golden;
	struct bytes (*make)(void);
	const char *text;         /* instead of make */
	unsigned record_bytes;    /* 0: text */
	unsigned records, granule_shift;
};
static const struct sample samples[] = {
	{ "champsim", CHAMPSIM_TEXT, champsim, NULL, 64, 3, 0 }, { "champsim96", CHAMPSIM96_TEXT, champsim96, NULL, 96, 2, 0 },
	{ "drmemtrace", DRMEMTRACE_TEXT, drmemtrace, NULL, 12, 17, 0 }, { "oracle", ORACLE_TEXT, oracle, NULL, 24, 6, 12 },
	{ "vscsi", VSCSI_TEXT, vscsi1, NULL, 32, 4, 9 }, { "vscsi", VSCSI_TEXT, vscsi2, NULL, 40, 4, 9 },
	{ "csv", CSV_GOLDEN, NULL, csv_text, 0, 3, 0 }, { "drview", DRVIEW_GOLDEN, NULL, drview_text, 0, 6, 0 },
	{ "pin", PIN_GOLDEN, NULL, pin_text, 0, 3, 0 },
};
enum { SAMPLES = sizeof samples / sizeof *samples };

static struct bytes sample_bytes(const struct sample *s)
{
	if (s->make)
		return s->make();
	struct bytes b = { (uint8_t *)strdup(s->text), strlen(s->text) };
	return b;
}

/* Opens a name and compares all that it says with a golden text. */
static void check_text(const char *name, const char *format, const char *golden)
{
	struct trace *t = open_or_fail(name);
	char *text = stream_text(t);
	struct trace_info info = trace_describe(t);
	struct pw_why why = { "" };
	if (strcmp(text, golden) || strcmp(info.format, format) || info.rejected || trace_error(t, &why))
		fail_msg("%s as %s: %lu rejected, %s:\n%s\nnot\n%s", name, info.format, info.rejected, why.text, text, golden);
	trace_close(t);
	free(text);
}

static void samples_read_right(void **state)
{
	(void)state;
	for (unsigned i = 0; i < SAMPLES; i++) {
		const struct sample *s = &samples[i];
		struct bytes b = sample_bytes(s);
		for (enum pack how = PACK_NONE; how <= PACK_ZSTD; how++) {
			size_t n;
			uint8_t *packed = bytes_pack(how, b.p, b.n, &n);
			char *path = temp_file(packed, n), said[400];
			check_text(path, s->format, s->golden);
			snprintf(said, sizeof said, "%s:%s", s->format, path);
			check_text(said, s->format, s->golden);
			struct trace *t = open_or_fail(path);
			struct stream stream = stream_read(t);
			struct trace_info info = trace_describe(t);
			assert_int_equal(info.records, s->records);
			assert_int_equal(info.granule_shift, s->granule_shift);
			assert_int_equal(info.guessed, s->record_bytes != 0);
			assert_int_equal(info.file_bytes, n);
			assert_int_equal(info.bytes, b.n);
			stream_free(&stream);
			trace_close(t);
			free(path), free(packed);
		}
		free(b.p);
	}
}

/* Whatever a format gives comes back from a .pwt file reference for reference. */
static void samples_survive_pwt(void **state)
{
	(void)state;
	for (unsigned i = 0; i < SAMPLES; i++) {
		struct bytes b = sample_bytes(&samples[i]);
		char *path = temp_file(b.p, b.n), *copy = temp_path();
		struct trace *t = open_or_fail(path);
		struct pwt_options o = { .granule_shift = trace_describe(t).granule_shift };
		struct pwt_writer *w;
		assert_int_equal(pwt_writer_create(copy, &o, &w, NULL), PW_OK);
		assert_int_equal(trace_copy(t, w, 0, NULL), PW_OK);
		assert_int_equal(pwt_writer_finish(w, NULL), PW_OK);
		assert_int_equal(trace_rewind(t, NULL), PW_OK);
		struct stream x = stream_read(t);
		trace_close(t);
		t = open_or_fail(copy);
		assert_string_equal(trace_describe(t).format, "pwt");
		struct stream y = stream_read(t);
		uint64_t mask = ~((1ull << o.granule_shift) - 1);
		for (uint64_t k = 0; k < x.n_refs; k++)
			x.refs[k] = ref_make(vaddr(ref_va(x.refs[k]).v & mask), ref_kind(x.refs[k]));
		assert_false(stream_differs(&x, &y));
		trace_close(t);
		stream_free(&x), stream_free(&y);
		free(path), free(copy), free(b.p);
	}
}

static uint64_t some_address(struct rng *r)
{
	return rng_below(r, 4) ? 0x7f0000000000 + rng_below(r, 1 << 24) : 0x400000 + rng_below(r, 1 << 16);
}

/* Many records such as a real file has, by the number of the sample. */
static struct bytes many(unsigned sample, unsigned records, struct rng *r)
{
	struct bytes b = { 0 };
	uint64_t ip = 0x400000;
	for (unsigned i = 0; i < records; i++) {
		unsigned branch = rng_below(r, 6) == 0, taken = branch & (unsigned)rng_next(r);
		uint64_t load = rng_below(r, 3) ? 0 : some_address(r), store = rng_below(r, 4) ? 0 : some_address(r);
		ip = taken ? 0x400000 + rng_below(r, 1 << 16) : ip + 1 + rng_below(r, 8);
		switch (sample) {
		case 0: put_champsim(&b, ip, branch, taken, (uint64_t[2]){ store, 0 }, (uint64_t[4]){ load, 0, 0, 0 }); break;
		case 1: put_champsim96(&b, ip, branch, (uint64_t[4]){ store, 0, 0, 0 }, (uint64_t[4]){ load, 0, 0, 0 }); break;
		case 2: put_dr(&b, load ? 0 : 10, load ? 8 : 4, load ? load : ip); break;
		case 3: put_oracle(&b, i / 90, rng_below(r, 3) ? rng_below(r, 1 << 20) : rng_next(r) >> 1, 512, -1); break;
		case 4: put_vscsi1(&b, 4096, branch ? 0x2a : 0x28, rng_below(r, 1 << 28)); break;
		default: put_vscsi2(&b, 4096, branch ? 0x2a : 0x28, rng_below(r, 1 << 28)); break;
		}
	}
	return b;
}

static const char *format_of(const uint8_t *p, size_t n)
{
	static char format[40];
	char *path = temp_file(p, n);
	struct trace *t;
	struct pw_why why;
	enum pw_err err = trace_open(path, &t, &why);
	snprintf(format, sizeof format, "%s", err ? "none" : trace_describe(t).format);
	trace_close(t);
	remove(path);
	free(path);
	return format;
}

/* Random records of each binary format, few and many, whole and cut off, are taken for what they are. */
static void guesses_are_right(void **state)
{
	(void)state;
	static const unsigned counts[] = { 1, 2, 3, 4, 5, 6, 7, 9, 30, 400, 3000 };
	struct rng r;
	rng_init(&r, 20);
	for (unsigned s = 0; s < 6; s++) {
		for (unsigned i = 0; i < sizeof counts / sizeof *counts; i++) {
			if (s == 2 && counts[i] < 4)
				continue; /* accesses alone are too little to go by */
			for (unsigned round = 0; round < (counts[i] < 100 ? 20 : 3); round++) {
				struct bytes b = many(s, counts[i], &r);
				const char *is = format_of(b.p, b.n);
				if (strcmp(is, samples[s].format))
					fail_msg("%u records of %s are taken for %s", counts[i], samples[s].format, is);
				is = counts[i] > 4 ? format_of(b.p, b.n - 5) : is;
				if (strcmp(is, samples[s].format))
					fail_msg("%u records of %s, cut off, are taken for %s", counts[i], samples[s].format, is);
				free(b.p);
			}
		}
	}
}

/* Things that are no traces are not taken for one, and what is packed in other ways is named. */
static void other_things_are_refused(void **state)
{
	(void)state;
	static const struct { const char *bytes; size_t n; const char *says; } some[] = {
		{ "PK\3\4..............", 18, "unzip -p" }, { "BZh91AY&SY......", 16, "bzip2 -dc" }, { "\4\"M\x18........", 12, "lz4 -dc" },
		{ "PERFILE2........", 16, "perf script" }, { "\x7f" "ELF\2\1\1.........", 16, "put -- before it" },
	};
	for (unsigned i = 0; i < sizeof some / sizeof *some; i++) {
		char *path = temp_file(some[i].bytes, some[i].n);
		struct trace *t;
		struct pw_why why;
		assert_int_equal(trace_open(path, &t, &why), PW_FORMAT);
		assert_non_null(strstr(why.text, some[i].says));
		free(path);
	}
	struct rng r;
	rng_init(&r, 3);
	uint8_t *p = malloc(100000);
	for (unsigned round = 0; round < 60; round++) {
		size_t n = 1 + rng_below(&r, 5000);
		unsigned fill = round % 4;
		for (size_t i = 0; i < n; i++)
			p[i] = fill == 0 ? (uint8_t)rng_next(&r) : fill == 1 ? (uint8_t)round : fill == 2 ? (uint8_t)(i / 16) : 0xff;
		p[0] = fill == 2 ? 1 : p[0]; /* counting bytes begins with zeros, which are nothing either */
		const char *is = format_of(p, n);
		if (strcmp(is, "none") && strcmp(is, "pages"))
			fail_msg("%zu bytes of kind %u (%u) are taken for %s", n, fill, round, is);
	}
	free(p);
}

/* Cut off anywhere: every whole record, then one clear error. */
static void cut_files_give_whole_records(void **state)
{
	(void)state;
	for (unsigned i = 0; i < SAMPLES && samples[i].record_bytes; i++) {
		const struct sample *s = &samples[i];
		struct bytes b = sample_bytes(s);
		for (size_t n = s->record_bytes; n < b.n; n += 3) {
			char *path = temp_file(b.p, n), said[400];
			snprintf(said, sizeof said, "%s:%s", s->format, path);
			struct trace *t = open_or_fail(said);
			struct pw_why why = { "" };
			char *text = stream_text(t);
			enum pw_err err = trace_error(t, &why);
			assert_int_equal(err, n % s->record_bytes ? PW_TRUNCATED : PW_OK);
			if (strncmp(text, s->golden, strlen(text)) || trace_describe(t).records != n / s->record_bytes)
				fail_msg("%s cut to %zu bytes: %lu records:\n%s", s->format, n, trace_describe(t).records, text);
			if (err && (!strstr(why.text, path) || !strstr(why.text, "middle of a record")))
				fail_msg("%s", why.text);
			trace_close(t);
			remove(path);
			free(text), free(path);
		}
		free(b.p);
	}
}

/* One damaged record in the middle is left out, counted and located. */
static void damaged_records_are_counted(void **state)
{
	(void)state;
	static const unsigned at[] = { 8, 8, 0, 0, 14, 2 }, value[] = { 9, 9, 0xff, 0, 7, 7 };
	struct rng r;
	rng_init(&r, 4);
	for (unsigned i = 0; i < 6; i++) {
		if (!strcmp(samples[i].format, "oracle"))
			continue; /* every request makes sense */
		struct bytes b = many(i, 1000, &r);
		b.p[500 * samples[i].record_bytes + at[i] + (i == 4 || i == 5)] = (uint8_t)value[i];
		char *path = temp_file(b.p, b.n);
		struct trace *t = open_or_fail(path);
		struct stream s = stream_read(t);
		struct trace_info info = trace_describe(t);
		if (info.records != 999 || info.rejected != 1 || info.rejected_at != 501 || trace_error(t, NULL))
			fail_msg("%s: %lu records, %lu rejected at %lu", info.format, info.records, info.rejected, info.rejected_at);
		stream_free(&s);
		trace_close(t);
		free(path), free(b.p);
	}
}

/* A request of a gigabyte is a quarter of a million pages, and none is lost between batches. */
static void long_requests_reach_every_page(void **state)
{
	(void)state;
	struct bytes b = { 0 };
	put_vscsi1(&b, 1 << 30, 0x2a, 3), put_vscsi1(&b, 512, 0x28, 0), put_vscsi1(&b, 20 << 20, 0x28, 8);
	char *path = temp_file(b.p, b.n);
	struct trace *t = open_or_fail(path);
	struct stream s = stream_read(t);
	uint64_t first = (1 << 18) + 1, last = 20 << 8;
	assert_int_equal(s.n_refs, first + 1 + last);
	for (uint64_t i = 1; i < first; i++)
		assert_true(ref_va(s.refs[i]).v == i << 12 && ref_kind(s.refs[i]) == ACCESS_STORE);
	assert_int_equal(ref_va(s.refs[first]).v, 0);
	for (uint64_t i = 0; i < last; i++)
		assert_true(ref_va(s.refs[first + 1 + i]).v == 4096 + (i << 12) && ref_kind(s.refs[first + 1 + i]) == ACCESS_LOAD);
	/* Rewound in the middle of a request, it begins anew. */
	struct trace_item item;
	assert_int_equal(trace_rewind(t, NULL), PW_OK);
	trace_next(t, &item);
	assert_int_equal(trace_rewind(t, NULL), PW_OK);
	struct stream again = stream_read(t);
	assert_false(stream_differs(&s, &again));
	trace_close(t);
	stream_free(&s), stream_free(&again);
	free(path), free(b.p);
}

static void tables_of_all_sorts(void **state)
{
	(void)state;
	static const struct { const char *text, *keys, *golden; } some[] = {
		{ "address\n4096\n", "", "1.1 L 1000\n" },
		{ "\xef\xbb\xbf" "Address,RW\r\n0x10,R\r\n0x20,W\r\n", "", "1.1 L 10\n1.1 S 20\n" },
		{ "# remark\n\nPID\tVirtual Address\n3\t7fff0000\n3\t00001000\n", "", "3.3 L 7fff0000\n3.3 L 1000\n" },
		{ "page|op\n1|load\n2|store\n3|ifetch\n", "", "1.1 L 1000\n1.1 S 2000\n1.1 F 3000\n" },
		{ "page,op\n1,0\n2,1\n3,2\n", ",unit=8K", "1.1 L 2000\n1.1 S 4000\n1.1 F 6000\n" },
		{ "version,time,op,size,lbn\n1,5633898,2a,512,9\n1,5633898,28,8192,15\n", "",
		  "1.1 S 1200\n1.1 L 1e00\n1.1 L 2000\n1.1 L 3000\n" },
		{ "1,4096,r\n2,8192,w\n", ",address=2,op=3", "1.1 L 1000\n1.1 S 2000\n" },
		{ "t,where,how\n1,4096,r\n2,8192,w\n", ",address=where,op=how", "1.1 L 1000\n1.1 S 2000\n" },
		{ "t,where,op\n1,4096,r\n2,8192,w\n", ",address=2", "1.1 L 1000\n1.1 S 2000\n" },
		{ "1000,r\n2000,w\n", ",address=1,op=2,base=16", "1.1 L 1000\n1.1 S 2000\n" },
		{ "  1   4096  r  \n 22   8192  w\r\n", ",address=2,op=3,delimiter=space", "1.1 L 1000\n1.1 S 2000\n" },
		{ "time,obj_id,obj_size\n1,3,99999\n2,\"a, b\",1\n3,3,1\n4,18446744073709551615,1\n4,\"a, b\",1\n", "",
		  "1.1 L 3000\n1.1 L 400000000000\n1.1 L 3000\n1.1 L 400000001000\n1.1 L 400000000000\n" },
		{ "x,\"with \"\"quotes\"\", and commas\",7\n", ",page=3", "1.1 L 7000\n" },
		{ "address,size\n4095,1\n4095,2\n4095,4098\n", "",
		  "1.1 L fff\n1.1 L fff\n1.1 L 1000\n1.1 L fff\n1.1 L 1000\n1.1 L 2000\n" },
	};
	for (unsigned i = 0; i < sizeof some / sizeof *some; i++) {
		char *path = temp_file(some[i].text, strlen(some[i].text)), said[400];
		snprintf(said, sizeof said, "csv:%s%s", path, some[i].keys);
		check_text(said, "csv", some[i].golden);
		if (!*some[i].keys)
			check_text(path, "csv", some[i].golden);
		free(path);
	}
}

/* Specifications that make no sense: one line that says why. */
static void wrong_specifications_are_explained(void **state)
{
	(void)state;
	static const struct { const char *text, *spec; enum pw_err err; const char *says; } some[] = {
		{ "1,2\n", "csv:%s,address=3x", PW_INVALID, "address=3x names no column" },
		{ "1,2\n", "csv:%s,address=0", PW_INVALID, "from 1 to 64" },
		{ "1,2\n", "csv:%s", PW_FORMAT, "which column is the address" },
		{ "1,2\n", "csv:%s,addres=1", PW_FORMAT, "which column" },
		{ "1,2\n", "csv:%s,page=1,colour=2", PW_INVALID, "there is no key 'colour'" },
		{ "1,2\n", "csv:%s,page=1,base=8", PW_INVALID, "base is 10 or 16" },
		{ "1,2\n", "csv:%s,page=1,unit=0", PW_INVALID, "unit" },
		{ "1,2\n", "csv:%s,page=1,delimiter=dash", PW_INVALID, "comma, semicolon" },
		{ "1,2\n", "lackey:%s,page=1", PW_INVALID, "no keys" },
		{ "", "csv:%s,page=1", PW_FORMAT, "no line" },
		{ "1,2\n", "csv:", PW_INVALID, "which file" },
		{ "1,2\n", "champsim:/no/such/file", PW_NOTFOUND, "No such file" },
		{ "1,2\n", "champsin:/no/such/file", PW_NOTFOUND, "did you mean 'champsim'" },
		{ "1,2\n", "lackey:%s", PW_FORMAT, "no line of it is a lackey record" },
		{ "address,op\n1,q\n2,q\n", "%s", PW_FORMAT, "no line of it is a csv record" },
		{ "0123456789012345678901234567890123456789012345678901234567890123", "champsim:%s", PW_FORMAT,
		  "not one of its 1 records" },
		{ "too short", "champsim:%s", PW_TRUNCATED, "middle of a record" },
	};
	for (unsigned i = 0; i < sizeof some / sizeof *some; i++) {
		char *path = temp_file(some[i].text, strlen(some[i].text)), said[400];
		const char *at = strstr(some[i].spec, "%s");
		snprintf(said, sizeof said, "%.*s%s%s", at ? (int)(at - some[i].spec) : 400, some[i].spec, at ? path : "",
		         at ? at + 2 : "");
		struct trace *t;
		struct pw_why why = { "" };
		enum pw_err err = trace_open(said, &t, &why);
		if (!err) {
			struct stream s = stream_read(t);
			err = trace_error(t, &why);
			stream_free(&s);
			trace_close(t);
		}
		if (err != some[i].err || !strstr(why.text, some[i].says) || strchr(why.text, '\n'))
			fail_msg("%s: %s: %s", said, pw_err_text(err), why.text);
		free(path);
	}
}

static void table_lines_that_make_no_sense(void **state)
{
	(void)state;
	static const char text[] = "pid,op,address\n1,r,16\n1,r\n1,q,16\nx,r,16\n1,r,16x\n1,r,\n0041f7a0 R\n,,32\n";
	char *path = temp_file(text, strlen(text));
	struct trace *t = open_or_fail(path);
	char *got = stream_text(t);
	struct trace_info info = trace_describe(t);
	assert_string_equal(got, "1.1 L 10\n1.1 L 20\n");
	assert_int_equal(info.rejected, 6);
	assert_int_equal(info.rejected_at, 3);
	assert_int_equal(trace_error(t, NULL), PW_OK);
	trace_close(t);
	free(got), free(path);
}

/* The matrix: every sample read as every format, whatever it is.  An answer comes, and it is the same twice. */
static void any_file_as_any_format(void **state)
{
	(void)state;
	static const char *const formats[] = { "pwt", "champsim", "champsim96", "drmemtrace", "oracle", "vscsi", "csv", "lackey", "drview",
		"pin", "perf", "course", "din", "pages" };
	static const char *const files[] = { "test/data/small.lackey", "test/data/small.din", "test/data/small.course",
		"test/data/small.pages", "test/data/small.perf", "test/data/version1.pwt" };
	enum { FORMATS = sizeof formats / sizeof *formats, FILES = sizeof files / sizeof *files };
	for (unsigned i = 0; i < SAMPLES + FILES; i++) {
		struct bytes b = { 0 };
		if (i < SAMPLES)
			b = sample_bytes(&samples[i]);
		else
			b.p = file_read(files[i - SAMPLES], &b.n);
		char *path = temp_file(b.p, b.n), said[400];
		for (unsigned f = 0; f < FORMATS; f++) {
			snprintf(said, sizeof said, "%s:%s", formats[f], path);
			struct trace *t;
			struct pw_why why = { "" };
			if (trace_open(said, &t, &why)) {
				assert_true(*why.text && !strchr(why.text, '\n'));
				continue;
			}
			struct stream x = stream_read(t);
			enum pw_err err = trace_error(t, &why);
			assert_int_equal(trace_rewind(t, NULL), PW_OK);
			struct stream y = stream_read(t);
			assert_int_equal(err, trace_error(t, &why));
			assert_false(stream_differs(&x, &y));
			stream_free(&x), stream_free(&y);
			trace_close(t);
		}
		free(path), free(b.p);
	}
}

/* zstd --long: a window that the library refuses unless it is told not to. */
static void long_windows_are_unpacked(void **state)
{
	(void)state;
	char packed[1000];
	ZSTD_CCtx *c = ZSTD_createCCtx();
	ZSTD_CCtx_setParameter(c, ZSTD_c_compressionLevel, 1);
	ZSTD_CCtx_setParameter(c, ZSTD_c_windowLog, 28);
	ZSTD_inBuffer in = { .src = pin_text, .size = 10 };
	ZSTD_outBuffer out = { .dst = packed, .size = sizeof packed };
	/* In two pieces, so that it does not know how little there is. */
	assert_false(ZSTD_isError(ZSTD_compressStream2(c, &out, &in, ZSTD_e_flush)));
	in.size = strlen(pin_text);
	assert_int_equal(ZSTD_compressStream2(c, &out, &in, ZSTD_e_end), 0);
	ZSTD_freeCCtx(c);
	char *path = temp_file(packed, out.pos);
	check_text(path, "pin", PIN_GOLDEN);
	free(path);
}

static void failures_are_reported(void **state)
{
	(void)state;
	for (unsigned i = 0; i < SAMPLES; i++) {
		struct bytes b = sample_bytes(&samples[i]);
		for (enum pack how = PACK_NONE; how <= PACK_ZSTD; how++) {
			size_t n;
			uint8_t *packed = bytes_pack(how, b.p, b.n, &n);
			char *path = temp_file(packed, n);
			stream_sweep(path, INJECT_ALLOC, PW_NOMEM);
			stream_sweep(path, INJECT_FILE_READ, PW_IO);
			free(path), free(packed);
		}
		free(b.p);
	}
	/* Enough names that the table of numbers grows. */
	struct bytes b = { 0 };
	for (unsigned i = 0; i < 500; i++)
		put_oracle(&b, i, (1ull << 63) + i, 1, -1);
	char *path = temp_file(b.p, b.n);
	stream_sweep(path, INJECT_ALLOC, PW_NOMEM);
	free(path), free(b.p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(samples_read_right), cmocka_unit_test(samples_survive_pwt), cmocka_unit_test(guesses_are_right),
		cmocka_unit_test(other_things_are_refused), cmocka_unit_test(cut_files_give_whole_records),
		cmocka_unit_test(damaged_records_are_counted), cmocka_unit_test(long_requests_reach_every_page),
		cmocka_unit_test(tables_of_all_sorts), cmocka_unit_test(wrong_specifications_are_explained),
		cmocka_unit_test(table_lines_that_make_no_sense), cmocka_unit_test(any_file_as_any_format),
		cmocka_unit_test(long_windows_are_unpacked),
		cmocka_unit_test(failures_are_reported),
	};
	return cmocka_run_group_tests(tests, temp_begin, temp_end);
}
