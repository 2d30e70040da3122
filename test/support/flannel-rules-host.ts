/** A host on whose firewall flannel's rules are kept: a namespace, and a process in it that keeps them. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { PROGRAM_DIRECTORIES } from "../../src/lab/machine/run-command.ts";
import type { GivenRules, KeepAnswer, KeepRequest, KeeperKind } from "./flannel-rules-child.ts";
import { eventually } from "./eventually.ts";
import { NetworkNamespace } from "./network-namespace.ts";

const CHILD = fileURLToPath(new URL("./flannel-rules-child.ts", import.meta.url));
const PATH = PROGRAM_DIRECTORIES.join(":");

type IptablesKind = "iptables-nft" | "iptables-legacy";

export const WANTED: GivenRules = {
  network: "10.244.0.0/16",
  ownSubnet: "10.244.1.0/24",
  isMasquerading: true,
  isForwarding: true,
  isFullyRandom: true,
};

/** The chains that Docker makes, cut down to their skeleton. */
const DOCKER_RULES = [
  "-P FORWARD DROP",
  "-N DOCKER",
  "-N DOCKER-USER",
  "-A FORWARD -j DOCKER-USER",
  "-A FORWARD -o docker0 -j DOCKER",
  "-A DOCKER-USER -j RETURN",
  "-t nat -N DOCKER",
  "-t nat -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER",
  "-t nat -A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE",
];
export class FlannelRulesHost implements AsyncDisposable {
  readonly namespace: NetworkNamespace;
  #child: ChildProcess;

  private constructor(namespace: NetworkNamespace) {
    this.namespace = namespace;
    this.#child = startChild(namespace);
  }

  static async create(): Promise<FlannelRulesHost> {
    return new FlannelRulesHost(await NetworkNamespace.create());
  }

  /** Keeps rules, one call at a time; resolves with the number of transactions. @throws {Error} what the keeper threw */
  async keep(
    kind: KeeperKind,
    wanted: GivenRules | null = WANTED,
    environment: Readonly<Record<string, string>> = {},
  ): Promise<number> {
    const request: KeepRequest = { kind, wanted, environment: { PATH, ...environment } };
    this.#child.send(request);
    const [answer] = (await once(this.#child, "message")) as [KeepAnswer];
    if ("error" in answer) throw new Error(answer.error);
    return answer.written;
  }

  /** Ends the process, which leaves its rules, and starts another that knows nothing of them. */
  async restart(): Promise<void> {
    await endChild(this.#child);
    this.#child = startChild(this.namespace);
  }

  /** Runs lines of shell, each of which must succeed. */
  async sh(...lines: string[]): Promise<string> {
    return await this.namespace.run("sh", ["-e", "-c", lines.join("\n")]);
  }

  /** Makes Docker's chains, and the policy that drops what nobody accepts. */
  async runDocker(kind: IptablesKind): Promise<void> {
    await this.sh(...DOCKER_RULES.map((rule) => `${kind} ${rule}`));
  }

  /** Everything any firewall program prints, without the lines that say when. Asks for no table: legacy would make it. */
  async firewall(): Promise<string> {
    const text = await this.sh(
      "iptables-legacy-save",
      "iptables-nft-save",
      "ip6tables-legacy-save",
      "ip6tables-nft-save",
      "nft list ruleset",
    );
    return text.replaceAll(/^#.*\n/gm, "");
  }

  /** What nftables reports as changed while `act` runs. */
  async changesDuring(act: () => Promise<unknown>): Promise<string[]> {
    const [program, args] = this.namespace.command(["nft", "monitor"]);
    const monitor = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
    let output = "";
    monitor.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
    let marks = 0;
    const mark = async (timeoutMs: number): Promise<true> => {
      const name = `mark${++marks}`;
      await this.sh(`nft add table bridge ${name}`);
      await eventually(() => output.includes(`${name}\n`), { timeoutMs });
      return true;
    };
    try {
      await eventually(() => mark(200)); // repeated until the monitor listens
      output = "";
      await act();
      await mark(5_000); // events come in order: what was changed before has been seen now
    } finally {
      monitor.kill();
      await once(monitor, "exit");
    }
    return output
      .split("\n")
      .filter((line) => line !== "" && !line.startsWith("# new generation") && !line.includes("mark"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await endChild(this.#child);
    await this.namespace[Symbol.asyncDispose]();
  }
}

function startChild(namespace: NetworkNamespace): ChildProcess {
  const [program, args] = namespace.command([process.execPath, CHILD]);
  return spawn(program, args, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
}

async function endChild(child: ChildProcess): Promise<void> {
  const ended = once(child, "exit");
  child.disconnect();
  await ended;
}
