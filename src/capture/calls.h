/* calls.h - what system calls read and write in the program's memory, as a list.
 *
 * X(name, number on x86-64, number on aarch64 and riscv64, up to three touches).  NO = not there.  The touches:
 *
 *      STR(a)        the string at argument a is read
 *      IN(a, n)      n bytes at argument a are read                  OUT(a, n)   ... are written when the call succeeds
 *      IN_A(a, b)    as many bytes as argument b says are read       OUT_R(a)    ... as the call returns are written
 *      OUT_A(a, b)   ... as argument b says are written
 *      IN_N(a, b, n) argument b counts elements of n bytes, read     OUT_N       ... written
 *      OUT_RN(a, n, m)  as many elements as the call returns, of n bytes on x86-64, m elsewhere, are written
 *      OUT_P(a, b)   as many bytes as the 32-bit word at argument b says, after the call
 *      VEC_IN(a, b)  argument a is an array of b iovecs: read        VEC_OUT     ... written, as many bytes as the call returns
 *      MSG_IN(a)     argument a is a msghdr to send                  MSG_OUT     ... to receive into
 *      SET(a)        a select() set of argument 0 bits, read and written
 *
 * Arguments count from 0.  A null pointer is no touch.  Sizes are those of the kernel's structures on 64-bit Linux.  Calls that are
 * not here touch nothing, or so little and so seldom that it does not show. */
#pragma once
#define NO (-1)

#define CALL_LIST(X) \
	X(read, 0, 63, OUT_R(1)) \
	X(write, 1, 64, IN_A(1, 2)) \
	X(open, 2, NO, STR(0)) \
	X(stat, 4, NO, STR(0), OUT(1, 144)) \
	X(fstat, 5, 80, OUT(1, 144)) \
	X(lstat, 6, NO, STR(0), OUT(1, 144)) \
	X(poll, 7, NO, IN_N(0, 1, 8), OUT_N(0, 1, 8)) \
	X(rt_sigaction, 13, 134, IN(1, 32), OUT(2, 32)) \
	X(rt_sigprocmask, 14, 135, IN_A(1, 3), OUT_A(2, 3)) \
	X(pread64, 17, 67, OUT_R(1)) \
	X(pwrite64, 18, 68, IN_A(1, 2)) \
	X(readv, 19, 65, VEC_OUT(1, 2)) \
	X(writev, 20, 66, VEC_IN(1, 2)) \
	X(access, 21, NO, STR(0)) \
	X(pipe, 22, NO, OUT(0, 8)) \
	X(select, 23, NO, SET(1), SET(2), SET(3)) \
	X(nanosleep, 35, 101, IN(0, 16), OUT(1, 16)) \
	X(getitimer, 36, 102, OUT(1, 32)) \
	X(setitimer, 38, 103, IN(1, 32), OUT(2, 32)) \
	X(sendfile, 40, 71, IN(2, 8)) \
	X(connect, 42, 203, IN_A(1, 2)) \
	X(accept, 43, 202, OUT_P(1, 2)) \
	X(sendto, 44, 206, IN_A(1, 2), IN_A(4, 5)) \
	X(recvfrom, 45, 207, OUT_R(1), OUT_P(4, 5)) \
	X(sendmsg, 46, 211, MSG_IN(1)) \
	X(recvmsg, 47, 212, MSG_OUT(1)) \
	X(bind, 49, 200, IN_A(1, 2)) \
	X(getsockname, 51, 204, OUT_P(1, 2)) \
	X(getpeername, 52, 205, OUT_P(1, 2)) \
	X(socketpair, 53, 199, OUT(3, 8)) \
	X(setsockopt, 54, 208, IN_A(3, 4)) \
	X(getsockopt, 55, 209, OUT_P(3, 4)) \
	X(wait4, 61, 260, OUT(1, 4), OUT(3, 144)) \
	X(uname, 63, 160, OUT(0, 390)) \
	X(truncate, 76, 45, STR(0)) \
	X(getdents, 78, NO, OUT_R(1)) \
	X(getcwd, 79, 17, OUT_R(0)) \
	X(chdir, 80, 49, STR(0)) \
	X(rename, 82, NO, STR(0), STR(1)) \
	X(mkdir, 83, NO, STR(0)) \
	X(rmdir, 84, NO, STR(0)) \
	X(creat, 85, NO, STR(0)) \
	X(link, 86, NO, STR(0), STR(1)) \
	X(unlink, 87, NO, STR(0)) \
	X(symlink, 88, NO, STR(0), STR(1)) \
	X(readlink, 89, NO, STR(0), OUT_R(1)) \
	X(chmod, 90, NO, STR(0)) \
	X(chown, 92, NO, STR(0)) \
	X(lchown, 94, NO, STR(0)) \
	X(gettimeofday, 96, 169, OUT(0, 16)) \
	X(getrlimit, 97, 163, OUT(1, 16)) \
	X(getrusage, 98, 165, OUT(1, 144)) \
	X(sysinfo, 99, 179, OUT(0, 112)) \
	X(times, 100, 153, OUT(0, 32)) \
	X(getgroups, 115, 158, OUT_N(1, 0, 4)) \
	X(rt_sigpending, 127, 136, OUT_A(0, 1)) \
	X(rt_sigtimedwait, 128, 137, IN_A(0, 3), OUT(1, 128)) \
	X(rt_sigsuspend, 130, 133, IN_A(0, 1)) \
	X(sigaltstack, 131, 132, IN(0, 24), OUT(1, 24)) \
	X(utime, 132, NO, STR(0), IN(1, 16)) \
	X(mknod, 133, NO, STR(0)) \
	X(statfs, 137, 43, STR(0), OUT(1, 120)) \
	X(fstatfs, 138, 44, OUT(1, 120)) \
	X(setrlimit, 160, 164, IN(1, 16)) \
	X(setxattr, 188, 5, STR(0), STR(1), IN_A(2, 3)) \
	X(getxattr, 191, 8, STR(0), STR(1), OUT_R(2)) \
	X(lgetxattr, 192, 9, STR(0), STR(1), OUT_R(2)) \
	X(fgetxattr, 193, 10, STR(1), OUT_R(2)) \
	X(listxattr, 194, 11, STR(0), OUT_R(1)) \
	X(llistxattr, 195, 12, STR(0), OUT_R(1)) \
	X(time, 201, NO, OUT(0, 8)) \
	X(futex, 202, 98, IN(0, 4)) \
	X(sched_setaffinity, 203, 122, IN_A(2, 1)) \
	X(sched_getaffinity, 204, 123, OUT_R(2)) \
	X(getdents64, 217, 61, OUT_R(1)) \
	X(timer_settime, 223, 110, IN(2, 32), OUT(3, 32)) \
	X(clock_settime, 227, 112, IN(1, 16)) \
	X(clock_gettime, 228, 113, OUT(1, 16)) \
	X(clock_getres, 229, 114, OUT(1, 16)) \
	X(clock_nanosleep, 230, 115, IN(2, 16), OUT(3, 16)) \
	X(epoll_wait, 232, NO, OUT_RN(1, 12, 16)) \
	X(epoll_ctl, 233, 21, IN(3, 12)) \
	X(utimes, 235, NO, STR(0), IN(1, 32)) \
	X(waitid, 247, 95, OUT(2, 128)) \
	X(inotify_add_watch, 254, 27, STR(1)) \
	X(openat, 257, 56, STR(1)) \
	X(mkdirat, 258, 34, STR(1)) \
	X(mknodat, 259, 33, STR(1)) \
	X(fchownat, 260, 54, STR(1)) \
	X(newfstatat, 262, 79, STR(1), OUT(2, 144)) \
	X(unlinkat, 263, 35, STR(1)) \
	X(renameat, 264, 38, STR(1), STR(3)) \
	X(linkat, 265, 37, STR(1), STR(3)) \
	X(symlinkat, 266, 36, STR(0), STR(2)) \
	X(readlinkat, 267, 78, STR(1), OUT_R(2)) \
	X(fchmodat, 268, 53, STR(1)) \
	X(faccessat, 269, 48, STR(1)) \
	X(pselect6, 270, 72, SET(1), SET(2), SET(3)) \
	X(ppoll, 271, 73, IN_N(0, 1, 8), OUT_N(0, 1, 8)) \
	X(utimensat, 280, 88, STR(1), IN(2, 32)) \
	X(epoll_pwait, 281, 22, OUT_RN(1, 12, 16)) \
	X(timerfd_settime, 286, 86, IN(2, 32), OUT(3, 32)) \
	X(accept4, 288, 242, OUT_P(1, 2)) \
	X(pipe2, 293, 59, OUT(0, 8)) \
	X(preadv, 295, 69, VEC_OUT(1, 2)) \
	X(pwritev, 296, 70, VEC_IN(1, 2)) \
	X(prlimit64, 302, 261, IN(2, 16), OUT(3, 16)) \
	X(getcpu, 309, 168, OUT(0, 4), OUT(1, 4)) \
	X(renameat2, 316, 276, STR(1), STR(3)) \
	X(getrandom, 318, 278, OUT_R(0)) \
	X(memfd_create, 319, 279, STR(0)) \
	X(copy_file_range, 326, 285, IN(1, 8), IN(3, 8)) \
	X(statx, 332, 291, STR(1), OUT(4, 256)) \
	X(openat2, 437, 437, STR(1), IN_A(2, 3)) \
	X(faccessat2, 439, 439, STR(1))

/* Calls that are more than their touches: X(what, number on x86-64, number on aarch64 and riscv64). */
#define CALL_SPECIAL_LIST(X) \
	X(READ, 0, 63) \
	X(MMAP, 9, 222) \
	X(MPROTECT, 10, 226) \
	X(MUNMAP, 11, 215) \
	X(BRK, 12, 214) \
	X(MREMAP, 25, 216) \
	X(MADVISE, 28, 233) \
	X(SHMAT, 30, 196) \
	X(SHMDT, 67, 197) \
	X(PKEY_MPROTECT, 329, 288) \
	X(CLONE, 56, 220) \
	X(FORK, 57, NO) \
	X(VFORK, 58, NO) \
	X(KILL, 62, 129) \
	X(TKILL, 200, 130) \
	X(TGKILL, 234, 131) \
	X(EXECVE, 59, 221) \
	X(EXECVEAT, 322, 281) \
	X(EXIT, 60, 93) \
	X(EXIT_GROUP, 231, 94) \
	X(WAIT4, 61, 260) \
	X(GETRANDOM, 318, 278)
