/** The program of a pod that is given no command. JavaScript, as it runs when it is loaded: see scripts/fill-compile-cache.mjs. */
import { startWebServer } from "./web-server.ts";

const PORT = 8080; // above 1024: it needs no capability

await startWebServer(PORT);
