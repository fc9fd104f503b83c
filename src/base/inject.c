/* inject.c - one armed site, one count per site.
 *
 * Problem: the k-th allocation, read or write of a scenario must fail, for every k, without a build of its own.
 * Idea: a global flag that is false in ordinary runs guards everything, so the cost is one load and one predicted branch.
 *
 * 1. Counts are of the whole process and are kept with relaxed atomics: with several threads the k-th asker is still exactly
 *    one asker, although which thread it is depends on the schedule.
 * 2. A site that is not armed is counted all the same, so a test can see what a scenario would reach. */
#include "inject.h"

bool inject_armed;

static enum inject_site armed_site;
static enum inject_mode armed_mode;
static uint64_t armed_kth;
static uint64_t asked[INJECT_SITES];

void inject_arm(enum inject_site site, uint64_t kth, enum inject_mode mode)
{
	for (int i = 0; i < INJECT_SITES; i++)
		asked[i] = 0;
	armed_site = site;
	armed_kth = kth;
	armed_mode = mode;
	inject_armed = true;
}

void inject_disarm(void)
{
	inject_armed = false;
}

uint64_t inject_count(enum inject_site site)
{
	return __atomic_load_n(&asked[site], __ATOMIC_RELAXED);
}

bool inject_hit(enum inject_site site)
{
	uint64_t nth = __atomic_add_fetch(&asked[site], 1, __ATOMIC_RELAXED);
	if (site != armed_site)
		return false;
	return nth == armed_kth || (armed_mode == INJECT_FROM_THEN_ON && nth > armed_kth);
}
