/* spread_test.c - when a paged program gets one processor and when all of them. */
#include "../src/live/spread.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void waiting_threads_get_all(void **state)
{
	(void)state;
	assert_int_equal(spread_choose(BOARD_PIN_NARROW, 1, 0, 0), BOARD_PIN_NARROW);
	assert_int_equal(spread_choose(BOARD_PIN_NARROW, 1, 0.05, 0), BOARD_PIN_NARROW);
	assert_int_equal(spread_choose(BOARD_PIN_NARROW, 1, 3, 0), BOARD_PIN_WIDE);
	assert_int_equal(spread_choose(BOARD_PIN_NARROW, 1, 1, 1000), BOARD_PIN_WIDE);
}

static void faults_keep_them_together(void **state)
{
	(void)state;
	assert_int_equal(spread_choose(BOARD_PIN_NARROW, 0.5, 1, 100000), BOARD_PIN_NARROW);
	assert_int_equal(spread_choose(BOARD_PIN_WIDE, 0.6, 0, 20000), BOARD_PIN_NARROW);
	assert_int_equal(spread_choose(BOARD_PIN_WIDE, 0, 0, 0), BOARD_PIN_WIDE);
	assert_int_equal(spread_choose(BOARD_PIN_WIDE, 1.9, 0, 5000), BOARD_PIN_WIDE);
}

/* Whatever is chosen is not unchosen by the same figures: running alone is all that changes then. */
static void nothing_flaps(void **state)
{
	(void)state;
	for (double waiting = 0; waiting < 4; waiting += 0.05) {
		for (double faults = 0; faults < 60000; faults += 500) {
			if (spread_choose(BOARD_PIN_NARROW, 1, waiting, faults) == BOARD_PIN_WIDE)
				assert_int_equal(spread_choose(BOARD_PIN_WIDE, 1 + waiting, 0, faults), BOARD_PIN_WIDE);
		}
	}
}

static void who_waits_moves_where_nobody_is(void **state)
{
	(void)state;
	double idle[CPU_SETSIZE] = { 0, 0.9, 0.95, 1 };
	cpu_set_t may;
	CPU_ZERO(&may);
	CPU_SET(0, &may);
	CPU_SET(1, &may);
	CPU_SET(2, &may);
	assert_int_equal(spread_hop(0, &may, 0.5, idle), 2);
	assert_int_equal(spread_hop(0, &may, 0.1, idle), 0);
	assert_int_equal(spread_hop(2, &may, 0.5, idle), 1);
	idle[1] = idle[2] = 0.4;
	assert_int_equal(spread_hop(0, &may, 0.5, idle), 0);
	CPU_ZERO(&may);
	CPU_SET(0, &may);
	assert_int_equal(spread_hop(0, &may, 0.9, idle), 0);
}

static void a_program_that_is_not_pinned_costs_nothing(void **state)
{
	(void)state;
	static struct board board = { .pin = { .state = BOARD_PIN_NONE } };
	struct live l = { .board = &board, .pid = -1 };
	struct spread s = { 0 };
	assert_true(spread_step(&s, &l) > 0);
	assert_int_equal(s.then_ns, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(waiting_threads_get_all),
		cmocka_unit_test(faults_keep_them_together),
		cmocka_unit_test(nothing_flaps),
		cmocka_unit_test(who_waits_moves_where_nobody_is),
		cmocka_unit_test(a_program_that_is_not_pinned_costs_nothing),
	};
	return cmocka_run_group_tests_name("spread", tests, NULL, NULL);
}
