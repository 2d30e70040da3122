/** `twill docker-opts`: the subnet file in, a file of options for dockerd out. */
import { constants } from "node:fs";
import { open, readFile, realpath, stat } from "node:fs/promises";
import { fileError, hasErrorCode } from "../../files/file-error.ts";
import { requireSubnet } from "../../files/read-subnet-file.ts";
import { replaceFile } from "../../files/replace-file.ts";
import type { FileModes } from "../../files/replace-file.ts";
import { parseDotenv } from "../../files/subnet-file.ts";
import { createIpCommand } from "../../kernel/ip-command.ts";
import { isMissingProgram, runProgram } from "../../kernel/run-program.ts";
import type { Program } from "../../kernel/run-program.ts";
import { Ipv4Prefix } from "../../net/ipv4.ts";
import { OverlayError } from "../../net/overlay-error.ts";
import { escapeUntrusted } from "../../net/untrusted-text.ts";
import { readHostDevices } from "../host-devices.ts";
import type { HostDevices } from "../host-devices.ts";
import { findBipRival } from "./bip-rival.ts";
import type { DockerOptsRequest } from "./docker-opts-request.ts";
import { formatDockerOpts, shellVariables } from "./format-docker-opts.ts";
import { findRouteConflict } from "./route-conflict.ts";

/** What a shell's `>` gives under the usual umask. */
const MODES: FileModes = { fileMode: 0o644, keepsFileMode: true, directoryMode: 0o755 };
const IP: Program = { program: "ip", packageName: "iproute2", deadlineMs: 5_000 };

/** Where it works; the tests have other places. */
export interface DockerOptsDeps {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Resolves with the text of a subnet file, or null where there is none. */
  readonly readText: (path: string) => Promise<string | null>;
  /** Resolves with the output of `ip -o -4 route show`. */
  readonly readRoutes: (signal: AbortSignal) => Promise<string>;
  readonly readDevices: (signal: AbortSignal) => Promise<HostDevices>;
  /** Takes a sentence for the user. */
  readonly tell: (sentence: string) => void;
}

/**
 * Writes the options.
 * @throws {OverlayError} before anything is written: `ERR_DOCKER_FAILED`, `ERR_FILE_FAILED`, and with `--require-lease`
 *   `ERR_LEASE_MISSING`; when the file is written: `ERR_DOCKER_FAILED`, for a route that would take Docker's packets, and
 *   for another device on the subnet
 */
export async function makeDockerOpts(
  request: DockerOptsRequest,
  deps: DockerOptsDeps,
  signal: AbortSignal,
): Promise<void> {
  const text = await deps.readText(request.subnetFile);
  if (request.requiresLease) requireSubnet(request.subnetFile, text);
  if (text === null) deps.tell(`There is no ${request.subnetFile} yet: the options are without a subnet`);
  const variables = shellVariables(deps.environment, parseDotenv(text ?? ""));
  await writeOutput(request.outputFile, formatDockerOpts(variables, request));

  const subnet = variables.get("FLANNEL_SUBNET") ?? "";
  const conflict = subnet === "" ? null : await findConflict(subnet, deps, signal);
  if (conflict === null) return;
  throw new OverlayError(
    "ERR_DOCKER_FAILED",
    `Cannot give Docker the subnet of ${escapeUntrusted(subnet)}: ${conflict} (${request.outputFile} is written)`,
  );
}

/** What else has the subnet, with what to do; or null. */
async function findConflict(
  flannelSubnet: string,
  deps: DockerOptsDeps,
  signal: AbortSignal,
): Promise<string | null> {
  const route = findRouteConflict(flannelSubnet, await deps.readRoutes(signal));
  if (route !== null) return `the routing table already has "${escapeUntrusted(route)}"; remove that route`;
  const subnet = Ipv4Prefix.parseContaining(flannelSubnet);
  return subnet === null ? null : findBipRival(subnet, await deps.readDevices(signal));
}

/** The routes of this host; none where there is no `ip`, as the script goes on without. */
export async function readHostRoutes(signal: AbortSignal): Promise<string> {
  return await unlessMissing("", async () => {
    return (await runProgram(IP, ["-o", "-4", "route", "show"], "", signal)).stdout;
  });
}

/** The devices of this host; none where there is no `ip`. */
export async function readDevicesIfAny(signal: AbortSignal): Promise<HostDevices> {
  return await unlessMissing({ links: [], addresses: [] }, () => readHostDevices(createIpCommand(), signal));
}

async function unlessMissing<T>(fallback: T, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (err) {
    if (isMissingProgram(err)) return fallback;
    throw err;
  }
}

/** The text of a regular file, or null: the script reads no other. @throws {OverlayError} `ERR_FILE_FAILED` */
export async function readIfFile(path: string): Promise<string | null> {
  try {
    return (await stat(path)).isFile() ? await readFile(path, "utf8") : null;
  } catch (err) {
    if (hasErrorCode(err, "ENOENT") || hasErrorCode(err, "ENOTDIR")) return null;
    throw fileError(`Cannot read the subnet file ${path}`, path, err, "-f");
  }
}

/**
 * Replaces the file that `path` leads to, at once and durably. What is there and no regular file, such as /dev/stdout, is
 * written to: a rename would put a file in the place of the device.
 */
async function writeOutput(path: string, text: string): Promise<void> {
  const target = await findTarget(path);
  if (target.isFile) return replaceFile(target.path, text, MODES);
  try {
    const file = await open(path, constants.O_WRONLY);
    await file.writeFile(text).finally(() => file.close());
  } catch (err) {
    throw fileError(`Cannot write ${path}`, path, err, "-d");
  }
}

async function findTarget(path: string): Promise<{ path: string; isFile: boolean }> {
  try {
    const isFile = (await stat(path)).isFile();
    return { path: isFile ? await realpath(path) : path, isFile };
  } catch (err) {
    if (hasErrorCode(err, "ENOENT")) return { path, isFile: true };
    throw fileError(`Cannot write ${path}`, path, err, "-d");
  }
}
