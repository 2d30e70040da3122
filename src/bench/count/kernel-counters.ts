/** Counters of the kernel, read from its text. */

/** Of one network device, as it sees them: `rx` came in by it. */
export interface DeviceCounters {
  readonly rxPackets: number;
  readonly rxBytes: number;
  readonly rxDropped: number;
  readonly txPackets: number;
  readonly txBytes: number;
  readonly txDropped: number;
}

/** Of a device that is not there. */
export const NO_DEVICE: DeviceCounters = {
  rxPackets: 0,
  rxBytes: 0,
  rxDropped: 0,
  txPackets: 0,
  txBytes: 0,
  txDropped: 0,
};

/** Time of all CPUs since boot. */
export interface CpuTimes {
  /** All but idle and waiting for a disk; steal included. */
  readonly busySeconds: number;
  /** Taken by the hypervisor for others. */
  readonly stealSeconds: number;
}

/** USER_HZ: fixed at 100 in what the kernel shows to programs, whatever its own HZ. */
const TICKS_PER_SECOND = 100;
// Fields of the line "cpu" of /proc/stat (proc_stat(5)). What guests use is in user and nice already.
const IDLE_FIELDS: readonly number[] = [3, 4];
const STEAL_FIELD = 7;
const TIME_FIELDS = 8;

/**
 * Reads /proc/net/snmp into counters named as in `Udp.NoPorts`. A line of names is followed by one of numbers, both
 * with the protocol in front.
 */
export function parseProtocolCounters(text: string): Map<string, number> {
  const counters = new Map<string, number>();
  const lines = text.split("\n");
  for (let i = 0; i + 1 < lines.length; i += 2) {
    const [protocol = "", ...names] = (lines[i] ?? "").split(" ");
    const [, ...numbers] = (lines[i + 1] ?? "").split(" ");
    names.forEach((name, k) => counters.set(`${protocol.replace(":", "")}.${name}`, Number(numbers[k])));
  }
  return counters;
}

/** Reads what `ip -j -s link show` prints, by the device's name. */
export function parseDeviceCounters(json: string): Map<string, DeviceCounters> {
  const links = JSON.parse(json) as {
    ifname: string;
    stats64: Record<"rx" | "tx", { packets: number; bytes: number; dropped: number }>;
  }[];
  return new Map(
    links.map(({ ifname, stats64: { rx, tx } }) => [
      ifname,
      {
        rxPackets: rx.packets,
        rxBytes: rx.bytes,
        rxDropped: rx.dropped,
        txPackets: tx.packets,
        txBytes: tx.bytes,
        txDropped: tx.dropped,
      },
    ]),
  );
}

/** Reads /proc/stat. @throws {TypeError} when it has no line of all CPUs */
export function parseCpuTimes(text: string): CpuTimes {
  const line = /^cpu +(.*)$/m.exec(text)?.[1];
  if (line === undefined) throw new TypeError("Cannot read /proc/stat: there is no line cpu");
  const ticks = line.split(/ +/).map(Number).slice(0, TIME_FIELDS);
  const busy = ticks.reduce((sum, one, field) => (IDLE_FIELDS.includes(field) ? sum : sum + one), 0);
  return { busySeconds: busy / TICKS_PER_SECOND, stealSeconds: (ticks[STEAL_FIELD] ?? 0) / TICKS_PER_SECOND };
}
