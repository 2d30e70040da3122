/**
 * Runs `twill lab up` and `twill lab down` where nothing else runs, and prints what there is before, between and after, as
 * JSON. To be run in its own mount, network and pid namespace, as pid 1 (unshare --mount --net --pid --fork --mount-proc).
 */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";

const TWILL = fileURLToPath(new URL("../../bin/twill", import.meta.url));

function snapshot(): Record<string, string[]> {
  return {
    processes: readdirSync("/proc").filter((name) => /^[0-9]+$/.test(name) && !isZombie(name)),
    run: readdirSync("/run", { recursive: true }).map(String).sort(),
    // The first two numbers are the mount's own and its parent's: a later mount never gets an earlier one's.
    mounts: readFileSync("/proc/self/mountinfo", "utf8").split("\n"),
    namespaces: execFileSync("ip", ["netns", "list"], { encoding: "utf8" }).split("\n"),
    links: execFileSync("ip", ["-br", "link"], { encoding: "utf8" }).split("\n"),
    firewall: execFileSync("nft", ["list", "ruleset"], { encoding: "utf8" }).split("\n"),
  };
}

/** Orphans become ours, and Node reaps only what it started itself. */
function isZombie(pid: string): boolean {
  return readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z ");
}

// Namespaces that others make and remove meanwhile are mounted below; in our mount namespace they can go.
if (existsSync("/run/netns")) spawnSync("umount", ["--no-mtab", "--lazy", "--recursive", "/run/netns"]);
execFileSync("mount", ["--no-mtab", "-t", "tmpfs", "tmpfs", "/run"]);
const before = snapshot();
execFileSync(TWILL, ["lab", "up", "--hosts", "2"], { stdio: ["ignore", "ignore", "inherit"] });
const between = snapshot();
execFileSync(TWILL, ["lab", "down"], { stdio: ["ignore", "ignore", "inherit"] });
process.stdout.write(JSON.stringify({ before, between, after: snapshot() }));
