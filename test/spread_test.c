/* spread_test.c - when a paged program gets one processor and when all of them. */
#include "../src/live/spread.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static enum board_pin chosen(enum board_pin now, double running, double waiting, double faults_per_s, double mixed)
{
	const struct spread_figures f = { .running = running, .waiting = waiting, .faults_per_s = faults_per_s, .mixed = mixed };
	return spread_choose(now, &f);
}

static void waiting_threads_get_all(void **state)
{
	(void)state;
	assert_int_equal(chosen(BOARD_PIN_NARROW, 1, 0, 0, 0), BOARD_PIN_NARROW);
	assert_int_equal(chosen(BOARD_PIN_NARROW, 1, 0.05, 0, 0), BOARD_PIN_NARROW);
	assert_int_equal(chosen(BOARD_PIN_NARROW, 1, 3, 0, 0), BOARD_PIN_WIDE);
	assert_int_equal(chosen(BOARD_PIN_NARROW, 1, 1, 1000, 0), BOARD_PIN_WIDE);
	assert_int_equal(chosen(BOARD_PIN_NARROW, 0.5, 1, 100000, 0), BOARD_PIN_WIDE);
}

static void one_thread_that_faults_keeps_them_together(void **state)
{
	(void)state;
	assert_int_equal(chosen(BOARD_PIN_NARROW, 0.3, 0.1, 100000, 0.01), BOARD_PIN_NARROW);
	assert_int_equal(chosen(BOARD_PIN_WIDE, 0.3, 0, 70000, 0.01), BOARD_PIN_NARROW);
	assert_int_equal(chosen(BOARD_PIN_WIDE, 0, 0, 0, 0), BOARD_PIN_WIDE);
	assert_int_equal(chosen(BOARD_PIN_WIDE, 1.9, 0, 5000, 0), BOARD_PIN_WIDE);
}

static void threads_that_fault_together_part(void **state)
{
	(void)state;
	assert_int_equal(chosen(BOARD_PIN_NARROW, 0.3, 0.1, 100000, 0.5), BOARD_PIN_WIDE);
	assert_int_equal(chosen(BOARD_PIN_WIDE, 0.4, 0, 150000, 0.5), BOARD_PIN_WIDE);
	assert_int_equal(chosen(BOARD_PIN_NARROW, 0.3, 0.1, 500, 0.5), BOARD_PIN_NARROW);
}

/* Whatever is chosen is not unchosen by the same figures: running alone is all that changes then. */
static void nothing_flaps(void **state)
{
	(void)state;
	for (double waiting = 0; waiting < 4; waiting += 0.05) {
		for (double faults = 0; faults < 200000; faults += 500) {
			for (double mixed = 0; mixed < 1; mixed += 0.15) {
				if (chosen(BOARD_PIN_NARROW, 1, waiting, faults, mixed) == BOARD_PIN_WIDE)
					assert_int_equal(chosen(BOARD_PIN_WIDE, 1 + waiting, 0, faults, mixed), BOARD_PIN_WIDE);
			}
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
	static struct spread s;
	assert_true(spread_step(&s, &l) > 0);
	assert_int_equal(s.last.now_ns, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(waiting_threads_get_all),
		cmocka_unit_test(one_thread_that_faults_keeps_them_together),
		cmocka_unit_test(threads_that_fault_together_part),
		cmocka_unit_test(nothing_flaps),
		cmocka_unit_test(who_waits_moves_where_nobody_is),
		cmocka_unit_test(a_program_that_is_not_pinned_costs_nothing),
	};
	return cmocka_run_group_tests_name("spread", tests, NULL, NULL);
}
