/* base_test.c - laws of the base room: trees and tables against naive models, JSON through an independent reader, small words. */
#include "../src/base/htab.h"
#include "../src/base/inject.h"
#include "../src/base/itree.h"
#include "../src/base/json.h"
#include "../src/base/mem.h"
#include "../src/base/rng.h"
#include "../src/base/text.h"
#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>

/* The model of an interval tree: a space of SPACE cells, each with the number of the interval that covers it, or 0. */
enum { SPACE = 300, NODES = 60 };

struct space {
	struct itree tree;
	struct itree_node node[NODES + 1];
	bool in[NODES + 1];
	int cell[SPACE];
};

static bool cells_free(const struct space *s, uint64_t lo, uint64_t hi, int except)
{
	for (uint64_t i = lo; i < hi; i++) {
		if (s->cell[i] && s->cell[i] != except)
			return false;
	}
	return true;
}

static void cells_paint(struct space *s, uint64_t lo, uint64_t hi, int with)
{
	for (uint64_t i = lo; i < hi; i++)
		s->cell[i] = with;
}

static void space_change(struct space *s, struct rng *r)
{
	int k = 1 + (int)rng_below(r, NODES);
	uint64_t lo = rng_below(r, SPACE), hi = lo + 1 + rng_below(r, 12);
	struct itree_node *n = &s->node[k];
	if (hi > SPACE)
		return;
	if (!s->in[k] && cells_free(s, lo, hi, 0)) {
		n->start = lo;
		n->end = hi;
		itree_insert(&s->tree, n);
		s->in[k] = true;
		cells_paint(s, lo, hi, k);
	} else if (s->in[k] && rng_below(r, 2)) {
		/* Each bound moves a little, so no neighbour can be jumped over. */
		uint64_t to_lo = n->start + rng_below(r, 3) - 1, to_hi = n->end + rng_below(r, 5) - 2;
		if (to_lo >= to_hi || to_hi > SPACE || !cells_free(s, to_lo, to_hi, k))
			return;
		cells_paint(s, n->start, n->end, 0);
		itree_resize(&s->tree, n, to_lo, to_hi);
		cells_paint(s, to_lo, to_hi, k);
	} else if (s->in[k]) {
		cells_paint(s, n->start, n->end, 0);
		itree_remove(&s->tree, n);
		s->in[k] = false;
	}
}

static void space_compare_points(struct space *s, uint64_t seed)
{
	for (uint64_t p = 0; p < SPACE; p++) {
		struct itree_node *found = itree_find(&s->tree, p), *next = itree_at_or_after(&s->tree, p);
		int here = s->cell[p], after = 0;
		for (uint64_t q = p; q < SPACE && !after; q++)
			after = s->cell[q];
		if (found != (here ? &s->node[here] : NULL) || next != (after ? &s->node[after] : NULL))
			fail_msg("seed %lu: the tree and the model differ at %lu", (unsigned long)seed, (unsigned long)p);
	}
}

static void space_compare_holes(struct space *s, struct rng *r, uint64_t seed)
{
	uint64_t lo = rng_below(r, SPACE), hi = rng_below(r, SPACE + 1), size = 1 + rng_below(r, 20);
	uint64_t low = UINT64_MAX, high = UINT64_MAX, got;
	for (uint64_t at = lo; hi >= size && at <= hi - size; at++) {
		if (!cells_free(s, at, at + size, 0))
			continue;
		low = low == UINT64_MAX ? at : low;
		high = at;
	}
	bool found = itree_hole_low(&s->tree, lo, hi, size, &got);
	if (found != (low != UINT64_MAX) || (found && got != low))
		fail_msg("seed %lu: lowest hole of %lu in [%lu,%lu)", (unsigned long)seed, size, lo, hi);
	found = itree_hole_high(&s->tree, lo, hi, size, &got);
	if (found != (high != UINT64_MAX) || (found && got != high))
		fail_msg("seed %lu: highest hole of %lu in [%lu,%lu)", (unsigned long)seed, size, lo, hi);
}

static void space_compare_order(struct space *s, uint64_t seed)
{
	struct itree_node *n = itree_first(&s->tree), *before = NULL;
	uint64_t count = 0;
	for (; n; before = n, n = itree_next(n), count++) {
		if (itree_prev(n) != before || (before && before->end > n->start))
			fail_msg("seed %lu: next and prev disagree", (unsigned long)seed);
	}
	assert_int_equal(count, s->tree.count);
}

static void itree_agrees_with_cells(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 8; seed++) {
		static struct space s;
		struct rng r;
		memset(&s, 0, sizeof s);
		itree_init(&s.tree);
		rng_init(&r, seed);
		for (int step = 0; step < 3000; step++) {
			space_change(&s, &r);
			space_compare_holes(&s, &r, seed);
			const char *flaw = itree_flaw(&s.tree);
			if (flaw)
				fail_msg("seed %lu step %d: %s", (unsigned long)seed, step, flaw);
			if (step % 50 == 0)
				space_compare_points(&s, seed);
		}
		space_compare_order(&s, seed);
	}
}

static void itree_flaw_sees_damage(void **state)
{
	(void)state;
	struct itree t;
	struct itree_node a = { .start = 1, .end = 2 }, b = { .start = 5, .end = 9 };
	itree_init(&t);
	itree_insert(&t, &a);
	itree_insert(&t, &b);
	assert_null(itree_flaw(&t));
	a.end = 6;
	assert_non_null(itree_flaw(&t));
}

/* The model of the hash table: an array indexed by a small number from which the key is made. */
enum { KEYS = 4000 };

static uint64_t key_of(uint64_t i, uint64_t seed)
{
	return seed % 3 == 0 ? i : seed % 3 == 1 ? i << 52 : i * 0x9e3779b97f4a7c15ull;
}

static void htab_compare(struct htab *h, const uint64_t *model, uint64_t seed)
{
	uint64_t i = 0, key, value, seen = 0, sum = 0, expected = 0, full = 0;
	while (htab_each(h, &i, &key, &value)) {
		seen++;
		sum += value;
	}
	for (uint64_t k = 0; k < KEYS; k++) {
		uint64_t *got = htab_get(h, key_of(k, seed));
		if (!got != !model[k] || (got && *got != model[k]))
			fail_msg("seed %lu: key %lu", (unsigned long)seed, (unsigned long)k);
		expected += model[k];
		full += model[k] != 0;
	}
	assert_int_equal(seen, full);
	assert_int_equal(sum, expected);
	if (htab_flaw(h))
		fail_msg("seed %lu: %s", (unsigned long)seed, htab_flaw(h));
}

static void htab_agrees_with_array(void **state)
{
	(void)state;
	static uint64_t model[KEYS];
	for (uint64_t seed = 1; seed <= 6; seed++) {
		struct htab h;
		struct rng r;
		memset(model, 0, sizeof model);
		rng_init(&r, seed);
		assert_int_equal(htab_init(&h, seed % 2 ? 0 : KEYS), PW_OK);
		for (int step = 0; step < 40000; step++) {
			uint64_t k = rng_below(&r, KEYS) & rng_next(&r), value = 1 + rng_below(&r, 1000);
			if (rng_below(&r, 100) < (step / 8000 % 2 ? 70u : 30u)) {
				assert_int_equal(htab_delete(&h, key_of(k, seed)), model[k] != 0);
				model[k] = 0;
			} else {
				uint64_t *place = htab_put(&h, key_of(k, seed));
				assert_int_equal(*place, model[k]);
				*place = model[k] = value;
			}
			if (step % 4000 == 0)
				htab_compare(&h, model, seed);
		}
		htab_compare(&h, model, seed);
		htab_clear(&h);
		memset(model, 0, sizeof model);
		htab_compare(&h, model, seed);
		htab_fini(&h);
	}
}

static void htab_survives_no_memory(void **state)
{
	(void)state;
	struct htab h;
	inject_arm(INJECT_ALLOC, 1, INJECT_ONCE);
	assert_int_equal(htab_init(&h, 4), PW_NOMEM);
	inject_disarm();
	assert_int_equal(htab_init(&h, 0), PW_OK);
	uint64_t n = 0;
	inject_arm(INJECT_ALLOC, 1, INJECT_FROM_THEN_ON);
	while (htab_put(&h, n))
		n++;
	assert_null(htab_flaw(&h));
	assert_int_equal(h.count, n);
	inject_disarm();
	assert_non_null(htab_put(&h, n));
	htab_fini(&h);
}

static char *json_sample(bool compact, const char *text, double real)
{
	char *out = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&out, &size);
	struct jsonw j;
	jsonw_init(&j, f);
	j.compact = compact;
	jsonw_object(&j, NULL);
	jsonw_u64(&j, "u", UINT64_MAX >> 1);
	jsonw_i64(&j, "i", INT64_MIN);
	jsonw_real(&j, "r", real);
	jsonw_real(&j, "nan", NAN);
	jsonw_bool(&j, "b", true);
	jsonw_string(&j, text, text);
	jsonw_hex(&j, "h", 0xdeadbeef);
	jsonw_array(&j, "empty");
	jsonw_end(&j);
	jsonw_array(&j, "a");
	jsonw_u64(&j, NULL, 1);
	jsonw_object(&j, NULL);
	jsonw_end(&j);
	jsonw_null(&j, NULL);
	jsonw_end(&j);
	jsonw_end(&j);
	assert_int_equal(jsonw_finish(&j), PW_OK);
	fclose(f);
	return out;
}

static void json_reads_back(void **state)
{
	(void)state;
	static const double reals[] = { 0, -0.0, 1, 0.1, 1.0 / 3, 1e300, -5e-324, 123456789.25, 0.9531, 1e15 };
	static const char text[] = "quote \" back \\ tab \t bell \a u\xc3\xbc \xe2\x82\xac \xf0\x9f\x98\x80";
	for (unsigned i = 0; i < 2 * sizeof reals / sizeof *reals; i++) {
		char *out = json_sample(i & 1, text, reals[i / 2]);
		json_error_t error;
		json_t *root = json_loads(out, 0, &error);
		if (!root)
			fail_msg("%s in %s", error.text, out);
		assert_int_equal(json_integer_value(json_object_get(root, "u")), INT64_MAX);
		assert_int_equal(json_integer_value(json_object_get(root, "i")), INT64_MIN);
		assert_true(json_is_real(json_object_get(root, "r")));
		assert_true(json_real_value(json_object_get(root, "r")) == reals[i / 2]);
		assert_true(json_is_null(json_object_get(root, "nan")));
		assert_string_equal(json_string_value(json_object_get(root, text)), text);
		assert_string_equal(json_string_value(json_object_get(root, "h")), "0xdeadbeef");
		assert_int_equal(json_array_size(json_object_get(root, "empty")), 0);
		assert_int_equal(json_array_size(json_object_get(root, "a")), 3);
		json_decref(root);
		free(out);
	}
}

static void json_repairs_bad_utf8(void **state)
{
	(void)state;
	static const char *const bad[] = { "\xff", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "\xf0\x9f\x98", "a\x80" };
	for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
		char *out = json_sample(true, bad[i], 1);
		json_t *root = json_loads(out, 0, NULL);
		assert_non_null(root);
		assert_non_null(strstr(out, "\xef\xbf\xbd"));
		json_decref(root);
		free(out);
	}
}

static void json_says_when_the_disk_is_full(void **state)
{
	(void)state;
	FILE *f = fopen("/dev/full", "w");
	assert_non_null(f);
	struct jsonw j;
	jsonw_init(&j, f);
	jsonw_u64(&j, NULL, 1);
	assert_int_equal(jsonw_finish(&j), PW_IO);
	fclose(f);
}

static void sizes_parse(void **state)
{
	(void)state;
	static const struct { const char *text; uint64_t value; } good[] = {
		{ "0", 0 }, { "4096", 4096 }, { "0x1000", 4096 }, { "8M", 8 << 20 }, { "8m", 8 << 20 }, { "4KiB", 4096 },
		{ "4KB", 4096 }, { "7B", 7 }, { "15E", 15ull << 60 }, { "18446744073709551615", UINT64_MAX },
	};
	static const char *const bad[] = { "", "8Q", "-1", "+1", " 1", "1 ", "1K ", "16E", "18446744073709551616", "0x", "K", "1.5G",
		"8MiBB", "8Mi", "1KK" };
	uint64_t v;
	struct pw_why why;
	for (unsigned i = 0; i < sizeof good / sizeof *good; i++) {
		assert_int_equal(text_size(good[i].text, &v, &why), PW_OK);
		assert_int_equal(v, good[i].value);
	}
	for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
		v = 77;
		if (text_size(bad[i], &v, &why) != PW_INVALID || v != 77)
			fail_msg("'%s' was taken for a size", bad[i]);
	}
	assert_int_equal(text_size_option("--ram", "8Q", &v, &why), PW_INVALID);
	assert_string_equal(why.text, "--ram: '8Q' is not a size; write a number with K, M, G or T");
	assert_int_equal(text_u64("12", &v, NULL), PW_OK);
	assert_int_equal(text_u64("12K", &v, NULL), PW_INVALID);
}

static void specs_parse(void **state)
{
	(void)state;
	struct spec s;
	struct pw_why why;
	uint64_t pages = 5, refs = 6;
	double skew = 0;
	assert_int_equal(spec_init(&s, "zipf:pages=1M,s=0.5,extra=", &why), PW_OK);
	assert_string_equal(s.name, "zipf");
	assert_int_equal(spec_size(&s, "pages", &pages, &why), PW_OK);
	assert_int_equal(spec_size(&s, "refs", &refs, &why), PW_OK);
	assert_int_equal(spec_real(&s, "s", &skew, &why), PW_OK);
	assert_int_equal(pages, 1 << 20);
	assert_int_equal(refs, 6);
	assert_true(skew == 0.5);
	assert_int_equal(spec_unused(&s, "pages, refs, s", &why), PW_INVALID);
	assert_string_equal(why.text, "zipf: there is no key 'extra'; the keys are pages, refs, s");
	assert_string_equal(spec_word(&s, "extra"), "");
	assert_int_equal(spec_unused(&s, "", &why), PW_OK);
	spec_fini(&s);
	static const char *const bad[] = { "", ":a=1", "x:a", "x:=1", "x:a=1,a=2", "x:a=1,,b=2",
		"x:a=,b=,c=,d=,e=,f=,g=,h=,i=,j=,k=,l=,m=,n=,o=,p=,q=" };
	for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
		if (spec_init(&s, bad[i], &why) != PW_INVALID)
			fail_msg("'%s' was taken for a specification", bad[i]);
	}
	assert_int_equal(spec_init(&s, "x:n=1q,r=0.5x", &why), PW_OK);
	assert_int_equal(spec_size(&s, "n", &pages, &why), PW_INVALID);
	assert_int_equal(spec_real(&s, "r", &skew, &why), PW_INVALID);
	spec_fini(&s);
}

static void words_are_guessed(void **state)
{
	(void)state;
	static const char *const names[] = { "lru", "fifo", "clock", "skylake" };
	assert_string_equal(text_nearest("lur", names, 4), "lru");
	assert_string_equal(text_nearest("skylak", names, 4), "skylake");
	assert_string_equal(text_nearest("colkc", names, 4), "clock");
	assert_null(text_nearest("zzz", names, 4));
	assert_null(text_nearest("x", names, 4));
	assert_null(text_nearest("", names, 4));
}

static void amounts_print(void **state)
{
	(void)state;
	char buf[40];
	assert_string_equal(text_bytes(buf, sizeof buf, 512), "512 B");
	assert_string_equal(text_bytes(buf, sizeof buf, 8 << 20), "8 MiB");
	assert_string_equal(text_bytes(buf, sizeof buf, (8 << 20) + (1 << 19)), "8.5 MiB");
	assert_string_equal(text_bytes(buf, sizeof buf, UINT64_MAX), "16.0 EiB");
	assert_string_equal(text_count(buf, sizeof buf, 0), "0");
	assert_string_equal(text_count(buf, sizeof buf, 999), "999");
	assert_string_equal(text_count(buf, sizeof buf, 1234567), "1,234,567");
	assert_string_equal(text_count(buf, sizeof buf, UINT64_MAX), "18,446,744,073,709,551,615");
	assert_string_equal(text_count(buf, 4, 1234567), "1,2");
}

static void injection_counts(void **state)
{
	(void)state;
	inject_arm(INJECT_ALLOC, 2, INJECT_ONCE);
	void *a = mem_alloc(1), *b = mem_zalloc(1, 1), *c = mem_strdup("x");
	assert_true(a && !b && c);
	assert_int_equal(inject_count(INJECT_ALLOC), 3);
	inject_arm(INJECT_ALLOC, 1, INJECT_FROM_THEN_ON);
	assert_null(mem_realloc(a, 1, 1));
	assert_null(mem_printf("%d", 1));
	assert_null(mem_reserve(1 << 20));
	inject_disarm();
	assert_null(mem_zalloc(SIZE_MAX / 2, 4));
	assert_null(mem_realloc(a, SIZE_MAX / 2, 4));
	mem_free(a);
	mem_free(c);
	char *zero = mem_reserve(1 << 20);
	assert_int_equal(zero[12345], 0);
	mem_unreserve(zero, 1 << 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(itree_agrees_with_cells), cmocka_unit_test(itree_flaw_sees_damage),
		cmocka_unit_test(htab_agrees_with_array), cmocka_unit_test(htab_survives_no_memory),
		cmocka_unit_test(json_reads_back), cmocka_unit_test(json_repairs_bad_utf8),
		cmocka_unit_test(json_says_when_the_disk_is_full), cmocka_unit_test(sizes_parse),
		cmocka_unit_test(specs_parse), cmocka_unit_test(words_are_guessed),
		cmocka_unit_test(amounts_print), cmocka_unit_test(injection_counts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
