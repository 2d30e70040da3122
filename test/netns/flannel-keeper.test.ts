import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, stat, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { eventually } from "../support/eventually.ts";
import { FlannelRulesHost, WANTED } from "../support/flannel-rules-host.ts";

/** A folder with some of the firewall programs, and the PATH that finds no others. */
class ProgramFolder implements AsyncDisposable {
  readonly environment: Readonly<Record<"PATH", string>>;

  private constructor(path: string) {
    this.environment = { PATH: path };
  }

  /** @param kind which iptables the name `iptables` stands for */
  static async create(names: readonly string[], kind: "nft" | "legacy" = "nft"): Promise<ProgramFolder> {
    const folder = new ProgramFolder(await mkdtemp(join(tmpdir(), "twill-programs-")));
    for (const name of names) {
      const target = name === "nft" ? "/usr/sbin/nft" : `/usr/sbin/xtables-${kind}-multi`;
      await symlink(target, join(folder.environment.PATH, name)); // it looks at the name it is called by
    }
    return folder;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.environment.PATH, { recursive: true });
  }
}

describe.each(["iptables-nft", "nft"] as const)("an idle keep by %s", (kind) => {
  it("changes nothing in the kernel", async () => {
    await using host = await FlannelRulesHost.create();
    await host.keep(kind);

    const changes = await host.changesDuring(async () => {
      for (let i = 0; i < 3; i++) await host.keep(kind);
    });
    expect(changes).toEqual([]);

    const ofARepair = host.changesDuring(() => host.keep(kind, { ...WANTED, isMasquerading: false }));
    expect(await ofARepair).not.toEqual([]);
  });
});

describe("keep by the selected manager", () => {
  it("removes every rule that the other managers left, and no other", async () => {
    await using host = await FlannelRulesHost.create();
    await host.runDocker("iptables-nft");
    await host.sh("iptables-legacy -A INPUT -s 192.0.2.1 -j DROP", "iptables-legacy -t nat -S");
    await host.sh("nft add table ip6 flannel-ipv6", "nft add table ip theirs");
    const bare = (await host.firewall()).replace("table ip6 flannel-ipv6 {\n}\n", "");
    for (const kind of ["iptables-nft", "iptables-legacy", "nft"] as const) await host.keep(kind);

    expect(await host.keep("selected nft", null)).toBe(2 + 2 + 2);

    expect(await host.firewall()).toBe(bare);
  });

  it.each([
    ["nft", "selected nft", "selected iptables"],
    ["iptables", "selected iptables", "selected nft"],
  ] as const)("makes the rules by %s and removes those of the other", async (_name, kind, other) => {
    await using host = await FlannelRulesHost.create();
    await host.keep(kind);
    const alone = await host.firewall();
    await host.keep(kind, null);
    await host.keep(other);
    expect(await host.firewall()).not.toBe(alone);

    await host.restart();
    expect(await host.keep(kind)).toBe(3);

    expect(await host.firewall()).toBe(alone);
    expect(await host.keep(kind)).toBe(0);
  });

  it.each([
    ["iptables-legacy", "-N DOCKER-USER"],
    ["iptables-nft", "-N DOCKER-USER"],
    ["iptables-legacy", "-t nat -N DOCKER"],
  ] as const)("uses %s where Docker's chains are there (%s)", async (kind, rule) => {
    await using host = await FlannelRulesHost.create();
    const other = kind === "iptables-nft" ? "iptables-legacy" : "iptables-nft";
    await host.sh(`${kind} ${rule}`);
    const without = await host.sh(`${other}-save`);

    await host.keep("selected iptables");

    expect(await host.sh(`${kind}-save`)).toContain("-A FORWARD -m comment");
    expect(await host.sh(`${other}-save`)).toBe(without);
  });

  it("uses the iptables of PATH where Docker has no chains, and makes no table of the other kind", async () => {
    await using host = await FlannelRulesHost.create();
    await using programs = await ProgramFolder.create(
      ["iptables", "iptables-save", "iptables-restore"],
      "legacy",
    );

    await host.keep("selected iptables", WANTED, programs.environment);

    expect(await host.sh("iptables-legacy-save")).toContain("-A FLANNEL-FWD ");
    expect(await host.sh("nft list ruleset")).toBe("");
  });
});

describe("a program that is missing", () => {
  it("is no error where nothing is wanted of it", async () => {
    await using host = await FlannelRulesHost.create();
    await using programs = await ProgramFolder.create(["nft"]);

    expect(await host.keep("selected nft", WANTED, programs.environment)).toBe(1);
    expect(await host.keep("selected iptables", null, programs.environment)).toBe(1);
    expect(await host.sh("nft list ruleset")).toBe("");
  });

  it("is named with its package where rules are wanted of it, and used once it is there", async () => {
    await using host = await FlannelRulesHost.create();
    await using programs = await ProgramFolder.create([]);

    for (const [kind, text] of [
      ["selected iptables", "Cannot run iptables: not found in PATH, install iptables"],
      ["selected nft", "Cannot run nft: not found in PATH, install nftables"],
    ] as const) {
      await expect(host.keep(kind, WANTED, programs.environment)).rejects.toThrow(text);
      expect(await host.keep(kind)).toBeGreaterThan(0);
    }
  });

  it("leaves the empty tables of iptables over nf_tables, where it is nft", async () => {
    await using host = await FlannelRulesHost.create();
    await using programs = await ProgramFolder.create(["iptables", "iptables-save", "iptables-restore"]);
    await host.keep("selected iptables", WANTED, programs.environment);

    expect(await host.keep("selected iptables", null, programs.environment)).toBe(2);

    expect(await host.sh("nft list ruleset")).toBe("table ip nat {\n}\ntable ip filter {\n}\n");
  });
});

describe("the lock of the legacy tables", () => {
  it("is waited for while another program holds it, but not for ever", async () => {
    await using host = await FlannelRulesHost.create();
    await using folder = await ProgramFolder.create([]);
    const lockFile = join(folder.environment.PATH, "lock");
    const holder = spawn("flock", [lockFile, "cat"], { stdio: ["pipe", "pipe", "inherit"] });
    holder.stdin.write("locked\n");
    await once(holder.stdout, "data");
    const { ino } = await stat(lockFile);

    const environment = { XTABLES_LOCKFILE: lockFile };
    const wanted = { ...WANTED, isMasquerading: false };

    await expect(host.keep("iptables-legacy", wanted, environment)).rejects.toThrow(
      "Stopped waiting after 2s",
    );

    const keeping = host.keep("iptables-legacy", wanted, environment);
    await eventually(async () =>
      new RegExp(`-> FLOCK .*:${ino} `).test(await readFile("/proc/locks", "utf8")),
    );
    holder.stdin.end();
    expect(await keeping).toBe(1);
  });
});

describe("a table that iptables cannot show", () => {
  it("is said to be the reason that no rules are made, and is left alone when none are wanted", async () => {
    await using host = await FlannelRulesHost.create();
    await host.sh(
      "nft add table ip nat",
      "nft add set ip nat own '{ type ipv4_addr; }'",
      "nft add chain ip nat POSTROUTING '{ type nat hook postrouting priority 100; }'",
      "nft add rule ip nat POSTROUTING ip saddr @own masquerade",
    );
    const theirs = await host.firewall();

    await expect(host.keep("iptables-nft")).rejects.toThrow(
      "OverlayError: Cannot read the table nat: it holds rules made by nft that iptables cannot show",
    );
    expect(await host.keep("iptables-nft", null)).toBe(0);

    expect(await host.firewall()).toBe(theirs);
  });
});
