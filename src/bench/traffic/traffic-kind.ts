/** The kinds of traffic that a row is measured with. */
import { OverlayError } from "../../net/overlay-error.ts";

/** In the order they are measured: TCP with one and with four streams, both sizes of UDP, ping. */
export const TRAFFIC_KINDS = ["tcp1", "tcp4", "udp", "latency"] as const;

export type TrafficKind = (typeof TRAFFIC_KINDS)[number];

/** Reads names separated by commas, as in `tcp1,udp`. @throws {OverlayError} `ERR_OPTION_INVALID` */
export function parseTrafficKinds(text: string): TrafficKind[] {
  const names = text.split(",");
  const unknown = names.find((name) => !TRAFFIC_KINDS.some((kind) => kind === name));
  if (unknown === undefined) return TRAFFIC_KINDS.filter((kind) => names.includes(kind));
  throw new OverlayError(
    "ERR_OPTION_INVALID",
    `Cannot use --only ${JSON.stringify(unknown)}: it takes ${TRAFFIC_KINDS.join(", ")}`,
  );
}
