#include "os/tun_queues.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A link's answer has some 2 KiB. */
#define ANSWER_BYTES 16384

/* The attribute `type` inside `parent`, or NULL. */
static const struct rtattr *find_in(const struct rtattr *parent, unsigned short type)
{
	const struct rtattr *attribute;
	size_t left;

	if (parent == NULL)
		return NULL;
	left = RTA_PAYLOAD(parent);
	for (attribute = RTA_DATA(parent); RTA_OK(attribute, left);
	     attribute = RTA_NEXT(attribute, left)) {
		if ((attribute->rta_type & NLA_TYPE_MASK) == type)
			return attribute;
	}
	return NULL;
}

/* Of TUN and TAP alike. */
static bool is_tun(const struct rtattr *kind)
{
	static const char name[] = "tun";

	return kind != NULL && RTA_PAYLOAD(kind) >= sizeof(name) &&
	       memcmp(RTA_DATA(kind), name, sizeof(name)) == 0;
}

static int queues_of_link(const struct nlmsghdr *message)
{
	const struct rtattr *attribute, *info = NULL, *queues;
	size_t left = IFLA_PAYLOAD(message);
	uint32_t count;

	for (attribute = IFLA_RTA(NLMSG_DATA(message)); RTA_OK(attribute, left);
	     attribute = RTA_NEXT(attribute, left)) {
		if ((attribute->rta_type & NLA_TYPE_MASK) == IFLA_LINKINFO)
			info = attribute;
	}
	if (!is_tun(find_in(info, IFLA_INFO_KIND)))
		return 0;
	queues = find_in(find_in(info, IFLA_INFO_DATA), IFLA_TUN_NUM_QUEUES);
	if (queues == NULL || RTA_PAYLOAD(queues) < sizeof(count))
		return 0; /* made for one queue */
	memcpy(&count, RTA_DATA(queues), sizeof(count));
	return (int)count;
}

static int read_answer(const struct nlmsghdr *message, size_t size)
{
	const struct nlmsgerr *error = NLMSG_DATA(message);

	if (!NLMSG_OK(message, size))
		return -EBADMSG;
	if (message->nlmsg_type == RTM_NEWLINK &&
	    message->nlmsg_len >= NLMSG_LENGTH(sizeof(struct ifinfomsg)))
		return queues_of_link(message);
	if (message->nlmsg_type != NLMSG_ERROR || message->nlmsg_len < NLMSG_LENGTH(sizeof(*error)))
		return -EBADMSG;
	return error->error == -ENODEV ? 0 : error->error; /* it went away meanwhile */
}

int tun_count_queues(const char *name)
{
	struct {
		struct nlmsghdr header;
		struct ifinfomsg link;
	} request = {
	    .header = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct ifinfomsg)),
		       .nlmsg_type = RTM_GETLINK,
		       .nlmsg_flags = NLM_F_REQUEST},
	    .link = {.ifi_family = AF_UNSPEC, .ifi_index = (int)if_nametoindex(name)},
	};
	_Alignas(struct nlmsghdr) char answer[ANSWER_BYTES];
	ssize_t size;
	int fd, ret;

	if (request.link.ifi_index == 0)
		return errno == ENODEV ? 0 : -errno;
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (fd < 0)
		return -errno;
	/* The kernel answers before send() returns, so this never waits. */
	if (send(fd, &request, request.header.nlmsg_len, 0) < 0 ||
	    (size = recv(fd, answer, sizeof(answer), MSG_DONTWAIT)) < 0)
		ret = -errno;
	else
		ret = read_answer((const struct nlmsghdr *)answer, (size_t)size);
	close(fd);
	return ret;
}
