/**
 * A process for the tests to break: `node peer-cache-child.ts PATH SAVES PEERS` saves states of PEERS peers
 * (at most 65,536) at PATH, SAVES times, and prints a line after each: "saved", or the error's code.
 */
import { Ipv4Address, Ipv4Prefix } from "../../../src/net/ipv4.ts";
import { OverlayError } from "../../../src/net/overlay-error.ts";
import { savePeerCache } from "../../../src/peers/peer-cache.ts";

const [path = "", saves = "", count = ""] = process.argv.slice(2);
const network = new Ipv4Prefix(new Ipv4Address(0x0a000000), 8);
const peers = Array.from({ length: Number(count) }, (_, i) => ({
  subnet: new Ipv4Prefix(network.address.plus(i * 256), 24),
  underlayIp: new Ipv4Address(0xc6336400 + i),
  backend: { type: "" },
  nodeId: null,
}));

for (let i = 0; i < Number(saves); i += 1) {
  const networkConfig = `{"Network":"10.0.0.0/8","Save":${i}}`;
  try {
    await savePeerCache(path, {
      etcdPrefix: "/test",
      network,
      networkConfig,
      ownLease: null,
      registry: null,
      peers,
    });
    process.stdout.write("saved\n");
  } catch (err) {
    process.stdout.write(`${err instanceof OverlayError ? err.code : String(err)}\n`);
  }
}
