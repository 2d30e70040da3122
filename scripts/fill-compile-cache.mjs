/**
 * Compiles every source, and the libraries of the agent, into build/compile-cache, as a start does with what it loads.
 * scripts/setup runs it, so that the first agent finds all of it there, and one that may not write beside its sources
 * (packaging/systemd/twill.service) as well. Needs the flags of Node.js that bin/twill has: they are part of the cache's
 * key.
 */
import { globSync } from "node:fs";
import { flushCompileCache } from "node:module";
import { URL } from "node:url";
import { keepCompiledCode } from "../src/cli/compile-cache.mjs";

const SOURCES = new URL("../src/", import.meta.url);

keepCompiledCode();
for (const path of globSync("**/*.ts", { cwd: SOURCES })) await import(new URL(path, SOURCES).href);
await Promise.all(["etcd3", "@grpc/grpc-js"].map((name) => import(name))); // src loads them when it needs them
flushCompileCache();
