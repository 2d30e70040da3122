/** What the kernel that the tests run on can do. */
import { release } from "node:os";

/** A TUN hands over and takes runs of UDP datagrams since 6.2 (drivers/net/tun.c, TUN_F_USO4). */
export const TUN_TAKES_UDP_RUNS = isAtLeast(6, 2);

function isAtLeast(wantedMajor: number, wantedMinor: number): boolean {
  const [major = 0, minor = 0] = release().split(".").map(Number);
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);
}
