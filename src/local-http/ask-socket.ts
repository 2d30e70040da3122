/** One HTTP request to a server behind a unix socket of this host: within a deadline, and for an answer of bounded length. */
import { request } from "node:http";
import type { IncomingHttpHeaders, IncomingMessage } from "node:http";

/** What is asked of whom, and how long and how much the answer may be. */
export interface SocketRequest {
  readonly socketPath: string;
  readonly path: string;
  /** Sent by POST; without it the method is GET. */
  readonly body?: string;
  /** From the call to the last byte of the answer. */
  readonly deadlineMs: number;
  readonly maxAnswerBytes: number;
  /** Ends the call before that. */
  readonly signal?: AbortSignal;
}

/** The whole of an answer. */
export interface SocketAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** No answer came, or not all of it. Its message is a reason, for a sentence of the caller's. */
export class NoAnswerError extends Error {
  override readonly name = "NoAnswerError";
  /** As Node.js has it, such as `ECONNREFUSED`; null where the deadline or the length ended it. */
  readonly code: string | null;

  constructor(message: string, code: string | null, cause: unknown) {
    super(message, { cause });
    this.code = code;
  }

  /** Nobody listens there. */
  get isAbsent(): boolean {
    return this.code === "ENOENT" || this.code === "ECONNREFUSED";
  }

  /** The socket is closed to this user. */
  get isDenied(): boolean {
    return this.code === "EACCES";
  }
}

/**
 * The server's answer, whatever its status is. Rejects with the signal's reason when it is aborted.
 * @throws {NoAnswerError}
 */
export async function askSocket(asked: SocketRequest): Promise<SocketAnswer> {
  const deadline = AbortSignal.timeout(asked.deadlineMs);
  try {
    const signals = asked.signal === undefined ? [deadline] : [deadline, asked.signal];
    const response = await send(asked, AbortSignal.any(signals));
    const body = await readBounded(response, asked.maxAnswerBytes);
    return { status: response.statusCode ?? 0, headers: response.headers, body };
  } catch (err) {
    asked.signal?.throwIfAborted();
    if (deadline.aborted) throw new NoAnswerError(`no answer within ${asked.deadlineMs} ms`, null, err);
    throw toNoAnswer(err);
  }
}

async function send(
  { socketPath, path, body }: SocketRequest,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const method = body === undefined ? "GET" : "POST";
  return await new Promise((resolve, reject) => {
    // A connection of its own: none is left open, and none is used again after the server was started anew.
    const call = request({ socketPath, path, method, agent: false, signal }, resolve);
    call.on("error", reject).end(body);
  });
}

/** Leaving the loop ends the connection. */
async function readBounded(response: AsyncIterable<Buffer>, maxBytes: number): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw new NoAnswerError(`the answer is longer than ${maxBytes} bytes`, null, null);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function toNoAnswer(err: unknown): unknown {
  if (err instanceof NoAnswerError) return err;
  const isOfTheConnection = err instanceof Error && "code" in err; // what else is thrown is a fault of ours
  return isOfTheConnection ? new NoAnswerError(err.message, String(err.code), err) : err;
}
