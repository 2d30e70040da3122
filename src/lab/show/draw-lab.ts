/** The picture of a lab: the underlay as a bar, the hosts hanging on it, their pods below. ASCII, 80 columns. */
import type { HostReport } from "./lab-report.ts";

/** What the picture shows. */
export interface LabPicture {
  readonly underlayNetwork: string;
  readonly underlayMtu: number;
  readonly routerIp: string;
  /** Null without one. */
  readonly etcdUrl: string | null;
  readonly hosts: readonly HostReport[];
}

const HOSTS_PER_ROW = 3;
/** Three boxes, two gaps and an indent of two make 79. */
const BOX_WIDTH = 25;
const GAP = " ";
const INDENT = "  ";
const STEM = Math.floor(BOX_WIDTH / 2);

/** Draws a lab; every line ends with a newline. */
export function drawLab(picture: LabPicture): string {
  const lines: string[] = [];
  for (let i = 0; i < picture.hosts.length; i += HOSTS_PER_ROW) {
    const row = picture.hosts.slice(i, i + HOSTS_PER_ROW);
    lines.push(
      ...drawBar(i === 0 ? describeUnderlay(picture) : ["the same underlay"], row.length),
      ...drawRow(row),
    );
  }
  return lines.map((line) => `${INDENT}${line}`.trimEnd() + "\n").join("");
}

function describeUnderlay(picture: LabPicture): string[] {
  const { underlayNetwork, underlayMtu, routerIp, etcdUrl } = picture;
  return [
    `underlay ${underlayNetwork}, MTU ${underlayMtu}: a bridge, and a router at ${routerIp}`,
    ...(etcdUrl === null ? [] : [`etcd ${etcdUrl}`]),
  ];
}

function drawBar(texts: readonly string[], boxes: number): string[] {
  const width = Math.max(barWidth(boxes), ...texts.map((text) => text.length + 4));
  return [
    `+${"-".repeat(width - 2)}+`,
    ...texts.map((text) => `| ${text.padEnd(width - 4)} |`),
    `+${stems(boxes, "-", "+")
      .slice(1)
      .padEnd(width, "-")
      .slice(0, width - 2)}+`,
    stems(boxes, " ", "|"),
  ];
}

function drawRow(hosts: readonly HostReport[]): string[] {
  const edge = beside(hosts.map(() => boxEdge("+")));
  const bodies = hosts.map(hostLines);
  const pods = hosts.map((host) => host.pods.map((pod) => `${pod.name} ${pod.address}`));
  const stemRow = hosts.map((host) => column(host.pods.length > 0 ? "|" : " "));
  return [
    edge,
    ...stack(bodies).map((cells) => beside(cells.map((cell) => `| ${cell.padEnd(BOX_WIDTH - 4)} |`))),
    beside(hosts.map((host) => boxEdge(host.pods.length > 0 ? "+" : "-"))),
    beside(stemRow),
    ...stack(pods).map((cells) => beside(cells.map(centre))),
    "",
  ];
}

function hostLines(host: HostReport): string[] {
  const agent = host.agentPid === null ? "no agent" : `agent, pid ${host.agentPid}`;
  return [
    host.name,
    `eth0 ${host.underlayIp}`,
    agent,
    ...(host.datapath === null ? [] : carrierLines(host.datapath, host.device)),
    ...(host.subnet === null ? [] : [`pods ${host.subnet}`, `overlay MTU ${host.overlayMtu ?? 0}`]),
  ];
}

/** One line, or two where the name of the device is too long for it. */
function carrierLines(datapath: string, device: string): string[] {
  const line = `${datapath}, ${device}`;
  return line.length <= BOX_WIDTH - 4 ? [line] : [`${datapath},`, device];
}

/** Lists side by side, the shorter ones filled with empty cells. */
function stack(lists: readonly (readonly string[])[]): string[][] {
  const height = Math.max(0, ...lists.map((list) => list.length));
  return Array.from({ length: height }, (_, i) => lists.map((list) => list[i] ?? ""));
}

function beside(cells: readonly string[]): string {
  return cells.map((cell) => cell.padEnd(BOX_WIDTH)).join(GAP);
}

function boxEdge(joint: string): string {
  return `+${"-".repeat(STEM - 1)}${joint}${"-".repeat(BOX_WIDTH - STEM - 2)}+`;
}

function column(mark: string): string {
  return `${" ".repeat(STEM)}${mark}`;
}

function centre(text: string): string {
  return " ".repeat(Math.max(0, STEM - Math.floor(text.length / 2))) + text;
}

function stems(boxes: number, filler: string, mark: string): string {
  return Array.from({ length: boxes }, () => `${filler.repeat(STEM)}${mark}`.padEnd(BOX_WIDTH, filler)).join(
    filler.repeat(GAP.length),
  );
}

function barWidth(boxes: number): number {
  return boxes * BOX_WIDTH + (boxes - 1) * GAP.length;
}
