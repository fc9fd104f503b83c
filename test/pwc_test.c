/* pwc_test.c - a page-walk cache against the plainest one: an array kept in order of last use. */
#include "../src/base/rng.h"
#include "../src/machine/pwc.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

enum { MOST = 64, STEPS = 20000 };

struct plain {
	uint32_t n, used;
	uint64_t tag[MOST], table[MOST]; /* newest first */
};

static void plain_to_front(struct plain *p, uint32_t i)
{
	uint64_t tag = p->tag[i], table = p->table[i];
	memmove(p->tag + 1, p->tag, i * sizeof *p->tag);
	memmove(p->table + 1, p->table, i * sizeof *p->table);
	p->tag[0] = tag;
	p->table[0] = table;
}

/* => the table that was known, or 0, and new_table is known now */
static uint64_t plain_ask(struct plain *p, uint64_t tag, uint64_t new_table)
{
	uint32_t i = 0;
	while (i < p->used && p->tag[i] != tag)
		i++;
	bool known = i < p->used;
	uint64_t table = known ? p->table[i] : 0;
	if (!known) {
		i = p->used < p->n ? p->used++ : p->n - 1;
		p->tag[i] = tag;
		p->table[i] = new_table;
	}
	plain_to_front(p, i);
	return table;
}

static void plain_drop_space(struct plain *p, uint16_t asid)
{
	uint32_t kept = 0;
	for (uint32_t i = 0; i < p->used; i++) {
		if (pwc_tag_asid(p->tag[i]) == asid)
			continue;
		p->tag[kept] = p->tag[i];
		p->table[kept++] = p->table[i];
	}
	p->used = kept;
}

static uint64_t pwc_ask(struct pwc *p, uint64_t tag, uint64_t new_table)
{
	uint32_t i = pwc_find(p, tag);
	if (i == PWC_NONE) {
		pwc_fill(p, tag, pfn(new_table), 0);
		return 0;
	}
	pwc_use(p, i);
	return p->entry[i].table.v;
}

static void history(uint32_t n, uint64_t prefixes, uint64_t seed)
{
	struct pwc p;
	struct plain plain = { .n = n };
	struct rng rng;
	rng_init(&rng, seed);
	assert_int_equal(pwc_init(&p, n), PW_OK);
	for (uint64_t step = 1; step <= STEPS; step++) {
		uint16_t asid = (uint16_t)rng_below(&rng, 3);
		/* Every other prefix has its home where another has. */
		uint64_t prefix = rng_below(&rng, prefixes), tag = pwc_tag_make(prefix % 2 ? prefix : prefix * PWC_HOMES, asid);
		if (rng_below(&rng, 500) == 0) {
			plain_drop_space(&plain, asid);
			for (uint32_t i = 0; i < n; i++)
				if (pwc_tag_asid(p.entry[i].tag) == asid)
					pwc_drop(&p, i);
		}
		uint64_t want = plain_ask(&plain, tag, step), got = pwc_ask(&p, tag, step);
		const char *flaw = step % 16 ? NULL : pwc_flaw(&p);
		if (want != got || flaw)
			fail_msg("%u entries, seed %llu, step %llu: table %llu instead of %llu; %s", n, (unsigned long long)seed,
			         (unsigned long long)step, (unsigned long long)got, (unsigned long long)want, flaw ? flaw : "no flaw");
	}
	pwc_fini(&p);
}

static void same_as_an_array_in_order(void **state)
{
	(void)state;
	static const uint32_t sizes[] = { 1, 2, 4, 7, 32, MOST };
	for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		history(sizes[i], sizes[i] + 2, 10 + i);
		history(sizes[i], 3 * sizes[i] + 20, 20 + i);
	}
}

static void a_cache_of_nothing_knows_nothing(void **state)
{
	(void)state;
	struct pwc p;
	assert_int_equal(pwc_init(&p, 0), PW_OK);
	assert_int_equal(pwc_find(&p, 1), PWC_NONE);
	pwc_fini(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_as_an_array_in_order),
		cmocka_unit_test(a_cache_of_nothing_knows_nothing),
	};
	return cmocka_run_group_tests_name("pwc", tests, NULL, NULL);
}
