/* uffd.c - userfaultfd, as far as a pager needs it.
 *
 * Problem: the descriptor can be had in two ways and refused in three; each call may be interrupted by changes of the address space;
 * and the C library's headers are older than the kernel.
 * Idea: one small function for each request, which repeats what the kernel asks to be repeated and turns errno into our errors.
 *
 * 1. No call here touches the memory it is about.
 * 2. A descriptor that serves only faults of user mode is refused: system calls on paged memory would fail with EFAULT.
 * Source: userfaultfd(2), ioctl_userfaultfd(2); Documentation/admin-guide/mm/userfaultfd.rst of Linux. */
#include "uffd.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGE_BYTES 4096u
#define UFFD_DEVICE "/dev/userfaultfd"
#ifndef USERFAULTFD_IOC_NEW
#define USERFAULTFD_IOC_NEW _IO(0xAA, 0x00)
#endif
#ifndef UFFDIO_MOVE
#define _UFFDIO_MOVE 0x05
struct uffdio_move {
	uint64_t dst, src, len, mode;
	int64_t move;
};
#define UFFDIO_MOVE _IOWR(UFFDIO, _UFFDIO_MOVE, struct uffdio_move)
#define UFFDIO_MOVE_MODE_DONTWAKE 1
#endif

static int uffd_by_call(int flags)
{
	return (int)syscall(SYS_userfaultfd, O_CLOEXEC | flags);
}

static int uffd_by_device(void)
{
	int device = open(UFFD_DEVICE, O_RDWR | O_CLOEXEC);
	if (device < 0)
		return -1;
	int fd = ioctl(device, USERFAULTFD_IOC_NEW, O_CLOEXEC), error = errno;
	close(device);
	errno = error;
	return fd;
}

static enum pw_err uffd_refused(int error, struct pw_why *why)
{
	if (error == ENOSYS)
		return pw_fail(why, PW_UNSUPPORTED, "this kernel has no userfaultfd (CONFIG_USERFAULTFD)");
	int fd = uffd_by_call(UFFD_USER_MODE_ONLY);
	if (fd >= 0)
		close(fd);
	return pw_fail(why, PW_UNSUPPORTED, "userfaultfd is %s for this user (%s); it takes 'sysctl vm.unprivileged_userfaultfd=1', "
	               "rights on " UFFD_DEVICE ", or CAP_SYS_PTRACE", fd >= 0 ? "allowed for faults of user mode only" : "forbidden",
	               strerror(error));
}

static enum pw_err uffd_handshake(const struct uffd *u, struct pw_why *why)
{
	struct uffdio_api api = { .api = UFFD_API, .features = UFFD_FEATURE_PAGEFAULT_FLAG_WP | UFFD_FEATURE_THREAD_ID };
	if (ioctl(u->fd, UFFDIO_API, &api))
		return pw_fail(why, PW_UNSUPPORTED, "userfaultfd of this kernel cannot write-protect (%s); Linux 5.7 can on x86-64",
		               strerror(errno));
	return PW_OK;
}

enum pw_err uffd_open(struct uffd *u, struct pw_why *why)
{
	*u = (struct uffd){ .fd = uffd_by_call(0), .pidfd = -1 };
	int error = errno;
	if (u->fd < 0)
		u->fd = uffd_by_device();
	if (u->fd < 0)
		return uffd_refused(error, why);
	enum pw_err err = uffd_handshake(u, why);
	if (err)
		uffd_close(u);
	else
		u->pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	return err;
}

void uffd_close(struct uffd *u)
{
	if (u->fd >= 0)
		close(u->fd);
	if (u->pidfd >= 0)
		close(u->pidfd);
	u->fd = u->pidfd = -1;
}

void uffd_explain(char *text, size_t size)
{
	struct pw_why why = { "" };
	struct uffd u;
	char word[16] = "unknown";
	int fd = open("/proc/sys/vm/unprivileged_userfaultfd", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, word, sizeof word - 1);
	if (fd >= 0)
		close(fd);
	if (n > 0)
		word[strcspn(word, "\n")] = 0;
	enum pw_err err = uffd_open(&u, &why);
	if (!err)
		uffd_close(&u);
	snprintf(text, size,
	         "userfaultfd for this user:         %s\n"
	         "vm.unprivileged_userfaultfd:       %s (1: every user may; set it with sysctl, as root)\n"
	         UFFD_DEVICE ":                  %s (a user with rights on it may; chmod or a udev rule, as root)\n"
	         "write protection by userfaultfd:   Linux 5.7 and later on x86-64\n"
	         "%s%s%s",
	         err ? "no" : "yes, and programs can be paged here", word,
	         !access(UFFD_DEVICE, R_OK | W_OK) ? "usable" : errno == ENOENT ? "missing (since Linux 6.1)" : "no rights on it",
	         err ? "In the way: " : "", err ? why.text : "", err ? "\nIn a container: allow the system call userfaultfd in its seccomp "
	         "profile, or pass " UFFD_DEVICE " through.\n" : "");
}

/* => on error the range is not registered, or as it was */
static enum pw_err range_register(const struct uffd *u, uint64_t start, uint64_t bytes, uint64_t mode, unsigned needed_ioctl)
{
	struct uffdio_register r = { .range = { start, bytes }, .mode = mode };
	if (ioctl(u->fd, UFFDIO_REGISTER, &r))
		return errno == ENOMEM ? PW_NOMEM : PW_INVALID;
	if (r.ioctls >> needed_ioctl & 1)
		return PW_OK;
	ioctl(u->fd, UFFDIO_UNREGISTER, &r.range);
	return PW_UNSUPPORTED;
}

enum pw_err uffd_register(const struct uffd *u, uint64_t start, uint64_t bytes)
{
	return range_register(u, start, bytes, UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP, _UFFDIO_WRITEPROTECT);
}

enum pw_err uffd_claim(const struct uffd *u, uint64_t start, uint64_t bytes)
{
	return range_register(u, start, bytes, UFFDIO_REGISTER_MODE_MISSING, _UFFDIO_MOVE);
}

int uffd_read(const struct uffd *u, struct uffd_fault *fault, unsigned max)
{
	struct uffd_msg msg[16];
	if (max > sizeof msg / sizeof *msg)
		max = sizeof msg / sizeof *msg;
	ssize_t got = read(u->fd, msg, max * sizeof *msg);
	if (got < 0)
		return errno == EINTR || errno == EAGAIN ? 0 : -1;
	int n = 0;
	for (unsigned i = 0; i < (size_t)got / sizeof *msg; i++) {
		if (msg[i].event != UFFD_EVENT_PAGEFAULT)
			continue;
		uint64_t flags = msg[i].arg.pagefault.flags;
		fault[n++] = (struct uffd_fault){
			.address = msg[i].arg.pagefault.address,
			.thread = msg[i].arg.pagefault.feat.ptid,
			.write = (flags & (UFFD_PAGEFAULT_FLAG_WRITE | UFFD_PAGEFAULT_FLAG_WP)) != 0,
			.protect = (flags & UFFD_PAGEFAULT_FLAG_WP) != 0,
		};
	}
	return n;
}

void uffd_set_waiting(const struct uffd *u, bool on)
{
	int flags = fcntl(u->fd, F_GETFL);
	fcntl(u->fd, F_SETFL, on ? flags & ~O_NONBLOCK : flags | O_NONBLOCK);
}

void uffd_wait(const struct uffd *u)
{
	struct pollfd p = { .fd = u->fd, .events = POLLIN };
	poll(&p, 1, -1);
}

static enum pw_err uffd_error(int error)
{
	switch (error) {
	case EEXIST: return PW_EXISTS;
	case ENOENT:
	case EINVAL:
	case ESRCH: return PW_NOTMAPPED;
	default: return PW_NOMEM;
	}
}

enum pw_err uffd_copy(const struct uffd *u, uint64_t to, const void *from, uint64_t bytes, unsigned how)
{
	uint64_t mode = (how & UFFD_PROTECTED ? UFFDIO_COPY_MODE_WP : 0) | (how & UFFD_QUIET ? UFFDIO_COPY_MODE_DONTWAKE : 0);
	for (uint64_t done = 0; done < bytes;) {
		struct uffdio_copy c = { .dst = to + done, .src = (uintptr_t)from + done, .len = bytes - done,
		                         .mode = mode };
		if (!ioctl(u->fd, UFFDIO_COPY, &c))
			return PW_OK;
		if (errno != EAGAIN && errno != EINTR)
			return uffd_error(errno);
		done += c.copy > 0 ? (uint64_t)c.copy : 0;
	}
	return PW_OK;
}

uint64_t uffd_move(const struct uffd *u, uint64_t to, uint64_t from, uint64_t bytes)
{
	uint64_t done = 0;
	while (done < bytes) {
		struct uffdio_move m = { .dst = to + done, .src = from + done, .len = bytes - done, .mode = UFFDIO_MOVE_MODE_DONTWAKE };
		bool moved = !ioctl(u->fd, UFFDIO_MOVE, &m);
		done += m.move > 0 ? (uint64_t)m.move : 0;
		if (!moved && (errno != EAGAIN || m.move <= 0))
			break;
	}
	return done;
}

enum pw_err uffd_protect(const struct uffd *u, uint64_t start, uint64_t bytes, bool on)
{
	struct uffdio_writeprotect w = { .range = { start, bytes }, .mode = on ? UFFDIO_WRITEPROTECT_MODE_WP : 0 };
	while (ioctl(u->fd, UFFDIO_WRITEPROTECT, &w)) {
		if (errno != EAGAIN && errno != EINTR)
			return uffd_error(errno);
	}
	return PW_OK;
}

void uffd_wake(const struct uffd *u, uint64_t start, uint64_t bytes)
{
	struct uffdio_range r = { start, bytes };
	ioctl(u->fd, UFFDIO_WAKE, &r);
}

/* Page ranges dropped one by one, where the kernel cannot take many at once. */
static enum pw_err drop_each(const struct iovec *range, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (syscall(SYS_madvise, range[i].iov_base, range[i].iov_len, MADV_DONTNEED))
			return PW_NOTMAPPED;
	}
	return PW_OK;
}

enum pw_err uffd_drop(const struct uffd *u, const struct iovec *range, unsigned n)
{
	size_t bytes = 0;
	for (unsigned i = 0; i < n; i++)
		bytes += range[i].iov_len;
	if (n > 1 && u->pidfd >= 0 && syscall(SYS_process_madvise, u->pidfd, range, n, MADV_DONTNEED, 0) == (long)bytes)
		return PW_OK;
	return drop_each(range, n);
}

bool uffd_present(uint64_t address)
{
	unsigned char there = 0;
	return !syscall(SYS_mincore, address & ~(uint64_t)(PAGE_BYTES - 1), PAGE_BYTES, &there) && there & 1;
}
