import { describe, expect, it } from "vitest";
import { readDockerOptsRequest } from "../../../../src/docker/opts/docker-opts-request.ts";
import type { DockerOptsRequest } from "../../../../src/docker/opts/docker-opts-request.ts";

const DEFAULTS: DockerOptsRequest = {
  subnetFile: "/run/flannel/subnet.env",
  outputFile: "/run/docker_opts.env",
  hasIndividual: true,
  hasCombined: true,
  hasIpMasq: true,
  combinedName: "DOCKER_OPTS",
  requiresLease: false,
  isCheck: false,
};

describe("readDockerOptsRequest", () => {
  const ACCEPTED: [args: string[], differs: Partial<DockerOptsRequest>][] = [
    [[], {}],
    [["--"], {}],
    [["-f", "a", "-d", "b"], { subnetFile: "a", outputFile: "b" }],
    [["-fa", "-db"], { subnetFile: "a", outputFile: "b" }],
    [["-d", "-i"], { outputFile: "-i" }],
    [["-i"], { hasCombined: false }],
    [["-c"], { hasIndividual: false }],
    [["-i", "-c"], {}],
    [["-ic"], {}],
    [["-m"], { hasIpMasq: false }],
    [["-imk", "NAME"], { hasCombined: false, hasIpMasq: false, combinedName: "NAME" }],
    [["-k", "_a1"], { combinedName: "_a1" }],
    [["-k", "A", "-k", "B"], { combinedName: "B" }],
    [["--require-lease", "-i"], { requiresLease: true, hasCombined: false }],
    [["--check"], { isCheck: true }],
  ];
  it.each(ACCEPTED)("reads %j", (args, differs) => {
    expect(readDockerOptsRequest(args)).toEqual({ ...DEFAULTS, ...differs });
  });

  it.each([[["-h"]], [["-?"]], [["-ih"]], [["-f", "a", "-h", "-x"]]])(
    "takes %j for a wish for the usage",
    (args) => expect(readDockerOptsRequest(args)).toEqual({ problem: null }),
  );

  const REFUSED: [args: string[], problem: string][] = [
    [["-x"], 'Cannot use "-x": there is no such option'],
    [["-ix"], 'Cannot use "-x": there is no such option'],
    [["--mtu"], 'Cannot use "--mtu": there is no such option'],
    [["more"], 'Cannot use "more": there is no such option'],
    [["-i", "more", "-c"], 'Cannot use "more": there is no such option'],
    [["--", "-i"], 'Cannot use "--": there is no such option'],
    [["-"], 'Cannot use "-": there is no such option'],
    [[""], 'Cannot use "": there is no such option'],
    [["-f"], "Cannot use -f: its value is missing"],
    [["-ik"], "Cannot use -k: its value is missing"],
    [["-k", "a b"], 'Cannot use -k "a b": it is not the name of a shell variable'],
    [["-k", "x;reboot"], 'Cannot use -k "x;reboot": it is not the name of a shell variable'],
    [["-k", "1a"], 'Cannot use -k "1a": it is not the name of a shell variable'],
    [["-k", ""], 'Cannot use -k "": it is not the name of a shell variable'],
  ];
  it.each(REFUSED)("refuses %j", (args, problem) => expect(readDockerOptsRequest(args)).toEqual({ problem }));
});
