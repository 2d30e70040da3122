/** Seeds of test/fuzz/netlink_events.c: what the interest leaves out (1), then the kernel's messages, little-endian. */

const TYPE = {
  newLink: 16,
  newAddr: 20,
  delAddr: 21,
  newRoute: 24,
  delRoute: 25,
  newNeigh: 28,
  delNeigh: 29,
};
const NFT_NEWGEN = 10 * 256 + 15;
const AF_INET = 2;
const AF_BRIDGE = 7;
const TABLE = { compat: 252, main: 254 };
const PROTOCOL = { boot: 3, own: 84 };
const STATE = { reachable: 0x02, failed: 0x20, noarp: 0x40, permanent: 0x80 };
/** Device indexes; the first two are watched. */
const [UNDERLAY, DEVICE, OTHER] = [2, 7, 9];

function u16(value: number): Buffer {
  return Buffer.from([value & 0xff, value >> 8]);
}

function u32(value: number): Buffer {
  return Buffer.concat([u16(value & 0xffff), u16(value >>> 16)]);
}

function message(type: number, ...body: readonly Uint8Array[]): Buffer {
  const bytes = Buffer.concat(body);
  return Buffer.concat([u32(16 + bytes.length), u16(type), Buffer.alloc(10), bytes]);
}

function attribute(type: number, value: Uint8Array): Buffer {
  const padding = Buffer.alloc(-value.length & 3);
  return Buffer.concat([u16(4 + value.length), u16(type), value, padding]);
}

function link(index: number, name: string): Buffer {
  return message(TYPE.newLink, u32(0), u32(index), u32(0), u32(0), attribute(3, Buffer.from(name)));
}

function address(type: number): Buffer {
  return message(type, Buffer.from([AF_INET, 24, 0, 0]), u32(UNDERLAY));
}

function route(
  type: number,
  length: number,
  protocol: number,
  attributes: readonly Uint8Array[] = [],
  table = TABLE.main,
): Buffer {
  const header = Buffer.from([AF_INET, length, 0, 0, table, protocol, 0, 1]);
  return message(type, header, u32(0), ...attributes);
}

function neighbour(type: number, family: number, state: number): Buffer {
  return message(type, Buffer.from([family, 0, 0, 0]), u32(DEVICE), u16(state), u16(1));
}

const to = (...destination: number[]): Buffer => attribute(1, Buffer.from(destination));
const by = (index: number): Buffer => attribute(4, u32(index));
const inTable = (table: number): Buffer => attribute(15, u32(table));
const hop = (index: number): Buffer => Buffer.concat([u16(8), u16(0), u32(index)]);
const throughHops = (...indexes: number[]): Buffer => attribute(9, Buffer.concat(indexes.map(hop)));

/** Watched: devices 2, 3 and 7, eth0 and fifteen-letters; the network is 10.244.0.0/15. */
export function netlinkEventsSeeds(): Readonly<Record<string, Buffer>> {
  const { newRoute, delRoute, newNeigh, delNeigh } = TYPE;
  const { boot, own } = PROTOCOL;
  const pod = to(10, 244, 7, 0);
  const generation = message(NFT_NEWGEN, Buffer.alloc(4));
  const seed = (...messages: readonly Uint8Array[]): Buffer => Buffer.concat([Buffer.from([0]), ...messages]);
  const seedWithout = (bits: number, bytes: Uint8Array): Buffer =>
    Buffer.concat([Buffer.from([bits]), bytes]);
  return {
    "link-index": seed(link(UNDERLAY, "veth1\0")),
    "link-name": seed(link(OTHER, "eth0\0")),
    "link-name-without-nul": seed(link(OTHER, "fifteen-letters")),
    "link-no-names": seedWithout(7, link(OTHER, "eth0\0")),
    "address-added": seed(address(TYPE.newAddr)),
    "address-removed": seed(address(TYPE.delAddr)),
    "own-route-added": seed(route(newRoute, 24, own, [pod])),
    "own-route-removed": seed(route(delRoute, 24, own, [pod])),
    "foreign-route-within": seed(route(newRoute, 24, boot, [pod, by(OTHER)])),
    "foreign-route-around": seed(route(newRoute, 8, boot, [to(10, 0, 0, 0), by(OTHER)])),
    "foreign-route-beside": seed(route(newRoute, 15, boot, [to(10, 246, 0, 0), by(OTHER)])),
    "foreign-route-by-watched": seed(route(delRoute, 24, boot, [to(203, 0, 113, 0), by(UNDERLAY)])),
    "foreign-route-no-network": seedWithout(8, route(newRoute, 24, boot, [pod, by(OTHER)])),
    "default-route": seed(route(newRoute, 0, boot, [by(OTHER)])),
    "other-table": seed(route(newRoute, 0, boot, [inTable(1000)], TABLE.compat)),
    "same-table": seed(route(newRoute, 0, boot, [inTable(TABLE.main)], TABLE.compat)),
    multipath: seed(route(newRoute, 24, boot, [to(203, 0, 113, 0), throughHops(OTHER, UNDERLAY)])),
    "neighbour-permanent": seed(neighbour(newNeigh, AF_INET, STATE.permanent)),
    "neighbour-reachable": seed(neighbour(newNeigh, AF_INET, STATE.reachable)),
    "neighbour-removed": seed(neighbour(delNeigh, AF_INET, STATE.failed)),
    "neighbour-noarp-removed": seed(neighbour(delNeigh, AF_INET, STATE.noarp)),
    "fdb-static": seed(neighbour(newNeigh, AF_BRIDGE, STATE.noarp)),
    "fdb-removed": seed(neighbour(delNeigh, AF_BRIDGE, STATE.reachable)),
    generation: seed(generation),
    several: seed(
      address(TYPE.newAddr),
      neighbour(delNeigh, AF_BRIDGE, STATE.permanent),
      route(delRoute, 0, boot),
      generation,
    ),
  };
}
