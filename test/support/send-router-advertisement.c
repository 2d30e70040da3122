/*
 * Says that this host is the default router and that everybody has addresses of 2001:db8:5::/64:
 *
 *   send-router-advertisement DEVICE
 *
 * One router advertisement (RFC 4861 section 4.2) with one prefix (section 4.6.2), to all nodes on
 * the device, which needs a link-local address. The kernel adds the checksum.
 */
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define LIFETIME_SECONDS 1800

struct advertisement {
	struct nd_router_advert head;
	struct nd_opt_prefix_info prefix;
};

int main(int argc, char **argv)
{
	struct advertisement packet = {
	    .head = {.nd_ra_type = ND_ROUTER_ADVERT,
		     .nd_ra_curhoplimit = 64,
		     .nd_ra_router_lifetime = htons(LIFETIME_SECONDS)},
	    .prefix = {.nd_opt_pi_type = ND_OPT_PREFIX_INFORMATION,
		       .nd_opt_pi_len = sizeof(packet.prefix) / 8,
		       .nd_opt_pi_prefix_len = 64,
		       .nd_opt_pi_flags_reserved = ND_OPT_PI_FLAG_ONLINK | ND_OPT_PI_FLAG_AUTO,
		       .nd_opt_pi_valid_time = htonl(LIFETIME_SECONDS),
		       .nd_opt_pi_preferred_time = htonl(LIFETIME_SECONDS)},
	};
	struct sockaddr_in6 all_nodes = {.sin6_family = AF_INET6};
	const int hops = 255; /* or it is ignored: it might come from afar */
	int fd, ret = 1;

	if (argc != 2)
		return 2;
	inet_pton(AF_INET6, "2001:db8:5::", &packet.prefix.nd_opt_pi_prefix);
	inet_pton(AF_INET6, "ff02::1", &all_nodes.sin6_addr);
	all_nodes.sin6_scope_id = if_nametoindex(argv[1]);
	fd = socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMPV6);
	if (fd < 0 || setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &hops, sizeof(hops)) < 0 ||
	    sendto(fd, &packet, sizeof(packet), 0, (struct sockaddr *)&all_nodes,
		   sizeof(all_nodes)) != (ssize_t)sizeof(packet))
		perror("send-router-advertisement");
	else
		ret = 0;
	if (fd >= 0)
		close(fd);
	return ret;
}
