import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { readDockerOptsRequest } from "../../../../src/docker/opts/docker-opts-request.ts";
import { formatDockerOpts, shellVariables } from "../../../../src/docker/opts/format-docker-opts.ts";

/** The text for these arguments, subnet file and environment. */
function format(
  args: readonly string[],
  file: Readonly<Record<string, string>>,
  environment: Readonly<Record<string, string>> = {},
): string {
  const request = readDockerOptsRequest(args);
  if ("problem" in request) throw new Error(`bad arguments: ${args.join(" ")}`);
  return formatDockerOpts(shellVariables(environment, new Map(Object.entries(file))), request);
}

/** flannel's dist/sample_subnet.env. */
const SAMPLE = { FLANNEL_SUBNET: "10.1.74.1/24", FLANNEL_MTU: "1472", FLANNEL_IPMASQ: "false" };
const BIP = 'DOCKER_OPT_BIP="--bip=10.1.74.1/24"\n';
const IPMASQ = 'DOCKER_OPT_IPMASQ="--ip-masq=true"\n';
const MTU = 'DOCKER_OPT_MTU="--mtu=1472"\n';
const ALL = " --bip=10.1.74.1/24 --ip-masq=true --mtu=1472";

describe("formatDockerOpts", () => {
  const OF_SAMPLE: [args: string[], text: string][] = [
    [[], `${BIP}${IPMASQ}${MTU}DOCKER_OPTS="${ALL}"\n`],
    [["-i"], `${BIP}${IPMASQ}${MTU}`],
    [["-c"], `DOCKER_OPTS="${ALL}"\n`],
    [["-k", "CUSTOM_KEY"], `${BIP}${IPMASQ}${MTU}CUSTOM_KEY="${ALL}"\n`],
    [["-m"], `${BIP}${MTU}DOCKER_OPTS=" --bip=10.1.74.1/24 --mtu=1472"\n`],
  ];
  it.each(OF_SAMPLE)("writes of flannel's sample with %j what the script writes", (args, text) => {
    expect(format(args, SAMPLE)).toBe(text);
  });

  it("lets Docker masquerade exactly when the agent does not", () => {
    expect(format(["-i"], { FLANNEL_IPMASQ: "true" })).toBe('DOCKER_OPT_IPMASQ="--ip-masq=false"\n');
    expect(format(["-i"], { FLANNEL_IPMASQ: "false" })).toBe(IPMASQ);
  });

  it("refuses another value of FLANNEL_IPMASQ, unless the option is left out", () => {
    expect(() => format([], { ...SAMPLE, FLANNEL_IPMASQ: "yes" })).toThrow(
      'Cannot make Docker\'s options: FLANNEL_IPMASQ is "yes", neither true nor false',
    );
    expect(format(["-m"], { FLANNEL_IPMASQ: "yes" })).toBe('DOCKER_OPTS=""\n');
  });

  it("leaves out what the file does not say", () => {
    expect(format([], {})).toBe('DOCKER_OPTS=""\n');
    expect(format(["-i"], {})).toBe("");
    expect(format([], { FLANNEL_MTU: "1450", FLANNEL_SUBNET: "", FLANNEL_IPMASQ: "" })).toBe(
      'DOCKER_OPT_MTU="--mtu=1450"\nDOCKER_OPTS=" --mtu=1450"\n',
    );
  });

  it("takes what the file does not say from the environment", () => {
    const environment = { FLANNEL_SUBNET: "10.9.9.1/24", FLANNEL_MTU: "1400" };
    expect(format(["-c"], { FLANNEL_MTU: "1472" }, environment)).toBe(
      'DOCKER_OPTS=" --bip=10.9.9.1/24 --mtu=1472"\n',
    );
  });

  it("writes inherited options too, in the order of their names", () => {
    const environment = {
      DOCKER_OPT_ZED: "--zed",
      DOCKER_OPT_a: "-a",
      DOCKER_OPT_BIP: "--bip=192.0.2.1/24", // overwritten by the lease's
      DOCKER_OPT_DEBUG: "-D",
      MY_DOCKER_OPT_X: "-x",
      OTHER: "DOCKER_OPT_is only mentioned",
      "DOCKER_OPT_%": "no name of a shell",
    };
    expect(format([], { FLANNEL_SUBNET: "10.1.74.1/24" }, environment)).toBe(
      [
        'DOCKER_OPT_BIP="--bip=10.1.74.1/24"',
        'DOCKER_OPT_DEBUG="-D"',
        'DOCKER_OPT_ZED="--zed"',
        'DOCKER_OPT_a="-a"',
        'MY_DOCKER_OPT_X="-x"',
        'DOCKER_OPTS=" --bip=10.1.74.1/24 -D --zed -a -x"',
        "",
      ].join("\n"),
    );
  });

  it("keeps what the combined variable held, and a blank", () => {
    expect(format(["-c"], SAMPLE, { DOCKER_OPTS: "-H  fd://", OTHER_OPTS: "-x" })).toBe(
      `DOCKER_OPTS="-H  fd:// ${ALL}"\n`,
    );
    expect(format(["-c", "-k", "OTHER_OPTS"], SAMPLE, { OTHER_OPTS: "-x" })).toBe(`OTHER_OPTS="-x ${ALL}"\n`);
    expect(format(["-c"], { ...SAMPLE, DOCKER_OPTS: "of the file" }, { DOCKER_OPTS: "-H" })).toBe(
      `DOCKER_OPTS="of the file ${ALL}"\n`,
    );
  });

  it("makes one blank of blanks and newlines between words", () => {
    expect(format(["-i"], {}, { DOCKER_OPT_A: " -H \t a\n\n-D " })).toBe('DOCKER_OPT_A="-H a -D"\n');
    expect(format([], {}, { DOCKER_OPT_A: "" })).toBe('DOCKER_OPT_A=""\nDOCKER_OPTS=" "\n');
  });

  const HOSTILE = '"; echo broken-out; $(echo broken-out) `echo broken-out` ${HOME} \\" \' # !! \\';

  it("writes quotes, dollars, backticks and backslashes so that a shell reads them as text", () => {
    const text = format(
      [],
      { FLANNEL_SUBNET: `10.1.74.1/24${HOSTILE}` },
      { DOCKER_OPT_A: HOSTILE, DOCKER_OPTS: HOSTILE },
    );
    const script = `${text}printf '%s\\n' "$DOCKER_OPT_A" "$DOCKER_OPT_BIP" "$DOCKER_OPTS"`;
    const [option, bip, all] = execFileSync("sh", ["-c", script], { env: {}, encoding: "utf8" }).split("\n");
    expect(option).toBe(HOSTILE);
    expect(bip).toBe(`--bip=10.1.74.1/24${HOSTILE}`);
    expect(all).toBe(`${HOSTILE}  ${HOSTILE} --bip=10.1.74.1/24${HOSTILE}`);
  });
});
