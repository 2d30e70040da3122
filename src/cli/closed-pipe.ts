/**
 * Makes a reader that goes away (`twill status | head`) no fault of ours: what is written to it is lost, and the
 * command goes on to its end. Node.js ignores SIGPIPE, and would end with a trace instead.
 */
export function tolerateClosedPipe(stream: NodeJS.WritableStream): void {
  stream.on("error", (err: NodeJS.ErrnoException) => {
    if (err.code !== "EPIPE") throw err;
  });
}
