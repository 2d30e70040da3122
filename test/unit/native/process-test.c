/* Facts about native/os/process.c. */
#include "os/process.h"

#include "c-test.h"

#include <errno.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void lock_is_held_once(void)
{
	char path[] = "/tmp/twill-lock-XXXXXX";
	int first = mkstemp(path), second = open(path, O_RDWR | O_CLOEXEC);

	EXPECT(unlink(path), 0); /* the lock is the file's, not the name's */
	EXPECT(process_lock_file(first), 0);
	EXPECT(process_lock_file(second), -EAGAIN);
	EXPECT(close(first), 0);
	EXPECT(process_lock_file(second), 0);
	EXPECT(close(second), 0);
	EXPECT(process_lock_file(second), -EBADF);
}

/* A name of this process, so that two runs of the tests do not meet; '@' as systemd writes it. */
static int bind_abstract(char *name, size_t size)
{
	struct sockaddr_un local = {.sun_family = AF_UNIX};
	int len = snprintf(name, size, "@twill-native-test-%d", (int)getpid());
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	memcpy(local.sun_path + 1, name + 1, (size_t)len - 1);
	EXPECT(bind(fd, (struct sockaddr *)&local,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)len)),
	       0);
	return fd;
}

static void datagram_reaches_an_abstract_name(void)
{
	char name[64], out[16];
	int fd = bind_abstract(name, sizeof(name));

	EXPECT(process_send_unix_datagram(name, "READY=1", 7), 0);
	EXPECT(recv(fd, out, sizeof(out), 0), 7);
	EXPECT(memcmp(out, "READY=1", 7), 0);
	EXPECT(close(fd), 0);
	EXPECT(process_send_unix_datagram(name, "READY=1", 7), -ECONNREFUSED);
}

static void datagram_does_not_wait_for_a_full_receiver(void)
{
	char name[64];
	int fd = bind_abstract(name, sizeof(name)), ret = 0;

	for (int i = 0; i < 100000 && ret == 0; i++)
		ret = process_send_unix_datagram(name, "WATCHDOG=1", 10);
	EXPECT(ret, -EAGAIN);
	EXPECT(close(fd), 0);
}

static void datagram_refuses_paths_that_do_not_fit(void)
{
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path) + 1];

	memset(path, 'x', sizeof(path));
	path[sizeof(path) - 1] = '\0'; /* as long as sun_path: no place for the NUL */
	EXPECT(process_send_unix_datagram(path, "", 0), -EINVAL);
	path[sizeof(path) - 2] = '\0';
	EXPECT(process_send_unix_datagram(path, "", 0), -ENOENT);
	EXPECT(process_send_unix_datagram("", "", 0), -EINVAL);
}

static void harden_forbids_core_dumps_and_tracing(void)
{
	struct rlimit core;

	EXPECT(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), 1);
	EXPECT(process_harden(), 0);
	EXPECT(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), 0);
	EXPECT(getrlimit(RLIMIT_CORE, &core), 0);
	EXPECT(core.rlim_max, 0);
	EXPECT(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0), 0); /* the leak check at exit traces us */
}

static const struct test_case cases[] = {
    CASE(lock_is_held_once),
    CASE(datagram_reaches_an_abstract_name),
    CASE(datagram_does_not_wait_for_a_full_receiver),
    CASE(datagram_refuses_paths_that_do_not_fit),
    CASE(harden_forbids_core_dumps_and_tracing),
};

int main(int argc, char **argv)
{
	return RUN_CASES(cases, argc, argv);
}
