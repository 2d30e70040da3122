/*
 * Leaves the persistent TUN of its argument with checksum and segmentation offload on, as a
 * process does that read it with a virtio-net header, one of 12 bytes, and was then killed.
 */
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct ifreq ifr = {.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR};
	int header_bytes = 12; /* struct virtio_net_hdr_mrg_rxbuf */
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	if (argc != 2 || strlen(argv[1]) >= sizeof(ifr.ifr_name) || fd < 0)
		return 2;
	memcpy(ifr.ifr_name, argv[1], strlen(argv[1]));
	if (ioctl(fd, TUNSETIFF, &ifr) < 0)
		return 1;
	if (ioctl(fd, TUNSETVNETHDRSZ, &header_bytes) < 0)
		return 1;
	if (ioctl(fd, TUNSETOFFLOAD, (unsigned long)(TUN_F_CSUM | TUN_F_TSO4)) < 0)
		return 1;
	return ioctl(fd, TUNSETPERSIST, 1UL) < 0;
}
