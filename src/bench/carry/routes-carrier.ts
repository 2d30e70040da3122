import type { BenchPlace } from "../bench-place.ts";
import type { Carrier } from "./carrier.ts";

/** What flannel's host-gw sets up: the way to the other host's subnet is the other host. */
export async function startRoutes(
  { lab, senderHost, receiverHost }: BenchPlace,
  signal: AbortSignal,
): Promise<Carrier> {
  const ends = [
    { at: senderHost, other: receiverHost },
    { at: receiverHost, other: senderHost },
  ];
  const ways: { at: typeof senderHost; route: string }[] = [];
  for (const { at, other } of ends) {
    const { subnet } = await other.subnetFile();
    const route = `${subnet.toString()} via ${other.underlayIp} dev eth0`;
    await at.namespace.ip([`route replace ${route}`], signal);
    ways.push({ at, route });
  }
  return {
    agents: null,
    overlay: null,
    overlayMtu: lab.record.underlayMtu,
    async stop() {
      for (const { at, route } of ways) await at.namespace.ip([`route del ${route}`]);
    },
  };
}
