/* exec.h - a new program in a process: execve, without what runs the program.
 *
 *      64 KiB           program                              interpreter           guard            stack
 *      ---|  rodata text rodata data bss |guard|heap ->  |  ...  <- mappings |  |  g  |   ...   <-|stack| page |
 *                                                                                  gap   its limit
 *
 * Every segment of the file becomes an entry over the file's object, named FILE:text, FILE:rodata or FILE:data; what the file has no bytes
 * for becomes FILE:bss.  Pages come in when they are touched; those that may be written are the process's own from the first store.
 * Positions are always the same: there is no randomization. */
#pragma once
#include "kernel.h"

/* A file, as process_mapping names it. */
struct exec_file {
	uint64_t id, bytes;
	const char *path;        /* the last part of it names the mappings */
};

struct process_program {
	struct exec_file file;
	const char *const *argv, *const *envp; /* end with NULL */
	/* The interpreter a program names.  => an error with why: it cannot be had, and the program is refused.  NULL: programs that need
	 * one are loaded without */
	enum pw_err (*find)(void *ctx, const char *path, struct exec_file *ret, struct pw_why *why);
	void *ctx;
};

/* Where everything is; 0: there is none. */
struct process_begin {
	vaddr_t entry;           /* the first instruction: the interpreter's, if there is one */
	vaddr_t program_entry, program_base, interpreter_base; /* base: what addresses of the file were moved by */
	vaddr_t stack;           /* the stack pointer: argc, and so on, as the System V ABI has it */
	vaddr_t heap;            /* where the heap begins: process_heap() moves its end */
};

/* Replaces all that is mapped by the program.  => carries_data, files.  PW_FORMAT, PW_UNSUPPORTED (no program for such a machine),
 * PW_NOTFOUND, PW_LIMIT, PW_NOSPACE, PW_NOMEM, PW_INVALID (the process is dead): with why, and the old program goes on as it was.
 * PW_NOFRAMES, PW_IO: with why, the old program was gone already: the process is killed */
must_use enum pw_err process_exec_file(struct process *p, const struct process_program *program, struct process_begin *ret,
                                       struct pw_why *why);
/* brk: the heap of the program ends here from now on.  => PW_INVALID: below its beginning, or there is no program; PW_LIMIT, PW_NOSPACE,
 * PW_NOMEM: it ends where it did */
must_use enum pw_err process_heap(struct process *p, vaddr_t end);
vaddr_t process_heap_start(const struct process *p); /* 0: there is no program */
