/*
 * Makes the kernel finish checksums and segments before a packet reaches the device, as a network
 * card would on the wire: `ethtool -K DEVICE tx off tso off gso off` for each of its arguments, on
 * hosts without that program.
 */
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static int switch_off(int fd, const char *device, uint32_t command)
{
	struct ethtool_value value = {.cmd = command, .data = 0};
	struct ifreq request = {0};

	if (strlen(device) >= sizeof(request.ifr_name))
		return -EINVAL;
	memcpy(request.ifr_name, device, strlen(device));
	request.ifr_data = (void *)&value;
	return ioctl(fd, SIOCETHTOOL, &request) < 0 ? -errno : 0;
}

int main(int argc, char **argv)
{
	static const uint32_t commands[] = {ETHTOOL_STSO, ETHTOOL_SGSO, ETHTOOL_STXCSUM};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	for (int i = 1; i < argc; i++) {
		for (size_t j = 0; j < sizeof(commands) / sizeof(commands[0]); j++) {
			int ret = switch_off(fd, argv[i], commands[j]);

			if (ret < 0) {
				fprintf(stderr, "%s: %s\n", argv[i], strerror(-ret));
				return 1;
			}
		}
	}
	close(fd);
	return 0;
}
