/* task.c - the line of a process taken apart from both ends.
 *
 * Problem.  The second field of /proc/PID/stat is the name in parentheses, and a process may call itself "a) S 1 (b".  Whoever splits
 * the line at blanks reads the wrong numbers of exactly the process that wants it.
 *
 * Idea.  Every later field is a number or a letter, so the *last* closing parenthesis of the line ends the name; the first opening
 * one begins it, since a PID has none.
 *
 *     17 (a) S 1 (b) S 1 17 17 0 -1 4194304 ...
 *        ^         ^ the last one
 *
 * 1. Fields behind the ones of the list are ignored: later kernels add some.
 * 2. A number may be negative (tty and nice are); those of the list are not, and -1 would be read as the 64-bit word the kernel has.
 * Source: proc(5), /proc/pid/stat. */
#include "task.h"
#include <stdlib.h>
#include <string.h>

enum { FIELD_STATE = 3, FIELD_LAST = 24 };

/* Reads fields 4 and on.  => how many there were, up to the last one wanted. */
static unsigned numbers_read(const char *at, uint64_t number[FIELD_LAST + 1])
{
	unsigned field = FIELD_STATE;
	while (field < FIELD_LAST) {
		char *end;
		uint64_t v = strtoull(at, &end, 10);
		if (end == at)
			break;
		number[++field] = v;
		at = end;
	}
	return field;
}

enum pw_err task_parse(const char *text, size_t bytes, struct task *ret, struct pw_why *why)
{
	uint64_t number[FIELD_LAST + 1];
	const char *open = memchr(text, '(', bytes), *close = memrchr(text, ')', bytes);
	char *end;
	unsigned long pid = strtoul(text, &end, 10);
	if (!open || !close || close < open || end == text || *end != ' ' || end + 1 != open || pid > UINT32_MAX)
		return pw_fail(why, PW_FORMAT, "the line of a process must begin with \"PID (NAME) STATE\"");
	if (text + bytes < close + 4 || close[1] != ' ' || close[3] != ' ')
		return pw_fail(why, PW_TRUNCATED, "the line of process %lu ends before its state", pid);
	unsigned last = numbers_read(close + 3, number);
	if (last < FIELD_LAST)
		return pw_fail(why, PW_TRUNCATED, "the line of process %lu ends before field %u", pid, last + 1);
	size_t n = (size_t)(close - open - 1);
	n = n < TASK_NAME ? n : TASK_NAME - 1;
	*ret = (struct task){ .pid = (uint32_t)pid, .state = close[2] };
	memcpy(ret->name, open + 1, n);
#define X(member, field, what) ret->member = number[field];
	TASK_FIELD_LIST(X)
#undef X
	return PW_OK;
}

enum pw_err task_read(struct procfs *p, uint32_t pid, struct task *ret, struct pw_why *why)
{
	const char *text;
	size_t bytes;
	struct pw_why inner;
	enum pw_err err = procfs_read_pid(p, pid, "stat", &text, &bytes, why);
	if (err != PW_OK)
		return err;
	err = task_parse(text, bytes, ret, &inner);
	return err == PW_OK ? PW_OK : pw_fail(why, err, "/proc/%u/stat: %s", pid, inner.text);
}
