/** What happened between two snapshots. */
import { NO_DEVICE } from "./kernel-counters.ts";
import type { DeviceCounters } from "./kernel-counters.ts";
import type { AgentCounters, NamespaceCounters, Snapshot } from "./snapshot.ts";

/** Every counter of `after` less the one of `before`; what appeared between them started at 0. */
export function differenceOf(before: Snapshot, after: Snapshot): Snapshot {
  return {
    sender: subtract(before.sender, after.sender),
    senderHost: subtract(before.senderHost, after.senderHost),
    underlay: subtract(before.underlay, after.underlay),
    receiverHost: subtract(before.receiverHost, after.receiverHost),
    receiver: subtract(before.receiver, after.receiver),
    agents:
      before.agents === null || after.agents === null
        ? null
        : {
            sender: subtractAgent(before.agents.sender, after.agents.sender),
            receiver: subtractAgent(before.agents.receiver, after.agents.receiver),
          },
    overlay: after.overlay,
  };
}

function subtract(before: NamespaceCounters, after: NamespaceCounters): NamespaceCounters {
  return {
    devices: new Map(
      [...after.devices].map(([name, now]) => [name, subtractDevice(before.devices.get(name), now)]),
    ),
    protocols: new Map(
      [...after.protocols].map(([name, now]) => [name, now - (before.protocols.get(name) ?? 0)]),
    ),
  };
}

function subtractDevice(before: DeviceCounters = NO_DEVICE, after: DeviceCounters): DeviceCounters {
  return {
    rxPackets: after.rxPackets - before.rxPackets,
    rxBytes: after.rxBytes - before.rxBytes,
    rxDropped: after.rxDropped - before.rxDropped,
    txPackets: after.txPackets - before.txPackets,
    txBytes: after.txBytes - before.txBytes,
    txDropped: after.txDropped - before.txDropped,
  };
}

function subtractAgent(before: AgentCounters, after: AgentCounters): AgentCounters {
  return Object.fromEntries(
    Object.entries(after).map(([name, now]) => [name, now - (before[name] ?? 0)] as const),
  );
}
