/** A worker thread that leaves a watch open: what the addon then does at the end of the thread is the test. */
import { parentPort } from "node:worker_threads";
import { openPacketPair, writePacket } from "../../src/datapath/packet-io.ts";
import { watchReadable } from "../../src/addon/readable-watch.ts";

const [near, far] = openPacketPair();
watchReadable(far, () => parentPort?.postMessage("watching"));
writePacket(near, Buffer.from("packet"), 0, 6);
