/* live_control.c - one line in, one answer out.
 *
 * Problem: memory is lent to a program that runs for days, and the lender wants some of it back now; scripts want to see how it
 * fares.  Nobody else may do either, and a name in a folder must not outlive us, even if we are killed.
 * Idea: the command listens while it waits for the program's end, and hands one wish after the other to the pager by the page they
 * share.  A second process of ours, which holds nothing but a pipe, removes the name when the pipe breaks.
 *
 *      client --- line ---> READING --- understood ---> READY --- the board is free ---> ASKED --- answered ---> gone
 *                                '--- not understood, or the line never ends ------------------------------------'
 *
 * 1. Nothing here waits: a client that stalls is dropped when its time is up, and holds up nobody.
 * 2. The name is removed only while it is the socket that we made.
 * 3. The socket is never open to others: it is made with mode 0600, and who connects is asked for his user.
 * Rejected: an abstract name (no owner, no mode); a socket inside the program (it would be one of its descriptors).
 * Source: unix(7), SO_PEERCRED. */
#include "live_control.h"
#include "../base/clock.h"
#include "../base/mem.h"
#include "../live/wish.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LINE_MS = 5000, FIGURES_MS = 500, LOOK_MS = 5, BACKLOG = 16 };

enum client_state { CLIENT_FREE, CLIENT_READING, CLIENT_READY, CLIENT_ASKED };
struct client {
	enum client_state state;
	int fd;
	uint64_t until_ms;     /* READING: then it is dropped; who wants figures: then it gets those that are there */
	unsigned n;
	char line[WISH_LINE];
	struct wish wish;
};

struct live_control {
	int fd, keeper_pipe;
	pid_t keeper;
	struct sockaddr_un name;
	struct stat made;      /* the socket, as it was made */
	struct client client[CONTROL_CLIENTS];
};

static enum pw_err name_make(const char *path, struct sockaddr_un *ret, struct pw_why *why)
{
	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (!*path || strlen(path) >= sizeof ret->sun_path)
		return pw_fail(why, PW_INVALID, "--control: the name of a socket has 1 to %zu bytes", sizeof ret->sun_path - 1);
	memcpy(ret->sun_path, path, strlen(path));
	return PW_OK;
}

/* ---- the name ---- */

/* A socket that nobody listens to is what a killed computer leaves behind. */
static enum pw_err name_free(const struct sockaddr_un *name, struct pw_why *why)
{
	struct stat st;
	if (lstat(name->sun_path, &st) < 0)
		return PW_OK;
	if (!S_ISSOCK(st.st_mode))
		return pw_fail(why, PW_EXISTS, "--control %s: there is something of that name, and it is no socket", name->sun_path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int connected = fd < 0 ? -1 : connect(fd, (const struct sockaddr *)name, sizeof *name), error = errno;
	if (fd >= 0)
		close(fd);
	if (connected == 0 || error != ECONNREFUSED)
		return pw_fail(why, PW_EXISTS, "--control %s: another program listens there", name->sun_path);
	unlink(name->sun_path);
	return PW_OK;
}

static void name_remove(const struct live_control *c)
{
	struct stat st;
	if (lstat(c->name.sun_path, &st) == 0 && st.st_ino == c->made.st_ino && st.st_dev == c->made.st_dev)
		unlink(c->name.sun_path);
}

static void keeper_run(const struct live_control *c, int pipe_end)
{
	char byte;
	setsid();
	prctl(PR_SET_NAME, "pageworks-keep");
	for (int s = 1; s < NSIG; s++)
		signal(s, SIG_IGN);
	int null = open("/dev/null", O_RDWR);
	for (int fd = 0; fd < 3; fd++)
		dup2(null, fd);
	dup2(pipe_end, 3);
	syscall(SYS_close_range, 4u, ~0u, 0u);
	while (read(3, &byte, 1) < 0 && errno == EINTR)
		;
	name_remove(c);
	_exit(0);
}

/* => the pipe breaks when this process ends, however it does */
static enum pw_err keeper_start(struct live_control *c, struct pw_why *why)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) < 0)
		return pw_fail(why, PW_CHILD, "--control: cannot make a pipe: %s", strerror(errno));
	c->keeper = fork();
	if (c->keeper == 0)
		keeper_run(c, ends[0]);
	close(ends[0]);
	c->keeper_pipe = ends[1];
	return c->keeper > 0 ? PW_OK : pw_fail(why, PW_CHILD, "--control: cannot start a process: %s", strerror(errno));
}

static enum pw_err name_bind(struct live_control *c, struct pw_why *why)
{
	mode_t before = umask(0177);
	int bound = bind(c->fd, (const struct sockaddr *)&c->name, sizeof c->name), error = errno;
	umask(before);
	if (bound < 0)
		return pw_fail(why, PW_IO, "--control %s: %s", c->name.sun_path, strerror(error));
	if (lstat(c->name.sun_path, &c->made) < 0 || listen(c->fd, BACKLOG) < 0) {
		error = errno;
		name_remove(c);
		return pw_fail(why, PW_IO, "--control %s: %s", c->name.sun_path, strerror(error));
	}
	return PW_OK;
}

enum pw_err live_control_open(const char *path, struct live_control **ret, struct pw_why *why)
{
	struct live_control *c = mem_zalloc(1, sizeof *c);
	if (!c)
		return pw_fail(why, PW_NOMEM, "%s", pw_err_text(PW_NOMEM));
	c->keeper_pipe = -1;
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	enum pw_err err = c->fd < 0 ? pw_fail(why, PW_IO, "--control: no socket: %s", strerror(errno)) : name_make(path, &c->name, why);
	if (!err)
		err = name_free(&c->name, why);
	if (!err)
		err = name_bind(c, why);
	if (!err)
		err = keeper_start(c, why);
	if (err)
		live_control_close(c);
	else
		*ret = c;
	return err;
}

/* ---- clients ---- */

static void client_end(struct client *c, const char *text, size_t bytes)
{
	while (bytes) {
		ssize_t n = send(c->fd, text, bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n <= 0)
			break; /* who does not read has no answer */
		text += n;
		bytes -= (size_t)n;
	}
	close(c->fd);
	c->state = CLIENT_FREE;
}

static void client_refuse(struct client *c, const char *why)
{
	char text[600];
	int n = snprintf(text, sizeof text, WISH_REFUSED "%s\n", why);
	client_end(c, text, (size_t)n);
}

static bool is_ours(int fd)
{
	struct ucred peer;
	socklen_t n = sizeof peer;
	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) == 0 && (peer.uid == geteuid() || peer.uid == 0);
}

static void client_accept(struct live_control *c)
{
	for (struct client *i = c->client; i < c->client + CONTROL_CLIENTS; i++) {
		if (i->state != CLIENT_FREE)
			continue;
		i->fd = accept4(c->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (i->fd < 0)
			return;
		i->state = CLIENT_READING;
		i->n = 0;
		i->until_ms = clock_ms() + LINE_MS;
	}
}

/* What came of its line so far. */
static void client_read(struct client *c)
{
	struct pw_why why = { "" };
	ssize_t n = recv(c->fd, c->line + c->n, sizeof c->line - 1 - c->n, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		if (clock_ms() >= c->until_ms)
			client_refuse(c, "no whole line came");
		return;
	}
	c->n += n > 0 ? (unsigned)n : 0;
	char *end = memchr(c->line, '\n', c->n);
	if (!end && n > 0 && c->n < sizeof c->line - 1)
		return;
	if (!end) {
		client_refuse(c, n > 0 ? "the line is too long" : "no whole line came");
		return;
	}
	*end = 0;
	if (!is_ours(c->fd))
		client_refuse(c, "the program belongs to another user");
	else if (memchr(c->line, 0, (size_t)(end - c->line)) || wish_parse(c->line, &c->wish, &why) != PW_OK)
		client_refuse(c, *why.text ? why.text : "the line holds a byte that is no printable ASCII");
	else
		c->state = CLIENT_READY;
	c->until_ms = clock_ms() + FIGURES_MS;
}

static void client_tell(struct client *c, live_render render, void *ctx)
{
	char *text = NULL;
	size_t bytes = 0;
	FILE *memory = open_memstream(&text, &bytes);
	bool whole = memory && render(ctx, c->wish.kind == WISH_status, memory) == PW_OK;
	if (memory && fclose(memory) == 0 && whole)
		client_end(c, text, bytes);
	else
		client_refuse(c, pw_err_text(PW_NOMEM));
	mem_free(text);
}

/* The board has its answer, or the client has waited long enough for figures. */
static void client_answer(struct client *c, struct live *l, live_render render, void *ctx)
{
	live_refresh(l);
	if (c->wish.kind != WISH_ram)
		client_tell(c, render, ctx);
	else if (l->seen.wish.err)
		client_refuse(c, l->seen.wish.why);
	else
		client_end(c, "", 0);
}

void live_control_step(struct live_control *c, struct live *l, live_render render, void *ctx)
{
	struct client *end = c->client + CONTROL_CLIENTS, *i;
	client_accept(c);
	for (i = c->client; i < end; i++) {
		if (i->state == CLIENT_READING)
			client_read(i);
	}
	bool is_free = !live_wishes(l);
	for (i = c->client; i < end; i++) {
		bool late = i->wish.kind != WISH_ram && clock_ms() >= i->until_ms;
		if ((i->state == CLIENT_ASKED && is_free) || (i->state >= CLIENT_READY && late))
			client_answer(i, l, render, ctx);
	}
	for (i = c->client; i < end; i++) {
		if (i->state != CLIENT_READY || live_wishes(l))
			continue;
		live_wish(l, i->wish.kind == WISH_ram ? BOARD_WISH_RAM : BOARD_WISH_FIGURES, i->wish.bytes);
		i->state = CLIENT_ASKED;
	}
}

unsigned live_control_polls(const struct live_control *c, struct pollfd polls[CONTROL_POLLS], int *timeout)
{
	unsigned n = 0, n_free = 0;
	for (unsigned i = 0; c && i < CONTROL_CLIENTS; i++) {
		const struct client *client = &c->client[i];
		n_free += client->state == CLIENT_FREE;
		if (client->state == CLIENT_READING)
			polls[n++] = (struct pollfd){ .fd = client->fd, .events = POLLIN };
		if (client->state >= CLIENT_READY && *timeout > LOOK_MS)
			*timeout = LOOK_MS;
	}
	if (n_free)
		polls[n++] = (struct pollfd){ .fd = c->fd, .events = POLLIN };
	return n;
}

void live_control_close(struct live_control *c)
{
	if (!c)
		return;
	for (struct client *i = c->client; i < c->client + CONTROL_CLIENTS; i++) {
		if (i->state != CLIENT_FREE)
			client_refuse(i, "the program has ended");
	}
	if (c->made.st_ino)
		name_remove(c);
	if (c->fd >= 0)
		close(c->fd);
	if (c->keeper_pipe >= 0)
		close(c->keeper_pipe);
	if (c->keeper > 0)
		waitpid(c->keeper, NULL, 0);
	mem_free(c);
}

/* ---- from outside ---- */

static enum pw_err reply_read(int fd, FILE *to)
{
	char part[4096];
	ssize_t n;
	while ((n = recv(fd, part, sizeof part, 0)) > 0 || (n < 0 && errno == EINTR)) {
		if (n > 0)
			fwrite(part, 1, (size_t)n, to);
	}
	return n < 0 ? PW_IO : PW_OK;
}

static enum pw_err talk(int fd, const char *line, char **ret, struct pw_why *why)
{
	size_t bytes;
	char *text = mem_printf("%s\n", line);
	FILE *memory = text ? open_memstream(ret, &bytes) : NULL;
	if (!memory) {
		mem_free(text);
		return pw_fail(why, PW_NOMEM, "%s", pw_err_text(PW_NOMEM));
	}
	ssize_t sent = send(fd, text, strlen(text), MSG_NOSIGNAL);
	enum pw_err err = sent == (ssize_t)strlen(text) ? reply_read(fd, memory) : PW_IO;
	mem_free(text);
	if (fclose(memory) != 0 || !*ret)
		return pw_fail(why, PW_NOMEM, "%s", pw_err_text(PW_NOMEM));
	return err ? pw_fail(why, err, "the program went away while it was asked") : PW_OK;
}

enum pw_err live_control_ask(const char *path, const char *line, char **ret, struct pw_why *why)
{
	struct sockaddr_un name;
	*ret = NULL;
	enum pw_err err = name_make(path, &name, why);
	if (err)
		return err;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&name, sizeof name) < 0) {
		err = errno == EACCES || errno == EPERM ? PW_ACCESS : PW_NOTFOUND;
		pw_fail(why, err, "--control %s: %s", path, errno == ECONNREFUSED ? "nobody listens there any more" : strerror(errno));
	} else {
		err = talk(fd, line, ret, why);
	}
	if (fd >= 0)
		close(fd);
	if (!err && !strncmp(*ret, WISH_REFUSED, sizeof WISH_REFUSED - 1)) {
		(*ret)[strcspn(*ret, "\n")] = 0;
		err = pw_fail(why, PW_INVALID, "%s", *ret + sizeof WISH_REFUSED - 1);
	}
	if (err) {
		mem_free(*ret);
		*ret = NULL;
	}
	return err;
}
