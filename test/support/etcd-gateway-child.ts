/**
 * Speaks to an etcd over HTTP (its JSON gateway, its metrics) from within the namespace where it is: started by
 * `lease-writer.ts`, told what to send over IPC. Ends when the channel does.
 */
import { Agent, request } from "node:http";
import { text } from "node:stream/consumers";

/** POST of `body`, or GET where it is null. */
export interface GatewayRequest {
  readonly id: number;
  readonly url: string;
  readonly body: string | null;
}

/** By the clock of the wall, which all processes of a host share. */
export interface GatewayAnswer {
  readonly id: number;
  /** HTTP status; 0 when there was no answer. */
  readonly code: number;
  readonly body: string;
  readonly sentMs: number;
}

const connections = new Agent({ keepAlive: true, maxSockets: 1 }); // one after the other: writes keep their order

process.on("message", ({ id, url, body }: GatewayRequest) => {
  const sentMs = Date.now();
  const reply = (code: number, answer: string): void =>
    void process.send?.({ id, code, body: answer, sentMs } satisfies GatewayAnswer);
  const asked = request(url, { agent: connections, method: body === null ? "GET" : "POST" }, (answer) => {
    text(answer).then(
      (said) => reply(answer.statusCode ?? 0, said),
      (err: unknown) => reply(0, String(err)),
    );
  });
  asked.on("error", (err) => reply(0, err.message));
  asked.end(body ?? undefined);
});
process.on("disconnect", () => process.exit());
process.send?.("ready");
