/* api_test.c - the public header as a program that links the library uses it. */
#include <pageworks.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static void a_run_gives_its_result(void **state)
{
	(void)state;
	const char *const options[] = { "frames=100", "policy=clock", "tlb=l1d=16/4,l2=64/fa", NULL };
	char *result, *why;
	assert_int_equal(pageworks_run("zipf:pages=1K,s=1.0,refs=100K", options, &result, &why), PAGEWORKS_OK);
	assert_null(why);
	json_t *tree = json_loads(result, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(tree);
	assert_string_equal(json_string_value(json_object_get(tree, "pageworks")), pageworks_version());
	assert_int_equal(json_integer_value(json_object_get(json_object_get(tree, "references"), "total")), 100 * 1024);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(tree, "machine"), "page_frames")), 100);
	json_decref(tree);
	pageworks_free(result);
}

static void refuses(const char *trace, const char *option, enum pageworks_status status, const char *word)
{
	const char *const options[] = { option, NULL };
	char *result, *why;
	assert_int_equal(pageworks_run(trace, options, &result, &why), status);
	assert_null(result);
	assert_non_null(why);
	if (!strstr(why, word) || strchr(why, '\n'))
		fail_msg("%s: '%s' was to be one line with '%s'", option, why, word);
	pageworks_free(why);
}

static void nonsense_is_explained(void **state)
{
	(void)state;
	refuses("seq:pages=4", "policy=lur", PAGEWORKS_INVALID, "did you mean 'lru'");
	refuses("seq:pages=4", "polcy=lru", PAGEWORKS_INVALID, "did you mean 'policy'");
	refuses("seq:pages=4", "frames", PAGEWORKS_INVALID, "name=value");
	refuses("seq:pages=4", "ram=4K", PAGEWORKS_INVALID, "too small");
	refuses("seq:pages=4", "swap=file:/no/such/place", PAGEWORKS_INVALID, "/no/such/place");
	refuses("/no/such/file", "seed=1", PAGEWORKS_INPUT, "/no/such/file");
}

static void no_options_is_the_default_machine(void **state)
{
	(void)state;
	char *result, *why;
	assert_int_equal(pageworks_run("seq:pages=4", NULL, &result, &why), PAGEWORKS_OK);
	assert_non_null(strstr(result, "\"x86-64\""));
	pageworks_free(result);
	pageworks_free(why);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_run_gives_its_result), cmocka_unit_test(nonsense_is_explained),
		cmocka_unit_test(no_options_is_the_default_machine),
	};
	return cmocka_run_group_tests_name("api", tests, NULL, NULL);
}
