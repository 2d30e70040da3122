/** The protocol over its socket, with the state on disk and a kernel that takes everything. */
import { request } from "node:http";
import type { Server } from "node:http";
import { connect } from "node:net";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { HostLinks } from "../../../../src/docker/plugin/links/host-links.ts";
import { DockerPlugin } from "../../../../src/docker/plugin/plugin.ts";
import { listenOnPath, passedSocket } from "../../../../src/docker/plugin/server/listen.ts";
import { MAX_BODY_BYTES, createPluginServer } from "../../../../src/docker/plugin/server/plugin-server.ts";
import { StateStore } from "../../../../src/docker/plugin/state/state-store.ts";
import type { BatchCommand } from "../../../../src/kernel/ip-batch.ts";
import type { IpCommand } from "../../../../src/kernel/ip-command.ts";
import { OverlayError } from "../../../../src/net/overlay-error.ts";
import { askPlugin } from "../../../support/docker-plugin.ts";
import type { PluginAnswer } from "../../../support/docker-plugin.ts";
import { eventually } from "../../../support/eventually.ts";
import { HeldFile } from "../../../support/held-file.ts";
import { recordLog } from "../../../support/log-lines.ts";
import type { LogLine } from "../../../support/log-lines.ts";
import { ENDPOINT_ID, NETWORK_ID } from "./samples.ts";

const SUBNET_FILE =
  "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.7.1/24\nFLANNEL_MTU=1472\nFLANNEL_IPMASQ=false\n";
const POOL_ID = "twill/10.244.7.0/24";

let directory: string;
let socket: string;
let server: Server;
let lines: LogLine[];
let written: BatchCommand[];
let kernelFailure: OverlayError | null;
/** What the host has, as `ip -j -d address show` says it. */
let present: object[];
let onFailure: () => void;
let newsOfNetworks: number;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "twill-plugin-server-"));
  socket = join(directory, "plugins/twill.sock");
  writeFileSync(join(directory, "subnet.env"), SUBNET_FILE);
  const recorded = recordLog();
  lines = recorded.lines;
  written = [];
  kernelFailure = null;
  present = [];
  onFailure = () => undefined;
  newsOfNetworks = 0;
  const ip: IpCommand = {
    read: () => Promise.resolve(present),
    readBatch: () => Promise.resolve([]),
    apply(commands) {
      if (kernelFailure !== null && commands.length > 0) {
        const failure = kernelFailure;
        onFailure();
        return Promise.reject(failure);
      }
      written.push(...commands);
      return Promise.resolve();
    },
  };
  const plugin = new DockerPlugin({
    store: await StateStore.open(join(directory, "state")),
    links: new HostLinks(ip, recorded.log),
    subnetFile: join(directory, "subnet.env"),
    driverName: "twill",
    log: recorded.log,
    onNetworks: () => newsOfNetworks++,
  });
  server = createPluginServer(plugin, recorded.log);
  await listenOnPath(server, socket);
});
afterEach(async () => {
  await new Promise<void>((resolve) => server.close(() => resolve()));
  rmSync(directory, { recursive: true });
});

async function ask(method: string, body: unknown): Promise<PluginAnswer> {
  return await askPlugin(socket, `/${method}`, typeof body === "string" ? body : JSON.stringify(body));
}

const CREATE_NETWORK = {
  NetworkID: NETWORK_ID,
  Options: { "com.docker.network.generic": {} },
  IPv4Data: [{ Pool: "10.244.7.0/24", Gateway: "10.244.7.1/24" }],
  IPv6Data: [],
};

describe("createPluginServer", () => {
  const FIXED: [method: string, body: unknown][] = [
    ["Plugin.Activate", { Implements: ["NetworkDriver", "IpamDriver"] }],
    ["NetworkDriver.GetCapabilities", { Scope: "local", ConnectivityScope: "global" }],
    ["NetworkDriver.EndpointOperInfo", { Value: {} }],
    ["NetworkDriver.Leave", {}],
    ["NetworkDriver.RevokeExternalConnectivity", {}],
    ["NetworkDriver.DiscoverNew", {}],
    ["NetworkDriver.DiscoverDelete", {}],
    ["IpamDriver.ReleasePool", {}],
    ["IpamDriver.GetCapabilities", { RequiresMACAddress: false, RequiresRequestReplay: true }],
    [
      "IpamDriver.GetDefaultAddressSpaces",
      { LocalDefaultAddressSpace: "twill-local", GlobalDefaultAddressSpace: "twill-global" },
    ],
  ];
  it.each(FIXED)("answers %s whatever its body is", async (method, body) => {
    for (const text of ["", "null", "{}", "\0"])
      expect(await ask(method, text)).toEqual({ status: 200, body });
  });

  it("gives the pool beside a device that has it only where Docker names it, as at its start", async () => {
    present = [{ dst: "10.244.7.0/24", dev: "docker0" }];
    const { body } = await ask("IpamDriver.RequestPool", {});
    expect(body.Error).toContain(
      "Cannot make the network: device docker0 has the route to this host's lease",
    );
    expect(readFileSync(join(directory, "state/state.json"), "utf8")).not.toContain("10.244.7.0/24");
    const named = await ask("IpamDriver.RequestPool", { Pool: "10.244.7.0/24" });
    expect(named.body.Pool).toBe("10.244.7.0/24");
  });

  it("carries a network from its pool to its end, each change on disk before the answer", async () => {
    const onDisk = (): string => readFileSync(join(directory, "state/state.json"), "utf8");
    const pool = await ask("IpamDriver.RequestPool", { Pool: "" });
    expect(pool).toEqual({ status: 200, body: { PoolID: POOL_ID, Pool: "10.244.7.0/24", Data: {} } });
    expect(onDisk()).toContain('"subnet": "10.244.7.0/24"');
    expect(await ask("NetworkDriver.CreateNetwork", CREATE_NETWORK)).toEqual({ status: 200, body: {} });
    expect(onDisk()).toContain(NETWORK_ID);
    expect(written[0]?.slice(0, 4)).toEqual(["link", "add", "name", "tw-a1a1a1a1a1a1"]);
    expect(newsOfNetworks).toBe(1);
    const address = await ask("IpamDriver.RequestAddress", { PoolID: POOL_ID, Address: "", Options: null });
    expect(address.body.Address).toBe("10.244.7.2/24");
    expect(onDisk()).toContain('"address": "10.244.7.2"');
    const ids = { NetworkID: NETWORK_ID, EndpointID: ENDPOINT_ID };
    const given = { ...ids, Interface: { Address: "10.244.7.2/24" } };
    expect((await ask("NetworkDriver.CreateEndpoint", given)).body).toEqual({
      Interface: { MacAddress: "02:42:0a:f4:07:02" },
    });
    expect(onDisk()).toContain(ENDPOINT_ID);
    expect((await ask("NetworkDriver.Join", ids)).body.InterfaceName).toEqual({
      SrcName: "twcc3c3c3c3c3c3",
      DstPrefix: "eth",
    });
    expect((await ask("NetworkDriver.ProgramExternalConnectivity", ids)).body).toEqual({});
    expect((await ask("NetworkDriver.DeleteEndpoint", ids)).body).toEqual({});
    expect((await ask("IpamDriver.ReleaseAddress", { PoolID: POOL_ID, Address: "10.244.7.2" })).body).toEqual(
      {},
    );
    expect((await ask("IpamDriver.ReleasePool", { PoolID: POOL_ID })).body).toEqual({});
    expect((await ask("NetworkDriver.DeleteNetwork", ids)).body).toEqual({});
    expect(onDisk()).not.toContain(ENDPOINT_ID);
    expect(onDisk()).not.toContain(NETWORK_ID);
    expect(lines.every(({ level }) => level === "debug")).toBe(true);
  });

  it("gives a hundred addresses to a hundred that ask at once, each another one", async () => {
    await ask("IpamDriver.RequestPool", {});
    const asked = Array.from({ length: 100 }, () => ask("IpamDriver.RequestAddress", { PoolID: POOL_ID }));
    const given = (await Promise.all(asked)).map(({ body }) => body.Address);
    expect(new Set(given).size).toBe(100);
    expect(given).not.toContain(undefined);
  });

  it("takes back what it gave to somebody who has gone away", async () => {
    await ask("IpamDriver.RequestPool", {});
    const body = JSON.stringify({ PoolID: POOL_ID, Address: "10.244.7.77" });
    const head = `POST /IpamDriver.RequestAddress HTTP/1.1\r\nhost: x\r\ncontent-length: ${body.length}\r\n\r\n`;
    const reading = new HeldFile(join(directory, "subnet.env")).read();
    const docker = connect(socket, () => docker.write(head + body));
    const letGo = await reading;
    docker.destroy();
    const sentence = "Cannot answer: whoever asked has gone away";
    await eventually(() =>
      expect(lines).toMatchObject([{ level: "debug" }, { err: { message: sentence } }, {}]),
    );
    letGo(SUBNET_FILE);
    await eventually(() => lines.some(({ msg }) => msg === "Request finished after its answer"));
    expect((await ask("IpamDriver.RequestAddress", JSON.parse(body))).body.Address).toBe("10.244.7.77/24");
  });

  it("frees no address with a pool: a driver of somebody else may have containers on it", async () => {
    await ask("IpamDriver.RequestPool", {});
    const first = await ask("IpamDriver.RequestAddress", { PoolID: POOL_ID });
    await ask("IpamDriver.ReleasePool", { PoolID: POOL_ID });
    await ask("IpamDriver.RequestPool", {});
    const wish = { PoolID: POOL_ID, Address: String(first.body.Address).replace("/24", "") };
    expect((await ask("IpamDriver.RequestAddress", wish)).body.Error).toMatch(/^Cannot give 10\.244\.7\.2: /);
  });

  it("takes a network back that the kernel refuses", async () => {
    kernelFailure = new OverlayError("ERR_KERNEL_FAILED", "Cannot change the network configuration: no");
    const answer = await ask("NetworkDriver.CreateNetwork", CREATE_NETWORK);
    expect(answer).toEqual({ status: 200, body: { Err: "Cannot change the network configuration: no" } });
    expect(readFileSync(join(directory, "state/state.json"), "utf8")).not.toContain(NETWORK_ID);
    expect(lines.filter(({ level }) => level === "warn")).toMatchObject([
      { msg: "Request refused", method: "NetworkDriver.CreateNetwork", err: { message: answer.body.Err } },
    ]);
    kernelFailure = null;
    expect((await ask("NetworkDriver.CreateNetwork", CREATE_NETWORK)).body).toEqual({});
  });

  it("takes back with it what the kernel had made of it already", async () => {
    const bridge = {
      ifindex: 9,
      ifname: "tw-a1a1a1a1a1a1",
      flags: [],
      mtu: 1472,
      linkinfo: { info_kind: "bridge" },
    };
    const failure = new OverlayError("ERR_KERNEL_FAILED", "Cannot change the network configuration: no");
    kernelFailure = failure;
    onFailure = () => {
      kernelFailure = null; // of the address alone: the bridge is there
      present = [bridge];
    };
    expect((await ask("NetworkDriver.CreateNetwork", CREATE_NETWORK)).body).toEqual({ Err: failure.message });
    expect(written).toEqual([["link", "del", "dev", "tw-a1a1a1a1a1a1"]]);
  });

  it("says a fault of its own in one sentence, and goes on", async () => {
    kernelFailure = new TypeError("oops") as unknown as OverlayError;
    const answer = await ask("NetworkDriver.CreateNetwork", CREATE_NETWORK);
    const sentence = "Cannot carry out NetworkDriver.CreateNetwork: a fault in twill, see its log";
    expect(answer).toEqual({ status: 500, body: { Err: sentence } });
    expect((await ask("Plugin.Activate", "")).status).toBe(200);
  });

  const EMPTY = "the body is empty, as Docker repeats what it heard no answer to; try again";
  const GARBAGE: [body: string, reason: string][] = [
    ["", EMPTY],
    [" \n", EMPTY],
    ["{", 'the body is not JSON: "{"'],
    ["\u001b[2J", 'the body is not JSON: "\\u001b[2J"'],
    ["[]", "the body is [], not a JSON object"],
    ["null", "the body is null, not a JSON object"],
    ['"text"', 'the body is "text", not a JSON object'],
    ["5", "the body is 5, not a JSON object"],
  ];
  it.each(GARBAGE)(
    "refuses the body %j in one sentence under the key that Docker reads",
    async (text, reason) => {
      for (const method of ["NetworkDriver.CreateNetwork", "IpamDriver.RequestPool"]) {
        const sentence = `Cannot read the request ${method}: ${reason}`;
        const body = method.startsWith("Ipam") ? { Error: sentence, Err: sentence } : { Err: sentence };
        expect(await ask(method, text)).toEqual({ status: 400, body });
      }
    },
  );

  it("refuses what is well-formed under the key of its driver alone", async () => {
    rmSync(join(directory, "subnet.env"));
    const sentence = `Cannot use this host's subnet: there is no ${directory}/subnet.env yet; start twill agent and wait for its lease`;
    expect(await ask("IpamDriver.RequestPool", {})).toEqual({ status: 200, body: { Error: sentence } });
    expect(await ask("NetworkDriver.CreateNetwork", CREATE_NETWORK)).toEqual({
      status: 200,
      body: { Err: sentence },
    });
  });

  it("has a method for each word of the protocol that it knows, and 404 for any other", async () => {
    for (const path of [
      "/",
      "/NetworkDriver.AllocateNetwork",
      "/constructor",
      "/__proto__",
      "/..%2f",
      "//x",
    ]) {
      const answer = await askPlugin(socket, path, "{}");
      expect(answer, path).toEqual({ status: 404, body: { Err: `twill has no "${path}"` } });
    }
    const status = await new Promise((resolve) => {
      request({ socketPath: socket, path: "/Plugin.Activate" }, (response) => {
        response.resume();
        resolve(response.statusCode);
      }).end();
    });
    expect(status).toBe(405);
  });

  it("reads no body that is too long, and ends each connection", async () => {
    const answer = await ask("IpamDriver.RequestPool", `"${"x".repeat(MAX_BODY_BYTES)}"`);
    expect(answer.status).toBe(413);
    expect(answer.body.Error).toBe(
      `Cannot read the request IpamDriver.RequestPool: it is longer than ${MAX_BODY_BYTES} bytes`,
    );
    const text = await new Promise<string>((resolve) => {
      let said = "";
      const raw = connect(socket, () =>
        raw.write("POST /Plugin.Activate HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n"),
      );
      raw.on("data", (chunk: Buffer) => (said += chunk.toString())).on("end", () => resolve(said));
    });
    expect(text).toContain("content-type: application/vnd.docker.plugins.v1+json\r\n");
    expect(text).toContain("connection: close\r\n");
  });
});

describe("listenOnPath", () => {
  it("makes a socket for root alone", () => expect(statSync(socket).mode & 0o777).toBe(0o600));
});

describe("passedSocket", () => {
  it("is descriptor 3 when systemd passes it to this process", () => {
    expect(passedSocket({ pid: "17", fds: "1" }, 17)).toBe(3);
    for (const variables of [
      { pid: "18", fds: "1" },
      { pid: "17", fds: "0" },
      { pid: "17", fds: undefined },
      { pid: undefined, fds: "1" },
      { pid: "17", fds: "one" },
    ])
      expect(passedSocket(variables, 17)).toBeNull();
  });
});
