import { describe, expect, it } from "vitest";
import {
  MAX_UNDER_WAY,
  countAnswers,
  parsePingOutput,
  roundTripsMs,
  watchAnswers,
} from "../../../../src/lab/measure/ping-output.ts";

/** As iputils prints it: requests 1, 2 and 5 answered, 2 twice, 3 refused by a router, 4 and 6 not at all. */
const OUTPUT = `PING 10.244.9.2 (10.244.9.2) 56(84) bytes of data.
[1795246699.880000] 64 bytes from 10.244.9.2: icmp_seq=1 ttl=60 time=0.200 ms
[1795246699.890000] 64 bytes from 10.244.9.2: icmp_seq=2 ttl=60 time=0.400 ms
[1795246699.890500] 64 bytes from 10.244.9.2: icmp_seq=2 ttl=60 time=0.900 ms (DUP!)
[1795246699.900000] From 10.244.7.1 icmp_seq=3 Destination Net Unreachable
[1795246699.920000] 64 bytes from 10.244.9.2: icmp_seq=5 ttl=60 time=0.300 ms

--- 10.244.9.2 ping statistics ---
6 packets transmitted, 3 received, +1 duplicates, +1 errors, 50% packet loss, time 50ms
rtt min/avg/max/mdev = 0.200/0.300/0.400/0.081 ms
`;

describe("parsePingOutput", () => {
  it("counts requests, first answers, losses and duplicates exactly", () => {
    expect(parsePingOutput(OUTPUT, 6)).toEqual({
      sent: 6,
      received: 3,
      lost: 3,
      duplicates: 1,
      rttAvgMs: expect.closeTo(0.3, 6) as number,
      longestGapMs: 30,
      ipTtl: 60,
      lostSequences: [3, 4, 6],
    });
  });

  it("counts only the requests that are asked for", () => {
    expect(parsePingOutput(OUTPUT, 4)).toMatchObject({
      sent: 4,
      received: 2,
      lost: 2,
      lostSequences: [3, 4],
    });
  });

  it("leaves out the last requests that an interrupt left without an answer", () => {
    expect(parsePingOutput(OUTPUT, "settled")).toMatchObject({
      sent: 5,
      received: 3,
      lost: 2,
      lostSequences: [3, 4],
    });
  });

  it("counts a tail without answers that is too long to be on its way", () => {
    const longTail = OUTPUT.replace("6 packets transmitted", `${5 + MAX_UNDER_WAY + 1} packets transmitted`);
    expect(parsePingOutput(longTail, "settled")).toMatchObject({ sent: 16, received: 3, lost: 13 });
    const shortTail = OUTPUT.replace("6 packets transmitted", `${5 + MAX_UNDER_WAY} packets transmitted`);
    expect(parsePingOutput(shortTail, "settled")).toMatchObject({ sent: 5, received: 3, lost: 2 });
  });

  it("counts everything as lost when nothing was answered", () => {
    const silent =
      "PING 10.244.9.2 (10.244.9.2) 56(84) bytes of data.\n\n--- 10.244.9.2 ping statistics ---\n2 packets transmitted, 0 received, 100% packet loss, time 10ms\n\n";
    expect(parsePingOutput(silent, 2)).toMatchObject({
      sent: 2,
      received: 0,
      lost: 2,
      rttAvgMs: null,
      longestGapMs: null,
      ipTtl: null,
    });
  });

  it("gives null when ping did not get to its summary", () => {
    expect(parsePingOutput(OUTPUT.slice(0, OUTPUT.indexOf("---")), 6)).toBeNull();
    expect(parsePingOutput("", 1)).toBeNull();
  });
});

describe("watchAnswers", () => {
  const [head = "", ...replies] = OUTPUT.split(/(?<=\n)/);

  it("tells when each of the first requests has its answer, however many of the later ones have", () => {
    const hasAll = watchAnswers(2);
    expect([head, replies[4], replies[0], replies[0], replies[1]].map((line) => hasAll(line ?? ""))).toEqual([
      ...[false, false, false, false],
      true,
    ]);
    expect(hasAll(replies[4] ?? "")).toBe(true);
  });

  it("reads lines that come in pieces, and takes no refusal for an answer", () => {
    const hasAll = watchAnswers(2);
    const piecesOf = (text: string): string[] => text.match(/[^]/g) ?? [];
    expect(piecesOf(`${head}${replies[0] ?? ""}`).map(hasAll)).not.toContain(true);
    const second = piecesOf(replies[1] ?? "").map(hasAll);
    expect(second.indexOf(true)).toBe(second.length - 1);
    const refused = watchAnswers(3);
    expect(refused(replies.slice(0, 4).join(""))).toBe(false);
  });
});

describe("countAnswers", () => {
  it("counts each answered request once, before the summary is there", () => {
    expect(countAnswers(OUTPUT.slice(0, OUTPUT.indexOf("---")))).toBe(3);
  });
});

describe("roundTripsMs", () => {
  it("gives the time of each first answer", () => expect(roundTripsMs(OUTPUT)).toEqual([0.2, 0.4, 0.3]));
});
