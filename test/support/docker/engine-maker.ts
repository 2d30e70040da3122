/** A process that starts an engine with a container, says so, and waits to be killed. Arguments: namespace, token of its lab. */
import { setInterval } from "node:timers/promises";
import { Namespace } from "../../../src/lab/machine/namespace.ts";
import { DockerEngine } from "./docker-engine.ts";

const A_WHILE_MS = 60_000;
const [namespace = "", token = ""] = process.argv.slice(2);

const engine = await DockerEngine.start(new Namespace(namespace, token));
await engine.run("c1");
process.stdout.write("engine and container run\n");
for await (const _ of setInterval(A_WHILE_MS)); // until it is killed
