import { existsSync } from "node:fs";
import { join } from "node:path";
import { OverlayError } from "../../net/overlay-error.ts";
import { PROGRAM_DIRECTORIES } from "./run-command.ts";

/** Programs a lab runs, and the Debian package that brings each. */
const TOOLS: ReadonlyMap<string, string> = new Map([
  ["ip", "iproute2"],
  ["ss", "iproute2"],
  ["nsenter", "util-linux"],
  ["sysctl", "procps"],
  ["nft", "nftables"],
  ["ethtool", "ethtool"],
  ["ping", "iputils-ping"],
  ["etcd", "etcd-server"],
  ["etcdctl", "etcd-client"],
]);

/** Programs that `lab demo` runs besides. */
export const DEMO_TOOLS: ReadonlyMap<string, string> = new Map([
  ["iperf3", "iperf3"],
  ["tcpdump", "tcpdump"],
  ["traceroute", "traceroute"],
]);

const NEEDS_ROOT = "it needs root, to make and enter network namespaces";

/** What this machine has, so that a test can say it has less. */
export interface Machine {
  readonly userId: number;
  hasProgram(name: string): boolean;
  /** /dev/net/tun, without which no agent opens its device. */
  readonly hasTun: boolean;
}

/** The machine we run on. */
export function thisMachine(): Machine {
  return {
    userId: process.getuid?.() ?? -1,
    hasProgram: (name) => PROGRAM_DIRECTORIES.some((directory) => existsSync(join(directory, name))),
    hasTun: existsSync("/dev/net/tun"),
  };
}

/** Says at once everything that keeps a lab from being made here. @throws {OverlayError} `ERR_LAB_FAILED` */
export function checkMachine(machine: Machine, more: ReadonlyMap<string, string> = new Map()): void {
  const lacks: string[] = [];
  if (machine.userId !== 0) lacks.push(NEEDS_ROOT);
  if (!machine.hasTun) lacks.push("there is no /dev/net/tun (modprobe tun)");
  const missing = [...TOOLS, ...more].filter(([name]) => !machine.hasProgram(name));
  if (missing.length > 0) {
    const names = missing.map(([name]) => name).join(", ");
    const packages = [...new Set(missing.map(([, from]) => from))].join(" ");
    lacks.push(`these programs are missing: ${names} (on Debian: apt-get install ${packages})`);
  }
  if (lacks.length > 0) throw cannotRun(lacks);
}

/** For a lab that stands already. @throws {OverlayError} `ERR_LAB_FAILED` unless we are root */
export function checkRoot(machine: Machine): void {
  if (machine.userId !== 0) throw cannotRun([NEEDS_ROOT]);
}

function cannotRun(lacks: readonly string[]): OverlayError {
  return new OverlayError("ERR_LAB_FAILED", `Cannot run a lab on this machine: ${lacks.join("; ")}`);
}
