/** Typed access to what Docker sends: every field is checked where it is read, and a wrong one is one sentence. */
import { Ipv4Address, Ipv4Prefix } from "../../../net/ipv4.ts";
import { OverlayError } from "../../../net/overlay-error.ts";
import { showUntrusted, showUntrustedJson } from "../../../net/untrusted-text.ts";

/** Docker's own ids are 64 hex digits, a swarm's 25 letters and digits; names of devices are made of the first 12. */
const ID = /^[0-9A-Za-z]{12,64}$/;

/** The members of one JSON object of a request. What Go leaves empty arrives as null or not at all, and reads as empty. */
export class RequestFields {
  /** As in `NetworkDriver.Join`. */
  readonly method: string;
  readonly #path: string;
  readonly #members: Readonly<Record<string, unknown>>;

  private constructor(method: string, path: string, members: Readonly<Record<string, unknown>>) {
    this.method = method;
    this.#path = path;
    this.#members = members;
  }

  /** Reads a body. @throws {OverlayError} `ERR_REQUEST_INVALID` when it is not one JSON object */
  static parse(method: string, text: string): RequestFields {
    // Docker sends the body once: it has none left for the repeat of a request whose answer was lost.
    if (text.trim() === "")
      throw invalid(method, "the body is empty, as Docker repeats what it heard no answer to; try again");
    return new RequestFields(method, "", toMembers(method, "the body", parseJson(method, text)));
  }

  /** The names of all members. */
  get names(): readonly string[] {
    return Object.keys(this.#members);
  }

  /** Empty when it is not there. */
  text(name: string): string {
    const value = this.#members[name] ?? "";
    if (typeof value !== "string") throw this.#wrong(name, "text");
    return value;
  }

  flag(name: string): boolean {
    const value = this.#members[name] ?? false;
    // Options travel as text in some versions of Docker.
    if (value === true || value === "true") return true;
    if (value === false || value === "false" || value === "") return false;
    throw this.#wrong(name, "true or false");
  }

  id(name: string): string {
    const value = this.text(name);
    if (!ID.test(value)) throw this.#wrong(name, "an id of 12 to 64 letters and digits");
    return value;
  }

  /** Null when it is empty. */
  address(name: string): Ipv4Address | null {
    const value = this.text(name);
    if (value === "") return null;
    return Ipv4Address.parse(value) ?? this.#fail(name, "an IPv4 address");
  }

  /** The address of `a.b.c.d/len`; null when it is empty. */
  interfaceAddress(name: string): Ipv4Address | null {
    const value = this.text(name);
    if (value === "") return null;
    const address = Ipv4Address.parse(value.split("/")[0] ?? "");
    const isComplete = Ipv4Prefix.parseContaining(value) !== null;
    return isComplete && address !== null
      ? address
      : this.#fail(name, "an IPv4 address with its prefix length");
  }

  /** Null when it is empty. */
  prefix(name: string): Ipv4Prefix | null {
    const value = this.text(name);
    if (value === "") return null;
    return Ipv4Prefix.parse(value) ?? this.#fail(name, "an IPv4 subnet");
  }

  /** Without members when it is not there. */
  object(name: string): RequestFields {
    const value = this.#members[name] ?? {};
    return new RequestFields(this.method, this.#at(name), toMembers(this.method, this.#at(name), value));
  }

  list(name: string): readonly unknown[] {
    const value = this.#members[name] ?? [];
    if (!Array.isArray(value)) throw this.#wrong(name, "a list");
    return value;
  }

  objects(name: string): readonly RequestFields[] {
    return this.list(name).map((value, i) => {
      const path = `${this.#at(name)}[${i}]`;
      return new RequestFields(this.method, path, toMembers(this.method, path, value));
    });
  }

  #at(name: string): string {
    return this.#path === "" ? name : `${this.#path}.${name}`;
  }

  #fail(name: string, wanted: string): never {
    throw this.#wrong(name, wanted);
  }

  #wrong(name: string, wanted: string): OverlayError {
    const value = showUntrustedJson(this.#members[name]);
    return invalid(this.method, `${this.#at(name)} is ${value}, not ${wanted}`);
  }
}

function parseJson(method: string, text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw invalid(method, `the body is not JSON: ${showUntrusted(text)}`);
  }
}

function toMembers(method: string, what: string, value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value === "object" && value !== null && !Array.isArray(value))
    return value as Readonly<Record<string, unknown>>;
  throw invalid(method, `${what} is ${showUntrustedJson(value)}, not a JSON object`);
}

function invalid(method: string, reason: string): OverlayError {
  return new OverlayError("ERR_REQUEST_INVALID", `Cannot read the request ${method}: ${reason}`);
}

/** The error for a request that was understood and cannot be granted; the user sees it behind "remote:". */
export function refused(message: string): OverlayError {
  return new OverlayError("ERR_REQUEST_REFUSED", message);
}
