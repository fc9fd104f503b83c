/* lab_exec.c - programs: loading one into the running process, and moving the end of its heap.
 *
 * Problem: what an address space of a real program looks like is best seen in one.
 * Idea: exec loads a program of this computer as execve does; nothing of it runs, its memory is there to be looked at.
 *
 * 1. The environment is empty, so that a session depends on nothing but its lines and the files they name. */
#include "lab_impl.h"
#include <string.h>

static bool is_killed(const struct process *p)
{
	struct process_info info;
	process_describe(p, &info);
	return info.killed;
}

enum lab_outcome lab_exec(struct lab *l, const struct lab_line *line)
{
	struct lab_process *p = lab_running(l);
	const char *argv[LAB_WORDS + 1];
	struct process_begin begin;
	if (!p)
		return LAB_ERROR;
	bool was_killed = is_killed(p->process);
	for (unsigned i = 0; i < line->n; i++)
		argv[i] = line->word[i] + (*line->word[i] == '"');
	argv[line->n] = NULL;
	enum pw_err err = computer_exec(l->computer, p->process, argv[0], argv, NULL, &begin, l->why);
	if (err && (was_killed || !is_killed(p->process)))
		return lab_fail_err(l, err);
	if (err) {
		lab_tell(l, "%s\n", l->why->text); /* the line has done something, so it is none that fails */
		return LAB_DONE;
	}
	lab_tell(l, "%s is a new program, nothing of its old memory is left\n", p->name);
	lab_tell(l, "  begins at 0x%llx%s; stack pointer 0x%llx; heap from 0x%llx\n", (unsigned long long)begin.entry.v,
	         begin.interpreter_base.v ? ", in its interpreter" : "", (unsigned long long)begin.stack.v,
	         (unsigned long long)begin.heap.v);
	if (begin.program_base.v)
		lab_tell(l, "  the addresses in its file are moved by 0x%llx\n", (unsigned long long)begin.program_base.v);
	return LAB_DONE;
}

enum lab_outcome lab_brk(struct lab *l, const struct lab_line *line)
{
	struct lab_process *p = lab_running(l);
	uint64_t bytes;
	if (!p || !lab_number(l, "heap size", line->word[0], &bytes))
		return LAB_ERROR;
	vaddr_t start = process_heap_start(p->process);
	if (!start.v)
		return lab_fail(l, "brk: %s has no program from a file, and so no heap of one; 'exec FILE' loads one", p->name);
	enum pw_err err = bytes > UINT64_MAX - start.v ? PW_NOSPACE : process_heap(p->process, vaddr_add(start, bytes));
	if (err)
		return lab_fail(l, "brk %s: %s", line->word[0], pw_err_text(err));
	lab_tell(l, "the heap: [0x%llx, 0x%llx)\n", (unsigned long long)start.v, (unsigned long long)(start.v + bytes));
	return LAB_DONE;
}
