/** What the demo shows: one lab for each way of carrying packets. */
import { hostName } from "../record/names.ts";

/** A way of carrying packets, as a lab is told. */
export interface DemoWay {
  readonly backend: string;
  /** What is special about it, in one line. */
  readonly title: string;
  /** Flags of a host's agent, by the host's index, again and again. */
  readonly flagsInTurn: readonly (readonly string[])[];
}

/** Backends that the demo can show, in its order. */
export const DEMO_BACKENDS = ["udp", "vxlan", "host-gw"] as const;

const ENGINES = ["--engine=auto"];
const MIXED = [ENGINES, ["--datapath=kernel"], ["--engine=dgram"]];
const MIXED_WITHOUT_KERNEL = [ENGINES, ["--engine=dgram"]];

/** The ways to show: all, or one. Without vxlan devices in the kernel every host carries vxlan in user space. */
export function demoWays(only: string | null, hasKernelVxlan: boolean): DemoWay[] {
  const ways: Record<(typeof DEMO_BACKENDS)[number], Omit<DemoWay, "backend">> = {
    udp: { title: "each packet in a UDP datagram, by the agents", flagsInTurn: [] },
    vxlan: {
      title: hasKernelVxlan
        ? "each packet in a VXLAN frame, by agents and by the kernel, mixed"
        : "each packet in a VXLAN frame, by the agents alone (this kernel has no vxlan devices)",
      flagsInTurn: hasKernelVxlan ? MIXED : MIXED_WITHOUT_KERNEL,
    },
    "host-gw": { title: "each packet as it is, by the kernel's routes", flagsInTurn: [] },
  };
  return DEMO_BACKENDS.filter((backend) => only === null || backend === only).map((backend) => ({
    backend,
    ...ways[backend],
  }));
}

/** Flags for each of `hosts` hosts, by its name. */
export function flagsByHost({ flagsInTurn }: DemoWay, hosts: number): Record<string, readonly string[]> {
  const names = Array.from({ length: hosts }, (_, i) => hostName(i + 1));
  return Object.fromEntries(names.map((name, i) => [name, flagsInTurn[i % flagsInTurn.length] ?? []]));
}
